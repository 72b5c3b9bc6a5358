//! What can be had of a store without waiting for the disk, and what makes that possible where it is not.
//!
//! For those who may not wait. What they cannot have is `None`, and nothing has changed; then somebody who may wait makes it
//! possible ([`make_ready`](Store::make_ready), [`bring`](Store::bring)), and they ask again. Neither of these takes or gives a
//! byte: who asks no more has changed nothing.

use std::io;

use super::rolled::AT_A_TIME;
use super::{Store, Tier, copy, make_way_now};

impl Store {
    /// As [`write`](Self::write), of at most 256 KiB on disk. An error is one of a limit.
    #[inline]
    pub(crate) fn write_now(&mut self, buf: &[u8], offset: u64) -> Option<io::Result<usize>> {
        if self.append(buf, offset) { Some(Ok(buf.len())) } else { self.write_slowly_now(buf, offset) }
    }

    #[inline(never)]
    fn write_slowly_now(&mut self, buf: &[u8], offset: u64) -> Option<io::Result<usize>> {
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
            _ => 0,
        }
    }

    /// Sees to it that `write_now` takes something at `offset`, of which `count` bytes are wanted. What that was, the content is,
    /// but that it may end in a gap up to `offset`.
    pub(crate) fn make_ready(&mut self, offset: u64, count: usize) -> io::Result<()> {
        let count = self.allowed(count.min(AT_A_TIME), offset)?;
        self.make_way(offset, count)?;
        match &mut self.tier {
            Tier::Rolled(rolled) => rolled.make_ready(offset, count),
            _ => Ok(()),
        }
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

    /// Whether it may wait for the system to free what is on disk when it goes.
    pub(crate) fn is_slow_to_drop(&self) -> bool {
        match &self.tier {
            Tier::Rolled(rolled) => rolled.is_slow_to_drop(),
            _ => false,
        }
    }
}
