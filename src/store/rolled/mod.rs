//! Content on disk: the file, and the one window over it.
//!
//! Invariant: the content is what the file holds, with what is dirty in the window put over it; `len` is the larger of
//! where the file and where the window ends. Nothing but `flush` and large pieces write to the file, so a disk that
//! fails leaves every byte readable, and the error comes from the call that had to write, each time until it succeeds.

mod copy;
#[cfg(feature = "tokio")]
mod now;

use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;

use super::disk::Disk;
use super::place::Behind;
use super::window::{DIRECT, MAPPED_MOST, Medium, Window};
use crate::error::{Limit, LimitError};
use crate::options::Backing;
use crate::pool::{Buffer, Home};
use crate::sys::{self, Wait, within};

#[derive(Debug)]
pub(crate) struct Rolled {
    disk: Disk,
    window: Window,
    len: u64,
    /// Where the content has to end, and whose limit that is.
    ceiling: u64,
    ceiling_is: Limit,
}

impl Rolled {
    /// Of no content yet: see [`begin`](Self::begin).
    pub(super) fn new(disk: Disk) -> Self {
        Self { disk, window: Window::new(0, 0), len: 0, ceiling: 0, ceiling_is: Limit::MaxLen }
    }

    /// The file holds all of the content, which is `len` bytes long.
    pub(super) fn begin(&mut self, len: u64, ceiling: u64, ceiling_is: Limit) {
        self.len = len;
        (self.ceiling, self.ceiling_is) = (ceiling, ceiling_is);
        self.set_reach();
    }

    /// Takes over memory that the content was in.
    pub(super) fn lend(&mut self, memory: Buffer) {
        self.window.lend(memory);
    }

    /// Lets go of the memory of the window, if nothing in it is still to be written.
    pub(super) fn release(&mut self) {
        if !self.window.is_dirty() {
            self.window.release();
        }
    }

    /// Holds nothing of its pool any more, whose that is.
    pub(super) fn leave(&mut self) -> Option<Arc<Home>> {
        self.window.reset();
        self.disk.leave()
    }

    /// Forgets the content, if the file can be kept.
    pub(super) fn retire(&mut self, home: &Home) -> bool {
        self.len = 0;
        self.disk.retire(home)
    }

    /// After each change of what is claimed, or of what may be.
    fn set_reach(&mut self) {
        self.window.set_reach(self.ceiling.min(self.disk.claimed()));
    }

    /// Appends to the window, if it is there and has room: what happens each time, apart from what happens once a window.
    #[inline]
    pub(crate) fn append(&mut self, buf: &[u8], offset: u64) -> bool {
        let fits = self.window.append(buf, offset);
        if fits {
            self.len = self.len.max(self.window.end());
        }
        fits
    }

    /// `buf` is not empty.
    pub(super) fn write(&mut self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let buf = &buf[..self.claim(offset, buf.len())?];
        let before = self.len;
        let written = if buf.len() < DIRECT { self.write_through(buf, offset) } else { self.write_around(buf, offset) };
        if written.is_err() {
            self.take_back(before)?;
        }
        written
    }

    /// After a write that failed: it claims nothing, and a gap that it opened behind what was `before` closes.
    fn take_back(&mut self, before: u64) -> io::Result<()> {
        if before < self.len {
            self.set_len(before)?;
        }
        self.unclaim();
        Ok(())
    }

