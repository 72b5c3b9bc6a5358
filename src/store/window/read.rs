//! Reading through a window, and past it.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::{ANYWHERE, ASIDE, DIRECT, GLANCE, MAPPED_MOST, Run, Window};
use crate::pool::{Home, WINDOW};
use crate::sys::{self, Spare, Wait};

/// What a window lies over.
pub(crate) trait Medium {
    /// Whose memory the window takes.
    fn home(&self) -> Option<&Arc<Home>>;

    /// Short only where it ends.
    fn read_at(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize>;

    /// Behind what `buf` holds. Short only where it ends, or where the capacity of `buf` does.
    fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64, wait: Wait) -> io::Result<usize>;

    /// All of it through a mapping, if that is what it is read through, and none has to be made.
    fn mapped(&self) -> Option<&[u8]> {
        None
    }

    /// All of it through a mapping, if that is what it is read through. Without one for any reason, it is read as files
    /// are.
    fn mapped_now(&self) -> Option<&[u8]> {
        None
    }

    /// Names the place in an error.
    fn error(&self, error: io::Error) -> io::Error;
}

/// A medium of which only what takes no waiting can be had: the rest is [`WouldBlock`](io::ErrorKind::WouldBlock). Nor is it
/// looked at through a mapping, where a look may wait.
#[cfg(feature = "tokio")]
pub(crate) struct AtOnce<'a, M>(pub(crate) &'a M);

#[cfg(feature = "tokio")]
impl<M: Medium> Medium for AtOnce<'_, M> {
    fn home(&self) -> Option<&Arc<Home>> {
        self.0.home()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64, _: Wait) -> io::Result<usize> {
        self.0.read_at(buf, offset, Wait::Never)
    }

    fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64, _: Wait) -> io::Result<usize> {
        self.0.read_behind(buf, most, offset, Wait::Never)
    }

    fn error(&self, error: io::Error) -> io::Error {
        self.0.error(error)
    }
}

/// An answer, if it is one.
#[cfg(feature = "tokio")]
pub(crate) fn at_once<T>(answer: io::Result<T>) -> Option<io::Result<T>> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        answer => Some(answer),
    }
}

impl Window {
    /// Whether a read of `len` bytes at `offset` will move the window: what is dirty should be written before.
    pub(in crate::store) fn moves_for(&self, offset: u64, len: usize) -> bool {
        let at = if self.start <= offset && offset < self.end() { self.end() } else { offset };
        len < DIRECT && self.in_sequence(at) && !self.can_extend(at)
    }

    /// Whether who reads on from `offset`, in pieces of `len` bytes, soon arrives at the window where it lies.
    ///
    /// They go around it until then: that is a few calls, and a write that is not needed if the content is dropped.
    pub(in crate::store) fn is_met_from(&self, offset: u64, len: usize) -> bool {
        offset < self.start && self.start - offset <= WINDOW as u64 && len >= GLANCE
    }

    /// Whether `fill_buf` at `offset` will.
    pub(in crate::store) fn moves_to_fill(&self, offset: u64) -> bool {
        self.rest(offset).is_empty() && !self.can_extend(offset)
    }

    fn in_sequence(&self, offset: u64) -> bool {
        let behind = offset == self.end() && self.bytes.len() > 0;
        behind || (offset == self.run.read_to && (self.run.window_to == self.end() || self.run.window_to == ANYWHERE))
    }

    /// Reads at `offset` into all of `buf`, which lies within the content of `len` bytes.
    pub(crate) fn read(&mut self, medium: &impl Medium, buf: &mut [u8], offset: u64, len: u64) -> io::Result<()> {
        if buf.len() < MAPPED_MOST {
            if let Some(map) = medium.mapped_now() {
                copy_from(map, buf, offset);
                self.patch(buf, offset);
                return Ok(());
            }
        }
        let mut done = 0;
        loop {
            let held = self.rest(offset + done as u64);
            done += sys::copy(held, &mut buf[done..]);
            let at = offset + done as u64;
            if done == buf.len() {
                return Ok(());
            }
            if buf.len() - done >= self.direct() || !self.in_sequence(at) || !self.fill(medium, at, len, usize::MAX)? {
                break;
            }
        }
        let at = offset + done as u64;
        self.read_around(medium, &mut buf[done..], at)?;
        self.run = Run { read_to: offset + buf.len() as u64, window_to: self.end() };
        Ok(())
    }

    /// Reads at `offset` into all of `buf`, which lies within the content, and moves nothing.
    pub(crate) fn read_around(&self, medium: &impl Medium, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if let Some(held) = self.held(offset, buf.len()) {
            sys::copy(held, buf);
            return Ok(());
        }
        match medium.mapped_now() {
            Some(map) if buf.len() < MAPPED_MOST => copy_from(map, buf, offset),
            _ => {
                let read = medium.read_at(buf, offset, Wait::ForTheDisk)?;
                let there = offset + read as u64;
                if read < buf.len() && !(self.start <= there && offset + buf.len() as u64 <= self.end()) {
                    return Err(medium.error(io::ErrorKind::UnexpectedEof.into()));
                }
            }
        }
        self.patch(buf, offset);
        Ok(())
    }

