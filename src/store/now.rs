//! What can be had of a store without waiting for the disk, and what makes that possible where it is not.
//!
//! For those who may not wait. What they cannot have is `None`, and the content is what it was; then somebody who may wait makes
//! it possible ([`make_ready`](Store::make_ready), [`bring`](Store::bring)), and they ask again. Neither of these takes or gives a
//! byte: who asks no more has changed nothing, but for a gap up to where they would have written.

use std::io::{self, IoSlice};

use super::window::AT_A_TIME;
use super::{Store, Tier, copy, first_step, make_way, make_way_now};
use crate::options::Overflow;

impl Store {
    /// Writes all of `buf` at `offset`, if that is at the end of what is in memory, or in the window, and takes no growing.
    #[inline]
    pub(crate) fn append_now(&mut self, buf: &[u8], offset: u64) -> bool {
        match &mut self.tier {
            Tier::Untouched => false,
            Tier::Memory(memory) => offset == memory.len() as u64 && memory.append(buf),
            // Nothing, behind a window that lies past the end, is no content.
            Tier::Rolled(rolled) => !buf.is_empty() && rolled.append(buf, offset),
        }
    }

    /// As [`write`](Self::write), of at most 256 KiB on disk. An error is one of a limit.
    #[inline(never)]
    pub(crate) fn write_now(&mut self, buf: &[u8], offset: u64) -> Option<io::Result<usize>> {
        if buf.is_empty() {
            return Some(Ok(0));
        }
        let buf = match self.allowed(buf.len(), offset) {
            Ok(count) => &buf[..count],
            Err(limit) => return Some(Err(limit)),
        };
        if let Tier::Rolled(rolled) = &mut self.tier {
            return rolled.write_now(buf, offset);
        }
        self.touch();
        if let Err(limit) = make_way_now(self, offset, offset + buf.len() as u64)? {
            return Some(Err(limit));
        }
        self.put_in_memory(buf, offset).map(Ok)
    }

    /// What there is room for as it is, be it a part: nothing moves for it.
    pub(crate) fn write_what_fits(&mut self, buf: &[u8], offset: u64) -> usize {
        let Ok(allowed) = self.allowed(buf.len(), offset) else { return 0 };
        match &mut self.tier {
            Tier::Rolled(rolled) => rolled.write_what_fits(&buf[..allowed], offset),
            _ => self.put_in_memory(&buf[..allowed], offset).unwrap_or(0),
        }
    }

    /// Sees to it that `write_now` takes something at `offset`, of which `count` bytes are wanted. What that was, the content is,
    /// but that it may end in a gap up to `offset`.
    pub(crate) fn make_ready(&mut self, offset: u64, count: usize) -> io::Result<()> {
        let count = self.allowed(count, offset)?;
        self.touch();
        let end = first_step(&self.settings, offset, offset + count as u64);
        make_way(self, offset, end)?;
        match &mut self.tier {
            Tier::Rolled(rolled) => rolled.make_ready(offset, count.min(AT_A_TIME)),
            _ => Ok(()),
        }
    }

    /// As [`set_len`](Self::set_len).
    pub(crate) fn set_len_now(&mut self, len: u64) -> Option<io::Result<()>> {
        let refused = len > self.settings.max_len || self.settings.overflow == Overflow::Fail;
        if let Tier::Rolled(_) = self.tier {
            return None;
        }
        if len > self.len() && !refused {
            self.touch();
            if let Err(error) = make_way_now(self, self.len(), len)? {
                return Some(Err(error));
            }
        }
        Some(self.set_len(len))
    }

    /// Hands the window to the system, if that can be done at once; says whether all is there.
    pub(crate) fn flush_now(&mut self) -> bool {
        match &mut self.tier {
            Tier::Rolled(rolled) => rolled.flush_now(),
            _ => true,
        }
    }

    /// As [`read`](Self::read), of at most 256 KiB on disk.
    #[inline]
    pub(crate) fn read_now(&mut self, buf: &mut [u8], offset: u64) -> Option<io::Result<usize>> {
        match &mut self.tier {
            Tier::Untouched => Some(Ok(0)),
            Tier::Memory(memory) => Some(Ok(copy(memory.rest(offset), buf))),
            Tier::Rolled(rolled) => rolled.read_now(buf, offset),
        }
    }

    /// Sees to it that something is [at hand](Self::at_hand) at `offset`, if the content goes on there.
    pub(crate) fn fill_now(&mut self, offset: u64) -> Option<io::Result<()>> {
        match &mut self.tier {
            Tier::Rolled(rolled) => rolled.fill_now(offset),
            _ => Some(Ok(())),
        }
    }

    /// The same by waiting for the disk, for somebody who wants `count` bytes.
    pub(crate) fn bring(&mut self, offset: u64, count: usize) -> io::Result<()> {
        match &mut self.tier {
            Tier::Rolled(rolled) => rolled.bring(offset, count),
            _ => Ok(()),
        }
    }

    /// What lies in memory at `offset`, or in the window.
    #[inline]
    pub(crate) fn at_hand(&self, offset: u64) -> &[u8] {
        match &self.tier {
            Tier::Untouched => &[],
            Tier::Memory(memory) => memory.rest(offset),
            Tier::Rolled(rolled) => rolled.at_hand_now(offset),
        }
    }
}

/// How many bytes there are in all, and the first that are.
pub(crate) fn summed_up<'a>(bufs: &'a [IoSlice<'_>]) -> (usize, &'a [u8]) {
    let total = bufs.iter().fold(0usize, |total, buf| total.saturating_add(buf.len()));
    (total, bufs.iter().find(|buf| !buf.is_empty()).map_or(&[], |buf| buf))
}

/// Writes them as one write, that ends where `write` has to wait.
pub(crate) fn each_now(
    bufs: &[IoSlice<'_>],
    mut write: impl FnMut(&[u8]) -> Option<io::Result<usize>>,
) -> Option<io::Result<usize>> {
    let mut done = 0;
    for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
        match write(buf) {
            Some(Ok(written)) => {
                done += written;
                if written < buf.len() {
                    break;
                }
            }
            // What was taken is told; the rest comes again from whoever writes next.
            _ if done > 0 => break,
            nothing => return nothing,
        }
    }
    Some(Ok(done))
}
