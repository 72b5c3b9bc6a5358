//! From a stream into a store, and out of one into a stream, with no buffer in between.
//!
//! `position` moves with every byte that is kept, or taken, as it happens: so whatever a stranger's `read` or `write` does
//! (fail, end early, panic), source, store and sink together are everything, and a later call goes on from there.

use std::io::{self, Read, Write};

use super::stream::{drain, probe, read_some};
use super::{Store, Tier, Tiers, home_of};
use crate::options::Overflow;
use crate::pool::{BOOKKEEPING, Buffer, Loan};

impl Store {
    /// Reads `source` to its end, from `position` on, and moves `position` with every byte that is kept.
    pub(crate) fn copy_from<R: Read + ?Sized>(&mut self, source: &mut R, position: &mut u64) -> io::Result<()> {
        loop {
            if let Tier::Rolled(rolled) = &mut self.tier {
                return rolled.copy_from(source, position);
            }
            if !self.fill_from(source, position, None)? {
                return Ok(());
            }
        }
    }

    /// One `read` of `source`, of at most `most` bytes, to the end of the content; or where memory ends one of a byte, which
    /// only a source that goes on can give. What was read is kept, or it is an error.
    pub(crate) fn pull<R: Read + ?Sized>(&mut self, source: &mut R, most: usize) -> io::Result<()> {
        let end = self.len();
        let mut position = end;
        while position == end && self.fill_from(source, &mut position, Some(most))? {}
        Ok(())
    }

    /// A step of reading `source` to `position`, which moves with every byte that is kept: as much as there is room for, or if
    /// there is a `once` so much at most by one `read`. Says whether there may be more.
    fn fill_from<R: Read + ?Sized>(
        &mut self,
        source: &mut R,
        position: &mut u64,
        once: Option<usize>,
    ) -> io::Result<bool> {
        match &mut self.tier {
            Tier::Untouched => self.touch(),
            Tier::Rolled(rolled) => return rolled.fill_from(source, position, once),
            Tier::Memory(memory) => {
                let limit = self.settings.memory_limit(self.settings.threshold.max(memory.capacity()));
                match usize::try_from(*position) {
                    Ok(at) if at < memory.len() => return overwrite_from(memory, source, position),
                    Ok(at) if at < memory.capacity().min(limit) => {
                        return append_from(memory, source, position, limit, once);
                    }
                    Ok(at) if at < limit && self.grow_to_read(at, once.unwrap_or(0), limit)? => {}
                    _ => return self.copy_past_memory(source, position),
                }
            }
        }
        Ok(true)
    }

    /// Makes room to read something to `at`, if it can be had `wanted` bytes, where memory may grow to `limit`; not (`false`)
    /// where a pool has no more.
    fn grow_to_read(&mut self, at: usize, wanted: usize, limit: usize) -> io::Result<bool> {
        let sizes = [FIRST_READ.max(wanted), BOOKKEEPING, 1];
        let sizes = if self.seat.is_some() { &sizes[..] } else { &sizes[..1] };
        let mut grown = Ok(());
        for size in sizes {
            grown = self.grow(at.saturating_add(*size).min(limit), limit);
            if grown.is_ok() {
                return Ok(true);
            }
        }
        if self.seat.is_some() { Ok(false) } else { grown.map(|()| true) }
    }

    /// Goes on where memory ends, if the source does: says whether there may be more.
    fn copy_past_memory<R: Read + ?Sized>(&mut self, source: &mut R, position: &mut u64) -> io::Result<bool> {
        // How many bytes memory may hold, and whether that is for good: a byte that is asked for where a hard limit ends it
        // goes with the error.
        let (most, hard) = match self.settings.overflow {
            Overflow::Disk => (self.settings.threshold, false),
            Overflow::Fail => (self.settings.threshold, true),
            // A pool may have no disk for a gap.
            Overflow::DiskOrMemory(most) => {
                (most.max(self.settings.threshold), self.seat.is_none() || *position <= self.len())
            }
        };
        let hard = *position >= self.settings.max_len || (hard && *position >= most as u64);
        let place = self.place_for_one(*position, most);
        if place.is_none() && !hard {
            // The way has to be made before a byte is asked for, which might have to be kept.
            self.allowed(1, *position)?;
            return match self.make_way(*position, 1) {
                Err(limit) if limit.kind() == io::ErrorKind::FileTooLarge => {
                    probe(source)?.map_or(Ok(false), |_| Err(limit))
                }
                made => made.map(|()| true),
            };
        }
        let Some(byte) = probe(source)? else { return Ok(false) };
        match self.write(&[byte], *position) {
            Ok(_) => {
                *position += 1;
                Ok(true)
            }
            Err(error) => {
                if let Some(place) = place.filter(|_| error.kind() != io::ErrorKind::FileTooLarge) {
                    self.keep(byte, place, position);
                }
                Err(error)
            }
        }
    }

