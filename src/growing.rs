//! A position over content of which there may be more: `Read`, `BufRead` and `Seek`, written once for all types that have
//! one.
//!
//! The rules are those of [`cursor`](crate::cursor), but that a read gives what there is, and only where that is nothing
//! has more brought.
//! Knows nothing of where more comes from.

use std::io::{self, IoSliceMut, SeekFrom};

use crate::cursor::{Content, append_text, moved};
use crate::error;
use crate::sys;

/// Content that is read by offset, as far as it is there.
pub(crate) trait Growing: Content {
    /// Sees to it that there is something at `offset`, of which `count` bytes are wanted: not (`false`) where the content
    /// ends before that.
    fn bring(&mut self, offset: u64, count: usize) -> io::Result<bool>;

    /// Sees to it that all is there.
    fn bring_all(&mut self) -> io::Result<()>;
}

#[derive(Clone)]
pub(crate) struct GrowingCursor<C> {
    pub(crate) content: C,
    pub(crate) position: u64,
}

impl<C: Growing> GrowingCursor<C> {
    #[inline]
    pub(crate) fn new(content: C) -> Self {
        Self { content, position: 0 }
    }

    #[inline]
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buf, self.position)?;
        self.position += read as u64;
        if read > 0 || buf.is_empty() { Ok(read) } else { self.read_on(buf) }
    }

    #[inline(never)]
    fn read_on(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.content.bring(self.position, buf.len())? {
            return Ok(0);
        }
        let read = self.content.read(buf, self.position)?;
        self.position += read as u64;
        Ok(read)
    }

    /// Into the first that has room: how much there is behind that is not asked.
    pub(crate) fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        bufs.iter_mut().find(|buf| !buf.is_empty()).map_or(Ok(0), |buf| self.read(buf))
    }

    #[inline]
    pub(crate) fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let before = self.position;
        let mut done = 0;
        while done < buf.len() {
            match self.read(&mut buf[done..]) {
                Ok(0) => return self.end_too_soon(),
                Ok(read) => done += read,
                Err(error) => {
                    // Whatever came is still there.
                    self.position = before;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn end_too_soon(&mut self) -> io::Result<()> {
        self.position = self.content.len();
        Err(error::end_too_soon())
    }

    pub(crate) fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let before = buf.len();
        loop {
            let at = buf.len();
            let there = self.content.len().saturating_sub(self.position);
            let there = usize::try_from(there).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
            buf.try_reserve(there).map_err(|_| error::out_of_memory(there))?;
            sys::advise_huge(buf);
            let done = self.content.read_rest(buf, self.position);
            self.position += (buf.len() - at) as u64;
            done?;
            if !self.content.bring(self.position, usize::MAX)? {
                return Ok(buf.len() - before);
            }
        }
    }

    /// As `read_to_end`; content that is not UTF-8 leaves both `buf` and the position as they were.
    pub(crate) fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        let before = self.position;
        append_text(buf, |bytes| self.read_to_end(bytes)).unwrap_or_else(|not_text| {
            self.position = before;
            Err(not_text)
        })
    }

    #[inline]
    pub(crate) fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position >= self.content.len() && !self.content.bring(self.position, 1)? {
            return Ok(&[]);
        }
        self.content.fill_at(self.position)
    }

    #[inline]
    pub(crate) fn consume(&mut self, amount: usize) {
        self.position += (amount as u64).min(self.content.given_len(self.position));
    }

    pub(crate) fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::Current(by) => moved(self.position, by)?,
            SeekFrom::End(by) => {
                self.content.bring_all()?;
                moved(self.content.len(), by)?
            }
        };
        Ok(self.position)
    }
}