    /// Writes several buffers, of `count` bytes in all, around the window by one call, whose count may be short; those are claimed.
    pub(super) fn write_vectored(&mut self, bufs: &[IoSlice<'_>], count: usize, offset: u64) -> io::Result<usize> {
        let before = self.len;
        let written = self.write_vectored_around(bufs, count, offset);
        if written.is_err() {
            self.take_back(before)?;
        }
        written
    }

    fn write_vectored_around(&mut self, bufs: &[IoSlice<'_>], count: usize, offset: u64) -> io::Result<usize> {
        self.flush()?;
        self.reach(offset)?;
        let written = self.disk.write_vectored_at(bufs, count, offset)?;
        self.written_around(offset..offset + written as u64);
        Ok(written)
    }

    /// The same by small windows, for what others wait for.
    pub(crate) fn write_by_small_windows(&mut self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.window.stay_small();
        self.write(buf, offset)
    }

    /// Holds nothing but the file any more, and claims of that what is in it: what is not is given up. Blocks that were set
    /// aside stay until the drop.
    pub(super) fn end_writing(&mut self) {
        self.window.reset();
        self.len = self.disk.file_len();
        self.unclaim();
    }

    /// Claims all of `count` bytes at `offset` that may be written there, and says how many those are.
    pub(crate) fn claim(&mut self, offset: u64, count: usize) -> io::Result<usize> {
        let count = count.min(usize::try_from(self.room(offset)?).unwrap_or(usize::MAX));
        self.disk.claim(offset + count as u64)?;
        self.set_reach();
        Ok(count)
    }

    /// Claims no more than there is.
    fn unclaim(&mut self) {
        self.disk.unclaim(self.len);
        self.set_reach();
    }

    /// Writes by way of the window.
    fn write_through(&mut self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        loop {
            let at = offset + done as u64;
            if at <= self.len {
                done += self.window.put(&buf[done..], at);
                self.len = self.len.max(offset + done as u64);
            }
            if done == buf.len() {
                return Ok(done);
            }
            let more = match self.move_to(offset + done as u64, 0) {
                Ok(true) if self.window.is_too_little_for(buf.len() - done) => {
                    self.write_around(&buf[done..], offset + done as u64)
                }
                Ok(true) => continue,
                Ok(false) => self.write_around(&buf[done..], offset + done as u64),
                Err(error) => Err(error),
            };
            // Whoever has taken a prefix says so, and leaves the error to the next call.
            return match more {
                Err(_) if done > 0 => Ok(done),
                more => more.map(|more| done + more),
            };
        }
    }

    /// How much may be written at `offset`: something, or it is an error.
    fn room(&self, offset: u64) -> io::Result<u64> {
        match self.ceiling.saturating_sub(offset) {
            0 => Err(self.full()),
            room => Ok(room),
        }
    }

    #[cold]
    fn full(&self) -> io::Error {
        LimitError::too_large(self.ceiling_is, self.ceiling)
    }

    /// Moves an empty window to `offset`, for writing `count` bytes at once, or few; false if there is no memory for one.
    fn move_to(&mut self, offset: u64, count: usize) -> io::Result<bool> {
        self.flush()?;
        self.reach(offset)?;
        // All that the window has room for, so that it is asked for once; what is written now is claimed already.
        let room = self.window.next_room(self.disk.home(), count);
        self.disk.claim_if_free(self.ceiling.min(offset + room));
        self.set_reach();
        Ok(self.window.restart_for(offset, count, self.disk.home()))
    }

    /// Extends the file up to `offset`, so that one which the file system cannot hold fails at once.
    fn reach(&mut self, offset: u64) -> io::Result<()> {
        if offset > self.len {
            debug_assert!(offset <= self.disk.claimed());
            self.disk.extend(offset)?;
            self.len = offset;
        }
        Ok(())
    }

    /// Writes around the window.
    fn write_around(&mut self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.flush()?;
        self.reach(offset)?;
        let mut done = 0;
        while done < buf.len() {
            match self.disk.write_at(&buf[done..], offset + done as u64) {
                Ok(written) => done += written,
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        self.written_around(offset..offset + done as u64);
        Ok(done)
    }

    fn written_around(&mut self, range: Range<u64>) {
        self.len = self.len.max(range.end);
        self.window.forget(range);
    }

    /// Hands the window to the operating system.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some((bytes, offset)) = self.window.dirty() {
            // All but a byte that a stream gave and nobody had room for.
            self.disk.claim(offset + bytes.len() as u64)?;
            let written = self.disk.write_at(bytes, offset)?;
            self.window.cleaned(written);
        }
        Ok(())
    }

    /// Everything in the file, and nothing else: for a file that leaves, or is looked at by many.
    ///
    /// To cut off blocks that were set aside takes its time, and can wait.
    pub(super) fn settle(&mut self, behind: Behind) -> io::Result<()> {
        self.flush()?;
        let settled = match behind {
            Behind::Nothing => self.disk.settle(),
            Behind::Blocks => self.disk.settle_content(),
        };
        self.set_reach();
        settled
    }

    /// All in the file, and with no hole through which a mapping could be a signal, if it is read through one.
    ///
    /// Blocks set aside stay until the drop: cutting them off can wait for the disk.
    pub(super) fn freezable(&mut self) -> io::Result<()> {
        self.flush()?;
        self.unclaim();
        if self.disk.backing() == Backing::Mmap && self.disk.file().is_treacherous() {
            self.disk.map()?;
        }
        Ok(())
    }

    pub(super) fn set_len(&mut self, len: u64) -> io::Result<()> {
        if len > self.ceiling {
            return Err(self.full());
        }
        if len > self.len {
            self.disk.claim(len)?;
        }
        if len < self.len {
            if len < self.disk.file_len() {
                self.disk.truncate(len)?;
            }
            self.window.cut(len);
            self.len = len;
            self.unclaim();
        }
        self.set_reach();
        self.reach(len).inspect_err(|_| self.unclaim())
    }

    #[inline]
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Not inlined, so that reading from memory can be.
    #[inline(never)]
    pub(super) fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = buf.len();
        if let Some(there) = self.mapped(len, offset) {
            return Ok(sys::copy_along(there, buf));
        }
        match self.window.held(offset, len) {
            Some(there) => Ok(sys::copy(there, buf)),
            None => self.read_slowly(buf, offset),
        }
    }

    #[inline]
    pub(super) fn in_window(&self, offset: u64, len: usize) -> Option<&[u8]> {
        self.window.held(offset, len)
    }

    /// `offset..offset + len` as it lies in the mapping, where nothing newer is held and it is not too much.
    #[inline]
    fn mapped(&self, len: usize, offset: u64) -> Option<&[u8]> {
        let map = self.disk.mapped()?;
        let at = usize::try_from(offset).ok()?;
        let end = at.checked_add(len)?;
        if len < MAPPED_MOST && (end as u64) <= self.window.clean_up_to() { map.get(at..end) } else { None }
    }

    /// Apart from what happens each time.
    #[inline(never)]
    fn read_slowly(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = within(self.len, offset, buf.len());
        if count == 0 {
            return Ok(0);
        }
        if let Some(held) = self.window.held(offset, count) {
            // All there is: nothing has to move for it.
            return Ok(sys::copy(held, buf));
        }
        let in_the_way = self.window.moves_for(offset, count) && !self.window.is_met_from(offset, count);
        if self.window.is_dirty() && self.disk.mapped_now().is_none() && in_the_way {
            self.flush_if_possible();
        }
        self.window.read(&self.disk, &mut buf[..count], offset, self.len)?;
        Ok(count)
    }

    pub(super) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = within(self.len, offset, buf.len());
        if count > 0 {
            self.window.read_around(&self.disk, &mut buf[..count], offset)?;
        }
        Ok(count)
    }

