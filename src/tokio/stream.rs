//! Frozen content in pieces, as a stream.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use crate::errand::{self, Run};
use crate::frozen::Chunks;

/// The pieces of a [`SpooledBytes`](crate::SpooledBytes), as [`Chunks`] gives them, for a task: see
/// [`into_stream`](Chunks::into_stream).
#[must_use = "a stream does nothing unless it is polled"]
pub struct ChunkStream {
    chunks: Chunks,
    /// A piece that is being read, and where it begins.
    coming: Option<Run<io::Result<Bytes>>>,
}

impl Chunks {
    /// The same for a task.
    pub fn into_stream(self) -> ChunkStream {
        ChunkStream { chunks: self, coming: None }
    }
}

impl ChunkStream {
    /// How many bytes are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.chunks.left()
    }
}

impl Clone for ChunkStream {
    /// From where this one is.
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), coming: None }
    }
}

impl Stream for ChunkStream {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        if let Some(piece) = this.chunks.next_in_memory() {
            return Poll::Ready(piece.map(Ok));
        }
        let coming = match &mut this.coming {
            Some(coming) => coming,
            coming => {
                let mut chunks = this.chunks.clone();
                coming.insert(errand::run(move || chunks.next().unwrap_or_else(|| Ok(Bytes::new())))?)
            }
        };
        let done = ready!(Pin::new(coming).poll(cx));
        this.coming = None;
        let piece = done.and_then(|piece| piece);
        if let Ok(piece) = &piece {
            this.chunks.skip_bytes(piece.len());
        }
        Poll::Ready(Some(piece))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl fmt::Debug for ChunkStream {
    /// Lengths, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkStream").field("left", &self.left()).finish_non_exhaustive()
    }
}
