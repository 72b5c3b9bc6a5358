//! Bytes in memory: a `BytesMut` that grows exactly. The memory tier is one, and so is a window.
//!
//! Invariant: the capacity never passes the limit that a call to `grow` was given, not even while the buffer grows.
//! `BytesMut` itself can only double, and aborts where memory cannot be had; so growing goes by way of `Vec`, which has
//! an exact and fallible reserve; but for a first capacity of up to 4 KiB, where that costs a third more. No byte is copied
//! at the borders, and the allocator may grow in place.
//! Knows nothing of thresholds, nor of what happens when memory ends.

use std::fmt;
use std::io::{self, Read};

use bytes::{Buf, Bytes, BytesMut};

use crate::{error, sys};

#[derive(Default)]
pub(crate) struct Buffer {
    bytes: BytesMut,
}

impl Buffer {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { bytes: BytesMut::new() }
    }

    /// An empty buffer of at least `size` bytes that begins at a multiple of 64.
    ///
    /// The allocator's own beginning, 16 bytes into a page, is the one place where some processors copy a page of a file at
    /// a fifth of their speed (`rep movsb` on AMD Zen 3, whose target lies less than 32 bytes behind its source in the page).
    pub(super) fn aligned(size: usize) -> io::Result<Self> {
        let mut buffer = Self::new();
        buffer.grow_to(size + ALIGNED - 1)?;
        let pad = buffer.bytes.as_ptr().align_offset(ALIGNED);
        buffer.bytes.resize(pad, 0);
        buffer.bytes.advance(pad);
        Ok(buffer)
    }

    /// Appends, if that takes no growing.
    #[inline]
    pub(super) fn append(&mut self, buf: &[u8]) -> bool {
        let fits = buf.len() <= self.bytes.capacity() - self.bytes.len();
        if fits {
            self.bytes.extend_from_slice(buf);
        }
        fits
    }

    /// Writes at `at`, zero-filling a gap before it; the end lies within the capacity.
    pub(super) fn put(&mut self, buf: &[u8], at: usize) {
        debug_assert!(at + buf.len() <= self.capacity());
        self.zero_up_to(at);
        let over = (self.len() - at).min(buf.len());
        self.bytes[at..at + over].copy_from_slice(&buf[..over]);
        self.bytes.extend_from_slice(&buf[over..]);
    }

    /// Zeroes up to `len`, which lies within the capacity.
    pub(super) fn zero_up_to(&mut self, len: usize) {
        debug_assert!(len <= self.capacity());
        if self.len() < len {
            self.bytes.resize(len, 0);
        }
    }

    /// Room for `need` bytes in all; up to `limit` where that saves growing again soon.
    ///
    /// # Errors
    /// `OutOfMemory`, with the content as it was.
    #[cold]
    pub(super) fn grow(&mut self, need: usize, limit: usize) -> io::Result<()> {
        let roomy = self.capacity().saturating_mul(2).max(FIRST).min(limit).max(need);
        if self.capacity() == 0 && roomy <= SMALL {
            self.bytes = BytesMut::with_capacity(roomy);
            return Ok(());
        }
        self.grow_to(roomy).or_else(|error| if need < roomy { self.grow_to(need) } else { Err(error) })
    }

    /// Exactly `capacity`, which is at least the length.
    fn grow_to(&mut self, capacity: usize) -> io::Result<()> {
        let mut vec = Vec::from(std::mem::take(&mut self.bytes));
        // What was split off or advanced over comes back with its memory, which nobody has asked for.
        vec.shrink_to(capacity);
        let grown = vec.try_reserve_exact(capacity - vec.len());
        sys::advise_huge(&mut vec);
        self.bytes = BytesMut::from(Bytes::from(vec));
        grown.map_err(|_| error::out_of_memory(capacity))
    }

    /// Cuts the content, and gives memory back where at least half of it would lie idle.
    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
        if self.len() <= self.capacity() / 2 {
            let mut vec = Vec::from(std::mem::take(&mut self.bytes));
            vec.shrink_to_fit();
            self.bytes = BytesMut::from(Bytes::from(vec));
        }
    }

    /// Forgets the content and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Forgets what lies past `len` and keeps the memory.
    pub(super) fn forget_past(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Reads `source` straight behind the content until `most` more bytes are there, or it ends (`false`).
    ///
    /// `arrived` is told of each read. What was read stays, whatever `source` does then: it may fail, or panic.
    pub(super) fn fill_from<R: Read + ?Sized>(
        &mut self,
        source: &mut R,
        most: usize,
        mut arrived: impl FnMut(usize),
    ) -> io::Result<bool> {
        let mut filling = Filling::new(self, most);
        while filling.filled < filling.bytes.len() {
            match source.read(&mut filling.bytes[filling.filled..]) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    // A source that claims more than it was given room for must not take us along.
                    let read = read.min(filling.bytes.len() - filling.filled);
                    filling.filled += read;
                    arrived(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// What lies from `at` to the end; nothing past it.
    #[inline]
    pub(super) fn rest(&self, at: u64) -> &[u8] {
        if at < self.len() as u64 { &self.bytes[at as usize..] } else { &[] }
    }

    /// For reading into without initialising it first: see [`AnonFile::read_behind`](sys::AnonFile::read_behind).
    pub(super) fn as_bytes_mut(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    pub(crate) fn into_bytes(self) -> BytesMut {
        self.bytes
    }

    pub(crate) fn freeze(self) -> Bytes {
        self.bytes.freeze()
    }
}

impl From<BytesMut> for Buffer {
    fn from(bytes: BytesMut) -> Self {
        Self { bytes }
    }
}

impl fmt::Debug for Buffer {
    /// Never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({}/{})", self.len(), self.capacity())
    }
}

/// A buffer that is longer than its content for as long as a stranger writes into it.
struct Filling<'a> {
    bytes: &'a mut BytesMut,
    filled: usize,
}

impl<'a> Filling<'a> {
    fn new(buffer: &'a mut Buffer, most: usize) -> Self {
        let filled = buffer.len();
        buffer.zero_up_to(filled + most);
        Self { bytes: &mut buffer.bytes, filled }
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.filled);
    }
}

const ALIGNED: usize = 64;
/// The capacity of a buffer that first grows: what most bodies need, so that they grow once.
const FIRST: usize = 2048;
/// So much is asked for as everybody does: where it cannot be had, neither can an error that says so.
const SMALL: usize = 4096;
