//! Streams into and out of what is rolled: the kernel's own copy where it can be had, else the window.

use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use bytes::{Bytes, BytesMut};

use super::Rolled;
use crate::error;
use crate::pool::{BOOKKEEPING, Loan, WINDOW};
use crate::store::stream::{drain, probe};
use crate::store::window::Medium;
use crate::sys;

impl Rolled {
    /// Reads `source` to its end, from `position` on, and moves `position` with every byte that is kept.
    pub(in crate::store) fn copy_from<R: Read + ?Sized>(
        &mut self,
        source: &mut R,
        position: &mut u64,
    ) -> io::Result<()> {
        if sys::is_std_file::<R>() && *position <= self.len {
            self.copy_from_file(source, position)?;
        }
        loop {
            // A pipe holds as much as a small window does, and whoever fills it is at work while that is written.
            self.window.stay_small();
            if !self.fill_from(source, position, None)? {
                return Ok(());
            }
        }
    }

    /// Reads `source` to `position`, which moves with every byte that is kept: a window full, or if there is a `once` so much
    /// at most by one `read`. Says whether there may be more.
    pub(in crate::store) fn fill_from<R: Read + ?Sized>(
        &mut self,
        source: &mut R,
        position: &mut u64,
        once: Option<usize>,
    ) -> io::Result<bool> {
        let room = self.ceiling.saturating_sub(*position);
        if room == 0 {
            return probe(source)?.map_or(Ok(false), |_| Err(self.full()));
        }
        let room = self.claim_to_read(*position, room)?;
        if room == 0 {
            return self.copy_past_quota(source, position);
        }
        let opened = Opened { before: self.len, at: *position, rolled: self };
        if !opened.rolled.window.can_hold_more(*position) {
            opened.rolled.move_to_hold(*position)?;
        }
        let Rolled { window, len, .. } = &mut *opened.rolled;
        let most = once.map_or(room, |most| room.min(most as u64));
        let more = window.fill_from(source, most, |read| {
            *position += read;
            *len = (*len).max(*position);
            once.is_none()
        })?;
        drop(opened);
        if !more {
            self.unclaim();
        }
        Ok(more)
    }

    /// Claims what a window can hold at `position`, of which `room` may be written, or some of it: says how much.
    fn claim_to_read(&mut self, position: u64, room: u64) -> io::Result<u64> {
        if self.len > self.disk.claimed() {
            // A byte that was kept without.
            self.flush()?;
        }
        if position > self.len {
            // Nothing is read for a gap that may not be.
            self.disk.claim(position + 1)?;
        }
        let end = position + room.min(WINDOW as u64);
        self.disk.claim_if_free(end);
        if self.disk.claimed() <= position {
            // What is kept goes for a little: nobody knows how much the source has.
            self.disk.claim_some(position + room.min(LITTLE));
        }
        self.set_reach();
        Ok(room.min(self.disk.claimed().saturating_sub(position)))
    }

    /// Moves the window to `position`, so that it can hold what is read there even if there is no memory to be had.
    fn move_to_hold(&mut self, position: u64) -> io::Result<()> {
        if self.move_to(position, 0)? || self.window.restart_small(position, BOOKKEEPING, self.disk.home()) {
            return Ok(());
        }
        Err(error::out_of_memory(WINDOW))
    }

    /// Ends where the pool's disk does, if the source has (`false`): else with its error, and the byte that was asked for is
    /// kept.
    fn copy_past_quota<R: Read + ?Sized>(&mut self, source: &mut R, position: &mut u64) -> io::Result<bool> {
        let refused = self.disk.claim(*position + 1).map(|()| true);
        if refused.is_ok() {
            // Somebody gave back just now.
            return refused;
        }
        if !self.has_place_for_one(*position)? {
            return refused;
        }
        let Some(byte) = probe(source)? else { return Ok(false) };
        self.keep(byte, position);
        refused
    }

    /// Whether the window can hold one byte more at `position`, which is not past the end, whatever memory there is.
    pub(in crate::store) fn has_place_for_one(&mut self, position: u64) -> io::Result<bool> {
        if self.window.has_room_at(position) {
            return Ok(true);
        }
        self.flush()?;
        // It accepts nothing yet: what it reaches to is not raised for a byte that may never come.
        self.window.restart(position, self.disk.home());
        if !self.window.has_room_at(position) {
            self.window.restart_small(position, 1, self.disk.home());
        }
        Ok(self.window.has_room_at(position))
    }

    /// Keeps a byte that a stream gave and the pool has no disk for: in the window, until there is some.
    pub(in crate::store) fn keep(&mut self, byte: u8, position: &mut u64) {
        self.window.keep(byte, *position);
        self.set_reach();
        *position += 1;
        self.len = self.len.max(*position);
    }

