//! Frozen content in pieces, each a `Bytes`.

use std::fmt;
use std::io;
use std::iter::FusedIterator;

use bytes::Bytes;

use super::view::Shared;
#[cfg(feature = "tokio")]
use crate::store::AT_A_TIME;
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

    pub(super) fn left(&self) -> u64 {
        let len = match &self.content {
            Shared::Memory(bytes) => bytes.len() as u64,
            Shared::Disk(extent) => extent.len(),
        };
        len - self.offset
    }

    /// Whether the next piece is more than a task should read at once.
    #[cfg(feature = "tokio")]
    pub(super) fn takes_long(&self) -> bool {
        self.left().min(self.size as u64) > AT_A_TIME as u64 && matches!(self.content, Shared::Disk(_))
    }

    /// The next piece, by whoever may wait for the disk or not; nothing moves for it.
    pub(super) fn piece(&self, wait: Wait) -> Option<io::Result<Bytes>> {
        let count = self.left().min(self.size as u64) as usize;
        match &self.content {
            _ if count == 0 => None,
            Shared::Memory(bytes) => {
                let at = self.offset as usize;
                Some(Ok(bytes.slice(at..at + count)))
            }
            Shared::Disk(extent) => Some(extent.piece(count, self.offset, wait)),
        }
    }

    pub(super) fn moved_behind(&mut self, piece: &Option<io::Result<Bytes>>) {
        if let Some(Ok(piece)) = piece {
            self.offset += piece.len() as u64;
        }
    }
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        let piece = self.piece(Wait::ForTheDisk);
        self.moved_behind(&piece);
        piece
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
