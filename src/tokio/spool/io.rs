//! `AsyncRead`, `AsyncBufRead`, `AsyncWrite` and `AsyncSeek`: the same four steps each. What can be had at once is; else an
//! errand makes it possible, it is waited for, and then it can be had.

use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
use ::tokio::task::coop;

use super::AsyncSpooledTempFile;
use super::away::What;
use crate::SpooledTempFile;
use crate::errand::{self, Ask};
use crate::store::{self, AT_A_TIME};

/// All that there is room for in `buf`; on disk 256 KiB at most, and less where the window that was brought ends, or memory is
/// short.
///
/// # Cancel safety
/// A read that is dropped before it is done has moved nothing. So has [`read_exact`](::tokio::io::AsyncReadExt::read_exact)
/// no more than what it had put into the buffer.
impl AsyncRead for AsyncSpooledTempFile {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Some(spool) = this.away.here() {
            if take_at_hand(spool, buf, false) {
                return Poll::Ready(Ok(()));
            }
        }
        let proceed = ready!(coop::poll_proceed(cx));
        loop {
            let (spool, came) = ready!(this.away.poll_here(cx))?;
            if let Some((What::Read, brought)) = came {
                brought?;
                if take_at_hand(spool, buf, true) {
                    proceed.made_progress();
                    return Poll::Ready(Ok(()));
                }
            }
            let count = buf.remaining().min(AT_A_TIME);
            if let Some(read) = spool.read_now(buf.initialize_unfilled_to(count)) {
                let read = read?;
                buf.advance(read);
                proceed.made_progress();
                errand::spend(cx, read);
                return Poll::Ready(Ok(()));
            }
            this.away.send(What::Read, move |spool| spool.bring(count))?;
        }
    }
}

/// Puts what is at hand into `buf`, if that fills it, or if it is something and a part will do; or if all is in memory.
fn take_at_hand(spool: &mut SpooledTempFile, buf: &mut ReadBuf<'_>, a_part_will_do: bool) -> bool {
    let there = spool.at_hand();
    let count = there.len().min(buf.remaining());
    let taken = count == buf.remaining() || (a_part_will_do && count > 0) || !spool.is_rolled();
    if taken {
        buf.put_slice(&there[..count]);
        spool.pass(count);
    }
    taken
}

/// What can be had in one piece: all that is left of what is in memory, or a window of what is on disk.
///
/// # Cancel safety
/// One that is dropped before it is done has moved nothing.
impl AsyncBufRead for AsyncSpooledTempFile {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        let proceed = ready!(coop::poll_proceed(cx));
        loop {
            let (spool, came) = ready!(this.away.poll_here(cx))?;
            if let Some((What::Read, brought)) = came {
                brought?;
            }
            if let Some(filled) = spool.fill_now() {
                filled?;
                break;
            }
            this.away.send(What::Read, |spool| spool.bring(1))?;
        }
        proceed.made_progress();
        Poll::Ready(Ok(this.away.here().map_or(&[], |spool| spool.at_hand())))
    }

    /// Stops where `fill_buf` did.
    fn consume(self: Pin<&mut Self>, amount: usize) {
        if let Some(spool) = self.get_mut().away.here() {
            spool.pass(amount);
        }
    }
}

/// The position moves with what is written, by the rules of [`SpooledTempFile`]; once rolled, one write takes at most
/// 256 KiB.
///
/// # Cancel safety
/// A write that is dropped before it is done has written nothing, and content, length and position are what they were; it may
/// have rolled over. Bytes are taken from the caller only when the write is done, so none are in flight, and what a write that
/// was done took is there whatever happens to later ones. So [`write_all`](::tokio::io::AsyncWriteExt::write_all) has written a
/// prefix that [`position`](AsyncSpooledTempFile::position) tells. A dropped `flush` may still happen.
impl AsyncWrite for AsyncSpooledTempFile {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.away.here().is_some_and(|spool| spool.append_now(buf)) {
            true => Poll::Ready(Ok(buf.len())),
            false => this.poll_write_slowly(cx, buf.len(), buf, |spool| spool.write_now(buf)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (total, first) = store::summed_up(bufs);
        self.get_mut().poll_write_slowly(cx, total, first, |spool| store::each_now(bufs, |buf| spool.write_now(buf)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Hands the window to the operating system. It is not a sync.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let (spool, came) = ready!(this.away.poll_here(cx))?;
            if let Some((What::Flush, flushed)) = came {
                return Poll::Ready(flushed);
            }
            if spool.flush_now() {
                return Poll::Ready(Ok(()));
            }
            this.away.send(What::Flush, io::Write::flush)?;
        }
    }

    /// The same as a flush: there is nothing to shut down.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSpooledTempFile {
    /// Writes by `write`, of which `first` is the first piece, and makes room for `count` bytes until that takes something.
    #[inline(never)]
    fn poll_write_slowly(
        &mut self,
        cx: &mut Context<'_>,
        count: usize,
        first: &[u8],
        mut write: impl FnMut(&mut SpooledTempFile) -> Option<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if count == 0 {
            // Of all the room that is made for it it would take nothing, and ask for more.
            return Poll::Ready(Ok(0));
        }
        let proceed = ready!(coop::poll_proceed(cx));
        let ask = Ask::new(first, count);
        loop {
            let (spool, came) = ready!(self.away.poll_here_to_write(cx))?;
            let written = match came {
                Some((What::Write(of), made)) if made.is_ok() || of == ask => made_ready(spool, made, first),
                _ => write(spool),
            };
            if let Some(written) = written {
                if let Ok(count @ 1..) = written {
                    self.away.has_come();
                    errand::spend(cx, count);
                }
                proceed.made_progress();
                return Poll::Ready(written);
            }
            self.away.send(What::Write(ask), move |spool| spool.make_ready(count))?;
        }
    }
}

/// Writes what an errand made room for. Where it failed, what the window had room for anyhow goes before the error, which
/// comes again from whoever writes next; a rollover that failed changes nothing.
fn made_ready(spool: &mut SpooledTempFile, made: io::Result<()>, first: &[u8]) -> Option<io::Result<usize>> {
    if made.is_ok() || spool.is_rolled() {
        if let fits @ 1.. = spool.write_what_fits(first) {
            return Some(Ok(fits));
        }
    }
    match made {
        // The room went to somebody else meanwhile: again.
        Ok(()) => None,
        // It may have been for another who wanted more.
        Err(error) => spool.write_now(first).or(Some(Err(error))),
    }
}

/// Costs nothing, and changes nothing but the position, which may lie past the end.
///
/// # Cancel safety
/// A seek that is dropped while it waits for what is under way has happened or not.
impl AsyncSeek for AsyncSpooledTempFile {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.get_mut().away.start_seek(to)
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.get_mut().away.poll_seek(cx)
    }
}