    /// Reads what lies from `offset` to the end behind what `buf` holds, which has room for it.
    pub(super) fn read_rest(&mut self, buf: &mut Vec<u8>, offset: u64) -> io::Result<()> {
        let before = buf.len();
        let count = within(self.len, offset, usize::MAX);
        let read = self.disk.read_behind(buf, count, offset, Wait::ForTheDisk);
        // Whatever came of it: what is newer lies over what came.
        self.window.patch(&mut buf[before..], offset);
        read?;
        buf.extend_from_slice(self.window.rest(offset + (buf.len() - before) as u64));
        Ok(())
    }

    /// So that the window can move. If the disk refuses, reading goes on past the window, and whoever writes next gets
    /// the error.
    fn flush_if_possible(&mut self) {
        let _ = self.flush();
    }

    #[inline]
    pub(super) fn fill_at(&mut self, offset: u64) -> io::Result<&[u8]> {
        if self.at_hand(offset).is_empty() {
            return self.fill_slowly(offset);
        }
        Ok(self.at_hand(offset))
    }

    /// What can be had at `offset` and takes no call.
    #[inline]
    fn at_hand(&self, offset: u64) -> &[u8] {
        let held = self.window.rest(offset);
        match self.disk.mapped() {
            Some(map) if held.is_empty() && !self.window.is_dirty() && offset < self.len => {
                &map[offset as usize..self.len as usize]
            }
            _ => held,
        }
    }

    #[inline(never)]
    fn fill_slowly(&mut self, offset: u64) -> io::Result<&[u8]> {
        if offset >= self.len {
            return Ok(&[]);
        }
        if self.window.is_dirty() && self.disk.mapped_now().is_none() && self.window.moves_to_fill(offset) {
            self.flush_if_possible();
        }
        self.window.fill_at(&self.disk, offset, self.len)
    }

    /// How much [`fill_at`](Self::fill_at) gave at `offset`.
    #[inline]
    pub(super) fn given_len(&self, offset: u64) -> u64 {
        match self.at_hand(offset).len() {
            0 => self.window.given_len(&self.disk, offset, self.len),
            held => held as u64,
        }
    }

    /// All of the content through the mapping.
    pub(super) fn as_slice(&mut self) -> io::Result<&[u8]> {
        if self.disk.backing() != Backing::Mmap {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a rolled spool of Backing::File has no slice: use Backing::Mmap, or freeze and to_bytes",
            ));
        }
        self.flush()?;
        // Content that is mapped is not longer than what can be addressed.
        Ok(&self.disk.map()?[..self.len as usize])
    }

    /// The file, whose content is whole only when it has been settled.
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    pub(super) fn disk_mut(&mut self) -> &mut Disk {
        &mut self.disk
    }

    pub(super) fn into_disk(self) -> Disk {
        self.disk
    }
}
