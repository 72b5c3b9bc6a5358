//! Frozen content in pieces, for a task.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::task::coop;
use bytes::Bytes;
use futures_core::Stream;

use super::Chunks;
use crate::errand::{self, Run};
use crate::store::at_once;
use crate::sys::Wait;

/// The pieces of a [`SpooledBytes`](crate::SpooledBytes), as [`Chunks`] gives them, for a task: see
/// [`into_stream`](Chunks::into_stream).
///
/// A clone goes on from where its original is.
#[must_use = "a stream does nothing unless it is polled"]
pub struct ChunkStream {
    chunks: Chunks,
    /// The next piece, which the disk is asked for.
    coming: Option<Run<Piece>>,
}

/// As the disk gave it, and whether it had to be asked.
type Piece = (Option<io::Result<Bytes>>, bool);

impl Chunks {
    /// The same for a task: memory is handed out as it is, what the page cache has is read at once, and the rest on the
    /// blocking pool, one piece ahead.
    ///
    /// # Errors
    /// An item is what the disk answered, naming the directory; the next one tries the same piece again.
    ///
    /// # Cancel safety
    /// Waiting for the next piece may be given up at any point: none is lost.
    ///
    /// ```
    /// use futures_core::Stream;
    /// use std::{future::poll_fn, pin::Pin};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let mut spool = spooled::SpooledTempFile::new(4);
    /// std::io::Write::write_all(&mut spool, b"0123456789")?;
    /// let mut stream = spool.freeze()?.chunks(4).into_stream();
    /// let mut pieces = Vec::new();
    /// while let Some(piece) = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
    ///     pieces.push(piece?);
    /// }
    /// assert_eq!(pieces, ["0123", "4567", "89"]);
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_stream(self) -> ChunkStream {
        ChunkStream { chunks: self, coming: None }
    }

    /// The next piece, if it can be had without waiting.
    fn next_now(&mut self) -> Option<Option<io::Result<Bytes>>> {
        if self.takes_long() {
            return None;
        }
        let piece = match self.piece(Wait::Never) {
            Some(piece) => Some(at_once(piece)?),
            None => None,
        };
        self.moved_behind(&piece);
        Some(piece)
    }
}

impl ChunkStream {
    /// How many bytes are still to come.
    #[cfg(feature = "http")]
    pub(crate) fn left(&self) -> u64 {
        self.chunks.left()
    }

    fn send_for_next(&mut self) -> io::Result<()> {
        let chunks = self.chunks.clone();
        self.coming = Some(errand::run(move || match chunks.piece(Wait::Never).map(at_once) {
            Some(None) => (chunks.piece(Wait::ForTheDisk), true),
            piece => (piece.flatten(), false),
        })?);
        Ok(())
    }
}

impl Stream for ChunkStream {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        let proceed = ready!(coop::poll_proceed(cx));
        if this.coming.is_none() {
            if let Some(piece) = this.chunks.next_now() {
                proceed.made_progress();
                if let Some(Ok(piece)) = &piece {
                    errand::spend(cx, piece.len());
                }
                return Poll::Ready(piece);
            }
            this.send_for_next()?;
        }
        let Some(coming) = &mut this.coming else { return Poll::Pending };
        let done = ready!(Pin::new(coming).poll(cx));
        this.coming = None;
        proceed.made_progress();
        let (piece, was_asked) = done?;
        this.chunks.moved_behind(&piece);
        if was_asked && matches!(piece, Some(Ok(_))) && this.chunks.left() > 0 {
            // One ahead. Where it cannot be sent for, the next poll says so.
            let _ = this.send_for_next();
        }
        Poll::Ready(piece)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.chunks.size_hint()
    }
}

impl Clone for ChunkStream {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), coming: None }
    }
}

impl fmt::Debug for ChunkStream {
    /// Lengths, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkStream").field("left", &self.chunks.left()).finish_non_exhaustive()
    }
}
