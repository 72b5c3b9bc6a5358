//! `AsyncRead`, `AsyncBufRead` and `AsyncSeek` for a reader.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncSeek, ReadBuf};
use ::tokio::task::coop;

use super::Filling;
use crate::errand::{self, Errand};
use crate::store::{AT_A_TIME, AtOnce, at_once};
use crate::sys::within;
use crate::tail::Reader;
use crate::tail::reader::Following;

/// Waits until something is published, or the end; then gives what there is, 256 KiB at most.
///
/// # Cancel safety
/// A read that is dropped before it is done has moved nothing.
impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let proceed = ready!(coop::poll_proceed(cx));
        loop {
            let brought = ready!(this.poll_window(cx))?;
            if !ready!(this.poll_past(this.cursor.position, cx))? {
                break;
            }
            let offset = this.cursor.position;
            let Following { window, shared } = &mut this.cursor.content;
            let len = shared.progress.published();
            let count = within(len, offset, buf.remaining().min(AT_A_TIME));
            let there = window.at_hand(offset, len);
            if there.len() >= count || (brought && !there.is_empty()) {
                let count = there.len().min(count);
                buf.put_slice(&there[..count]);
                this.cursor.position += count as u64;
                break;
            }
            let target = buf.initialize_unfilled_to(count);
            if let Some(read) = at_once(window.read(&AtOnce(&shared.log), target, offset, len)) {
                read?;
                buf.advance(count);
                this.cursor.position += count as u64;
                errand::spend(cx, count);
                break;
            }
            this.send_window(count)?;
        }
        proceed.made_progress();
        Poll::Ready(Ok(()))
    }
}

/// Waits until something is published, or the end; then gives what can be had in one piece.
///
/// # Cancel safety
/// One that is dropped before it is done has moved nothing.
impl AsyncBufRead for Reader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        let proceed = ready!(coop::poll_proceed(cx));
        loop {
            ready!(this.poll_window(cx))?;
            if !ready!(this.poll_past(this.cursor.position, cx))? {
                return Poll::Ready(Ok(&[]));
            }
            let offset = this.cursor.position;
            let Following { window, shared } = &mut this.cursor.content;
            let len = shared.progress.published();
            if !window.at_hand(offset, len).is_empty() {
                break;
            }
            if let Some(filled) = at_once(window.fill_at(&AtOnce(&shared.log), offset, len).map(drop)) {
                filled?;
                break;
            }
            this.send_window(1)?;
        }
        proceed.made_progress();
        Poll::Ready(Ok(this.at_hand()))
    }

    /// Stops where `fill_buf` did.
    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        this.cursor.position += amount.min(this.at_hand().len()) as u64;
    }
}

/// Costs nothing, but from the end: then it waits for that. The position may lie past it.
///
/// # Cancel safety
/// A seek from the end that is dropped while it waits has moved nothing, but is still asked for: what seeks next waits for it
/// first, since Tokio's trait does not tell the two apart. Whoever reads first takes it back.
impl AsyncSeek for Reader {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let this = self.get_mut();
        this.task.get().seek = None;
        match to {
            SeekFrom::End(_) => {
                this.task.get().seek = Some(to);
                Ok(())
            }
            to => this.cursor.seek(to).map(drop),
        }
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let this = self.get_mut();
        if let Some(to) = this.task.get().seek {
            let ended = ready!(this.poll_past(u64::MAX, cx));
            this.task.get().seek = None;
            ended?;
            // All is there: it does not block.
            this.cursor.seek(to)?;
        }
        Poll::Ready(Ok(this.cursor.position))
    }
}

impl Reader {
    /// Waits until there is something past `offset`, or (`false`) never will be.
    pub(super) fn poll_past(&mut self, offset: u64, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.published() > offset {
            return Poll::Ready(Ok(true));
        }
        let (shared, ticket) = (&self.cursor.content.shared, &mut self.task.get().ticket);
        let past = shared.progress.poll_past(offset, &mut ticket.number, cx);
        if ticket.number.is_some() && ticket.given_by.is_none() {
            ticket.given_by = Some(Arc::clone(shared));
        }
        past
    }

    fn at_hand(&self) -> &[u8] {
        let Following { window, shared } = &self.cursor.content;
        window.at_hand(self.cursor.position, shared.progress.published())
    }

    /// Waits until the window is here, and says whether it has just come.
    fn poll_window(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let Some(under_way) = self.task.0.as_mut() else { return Poll::Ready(Ok(false)) };
        // Whoever reads has given up going anywhere else.
        under_way.seek = None;
        let Some(Filling { errand, offset }) = &mut under_way.filling else { return Poll::Ready(Ok(false)) };
        let (window, filled) = ready!(errand.poll_back(cx));
        let is_asked_for = *offset == self.cursor.position;
        under_way.filling = None;
        self.cursor.content.window = window;
        match filled.and_then(|filled| filled) {
            // Whoever asked for that place has gone elsewhere.
            Err(_) if !is_asked_for => Poll::Ready(Ok(false)),
            filled => Poll::Ready(filled.map(|()| is_asked_for)),
        }
    }

    /// Sends the window to be filled by the disk, for somebody who wants `count` bytes at the position.
    fn send_window(&mut self, count: usize) -> io::Result<()> {
        let Following { window, shared } = &mut self.cursor.content;
        let window = std::mem::replace(window, Following::no_window());
        let (shared, offset) = (Arc::clone(shared), self.cursor.position);
        let len = shared.progress.published();
        match Errand::send(window, move |window| window.bring(&shared.log, offset, count, len)) {
            Ok(errand) => {
                self.task.get().filling = Some(Filling { errand, offset });
                Ok(())
            }
            Err((error, window)) => {
                self.cursor.content.window = window;
                Err(error)
            }
        }
    }
}
