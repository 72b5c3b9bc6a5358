//! Frozen content in pieces, each a `Bytes`.

use std::fmt;
use std::io;
use std::iter::FusedIterator;

use bytes::Bytes;

use super::view::Shared;
use crate::error;
use crate::sys::Wait;

/// The pieces of a [`SpooledBytes`](crate::SpooledBytes), from its start: see
/// [`chunks`](crate::SpooledBytes::chunks). Borrows nothing.
#[must_use = "an iterator does nothing unless it is used"]
#[derive(Clone)]
pub struct Chunks {
    content: Shared,
    offset: u64,
    size: usize,
}

impl Chunks {
    pub(super) fn new(content: Shared, size: usize) -> Self {
        Self { content, offset: 0, size: size.max(1) }
    }

    pub(crate) fn left(&self) -> u64 {
        let len = match &self.content {
            Shared::Memory(bytes) => bytes.len() as u64,
            Shared::Disk(extent) => extent.len(),
        };
        len - self.offset
    }

    /// The next one of content in memory: `None` if it is on disk, `Some(None)` at the end.
    #[cfg(feature = "tokio")]
    pub(crate) fn next_in_memory(&mut self) -> Option<Option<Bytes>> {
        if self.left() > 0 && matches!(self.content, Shared::Disk(_)) {
            return None;
        }
        Some(self.next().and_then(Result::ok))
    }

    /// Goes on behind the next `count` bytes.
    #[cfg(feature = "tokio")]
    pub(crate) fn skip_bytes(&mut self, count: usize) {
        self.offset += count as u64;
    }

    fn piece(&self, count: usize) -> io::Result<Bytes> {
        match &self.content {
            Shared::Memory(bytes) => {
                let at = self.offset as usize;
                Ok(bytes.slice(at..at + count))
            }
            Shared::Disk(extent) => {
                let mut piece: Vec<u8> = Vec::new();
                piece.try_reserve_exact(count).map_err(|_| error::out_of_memory(count))?;
                extent.read_behind(&mut piece, count, self.offset, Wait::ForTheDisk)?;
                Ok(Bytes::from(piece))
            }
        }
    }
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let count = self.left().min(self.size as u64) as usize;
        if count == 0 {
            return None;
        }
        let piece = self.piece(count);
        if piece.is_ok() {
            self.offset += count as u64;
        }
        Some(piece)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let pieces = usize::try_from(self.left().div_ceil(self.size as u64));
        (pieces.unwrap_or(usize::MAX), pieces.ok())
    }
}

impl FusedIterator for Chunks {}

impl fmt::Debug for Chunks {
    /// Lengths, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").field("size", &self.size).field("left", &self.left()).finish_non_exhaustive()
    }
}
