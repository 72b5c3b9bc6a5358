//! `AsyncWrite` for a writer: it goes on an errand as a whole, and a stand-in that holds nothing takes its place.

use std::io::{self, IoSlice, Write};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::AsyncWrite;
use ::tokio::task::coop;

use crate::errand::{self, Ask, Errand};
use crate::store::{self, AT_A_TIME};
use crate::tail::Writer;
use crate::tail::progress::Ending;
use crate::tail::writer::Tier;

/// Where a writer is, and what it does for its task.
#[derive(Default)]
pub(in crate::tail) struct WriterTask {
    away: Option<Box<Away>>,
    /// Somebody writes who may not wait for the disk.
    is_used: bool,
}

struct Away {
    errand: Errand<Writer, io::Result<()>>,
    what: What,
}

/// Which call an errand is for, so that no other is told how it went.
#[derive(Clone, Copy, PartialEq)]
enum What {
    /// Of these bytes: another write is not told.
    Write(Ask),
    Flush,
    /// Nobody waits for it: the bytes were taken already, and who has to write next finds out what is wrong.
    Publish,
}

/// All of `buf`, or what a limit leaves of it; on disk 256 KiB at most. It can be read after the next `flush`, or when 64 KiB
/// have gathered.
///
/// `shutdown` publishes all and says that no more will come, as [`finish`](Writer::finish) does; one that fails has not ended it,
/// and can be called again. After it a write is [`BrokenPipe`](io::ErrorKind::BrokenPipe).
///
/// # Cancel safety
/// A write that is dropped before it is done has written nothing. A dropped `flush` may still happen; so may the flush of a
/// dropped `shutdown`, but not the end.
impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_by(cx, buf.len(), buf, |writer| writer.write_now(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (total, first) = store::summed_up(bufs);
        self.get_mut().poll_write_by(cx, total, first, |writer| store::each_now(bufs, |buf| writer.write_now(buf)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if let Some((What::Flush, flushed)) = ready!(this.poll_back(cx)) {
                return Poll::Ready(flushed);
            }
            if this.publish_now() {
                return Poll::Ready(Ok(()));
            }
            this.send(What::Flush, Write::flush)?;
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut *this).poll_flush(cx))?;
        this.end(Ending::Finished);
        Poll::Ready(Ok(()))
    }
}

