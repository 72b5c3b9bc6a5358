//! A connection that a client who stands still does not hold for ever, and on which one who is still sending gets our answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

pub(crate) struct Connection<S> {
    stream: S,
    /// How long the client may let us wait: for its first byte, and for room for ours.
    idle: Duration,
    silent: bool,
    /// Until when the client may notice that we have said all.
    closed: Option<Instant>,
    /// Runs while we wait, and is `None` while nobody does.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Connection<S> {
    pub(crate) fn new(stream: S, idle: Duration) -> Self {
        Connection { stream, idle, silent: true, closed: None, timer: None }
    }

    /// Whether we have waited for so long by now.
    fn poll_waited(&mut self, most: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(most)));
        timer.as_mut().poll(cx)
    }

    /// A step of writing: it is done, or we wait, though not for ever.
    fn limited<T>(&mut self, done: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.timer = None;
            return done;
        }
        ready!(self.poll_waited(self.idle, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_read(cx, buf);
        if !this.silent {
            return done;
        }
        this.silent = done.is_pending();
        this.limited(done, cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.limited(done, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.limited(done, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    /// Says that no more will come, and then reads for a moment what the client is still sending: if we just went, the system
    /// would reset the connection, and with it take our answer back that the client has not read yet.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closed.is_none() {
            let done = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.limited(done, cx))?;
        }
        let until = *this.closed.get_or_insert_with(|| Instant::now() + LINGER);
        let mut nothing = [0; 16 << 10];
        while Instant::now() < until {
            let mut buf = ReadBuf::new(&mut nothing);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => this.timer = None,
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(this.poll_waited(QUIET, cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// How long a client that has been refused may go on sending, and how long it may do nothing, before it misses the answer.
pub(crate) const LINGER: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_secs(2);
