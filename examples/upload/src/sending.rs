//! From a file to a connection: a range of it, as it comes.

use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};

use crate::files::Content;

/// A body of as many bytes as were asked for: where there turn out to be fewer, it breaks off, and does not end.
pub(crate) struct Sending {
    pieces: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
    /// How much is still to come, if that is known.
    left: Option<u64>,
    /// Last, so that it sees to the giving back when nobody else has it.
    _content: Arc<Content>,
}

impl Sending {
    /// All there will be.
    pub(crate) fn whole(content: Arc<Content>) -> io::Result<Self> {
        let left = content.len();
        Self::new(content, 0, left)
    }

    pub(crate) fn part(content: Arc<Content>, range: Range<u64>) -> io::Result<Self> {
        Self::new(content, range.start, Some(range.end - range.start))
    }

    fn new(content: Arc<Content>, start: u64, left: Option<u64>) -> io::Result<Self> {
        let mut reader = content.reader().clone();
        reader.seek(SeekFrom::Start(start))?;
        let piece = left.map_or(PIECE, |left| left.clamp(1, PIECE as u64) as usize);
        Ok(Sending { pieces: Box::pin(reader.into_stream(piece)), left, _content: content })
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        let piece = ready!(self.pieces.as_mut().poll_next(cx)).transpose()?;
        Poll::Ready(match (piece, &mut self.left) {
            (Some(mut piece), Some(left)) => {
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
                Some(Ok(Frame::data(piece)))
            }
            (Some(piece), None) => Some(Ok(Frame::data(piece))),
            (None, Some(_)) => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            (None, None) => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

const PIECE: usize = 256 << 10;