    /// Lets the kernel copy what it can from a file. Whatever it cannot do is left for the window to do.
    fn copy_from_file<R: Read + ?Sized>(&mut self, source: &mut R, position: &mut u64) -> io::Result<()> {
        self.flush()?;
        self.window.release();
        // What the standard library allocates for it below.
        let mut loan = match self.disk.home().map(|home| Loan::take(home, WINDOW)) {
            Some(None) => return Ok(()),
            loan => loan.flatten(),
        };
        self.disk.file().as_file().seek(SeekFrom::Start(*position))?;
        let start = *position;
        let piece = if loan.is_some() { PIECE_IN_POOL } else { PIECE };
        loop {
            let most = self.ceiling.saturating_sub(*position).min(piece);
            self.disk.claim_if_free(*position + most);
            let most = most.min(self.disk.claimed().saturating_sub(*position));
            if most == 0 {
                return Ok(());
            }
            if *position > start {
                self.disk.set_aside_for(*position + most);
            }
            // Where the kernel cannot copy between the two, the standard library reads into this writer, which keeps
            // what the disk did not take.
            let mut writer = BufWriter::with_capacity(WINDOW, self.disk.as_file_to_write());
            let copied = io::copy(&mut source.take(most), &mut writer);
            let flushed = writer.flush();
            let (mut file, left) = writer.into_parts();
            let left = left.unwrap_or_default();
            let end = file.stream_position().map_err(|error| self.disk.error(error))?;
            self.disk.grown_to(end);
            *position = end + left.len() as u64;
            self.len = self.len.max(*position);
            if !left.is_empty() {
                let left = BytesMut::from(Bytes::from(left));
                let left = match loan.take() {
                    Some(loan) => loan.into_buffer(left),
                    None => left.into(),
                };
                self.window.adopt(left, end);
            }
            self.unclaim();
            match (flushed, copied) {
                // What the pool retained has gone, and the window writes what is left.
                (Err(error), _) | (_, Err(error)) if self.disk.gives_way(&error) => return Ok(()),
                (Err(error), _) => return Err(self.disk.error(error)),
                (Ok(()), Ok(all)) if all == piece => {}
                (Ok(()), Ok(_)) => return Ok(()),
                (Ok(()), Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                // One error for two files: these kinds are the word of the one that is written.
                (Ok(()), Err(error)) if DISK_ENDS.contains(&error.kind()) => return Err(self.disk.error(error)),
                (Ok(()), Err(error)) => return Err(error),
            }
        }
    }

    /// Writes what lies from `position` to the end into `sink`, and moves `position` with every byte that was taken.
    pub(in crate::store) fn copy_to<W: Write + ?Sized>(&mut self, sink: &mut W, position: &mut u64) -> io::Result<()> {
        if KERNEL_COPIES && sys::is_std_file_or_stdout::<W>() && self.flush().is_ok() && *position < self.len {
            self.window.release();
            let loan = self.disk.home().map(|home| Loan::take(home, WINDOW));
            if !matches!(loan, Some(None)) {
                return self.copy_to_handle(sink, position);
            }
        }
        let most = if sys::is_std_pipe::<W>() { TO_A_PIPE } else { WINDOW };
        loop {
            // Whoever is at the other end is at work meanwhile.
            self.window.stay_small();
            let piece = self.fill_at(*position)?;
            if piece.is_empty() {
                return Ok(());
            }
            drain(&piece[..piece.len().min(most)], sink, position)?;
        }
    }

    /// Lets the kernel copy, if it can, from the file to a handle of the standard library.
    fn copy_to_handle<W: Write + ?Sized>(&mut self, sink: &mut W, position: &mut u64) -> io::Result<()> {
        let mut file = self.disk.file().as_file();
        file.seek(SeekFrom::Start(*position)).map_err(|error| self.disk.error(error))?;
        // The buffer is used only where the kernel cannot: then what a failing sink took of it is not known.
        let mut reader = BufReader::with_capacity(WINDOW, file.take(self.len - *position));
        let copied = loop {
            match io::copy(&mut reader, sink) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done,
            }
        };
        let unused = reader.buffer().len() as u64;
        *position = file.stream_position().map_err(|error| self.disk.error(error))? - unused;
        copied.map(drop)
    }
}

/// A gap in front of `at` that closes again if nothing comes behind it, whatever the reason.
struct Opened<'a> {
    rolled: &'a mut Rolled,
    before: u64,
    at: u64,
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if self.before < self.at && self.rolled.len == self.at {
            let _ = self.rolled.set_len(self.before);
        }
    }
}

/// How much the kernel is asked to copy at a time: what is set aside ahead of it at most.
const PIECE: u64 = 16 << 20;
/// What is claimed for a source of unknown length where something has to go for it.
const LITTLE: u64 = 8 * 1024;
/// The same where others might be short of what is claimed for it.
const PIECE_IN_POOL: u64 = 1 << 20;
/// An eighth of what a pipe holds: so its two ends need not wait for each other. All of it at a time takes two to three times
/// as long.
const TO_A_PIPE: usize = 8 * 1024;
/// Elsewhere `std::io::copy` goes through a buffer, and when the sink fails nobody knows how much of that it took.
const KERNEL_COPIES: bool = cfg!(any(target_os = "linux", target_os = "android"));
const DISK_ENDS: [io::ErrorKind; 3] =
    [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
