//! A position over anything that has content: `Read`, `BufRead` and `Seek`, written once for all types that have one.
//!
//! The rules are those of `std::io::Cursor`, but that `consume` stops where `fill_buf` did. Of content that is still coming
//! a read gives what there is, and has more brought only where that is nothing.
//! Knows nothing of where the content is, nor of where more comes from.

use std::io::{self, IoSliceMut, SeekFrom};

use crate::error;
use crate::sys;

/// Content that is read by offset, as far as it is there.
pub(crate) trait Content {
    fn len(&self) -> u64;

    /// Fills `buf` from `offset` on; short only at the end.
    fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// What lies from `offset` to the end, behind what `buf` holds; room for it is reserved.
    fn read_rest(&mut self, buf: &mut Vec<u8>, offset: u64) -> io::Result<()>;

    /// What can be had at `offset` in one piece; nothing only at or past the end.
    fn fill_at(&mut self, offset: u64) -> io::Result<&[u8]>;

    /// How much `fill_at` gave at `offset`.
    fn given_len(&self, offset: u64) -> u64;

    /// Of content that is still coming, sees to it that there is something at `offset`, of which `count` bytes are wanted: not
    /// (`false`) where it ends before that.
    #[inline]
    fn bring(&mut self, _offset: u64, _count: usize) -> io::Result<bool> {
        Ok(false)
    }

    /// The same for all of it.
    #[inline]
    fn bring_all(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Clone)]
pub(crate) struct Cursor<C> {
    pub(crate) content: C,
    pub(crate) position: u64,
}

impl<C: Content> Cursor<C> {
    #[inline]
    pub(crate) fn new(content: C) -> Self {
        Self { content, position: 0 }
    }

    #[inline]
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.read_here(buf)? {
            0 if !buf.is_empty() && self.content.bring(self.position, buf.len())? => self.read_here(buf),
            read => Ok(read),
        }
    }

    /// Of what is there.
    #[inline]
    fn read_here(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buf, self.position)?;
        self.position += read as u64;
        Ok(read)
    }

    pub(crate) fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut bufs = bufs.iter_mut().filter(|buf| !buf.is_empty());
        let Some(first) = bufs.next() else { return Ok(0) };
        let mut done = self.read(first)?;
        let mut full = done == first.len();
        while let (true, Some(buf)) = (full, bufs.next()) {
            // What was read is told; the error comes again from whoever reads next.
            let Ok(read) = self.read_here(buf) else { break };
            done += read;
            full = read == buf.len();
        }
        Ok(done)
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
                    // What came is still there.
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

    /// Reserves for what is there, exactly, and asks for huge pages where that is much; for what is still coming as a vector
    /// grows.
    pub(crate) fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let before = buf.len();
        let mut exactly = true;
        loop {
            let (at, left) = (buf.len(), self.content.len().saturating_sub(self.position));
            let left = usize::try_from(left).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
            if left > 0 {
                let capacity = buf.capacity();
                let reserved = if exactly { buf.try_reserve_exact(left) } else { buf.try_reserve(left) };
                reserved.map_err(|_| error::out_of_memory(left))?;
                if exactly || buf.capacity() > capacity {
                    sys::advise_huge(buf);
                }
                let done = self.content.read_rest(buf, self.position);
                self.position += (buf.len() - at) as u64;
                done?;
                exactly = false;
            }
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

/// Where a seek `by` bytes from `base` arrives.
fn moved(base: u64, by: i64) -> io::Result<u64> {
    base.checked_add_signed(by).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "invalid seek to a negative or overflowing position")
    })
}

/// What `read` made of the bytes of `buf`. If what it appended is no text, `buf` is as it was, and the error is the outer one.
fn append_text(
    buf: &mut String,
    read: impl FnOnce(&mut Vec<u8>) -> io::Result<usize>,
) -> io::Result<io::Result<usize>> {
    let bytes = std::mem::take(buf).into_bytes();
    let before = bytes.len();
    let mut text = Text { kept: before, bytes, buf };
    let done = read(&mut text.bytes);
    if std::str::from_utf8(&text.bytes[before..]).is_err() {
        let not_text = || io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8");
        return Err(done.err().unwrap_or_else(not_text));
    }
    text.kept = text.bytes.len();
    Ok(done)
}

/// A string that is bytes for as long as it is appended to, by a stranger who may panic.
struct Text<'a> {
    buf: &'a mut String,
    bytes: Vec<u8>,
    /// How much of it is known to be text.
    kept: usize,
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.kept);
        *self.buf = String::from_utf8(std::mem::take(&mut self.bytes)).unwrap_or_default();
    }
}

/// `Read`, `BufRead` and `Seek` for a type whose field `cursor` is a [`Cursor`].
macro_rules! read_and_seek_by_cursor {
    (
        [$($generics:tt)*] $type:ty,
        read: $read:literal,
        read_exact: $read_exact:literal,
        read_to_end: $read_to_end:literal,
        read_to_string: $read_to_string:literal,
        fill_buf: $fill_buf:literal,
        seek: $seek:literal
    ) => {
        impl<$($generics)*> ::std::io::Read for $type {
            #[doc = $read]
            #[inline]
            fn read(&mut self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                self.cursor.read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [::std::io::IoSliceMut<'_>]) -> ::std::io::Result<usize> {
                self.cursor.read_vectored(bufs)
            }

            #[doc = $read_exact]
            #[inline]
            fn read_exact(&mut self, buf: &mut [u8]) -> ::std::io::Result<()> {
                self.cursor.read_exact(buf)
            }

            #[doc = $read_to_end]
            fn read_to_end(&mut self, buf: &mut Vec<u8>) -> ::std::io::Result<usize> {
                self.cursor.read_to_end(buf)
            }

            #[doc = $read_to_string]
            fn read_to_string(&mut self, buf: &mut String) -> ::std::io::Result<usize> {
                self.cursor.read_to_string(buf)
            }
        }

        impl<$($generics)*> ::std::io::BufRead for $type {
            #[doc = $fill_buf]
            #[inline]
            fn fill_buf(&mut self) -> ::std::io::Result<&[u8]> {
                self.cursor.fill_buf()
            }

            /// Stops where `fill_buf` did.
            #[inline]
            fn consume(&mut self, amount: usize) {
                self.cursor.consume(amount);
            }
        }

        impl<$($generics)*> ::std::io::Seek for $type {
            #[doc = $seek]
            #[inline]
            fn seek(&mut self, to: ::std::io::SeekFrom) -> ::std::io::Result<u64> {
                self.cursor.seek(to)
            }

            #[inline]
            fn rewind(&mut self) -> ::std::io::Result<()> {
                self.cursor.position = 0;
                Ok(())
            }

            #[inline]
            fn stream_position(&mut self) -> ::std::io::Result<u64> {
                Ok(self.cursor.position)
            }
        }
    };
    ($type:ty) => {
        $crate::cursor::read_and_seek_by_cursor! {
            [] $type,
            read: "The full count that is possible: short only where the content ends.",
            read_exact: "If there is not enough, moves to the end, as [`std::io::Cursor`] does.",
            read_to_end: "Reserves once, exactly.",
            read_to_string: "Reserves once, exactly. Content that is not UTF-8 leaves `buf` and the position as they were.",
            fill_buf: "What can be had in one piece: all that is left of what is in memory, or a window of what is on disk.",
            seek: "Costs nothing, and changes nothing but the position, which may lie past the end."
        }
    };
}
pub(crate) use read_and_seek_by_cursor;
