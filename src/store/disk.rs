//! The file of a rolled spool: its directory, what it is read through, blocks set aside ahead of the writes.
//!
//! Reading takes `&self`, so that frozen clones share it; writing, growing and cutting have one owner.
//! Knows nothing of the window: its length is the file's, which the content may exceed by what is still to be written.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use crate::error::PathError;
use crate::options::Backing;
use crate::sys::{AnonFile, Spare};

#[derive(Debug)]
pub(crate) struct Disk {
    file: AnonFile,
    directory: PathBuf,
    backing: Backing,
    /// Blocks are there up to here at least; `u64::MAX` once it is known not to pay.
    ahead: u64,
}

impl Disk {
    pub(super) fn create(directory: PathBuf, backing: Backing) -> io::Result<Disk> {
        match AnonFile::create(&directory) {
            Ok(file) => Ok(Disk { file, directory, backing, ahead: 0 }),
            Err(error) => Err(PathError::at(&directory, error)),
        }
    }

    /// Writes at `offset`, which is at most `len`. One call, whose count may be short.
    pub(super) fn write_at(&mut self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let end = offset + buf.len() as u64;
        if end > SET_ASIDE_FROM && end > self.ahead {
            self.set_aside_for(end);
        }
        self.file.write_at(buf, offset).map_err(|error| PathError::at(&self.directory, error))
    }

    /// Writes all of `buf`, or fails part-way.
    pub(super) fn write_all_at(&mut self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            done += self.write_at(&buf[done..], offset + done as u64)?;
        }
        Ok(())
    }

    /// Sets blocks aside for a file that has grown large: making them one write at a time costs more.
    ///
    /// On ext4 alone, 0.70-0.75 of the time from 2 MiB on, and 2.5 times as much for a file of 128 KiB.
    #[cold]
    pub(super) fn set_aside_for(&mut self, end: u64) {
        if self.ahead == u64::MAX || end <= self.ahead.max(self.file.len()) {
            return;
        }
        let from = self.ahead.max(self.file.len());
        let step = (end / 2).clamp(SET_ASIDE_FROM, SET_ASIDE_MOST).max(end.saturating_sub(from));
        // No space, no quota, no such call: the writes themselves will say what is wrong, if anything is.
        self.ahead = if self.file.set_aside(from, step) { from + step } else { u64::MAX };
    }

    /// Gives back the blocks that were set aside and not used.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if self.ahead > self.file.len() && self.ahead != u64::MAX {
            self.truncate(self.file.len())?;
        }
        Ok(())
    }

    pub(super) fn extend(&mut self, len: u64) -> io::Result<()> {
        self.file.extend(len).map_err(|error| PathError::at(&self.directory, error))
    }

    pub(super) fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.truncate(len).map_err(|error| PathError::at(&self.directory, error))?;
        if self.ahead != u64::MAX {
            self.ahead = len;
        }
        Ok(())
    }

    /// The file to write to at its own cursor; afterwards [`grown_to`](Self::grown_to).
    pub(super) fn as_file_to_write(&mut self) -> &File {
        self.file.as_file_to_write()
    }

    /// Bytes were written through [`as_file_to_write`](Self::as_file_to_write), up to `end`.
    pub(super) fn grown_to(&mut self, end: u64) {
        self.file.grown_to(end);
    }

    /// How long the file is, which is not how long the content is: a window may hold more.
    pub(super) fn file_len(&self) -> u64 {
        self.file.len()
    }

    /// Short only at the file's end.
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset).map_err(|error| self.error(error))
    }

    /// Short only at the file's end, or where the capacity of `buf` ends.
    pub(crate) fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64) -> io::Result<usize> {
        self.file.read_behind(buf, most, offset).map_err(|error| self.error(error))
    }

    /// The file through a mapping, if that is what it is read through, and none has to be made.
    #[inline]
    pub(super) fn mapped(&self) -> Option<&[u8]> {
        if self.backing == Backing::Mmap { self.file.mapped() } else { None }
    }

    /// The file through a mapping, if that is what it is read through. Without one for any reason, it is read as files
    /// are.
    pub(super) fn mapped_now(&self) -> Option<&[u8]> {
        match self.backing {
            Backing::Mmap if !self.file.is_treacherous() => self.file.map().ok(),
            _ => None,
        }
    }

    /// The file through a mapping, whatever it is read through.
    pub(crate) fn map(&self) -> io::Result<&[u8]> {
        self.file.map().map_err(|error| self.error(error))
    }

    pub(super) fn backing(&self) -> Backing {
        self.backing
    }

    pub(crate) fn file(&self) -> &AnonFile {
        &self.file
    }

    /// Mode 0600, and the handle's own cursor at `position`. `InvalidInput` where the file system has no such place.
    pub(crate) fn ready_to_leave(&self, position: u64) -> io::Result<()> {
        let ready = || {
            self.file.make_private()?;
            self.file.as_file().seek(SeekFrom::Start(position.min(i64::MAX as u64)))
        };
        ready().map(drop).map_err(|error| self.error(error))
    }

    /// Copies the file's first `len` bytes into another, by its own cursor.
    pub(crate) fn copy_whole(&self, len: u64, mut target: &File) -> io::Result<()> {
        let mut file = self.file.as_file();
        file.rewind()?;
        match io::copy(&mut file.take(len), &mut target)? {
            all if all == len => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    pub(crate) fn into_file(self) -> File {
        self.file.into_file()
    }

    #[cold]
    pub(crate) fn error(&self, error: io::Error) -> io::Error {
        PathError::at(&self.directory, error)
    }
}

const SET_ASIDE_FROM: u64 = 2 << 20;
const SET_ASIDE_MOST: u64 = 16 << 20;
