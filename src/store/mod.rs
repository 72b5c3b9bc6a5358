//! Where the bytes are: memory or a file, one set of positional calls over both.
//!
//! Knows the threshold, the limits and what happens at them. Knows nothing of cursors: every call names its offset.

mod bounds;
mod copy;
mod disk;
mod followed;
mod lease;
#[cfg(feature = "tokio")]
mod now;
mod overflow;
mod place;
mod roll;
mod rolled;
mod stream;
mod window;

use std::io::{self, IoSlice};
use std::sync::Arc;

pub(crate) use bounds::copy;
pub(crate) use disk::Disk;
pub(crate) use followed::Followed;
pub(crate) use lease::Lease;
#[cfg(feature = "tokio")]
pub(crate) use now::{each_now, summed_up};
pub(crate) use overflow::{Tiers, allowed, make_way};
#[cfg(feature = "tokio")]
pub(crate) use overflow::{first_step, make_way_now};
pub(crate) use place::{Behind, Place};
pub(crate) use roll::roll;
#[cfg(feature = "tokio")]
pub(crate) use window::{AT_A_TIME, AtOnce, at_once};
pub(crate) use window::{Medium, Window};

use crate::error::{self, Limit, LimitError};
use crate::options::{Overflow, Settings};
use crate::pool::{Buffer, Home, Seat};
use crate::sys;
use bounds::LONGEST;
use rolled::Rolled;
use window::DIRECT;

#[derive(Debug)]
pub(crate) struct Store {
    tier: Tier,
    settings: Settings,
    seat: Option<Arc<Seat>>,
}

#[derive(Debug)]
enum Tier {
    /// Memory that nobody has asked for yet: many a spool is made and never written.
    Untouched,
    Memory(Buffer),
    /// A lease in the making: it becomes one when the store goes.
    Rolled(Box<Rolled>),
}

/// A store that was taken apart.
pub(crate) enum Parts {
    Memory(Buffer),
    /// And how long the content is.
    Disk(Lease, u64),
}

impl Store {
    /// An empty one, with a seat in a pool or without.
    #[inline]
    pub(crate) fn new(settings: Settings, seat: Option<Arc<Seat>>) -> Self {
        Self { tier: Tier::Untouched, settings, seat }
    }

    pub(crate) fn with_content(content: Buffer, settings: Settings) -> Self {
        Self { tier: Tier::Memory(content), settings, seat: None }
    }

    /// Writes all of `buf` at `offset`, if that is at the end of what is in memory and takes no growing.
    ///
    /// The capacity never passes a limit, so what fits into it needs no other question.
    #[inline]
    pub(crate) fn append(&mut self, buf: &[u8], offset: u64) -> bool {
        match &mut self.tier {
            Tier::Memory(memory) => offset == memory.len() as u64 && memory.append(buf),
            Tier::Untouched | Tier::Rolled(_) => false,
        }
    }

    /// Writes at `offset`, and says how much.
    #[inline]
    pub(crate) fn write(&mut self, buf: &[u8], offset: u64) -> io::Result<usize> {
        if self.append(buf, offset) { Ok(buf.len()) } else { self.write_slowly(buf, offset) }
    }

