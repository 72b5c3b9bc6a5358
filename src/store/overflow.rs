//! What happens when content outgrows its memory: the rules of [`Overflow`], for whoever keeps it in memory.

use std::io;
use std::sync::Arc;

use super::bounds::LONGEST;
#[cfg(feature = "tokio")]
use super::window::AT_A_TIME;
use crate::error::{self, Limit, LimitError};
use crate::options::{Overflow, Settings};
use crate::pool::Home;

/// Memory that may become a file.
pub(crate) trait Tiers {
    fn settings(&self) -> &Settings;

    fn home(&self) -> Option<&Arc<Home>>;

    /// How far content may reach before anything has to happen.
    fn room(&self) -> u64;

    /// Grows memory to at least `need`, where it may grow to `most`.
    fn grow(&mut self, need: usize, most: usize) -> io::Result<()>;

    /// Moves what is in memory to a file, which may be written up to `end`.
    fn roll_over(&mut self, end: u64) -> io::Result<()>;
}

/// How much of `count` bytes `max_len` allows at `offset`.
pub(crate) fn allowed(settings: &Settings, count: usize, offset: u64) -> io::Result<usize> {
    let max_len = settings.max_len;
    let mut count = count;
    if max_len < LONGEST {
        match max_len.saturating_sub(offset) {
            0 => return Err(LimitError::too_large(Limit::MaxLen, max_len)),
            room => count = count.min(usize::try_from(room).unwrap_or(usize::MAX)),
        }
    }
    match offset.checked_add(count as u64) {
        Some(end) if end <= LONGEST => Ok(count),
        _ => Err(error::past_every_file()),
    }
}

/// Sees to it that `offset..end` can be written, or at least its first byte.
pub(crate) fn make_way(tiers: &mut impl Tiers, offset: u64, end: u64) -> io::Result<()> {
    if end <= tiers.room() {
        return Ok(());
    }
    let Settings { threshold, overflow, .. } = *tiers.settings();
    if end <= threshold as u64 {
        let grown = tiers.grow(end as usize, threshold);
        return match overflow {
            // The pool has no more memory, or the system has not.
            Overflow::Disk | Overflow::DiskOrMemory(_) if grown.is_err() && tiers.home().is_some() => {
                tiers.roll_over(end)
            }
            _ => grown,
        };
    }
    match overflow {
        Overflow::Disk => tiers.roll_over(end),
        Overflow::Fail => make_way_below(tiers, threshold, offset, end),
        Overflow::DiskOrMemory(most) => {
            tiers.roll_over(end).or_else(|_| make_way_below(tiers, most.max(threshold), offset, end))
        }
    }
}

/// The same, if that takes no file: else `None`, with nothing changed.
#[cfg(feature = "tokio")]
pub(crate) fn make_way_now(tiers: &mut impl Tiers, offset: u64, end: u64) -> Option<io::Result<()>> {
    let Settings { threshold, overflow, .. } = *tiers.settings();
    // There `make_way` goes on in memory where the disk fails: it has to be asked first.
    if matches!(overflow, Overflow::DiskOrMemory(_)) && end > tiers.room().max(threshold as u64) {
        return None;
    }
    match make_way(&mut WithoutDisk(tiers), offset, end) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        made => Some(made),
    }
}

/// Where a write to `offset..end` may end at the least that takes 256 KiB at a time: what has to happen for it is the same.
#[cfg(feature = "tokio")]
pub(crate) fn first_step(settings: &Settings, offset: u64, end: u64) -> u64 {
    match settings.overflow {
        Overflow::DiskOrMemory(_) => end,
        Overflow::Disk | Overflow::Fail => {
            let passes_the_threshold = (settings.threshold as u64).saturating_add(1);
            end.min((offset + AT_A_TIME as u64).max(passes_the_threshold))
        }
    }
}

/// Memory that may grow, and for now not become a file.
#[cfg(feature = "tokio")]
struct WithoutDisk<'a, T>(&'a mut T);

#[cfg(feature = "tokio")]
impl<T: Tiers> Tiers for WithoutDisk<'_, T> {
    fn settings(&self) -> &Settings {
        self.0.settings()
    }

    fn home(&self) -> Option<&Arc<Home>> {
        self.0.home()
    }

    fn room(&self) -> u64 {
        self.0.room()
    }

    fn grow(&mut self, need: usize, most: usize) -> io::Result<()> {
        self.0.grow(need, most)
    }

    fn roll_over(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// The same where memory ends at `most`.
fn make_way_below(tiers: &mut impl Tiers, most: usize, offset: u64, end: u64) -> io::Result<()> {
    let most = most as u64;
    if offset >= most {
        return Err(LimitError::too_large(Limit::Memory, most));
    }
    let end = end.min(most);
    if tiers.room() < end { tiers.grow(end as usize, most as usize) } else { Ok(()) }
}