    /// Where a byte can be kept that was asked for to see whether the source had ended, and which the disk then has no place
    /// for: in memory, one more than the `most` it may hold, at `position`; and what a pool has lent for that.
    fn place_for_one(&self, position: u64, most: usize) -> Option<Option<Loan>> {
        let Tier::Memory(memory) = &self.tier else { return Some(None) };
        // Memory can keep neither a gap nor ever more bytes too many.
        if position != memory.len() as u64 || position >= (most as u64).saturating_add(KEPT_MOST) {
            return None;
        }
        match home_of(&self.seat) {
            Some(home) if memory.len() == memory.capacity() => Loan::take(home, memory.len() + 1).map(Some),
            _ => Some(None),
        }
    }

    fn keep(&mut self, byte: u8, place: Option<Loan>, position: &mut u64) {
        match &mut self.tier {
            Tier::Untouched => {}
            // It has rolled over, and then the pool had no disk for more.
            Tier::Rolled(rolled) => {
                drop(place);
                if rolled.has_place_for_one(*position).unwrap_or(false) {
                    rolled.keep(byte, position);
                }
            }
            Tier::Memory(memory) => {
                let at = memory.len();
                let kept = match place {
                    Some(loan) => loan.into_room_for_one(memory),
                    None => memory.grow(at + 1, at + 1, home_of(&self.seat)),
                };
                if kept.is_ok() {
                    memory.put(&[byte], at);
                    *position += 1;
                }
            }
        }
    }

    /// Writes what lies from `position` to the end into `sink`, and moves `position` with every byte that was taken.
    pub(crate) fn copy_to<W: Write + ?Sized>(&mut self, sink: &mut W, position: &mut u64) -> io::Result<()> {
        match &mut self.tier {
            Tier::Untouched => Ok(()),
            Tier::Memory(memory) => drain(memory.rest(*position), sink, position),
            Tier::Rolled(rolled) => rolled.copy_to(sink, position),
        }
    }
}

/// Reads straight behind the content in memory, as far as that has room and `limit` allows; if there is a `once`, so much at
/// most by one `read`. Says whether there may be more.
fn append_from<R: Read + ?Sized>(
    memory: &mut Buffer,
    source: &mut R,
    position: &mut u64,
    limit: usize,
    once: Option<usize>,
) -> io::Result<bool> {
    let at = *position as usize;
    let room = (memory.capacity().min(limit) - at).min(once.unwrap_or(LARGEST_READ));
    if at == memory.len() {
        return memory.fill_from(source, room, |read| {
            *position += read as u64;
            once.is_none()
        });
    }
    // There is a gap, which is one only if something comes behind it.
    let mut piece = [0; 4096];
    let room = room.min(piece.len());
    let read = read_some(source, &mut piece[..room])?;
    if read > 0 {
        memory.put(&piece[..read], at);
        *position += read as u64;
    }
    Ok(read > 0)
}

/// Reads over content in memory: by way of a small buffer, since a source may scribble past what it says it read.
fn overwrite_from<R: Read + ?Sized>(memory: &mut Buffer, source: &mut R, position: &mut u64) -> io::Result<bool> {
    let mut piece = [0; 4096];
    let at = *position as usize;
    let room = (memory.len() - at).min(piece.len());
    let read = read_some(source, &mut piece[..room])?;
    memory.as_mut_slice()[at..at + read].copy_from_slice(&piece[..read]);
    *position += read as u64;
    Ok(read > 0)
}

/// How many bytes too many may be kept, one for each call that found no place for it.
const KEPT_MOST: u64 = 4096;
/// The room for the first read of a source of unknown length.
const FIRST_READ: usize = 8 * 1024;
/// The most that is asked of a source at once, since it is zeroed before.
const LARGEST_READ: usize = 256 * 1024;