impl Writer {
    fn poll_write_by(
        &mut self,
        cx: &mut Context<'_>,
        count: usize,
        first: &[u8],
        mut write: impl FnMut(&mut Self) -> Option<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let proceed = ready!(coop::poll_proceed(cx));
        let ask = Ask::new(first, count);
        loop {
            let came = ready!(self.poll_back(cx));
            if self.ended {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let written = match came {
                Some((What::Write(of), made)) if made.is_ok() || of == ask => self.made_ready(made, first),
                _ => write(self),
            };
            if let Some(written) = written {
                errand::spend(cx, *written.as_ref().unwrap_or(&0));
                if self.has_gathered() && !self.publish_now() {
                    // What was taken is taken: outside a runtime too, where nobody could be sent.
                    let _ = self.send(What::Publish, Write::flush);
                }
                proceed.made_progress();
                return Poll::Ready(written);
            }
            self.send(What::Write(ask), move |writer| writer.make_ready(count))?;
        }
    }

    /// Writes what takes no disk; or `None`, with nothing changed.
    fn write_now(&mut self, buf: &[u8]) -> Option<io::Result<usize>> {
        if buf.is_empty() {
            return Some(Ok(0));
        }
        if self.append(buf) {
            self.len += buf.len() as u64;
            return Some(Ok(buf.len()));
        }
        let buf = match self.allowed(buf.len()) {
            Ok(count) => &buf[..count],
            Err(limit) => return Some(Err(limit)),
        };
        let written = if let Tier::Rolled(lease) = &mut self.tier {
            lease.write_now(buf, self.len)?
        } else {
            self.write_in_memory_now(buf)?
        };
        Some(written.inspect(|written| self.len += *written as u64))
    }

    /// Writes what an errand made room for. Where it failed, what the window had room for anyhow goes before the error, which
    /// comes again from whoever writes next; a rollover that failed changes nothing.
    fn made_ready(&mut self, made: io::Result<()>, first: &[u8]) -> Option<io::Result<usize>> {
        let buf = &first[..self.allowed(first.len()).unwrap_or(0)];
        let written = match &mut self.tier {
            Tier::Rolled(lease) => lease.write_what_fits(buf, self.len),
            Tier::Memory { room, .. } if made.is_ok() => {
                let count = buf.len().min(usize::try_from(*room - self.len).unwrap_or(usize::MAX));
                self.fill(&buf[..count]);
                count
            }
            Tier::Memory { .. } => 0,
        };
        self.len += written as u64;
        match made {
            _ if written > 0 => Some(Ok(written)),
            // The room went to somebody else meanwhile: again.
            Ok(()) => None,
            // It may have been for another who wanted more.
            Err(error) => self.write_now(first).or(Some(Err(error))),
        }
    }

    fn write_in_memory_now(&mut self, buf: &[u8]) -> Option<io::Result<usize>> {
        if let Err(limit) = store::make_way_now(self, self.len, self.len + buf.len() as u64)? {
            return Some(Err(limit));
        }
        let Tier::Memory { room, .. } = self.tier else { return None };
        let count = buf.len().min(usize::try_from(room - self.len).unwrap_or(usize::MAX));
        self.fill(&buf[..count]);
        Some(Ok(count))
    }

    /// Sees to it that `write_now` takes something, of which `count` bytes are wanted; what was written is published.
    fn make_ready(&mut self, count: usize) -> io::Result<()> {
        let count = self.allowed(count)?;
        let end = store::first_step(&self.settings, self.len, self.len + count as u64);
        store::make_way(self, self.len, end)?;
        if let Tier::Rolled(lease) = &mut self.tier {
            let made = lease.make_ready(self.len, count.min(AT_A_TIME));
            let written = lease.disk().file_len();
            self.publish(written);
            made?;
        }
        Ok(())
    }

    /// Publishes what was written, if that takes no disk; says whether it did.
    fn publish_now(&mut self) -> bool {
        let (all, published) = match &mut self.tier {
            Tier::Memory { .. } => (true, self.len),
            Tier::Rolled(lease) => (lease.flush_now(), lease.disk().file_len()),
        };
        self.publish(published);
        all
    }

    /// Waits until it is back, and tells of the errand from which it came.
    fn poll_back(&mut self, cx: &mut Context<'_>) -> Poll<Option<(What, io::Result<()>)>> {
        self.task.is_used = true;
        let Some(away) = &mut self.task.away else { return Poll::Ready(None) };
        let (writer, went) = ready!(away.errand.poll_back(cx));
        let what = away.what;
        *self = writer;
        self.task.is_used = true;
        Poll::Ready(Some((what, went.and_then(|went| went))))
    }

    fn send(&mut self, what: What, work: impl FnOnce(&mut Self) -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let stand_in = self.stand_in();
        self.task.is_used = false;
        match Errand::send(mem::replace(self, stand_in), work) {
            Ok(errand) => {
                self.task.away = Some(Box::new(Away { errand, what }));
                self.task.is_used = true;
                Ok(())
            }
            Err((error, writer)) => {
                *self = writer;
                Err(error)
            }
        }
    }

    /// For who waits as threads do.
    pub(in crate::tail) fn come_back(&mut self) {
        if let Some(away) = self.task.away.take() {
            *self = away.errand.recall();
        }
    }

    /// The same as [`fall_short_here`](Self::fall_short_here) on an errand; or gives `ending` back, where that may be done here.
    pub(in crate::tail) fn fall_short_elsewhere(&mut self, ending: Ending) -> Option<Ending> {
        let away = self.task.away.take();
        let may_wait = away.is_some() || (self.task.is_used && matches!(self.tier, Tier::Rolled(_)));
        if !may_wait || !errand::is_in_runtime() {
            self.task.away = away;
            return Some(ending);
        }
        let stand_in = self.stand_in();
        let writer = mem::replace(self, stand_in);
        errand::let_go(FallingShort { writer, away, ending: Some(ending) });
        None
    }
}

/// A writer that ends when this is dropped, wherever that is.
struct FallingShort {
    writer: Writer,
    away: Option<Box<Away>>,
    ending: Option<Ending>,
}

impl Drop for FallingShort {
    fn drop(&mut self) {
        if let Some(away) = self.away.take() {
            self.writer = away.errand.recall();
        }
        if let Some(ending) = self.ending.take() {
            self.writer.fall_short_here(ending);
        }
    }
}
