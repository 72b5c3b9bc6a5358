//! Content as a body.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::http::HeaderMap;
use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};

use crate::frozen::SpooledBytes;
use crate::store::AT_A_TIME;
use crate::tokio::ChunkStream;

/// Content as the body of an HTTP message: what [`SpooledBytes::into_body`] and
/// [`Collected::into_body`](super::Collected::into_body) give.
///
/// Each clone begins at the start, however much of the first was sent: what a retry needs. Clones share the content.
///
/// The length is known from the start, so a client sends `Content-Length`. Content in memory goes out as one frame,
/// without a copy. What is on disk is read in pieces of 256 KiB: at once where the system has it at hand, else on the
/// runtime's blocking pool, and never holds up the executor. A read that fails is the body's error.
///
/// ```
/// use http_body::Body;
/// use spooled::SpooledBytes;
///
/// let body = SpooledBytes::from(b"sent twice".to_vec()).into_body();
/// let again = body.clone();
/// assert_eq!(again.size_hint().exact(), Some(10));
/// ```
#[must_use = "a body does nothing unless it is polled"]
pub struct SpooledBody {
    /// For who begins again.
    content: SpooledBytes,
    rest: ChunkStream,
    trailers: Option<Arc<HeaderMap>>,
    ended: bool,
}

impl SpooledBytes {
    /// The same as a body: all of the content, whatever the position. Copies nothing.
    ///
    /// ```
    /// use http_body::Body;
    ///
    /// let body = spooled::SpooledBytes::from(b"content".to_vec()).into_body();
    /// assert!(!body.is_end_stream());
    /// ```
    pub fn into_body(self) -> SpooledBody {
        SpooledBody::new(self, None)
    }
}

impl SpooledBody {
    pub(super) fn new(content: SpooledBytes, trailers: Option<HeaderMap>) -> Self {
        Self::begin(content, trailers.map(Arc::new))
    }

    fn begin(content: SpooledBytes, trailers: Option<Arc<HeaderMap>>) -> Self {
        // Memory as one frame.
        let size = if content.is_rolled() { AT_A_TIME } else { usize::MAX };
        Self { rest: content.chunks(size).into_stream(), content, trailers, ended: false }
    }
}

impl Body for SpooledBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.rest.left() > 0 {
            let piece = ready!(Pin::new(&mut this.rest).poll_next(cx));
            return Poll::Ready(piece.map(|piece| piece.map(Frame::data)));
        }
        if std::mem::replace(&mut this.ended, true) {
            return Poll::Ready(None);
        }
        Poll::Ready(this.trailers.as_deref().cloned().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.left() == 0 && (self.ended || self.trailers.is_none())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.left())
    }
}

impl Clone for SpooledBody {
    /// From the start.
    fn clone(&self) -> Self {
        Self::begin(self.content.clone(), self.trailers.clone())
    }
}

impl Default for SpooledBody {
    /// An empty one.
    fn default() -> Self {
        Self::from(Bytes::new())
    }
}

impl From<SpooledBytes> for SpooledBody {
    fn from(content: SpooledBytes) -> Self {
        content.into_body()
    }
}

impl From<Bytes> for SpooledBody {
    /// Takes the bytes as they are, without a copy.
    fn from(bytes: Bytes) -> Self {
        SpooledBytes::from(bytes).into_body()
    }
}

impl fmt::Debug for SpooledBody {
    /// Lengths, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledBody")
            .field("left", &format_args!("{}/{}", self.rest.left(), self.content.len()))
            .field("trailers", &self.trailers.is_some())
            .finish_non_exhaustive()
    }
}