    /// Apart from `append`: what is rolled, grows, rolls, or meets a limit.
    #[inline(never)]
    fn write_slowly(&mut self, buf: &[u8], offset: u64) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if let Tier::Rolled(rolled) = &mut self.tier {
            if rolled.append(buf, offset) {
                return Ok(buf.len());
            }
        }
        let buf = &buf[..self.allowed(buf.len(), offset)?];
        self.make_way(offset, buf.len())?;
        match &mut self.tier {
            Tier::Rolled(rolled) => rolled.write(buf, offset),
            _ => Ok(self.put_in_memory(buf, offset).expect("the way was made")),
        }
    }

    /// As much as there is room for in memory, which is where the content is.
    fn put_in_memory(&mut self, buf: &[u8], offset: u64) -> Option<usize> {
        let Tier::Memory(memory) = &mut self.tier else { return None };
        let room = memory.capacity().saturating_sub(offset as usize);
        let buf = &buf[..buf.len().min(room)];
        memory.put(buf, offset as usize);
        Some(buf.len())
    }

    /// Memory to work with, if it is not on disk.
    fn touch(&mut self) {
        if let Tier::Untouched = self.tier {
            self.tier = Tier::Memory(Buffer::new());
        }
    }

    /// How much of `count` bytes `max_len` allows at `offset`.
    fn allowed(&self, count: usize, offset: u64) -> io::Result<usize> {
        allowed(&self.settings, count, offset)
    }

    /// Sees to it that `count` bytes can be written at `offset`, or at least one: memory grows, or becomes a file.
    fn make_way(&mut self, offset: u64, count: usize) -> io::Result<()> {
        self.touch();
        make_way(self, offset, offset + count as u64)
    }

    pub(crate) fn write_vectored(&mut self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let total = bufs.iter().fold(0usize, |total, buf| total.saturating_add(buf.len()));
        if total == 0 {
            return Ok(0);
        }
        // As one write: it rolls over before the first of them, or is refused as a whole.
        let allowed = self.allowed(total, offset)?;
        self.make_way(offset, allowed)?;
        let mut done = 0;
        if let Tier::Rolled(rolled) = &mut self.tier {
            let claimed = rolled.claim(offset, allowed)?;
            if claimed == total && total >= DIRECT {
                done = rolled.write_vectored(bufs, total, offset)?;
            }
        }
        let mut passed = done;
        for buf in bufs {
            let (written, buf) = buf.split_at(passed.min(buf.len()));
            passed -= written.len();
            if buf.is_empty() {
                continue;
            }
            match self.write(buf, offset.saturating_add(done as u64)) {
                Ok(written) => {
                    done += written;
                    if written < buf.len() {
                        break;
                    }
                }
                // What was taken is told; the error comes again from whoever writes next.
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Moves what is in memory to a file; flushes what is in one.
    pub(crate) fn roll(&mut self) -> io::Result<()> {
        if let Tier::Rolled(rolled) = &mut self.tier {
            return rolled.flush();
        }
        self.roll_over(0)?;
        if let Tier::Rolled(rolled) = &mut self.tier {
            rolled.release();
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.tier {
            Tier::Untouched | Tier::Memory(_) => Ok(()),
            Tier::Rolled(rolled) => rolled.flush(),
        }
    }

    /// Everything where it will stay, so that [`into_parts`](Self::into_parts) loses nothing.
    pub(crate) fn settle(&mut self, behind: Behind) -> io::Result<()> {
        match &mut self.tier {
            Tier::Untouched | Tier::Memory(_) => Ok(()),
            Tier::Rolled(rolled) => rolled.settle(behind),
        }
    }

    /// As [`settle`](Self::settle), for content that will be looked at by many.
    pub(crate) fn freezable(&mut self) -> io::Result<()> {
        match &mut self.tier {
            Tier::Untouched | Tier::Memory(_) => Ok(()),
            Tier::Rolled(rolled) => rolled.freezable(),
        }
    }

    pub(crate) fn set_len(&mut self, len: u64) -> io::Result<()> {
        if len > LONGEST {
            return Err(error::past_every_file());
        }
        if len > self.settings.max_len {
            return Err(LimitError::too_large(Limit::MaxLen, self.settings.max_len));
        }
        if len > self.len() {
            self.make_way_for_all(len)?;
        }
        match &mut self.tier {
            // Nothing was asked for, or it would have been touched.
            Tier::Untouched => Ok(()),
            Tier::Rolled(rolled) => rolled.set_len(len),
            Tier::Memory(memory) => {
                // In memory, so it fits in a `usize`.
                let len = len as usize;
                if len < memory.len() {
                    memory.truncate(len)
                } else {
                    memory.zero_up_to(len)
                }
                Ok(())
            }
        }
    }

    /// Sees to it that content of `len` bytes has a place, and takes no prefix for an answer.
    fn make_way_for_all(&mut self, len: u64) -> io::Result<()> {
        self.touch();
        let Tier::Memory(memory) = &self.tier else { return Ok(()) };
        let threshold = self.settings.threshold as u64;
        match self.settings.overflow {
            Overflow::Fail if len > threshold => return Err(LimitError::too_large(Limit::Memory, threshold)),
            Overflow::Disk if len > threshold => {
                disk::allowed(len, sys::file_size_limit())?;
            }
            _ => {}
        }
        let from = memory.len() as u64;
        self.make_way(from, usize::try_from(len - from).unwrap_or(usize::MAX))?;
        match (&self.tier, self.settings.overflow) {
            (Tier::Memory(memory), Overflow::DiskOrMemory(most)) if (memory.capacity() as u64) < len => {
                Err(LimitError::too_large(Limit::Memory, most.max(self.settings.threshold) as u64))
            }
            _ => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> u64 {
        // One question each for who is in memory: a `match` asks two.
        if let Tier::Memory(memory) = &self.tier {
            return memory.len() as u64;
        }
        if let Tier::Rolled(rolled) = &self.tier { rolled.len() } else { 0 }
    }

    #[inline]
    pub(crate) fn is_rolled(&self) -> bool {
        matches!(self.tier, Tier::Rolled(_))
    }

    /// Fills `buf` from `offset` on, and moves the window if that pays. Short only at the end.
    #[inline]
    pub(crate) fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Tier::Memory(memory) = &self.tier {
            return Ok(copy(memory.rest(offset), buf));
        }
        if let Tier::Rolled(rolled) = &mut self.tier { rolled.read(buf, offset) } else { Ok(0) }
    }

    /// What the window holds of `offset..offset + len`, if that is all of it.
    #[inline]
    pub(crate) fn in_window(&self, offset: u64, len: usize) -> Option<&[u8]> {
        if let Tier::Rolled(rolled) = &self.tier { rolled.in_window(offset, len) } else { None }
    }

    /// Fills `buf` from `offset` on. Short only at the end.
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.tier {
            Tier::Untouched => Ok(0),
            Tier::Memory(memory) => Ok(copy(memory.rest(offset), buf)),
            Tier::Rolled(rolled) => rolled.read_at(buf, offset),
        }
    }

    /// What lies from `offset` to the end, behind what `buf` holds and has room for.
    pub(crate) fn read_rest(&mut self, buf: &mut Vec<u8>, offset: u64) -> io::Result<()> {
        match &mut self.tier {
            Tier::Untouched => Ok(()),
            Tier::Memory(memory) => {
                buf.extend_from_slice(memory.rest(offset));
                Ok(())
            }
            Tier::Rolled(rolled) => rolled.read_rest(buf, offset),
        }
    }

    /// What can be had at `offset` in one piece: nothing only at or past the end.
    #[inline]
    pub(crate) fn fill_at(&mut self, offset: u64) -> io::Result<&[u8]> {
        match &mut self.tier {
            Tier::Untouched => Ok(&[]),
            Tier::Memory(memory) => Ok(memory.rest(offset)),
            Tier::Rolled(rolled) => rolled.fill_at(offset),
        }
    }

    /// How much [`fill_at`](Self::fill_at) gave at `offset`.
    #[inline]
    pub(crate) fn given_len(&self, offset: u64) -> u64 {
        match &self.tier {
            Tier::Untouched => 0,
            Tier::Memory(memory) => memory.rest(offset).len() as u64,
            Tier::Rolled(rolled) => rolled.given_len(offset),
        }
    }

    /// All of the content as one slice, where it can be had without copying.
    pub(crate) fn as_slice(&mut self) -> io::Result<&[u8]> {
        match &mut self.tier {
            Tier::Untouched => Ok(&[]),
            Tier::Memory(memory) => Ok(memory.as_slice()),
            Tier::Rolled(rolled) => rolled.as_slice(),
        }
    }

    /// What there is, whole only after [`settle`](Self::settle).
    pub(crate) fn into_parts(mut self) -> Parts {
        match self.take_tier() {
            Tier::Untouched => Parts::Memory(Buffer::new()),
            Tier::Memory(memory) => Parts::Memory(memory),
            Tier::Rolled(mut rolled) => {
                rolled.release();
                let len = rolled.len();
                Parts::Disk(Lease::from(rolled), len)
            }
        }
    }

    fn take_tier(&mut self) -> Tier {
        std::mem::replace(&mut self.tier, Tier::Untouched)
    }

    /// Bytes in memory, or the file.
    pub(crate) fn place(&self) -> Place<'_> {
        match &self.tier {
            Tier::Untouched => Place::Memory(&[]),
            Tier::Memory(memory) => Place::Memory(memory.as_slice()),
            Tier::Rolled(rolled) => Place::Disk(rolled.disk(), rolled.len()),
        }
    }
}

impl Tiers for Store {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn home(&self) -> Option<&Arc<Home>> {
        home_of(&self.seat)
    }

    #[inline]
    fn room(&self) -> u64 {
        match &self.tier {
            Tier::Untouched => 0,
            Tier::Memory(memory) => memory.capacity() as u64,
            Tier::Rolled(_) => u64::MAX,
        }
    }

    fn grow(&mut self, need: usize, most: usize) -> io::Result<()> {
        let Tier::Memory(memory) = &mut self.tier else { return Ok(()) };
        memory.grow(need, self.settings.memory_limit(most), home_of(&self.seat))
    }

    /// Leaves the memory to those who go on writing.
    fn roll_over(&mut self, end: u64) -> io::Result<()> {
        self.touch();
        if let Tier::Memory(memory) = &mut self.tier {
            let mut lease = roll(&[memory.as_slice()], end, &self.settings, home_of(&self.seat))?;
            lease.lend(std::mem::take(memory));
            self.tier = Tier::Rolled(lease.into_rolled());
        }
        Ok(())
    }
}

impl Drop for Store {
    #[inline]
    fn drop(&mut self) {
        if let Tier::Rolled(_) = self.tier {
            self.end_lease();
        }
    }
}

impl Store {
    #[cold]
    fn end_lease(&mut self) {
        if let Tier::Rolled(rolled) = self.take_tier() {
            drop(Lease::from(rolled));
        }
    }
}

/// Whose memory and disk a store takes.
fn home_of(seat: &Option<Arc<Seat>>) -> Option<&Arc<Home>> {
    seat.as_deref().map(Seat::home)
}