    /// Puts what is held over what the disk gave.
    pub(in crate::store) fn patch(&self, buf: &mut [u8], offset: u64) {
        let from = self.start.max(offset);
        let to = self.end().min(offset + buf.len() as u64);
        if from < to {
            let held = &self.bytes.as_slice()[(from - self.start) as usize..(to - self.start) as usize];
            buf[(from - offset) as usize..(to - offset) as usize].copy_from_slice(held);
        }
    }

    /// Reads ahead at `offset`, at most `most` bytes and up to `len`, where the content ends: behind what is held, or anew in
    /// its place. Says whether there is anything now: not where bytes are still to be written, nor where memory is short.
    fn fill(&mut self, medium: &impl Medium, offset: u64, len: u64, most: usize) -> io::Result<bool> {
        if !self.can_extend(offset) && (self.is_dirty() || !self.restart(offset, medium.home())) {
            return Ok(false);
        }
        self.fill_here(medium, offset, len, most)
    }

    /// The same at the end of what is held, where there is room.
    fn fill_here(&mut self, medium: &impl Medium, offset: u64, len: u64, most: usize) -> io::Result<bool> {
        let room = (self.limit - self.bytes.len()).min(usize::try_from(len - offset).unwrap_or(usize::MAX));
        let read = medium.read_behind(self.bytes.as_bytes_mut(), room.min(most), offset, Wait::ForTheDisk)?;
        self.run = Run { read_to: ANYWHERE, window_to: self.end() };
        Ok(read > 0)
    }

    /// For `fill_buf`: what there is at `offset`, which lies within the content of `len` bytes.
    pub(crate) fn fill_at<'a>(&'a mut self, medium: &'a impl Medium, offset: u64, len: u64) -> io::Result<&'a [u8]> {
        if self.rest(offset).is_empty() {
            if let Some(map) = medium.mapped_now() {
                let end = self.up_to_dirty(offset, len.min(map.len() as u64));
                return Ok(&map[offset as usize..end as usize]);
            }
            // The first look at a place is a short one: whoever goes on pays for a window, who does not has not.
            let most = if self.in_sequence(offset) { usize::MAX } else { GLANCE };
            if !self.fill(medium, offset, len, most)? {
                self.put_aside(medium, offset, len)?;
                return Ok(self.aside_from(offset));
            }
        }
        let held = self.rest(offset);
        Ok(&held[..held.len().min(usize::try_from(len - offset).unwrap_or(usize::MAX))])
    }

    /// Reads a little where the window cannot.
    fn put_aside(&mut self, medium: &impl Medium, offset: u64, len: u64) -> io::Result<()> {
        let count = (self.up_to_dirty(offset, len) - offset).min(ASIDE as u64) as usize;
        let read = medium.read_at(&mut self.aside[..count], offset, Wait::ForTheDisk)?;
        self.aside_at = offset..offset + read as u64;
        Ok(())
    }

    fn aside_from(&self, offset: u64) -> &[u8] {
        let Range { start, end } = self.aside_at;
        if (start..end).contains(&offset) {
            &self.aside[(offset - start) as usize..(end - start) as usize]
        } else {
            &[]
        }
    }

    /// Sees to it that there is something at `offset`, which lies within the content of `len` bytes, and where the window can
    /// move there `count` bytes, or all that follow.
    #[cfg(feature = "tokio")]
    pub(crate) fn bring(&mut self, medium: &impl Medium, offset: u64, count: usize, len: u64) -> io::Result<()> {
        if self.is_dirty() && !self.rest(offset).is_empty() {
            return Ok(());
        }
        let most = if self.in_sequence(offset) { usize::MAX } else { count.max(GLANCE) };
        if !self.is_dirty() && self.restart_for(offset, count, medium.home()) {
            self.fill_here(medium, offset, len, most)?;
        }
        if self.rest(offset).is_empty() {
            self.put_aside(medium, offset, len)?;
        }
        if self.at_hand(offset, len).is_empty() {
            return Err(medium.error(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    /// What there is at `offset` of content of `len` bytes, without a look at the medium.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn at_hand(&self, offset: u64, len: u64) -> &[u8] {
        let there = match self.rest(offset) {
            [] => self.aside_from(offset),
            held => held,
        };
        &there[..there.len().min(usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX))]
    }

    /// How far content at `offset` reaches before something newer is held of it.
    fn up_to_dirty(&self, offset: u64, end: u64) -> u64 {
        if offset < self.start && self.is_dirty() { end.min(self.start) } else { end }
    }

    /// How much `fill_at` gave at `offset`, of content of `len` bytes.
    pub(crate) fn given_len(&self, medium: &impl Medium, offset: u64, len: u64) -> u64 {
        let held = self.rest(offset).len() as u64;
        let aside = self.aside_from(offset).len() as u64;
        let mapped = medium.mapped().map_or(0, |map| self.up_to_dirty(offset, map.len() as u64).saturating_sub(offset));
        let given = if held > 0 { held } else { aside.max(mapped) };
        given.min(len.saturating_sub(offset))
    }
}

fn copy_from(map: &[u8], buf: &mut [u8], offset: u64) {
    let from = map.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
    sys::copy(&map[from..], buf);
}
