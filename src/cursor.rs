//! A position over anything that has content: `Read`, `BufRead` and `Seek`, written once for all types that have one.
//!
//! The rules are those of `std::io::Cursor`, but that `consume` stops where `fill_buf` did.
//! Knows nothing of where the content is.

use std::io::{self, IoSliceMut, SeekFrom};

/// Content that is read by offset.
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
        let read = self.content.read(buf, self.position)?;
        self.position += read as u64;
        Ok(read)
    }

    pub(crate) fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut done = 0;
        for buf in bufs {
            match self.read(buf) {
                Ok(read) => {
                    done += read;
                    if read < buf.len() {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    #[inline]
    pub(crate) fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        if self.left() < buf.len() as u64 {
            return self.end_too_soon();
        }
        let mut done = 0;
        while done < buf.len() {
            match self.read(&mut buf[done..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => done += read,
            }
        }
        Ok(())
    }

    #[cold]
    fn end_too_soon(&mut self) -> io::Result<()> {
        self.position = self.content.len();
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "failed to fill whole buffer"))
    }

    /// Reserves once, asks for huge pages where that is much, and reads once.
    pub(crate) fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        let (before, left) = (buf.len(), self.left());
        let left = usize::try_from(left).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        if left == 0 {
            return Ok(0);
        }
        buf.try_reserve_exact(left).map_err(|_| crate::error::out_of_memory(left))?;
        crate::sys::advise_huge(buf);
        let done = self.content.read_rest(buf, self.position);
        let read = buf.len() - before;
        self.position += read as u64;
        done.map(|()| read)
    }

    /// As `read_to_end`; content that is not UTF-8 leaves both `buf` and the position as they were.
    pub(crate) fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        let position = self.position;
        let mut bytes = std::mem::take(buf).into_bytes();
        let before = bytes.len();
        let mut done = self.read_to_end(&mut bytes);
        if std::str::from_utf8(&bytes[before..]).is_err() {
            bytes.truncate(before);
            self.position = position;
            done = done.and(Err(io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8")));
        }
        // What was there before is a string, and so is what came behind it.
        *buf = String::from_utf8(bytes).unwrap_or_default();
        done
    }

    #[inline]
    pub(crate) fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.content.fill_at(self.position)
    }

    #[inline]
    pub(crate) fn consume(&mut self, amount: usize) {
        self.position += (amount as u64).min(self.content.given_len(self.position));
    }

    pub(crate) fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, by) = match to {
            SeekFrom::Start(position) => {
                self.position = position;
                return Ok(position);
            }
            SeekFrom::End(by) => (self.content.len(), by),
            SeekFrom::Current(by) => (self.position, by),
        };
        match base.checked_add_signed(by) {
            Some(position) => {
                self.position = position;
                Ok(position)
            }
            None => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "invalid seek to a negative or overflowing position"))
            }
        }
    }

    #[inline]
    fn left(&self) -> u64 {
        self.content.len().saturating_sub(self.position)
    }
}

/// `Read`, `BufRead` and `Seek` for a type whose field `cursor` is a [`Cursor`].
macro_rules! read_and_seek_by_cursor {
    ($type:ty) => {
        impl ::std::io::Read for $type {
            /// The full count that is possible: short only where the content ends.
            #[inline]
            fn read(&mut self, buf: &mut [u8]) -> ::std::io::Result<usize> {
                self.cursor.read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [::std::io::IoSliceMut<'_>]) -> ::std::io::Result<usize> {
                self.cursor.read_vectored(bufs)
            }

            /// If there is not enough, moves to the end, as [`std::io::Cursor`] does.
            #[inline]
            fn read_exact(&mut self, buf: &mut [u8]) -> ::std::io::Result<()> {
                self.cursor.read_exact(buf)
            }

            /// Reserves once, exactly.
            fn read_to_end(&mut self, buf: &mut Vec<u8>) -> ::std::io::Result<usize> {
                self.cursor.read_to_end(buf)
            }

            /// Reserves once, exactly. Content that is not UTF-8 leaves `buf` and the position as they were.
            fn read_to_string(&mut self, buf: &mut String) -> ::std::io::Result<usize> {
                self.cursor.read_to_string(buf)
            }
        }

        impl ::std::io::BufRead for $type {
            /// What can be had in one piece: all that is left of what is in memory, or a window of what is on disk.
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

        impl ::std::io::Seek for $type {
            /// Costs nothing, and changes nothing but the position, which may lie past the end.
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
}
pub(crate) use read_and_seek_by_cursor;
