//! A reader as a stream of pieces.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::tokio::task::coop;
use bytes::Bytes;
use futures_core::Stream;

use crate::errand::{self, Run};
use crate::pool::Buffer;
use crate::store::{AT_A_TIME, AtOnce, Medium, at_once};
use crate::sys::{Wait, within};
use crate::tail::Reader;
use crate::tail::shared::Shared;

impl Reader {
    /// What is published from the position on, as it comes, in pieces of at most `chunk` bytes; 0 is taken as 1.
    ///
    /// A piece is what there is at that moment: the stream waits for something, and not until a piece is full. It ends where
    /// the writer finishes. What the disk has to answer is read off the executor, into memory of the piece's own.
    ///
    /// # Errors
    /// An item is the writer's failure, behind all that was published, or what the disk answered; the next one is the same again,
    /// or tries again.
    ///
    /// # Cancel safety
    /// Waiting for the next piece may be given up at any point: none is lost.
    ///
    /// ```
    /// use spooled::{SpoolOptions, tail};
    /// use std::{future::poll_fn, io::Write, pin::pin};
    /// use futures_core::Stream;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let (mut writer, reader) = tail::channel(&SpoolOptions::new());
    /// std::thread::spawn(move || {
    ///     writer.write_all(b"as it comes")?;
    ///     writer.finish()
    /// });
    /// let mut stream = pin!(reader.into_stream(4));
    /// let mut all = Vec::new();
    /// while let Some(piece) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
    ///     all.extend_from_slice(&piece?);
    /// }
    /// assert_eq!(all, b"as it comes");
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_stream(self, chunk: usize) -> impl Stream<Item = io::Result<Bytes>> + Send {
        Pieces { reader: self, chunk: chunk.max(1), coming: None }
    }
}

struct Pieces {
    reader: Reader,
    chunk: usize,
    coming: Option<Run<io::Result<Bytes>>>,
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        let proceed = ready!(coop::poll_proceed(cx));
        let piece = ready!(this.poll_piece(cx)).transpose();
        proceed.made_progress();
        if let Some(Ok(piece)) = &piece {
            this.reader.cursor.position += piece.len() as u64;
        }
        Poll::Ready(piece)
    }
}

impl Pieces {
    /// The piece at the reader's position, which does not move for it.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        if self.coming.is_none() {
            let offset = self.reader.cursor.position;
            if !ready!(self.reader.poll_past(offset, cx))? {
                return Poll::Ready(Ok(None));
            }
            let shared = &self.reader.cursor.content.shared;
            let count = within(shared.progress.published(), offset, self.chunk);
            let at_hand = (count <= AT_A_TIME).then(|| at_once(read(&AtOnce(&shared.log), offset, count))).flatten();
            if let Some(piece) = at_hand {
                errand::spend(cx, count);
                return Poll::Ready(piece.map(Some));
            }
            let shared: Arc<Shared> = Arc::clone(shared);
            self.coming = Some(errand::run(move || read(&shared.log, offset, count))?);
        }
        let Some(coming) = &mut self.coming else { return Poll::Pending };
        let piece = ready!(Pin::new(coming).poll(cx));
        self.coming = None;
        Poll::Ready(piece.and_then(|piece| piece).map(Some))
    }
}

fn read(medium: &impl Medium, offset: u64, count: usize) -> io::Result<Bytes> {
    let mut piece = Buffer::for_window(count, None)?;
    match medium.read_behind(piece.as_bytes_mut(), count, offset, Wait::ForTheDisk)? {
        all if all == count => Ok(piece.freeze()),
        _ => Err(medium.error(io::ErrorKind::UnexpectedEof.into())),
    }
}
