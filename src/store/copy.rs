//! From a stream into a store, and out of one into a stream, with no buffer in between.
//!
//! `position` moves with every byte that is kept, or taken, as it happens: so whatever a stranger's `read` or `write` does
//! (fail, end early, panic), source, store and sink together are everything, and a later call goes on from there.

use std::io::{self, Read, Write};

use super::stream::{drain, probe, read_some};
use super::{Store, Tier, home_of};
use crate::options::Overflow;
use crate::pool::Buffer;

impl Store {
    /// Reads `source` to its end, from `position` on, and moves `position` with every byte that is kept.
    pub(crate) fn copy_from<R: Read + ?Sized>(&mut self, source: &mut R, position: &mut u64) -> io::Result<()> {
        loop {
            match &mut self.tier {
                Tier::Rolled(rolled) => return rolled.copy_from(source, position),
                Tier::Memory(memory) => {
                    let limit = self.settings.memory_limit(self.settings.threshold.max(memory.capacity()));
                    let more = match usize::try_from(*position) {
                        Ok(at) if at < memory.len() => overwrite_from(memory, source, position)?,
                        Ok(at) if at < memory.capacity().min(limit) => append_from(memory, source, position, limit)?,
                        Ok(at) if at < limit => {
                            self.make_way_to_read(at, limit)?;
                            true
                        }
                        _ => self.copy_past_memory(source, position)?,
                    };
                    if !more {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Sees to it that something can be read to `at`, where memory may grow to `limit`; or that it has rolled over.
    fn make_way_to_read(&mut self, at: usize, limit: usize) -> io::Result<()> {
        let mut made = Ok(());
        // Fewer where there is a pool that has no more.
        for size in [FIRST_READ, 512, 1] {
            made = self.make_way(at as u64, size.min(limit - at));
            if made.is_ok() {
                break;
            }
        }
        made
    }

    /// Goes on where memory ends, if the source does: says whether there may be more.
    fn copy_past_memory<R: Read + ?Sized>(&mut self, source: &mut R, position: &mut u64) -> io::Result<bool> {
        let full = *position > self.len()
            || self.len() >= (self.settings.threshold as u64).saturating_add(KEPT_MOST)
            || !self.can_keep_one();
        if full && *position < self.settings.max_len && self.settings.overflow == Overflow::Disk {
            // Memory can keep neither a gap nor ever more bytes too many: the way has to be made before one is asked for.
            self.allowed(1, *position)?;
            self.roll()?;
            return Ok(true);
        }
        let Some(byte) = probe(source)? else { return Ok(false) };
        match self.write(&[byte], *position) {
            Ok(_) => {
                *position += 1;
                Ok(true)
            }
            Err(error) => {
                self.keep(byte, position);
                Err(error)
            }
        }
    }

    /// Whether a byte too many would have a place: in a pool that is short of memory it might not.
    fn can_keep_one(&mut self) -> bool {
        match &mut self.tier {
            Tier::Memory(memory) if self.seat.is_some() => {
                let one_more = memory.len() + 1;
                let limit = one_more.max(memory.capacity());
                one_more <= memory.capacity() || memory.grow(one_more, limit, home_of(&self.seat)).is_ok()
            }
            _ => true,
        }
    }

    /// Keeps a byte that was asked for to see whether the source had ended, and which the disk then had no place for.
    ///
    /// One byte more than the threshold allows; but not more than a hard limit does.
    fn keep(&mut self, byte: u8, position: &mut u64) {
        if let Tier::Memory(memory) = &mut self.tier {
            let at = memory.len();
            let soft = self.settings.overflow == Overflow::Disk && (at as u64) < self.settings.max_len;
            let home = home_of(&self.seat);
            if soft && at as u64 == *position && memory.grow(at + 1, at + 1, home).is_ok() {
                memory.put(&[byte], at);
                *position += 1;
            }
        }
    }

    /// Writes what lies from `position` to the end into `sink`, and moves `position` with every byte that was taken.
    pub(crate) fn copy_to<W: Write + ?Sized>(&mut self, sink: &mut W, position: &mut u64) -> io::Result<()> {
        match &mut self.tier {
            Tier::Memory(memory) => drain(memory.rest(*position), sink, position),
            Tier::Rolled(rolled) => rolled.copy_to(sink, position),
        }
    }
}

/// Reads straight behind the content in memory, as far as that has room and `limit` allows. Says whether there may be more.
fn append_from<R: Read + ?Sized>(
    memory: &mut Buffer,
    source: &mut R,
    position: &mut u64,
    limit: usize,
) -> io::Result<bool> {
    let at = *position as usize;
    let room = (memory.capacity().min(limit) - at).min(LARGEST_READ);
    if at == memory.len() {
        return memory.fill_from(source, room, |read| *position += read as u64);
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
