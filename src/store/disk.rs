//! The file of a rolled spool: its directory, what it is read through, blocks set aside ahead of the writes; and how much
//! of its pool's disk it has claimed.
//!
//! Reading takes `&self`, so that frozen clones share it; writing, growing and cutting have one owner. Whoever is about to
//! accept bytes claims them first: then writing them can fail for want of space, but never for want of allowance.
//!
//! | | |
//! |---|---|
//! | `claim` | all of it, or an error; what is retained goes for it |
//! | `claim_if_free` | all of it, if nothing has to go for it; `claimed` tells |
//! | `claim_some` | all of it, or as much as there is, whatever has to go |
//! | `unclaim` | no more than the content |
//!
//! Knows nothing of the window: its length is the file's, which the content may exceed by what is still to be written.

use std::fs::File;
use std::io::{self, IoSlice, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::window::Medium;
use crate::error::{Limit, LimitError, PathError};
use crate::options::Backing;
use crate::pool::Home;
use crate::sys::{self, AnonFile, Spare, Wait};

#[derive(Debug)]
pub(crate) struct Disk {
    file: AnonFile,
    directory: PathBuf,
    backing: Backing,
    /// Blocks are there up to here at least; `u64::MAX` once it is known not to pay.
    ahead: u64,
    /// How long the process might make it, when that was last asked.
    file_size: u64,
    /// Whose allowances it uses; none while it is kept there.
    home: Option<Arc<Home>>,
    reusable: bool,
}

impl Disk {
    /// A new file for `len` bytes; in a pool one with all up to `end` claimed, or as far as the process may make it, which is
    /// to be kept there afterwards if it is `reusable`.
    ///
    /// # Errors
    /// The directory's; `QuotaExceeded` where the pool has no more.
    pub(super) fn create(
        directory: PathBuf,
        backing: Backing,
        len: u64,
        home: Option<&Arc<Home>>,
        end: u64,
        reusable: bool,
    ) -> io::Result<Disk> {
        let file_size = allowed(len, sys::file_size_limit())?;
        let make = || match home {
            None => AnonFile::create(&directory, None),
            Some(home) => {
                let boundary = home.files.open(end.min(file_size)).ok_or_else(|| no_room(home))?;
                let file = AnonFile::create(&directory, Some(boundary))?;
                home.files.enter(&file);
                Ok(file)
            }
        };
        let mut made = make();
        if let (Err(error), Some(home)) = (&made, home) {
            if sys::no_descriptor_left(error) {
                home.files.close_kept();
                made = make();
            } else if is_full(error) && home.files.give_way() {
                made = make();
            }
        }
        match made {
            Ok(file) => {
                // What the current directory is later changes nothing.
                let relative = directory.is_relative();
                let directory = if relative { std::path::absolute(&directory).unwrap_or(directory) } else { directory };
                Ok(Disk { file, directory, backing, ahead: 0, file_size, home: home.cloned(), reusable })
            }
            Err(error) => Err(PathError::at(&directory, error)),
        }
    }

    /// Takes over a file that was kept in `home`, for `len` bytes, and claims all of it up to `end`, or as far as the process
    /// may make it.
    ///
    /// How long the process may make it is asked again only if there was a limit, or it is to be longer than it was: a warm
    /// life makes no call for it.
    pub(super) fn reuse(&mut self, backing: Backing, home: &Arc<Home>, len: u64, end: u64) -> io::Result<()> {
        self.backing = backing;
        self.ahead = 0;
        self.home = Some(Arc::clone(home));
        if self.file_size != u64::MAX || len > self.file.physical() {
            self.file_size = sys::file_size_limit();
        }
        allowed(len, self.file_size)?;
        self.claim(end.min(self.file_size))
    }

    /// How long the process may make it.
    pub(super) fn file_size(&self) -> u64 {
        self.file_size
    }

    /// Holds nothing of its pool any more, whose that is.
    pub(super) fn leave(&mut self) -> Option<Arc<Home>> {
        self.home.take()
    }

    /// Forgets the content, if the file can be kept in `home`.
    pub(super) fn retire(&mut self, home: &Home) -> bool {
        self.reusable && home.files.retire(&mut self.file)
    }

    /// How far it may be written.
    #[inline]
    pub(super) fn claimed(&self) -> u64 {
        self.file.claimed()
    }

    /// Claims all up to `end`.
    ///
    /// # Errors
    /// `QuotaExceeded`, with nothing changed.
    #[inline]
    pub(super) fn claim(&mut self, end: u64) -> io::Result<()> {
        if end <= self.file.claimed() { Ok(()) } else { self.claim_more(end) }
    }

    #[cold]
    fn claim_more(&mut self, end: u64) -> io::Result<()> {
        let Self { file, home, .. } = self;
        match home {
            Some(home) if !file.claim(end) => {
                let more = end - file.claimed();
                if home.files.make_room(more, || file.claim(end)) { Ok(()) } else { Err(no_room(home)) }
            }
            _ => Ok(()),
        }
    }

    /// Claims up to `end`, if nothing has to go for it.
    pub(super) fn claim_if_free(&mut self, end: u64) {
        self.file.claim(end);
    }

    /// Claims up to `end`, or as much of it as there is.
    pub(super) fn claim_some(&mut self, end: u64) {
        if self.claim(end).is_err() {
            if let Some(home) = &self.home {
                let most = self.file.claimed().saturating_add(home.files.unclaimed());
                // Refused where others take it meanwhile: then there is none.
                let _ = self.claim(end.min(most));
            }
        }
    }

    /// Claims no more than `len`, where the content ends.
    pub(super) fn unclaim(&mut self, len: u64) {
        self.file.unclaim(len);
    }

    /// Writes at `offset`, which is at most `len`. One call, whose count may be short.
    pub(super) fn write_at(&mut self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let end = offset + buf.len() as u64;
        if end > SET_ASIDE_FROM && end > self.ahead {
            self.set_aside_for(end);
        }
        self.write_by(|file| file.write_at(buf, offset, Wait::ForTheDisk))
    }

    /// The same of several buffers, one behind the other, of `count` bytes in all.
    pub(super) fn write_vectored_at(&mut self, bufs: &[IoSlice<'_>], count: usize, offset: u64) -> io::Result<usize> {
        let end = offset + count as u64;
        if end > SET_ASIDE_FROM && end > self.ahead {
            self.set_aside_for(end);
        }
        self.write_by(|file| file.write_vectored_at(bufs, offset))
    }

    fn write_by(&mut self, mut write: impl FnMut(&mut AnonFile) -> io::Result<usize>) -> io::Result<usize> {
        match write(&mut self.file) {
            Err(error) if self.gives_way(&error) => write(&mut self.file),
            done => done,
        }
        .map_err(|error| {
            // Whatever is wrong with the disk, the next shall not find it out.
            self.reusable = false;
            PathError::at(&self.directory, error)
        })
    }

    /// Writes what takes no waiting. What is wrong with the disk, who waits for it will find out.
    #[cfg(feature = "tokio")]
    pub(super) fn write_at_once(&mut self, buf: &[u8], offset: u64) -> Option<usize> {
        self.file.write_at(buf, offset, Wait::Never).ok()
    }

    /// Whether the disk was full, and what its pool retained has made room on it.
    pub(super) fn gives_way(&self, error: &io::Error) -> bool {
        is_full(error) && self.home.as_ref().is_some_and(|home| home.files.give_way())
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
        if self.ahead == u64::MAX {
            return;
        }
        let from = self.ahead.max(self.file.physical());
        if end <= from {
            self.ahead = from;
            return;
        }
        let step = (end / 2).clamp(SET_ASIDE_FROM, SET_ASIDE_MOST).max(end.saturating_sub(from));
        // No space, no quota, no such call: the writes themselves will say what is wrong, if anything is.
        self.ahead = if self.file.set_aside(from, step) { from + step } else { u64::MAX };
    }

    /// Cuts off what is no content: blocks that were set aside and not used, and what another left behind.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if self.has_blocks_behind() {
            return self.truncate(self.file.len());
        }
        self.settle_content()
    }

    /// As [`settle`](Self::settle), but blocks that were set aside may stay, which are in nobody's way.
    pub(super) fn settle_content(&mut self) -> io::Result<()> {
        if self.file.physical() > self.file.len() {
            return self.truncate(self.file.len());
        }
        self.unclaim(self.file.len());
        Ok(())
    }

    /// Whether there may be blocks that were set aside behind the file's end.
    pub(crate) fn has_blocks_behind(&self) -> bool {
        self.ahead > self.file.len() && self.ahead != u64::MAX
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

    /// How far the file reaches, or may.
    pub(super) fn physical(&self) -> u64 {
        self.file.physical()
    }

    /// How long the file is, which is not how long the content is: a window may hold more.
    pub(crate) fn file_len(&self) -> u64 {
        self.file.len()
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file through a mapping, whatever it is read through.
    pub(crate) fn map(&self) -> io::Result<&[u8]> {
        match self.file.map() {
            Err(error) if self.gives_way(&error) => self.file.map(),
            done => done,
        }
        .map_err(|error| self.error(error))
    }

    /// Whether the system has much to free when it goes, and it is not kept instead.
    #[cfg(feature = "tokio")]
    pub(super) fn is_slow_to_drop(&self) -> bool {
        let len = self.physical();
        match &self.home {
            None => len >= MUCH,
            // Others may be short of what it gives back.
            Some(home) => len >= MUCH_OF_A_POOL && !(self.reusable && home.files.has_room_to_keep(len)),
        }
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

    /// The file, which no pool counts any more.
    pub(super) fn into_file(self) -> File {
        let Self { file, home, .. } = self;
        file.into_file(|| home.iter().for_each(|home| home.files.wait_for_others()))
    }
}

impl Medium for Disk {
    #[inline]
    fn home(&self) -> Option<&Arc<Home>> {
        self.home.as_ref()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        self.file.read_at(buf, offset, wait).map_err(|error| self.error(error))
    }

    fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64, wait: Wait) -> io::Result<usize> {
        self.file.read_behind(buf, most, offset, wait).map_err(|error| self.error(error))
    }

    #[inline]
    fn mapped(&self) -> Option<&[u8]> {
        if self.backing == Backing::Mmap { self.file.mapped() } else { None }
    }

    fn mapped_now(&self) -> Option<&[u8]> {
        match self.backing {
            Backing::Mmap if !self.file.is_treacherous() => self.file.map().ok(),
            _ => None,
        }
    }

    #[cold]
    fn error(&self, error: io::Error) -> io::Error {
        PathError::at(&self.directory, error)
    }
}

/// The limit, if `len` is within it.
pub(super) fn allowed(len: u64, file_size: u64) -> io::Result<u64> {
    if len > file_size { Err(LimitError::too_large(Limit::FileSize, file_size)) } else { Ok(file_size) }
}

/// Not for a limit of ours, which says what it is.
fn is_full(error: &io::Error) -> bool {
    error.get_ref().is_none() && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn no_room(home: &Home) -> io::Error {
    LimitError::quota(Limit::PoolDisk, home.files.limit())
}

/// So many bytes take the system longer to free than it takes to ask another thread for it.
#[cfg(feature = "tokio")]
const MUCH: u64 = 1 << 20;
/// Some milliseconds.
#[cfg(feature = "tokio")]
const MUCH_OF_A_POOL: u64 = 16 << 20;
const SET_ASIDE_FROM: u64 = 2 << 20;
const SET_ASIDE_MOST: u64 = 16 << 20;
