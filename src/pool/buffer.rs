//! Bytes in memory: a `BytesMut` that grows exactly, and is counted. The memory tier is one, and so is a window.
//!
//! Invariants: the capacity never passes the limit that a call to `grow` was given; what is charged to a pool is the memory
//! behind it, from before it is there until after it is gone.
//! `BytesMut` itself can only double, and aborts where memory cannot be had; so growing goes by way of `Vec`, which has
//! an exact and fallible reserve; but for a first capacity of up to 4 KiB, where that costs a third more. No byte is copied
//! at the borders, and the allocator may grow in place.
//! Knows nothing of thresholds, nor of what happens when memory ends.

use std::fmt;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use super::buffers::Kept;
use super::home::Home;
use crate::error::{self, Limit, LimitError};
use crate::sys;

#[derive(Default)]
pub(crate) struct Buffer {
    bytes: BytesMut,
    /// What a pool has counted: the capacity, and what was given up in front of it.
    charge: usize,
    /// Who counts it, and takes it back.
    home: Option<Arc<Home>>,
}

impl Buffer {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { bytes: BytesMut::new(), charge: 0, home: None }
    }

    /// An empty buffer of `size` bytes, and a few more that it may have spent on where it begins.
    ///
    /// It begins at a multiple of 64: the allocator's own beginning, 16 bytes into a page, is the one place where some
    /// processors copy a page of a file at a fifth of their speed (`rep movsb` on AMD Zen 3, whose target lies less than 32
    /// bytes behind its source in the page).
    pub(crate) fn for_window(size: usize, home: Option<&Arc<Home>>) -> io::Result<Self> {
        let mut buffer = Self::new();
        match home.and_then(|home| home.buffers.take(size, size + ALIGNED - 1)) {
            Some(kept) => buffer.hold(kept, home, usize::MAX),
            // Where memory is short, what it is to be has to do.
            None => buffer.resize(size + ALIGNED - 1, home).or_else(|_| buffer.resize(size, home))?,
        }
        buffer.align(size);
        Ok(buffer)
    }

    /// The same out of memory that is there, if it is as large as that, and begins well.
    pub(crate) fn into_window(mut self, size: usize) -> Option<Self> {
        self.bytes.clear();
        if !(size..size + ALIGNED).contains(&self.bytes.capacity()) {
            return None;
        }
        self.align(size);
        (!(1..HAZARD).contains(&(self.bytes.as_ptr().addr() % 4096))).then_some(self)
    }

    /// A few bytes. Where a pool has not even those they are bookkeeping, and not counted.
    pub(crate) fn small(size: usize, home: Option<&Arc<Home>>) -> io::Result<Self> {
        let mut buffer = Self::new();
        if home.is_none() || buffer.resize(size, home).is_err() {
            buffer.resize(size, None)?;
        }
        Ok(buffer)
    }

    /// Gives up some bytes in front, of more than `size`.
    fn align(&mut self, size: usize) {
        let pad = self.bytes.as_ptr().align_offset(ALIGNED);
        if pad.saturating_add(size) <= self.bytes.capacity() {
            self.give_up(pad);
        }
    }

    /// Begins, empty, `pad` bytes further on.
    fn give_up(&mut self, pad: usize) {
        if pad > 0 {
            self.bytes.resize(pad, 0);
            self.bytes.advance(pad);
        }
    }

    /// Appends, if that takes no growing.
    #[inline]
    pub(crate) fn append(&mut self, buf: &[u8]) -> bool {
        let fits = buf.len() <= self.bytes.capacity() - self.bytes.len();
        if fits {
            self.bytes.extend_from_slice(buf);
        }
        fits
    }

    /// The same, for what may be large: see [`sys::copy`].
    #[inline]
    pub(crate) fn append_in_pieces(&mut self, buf: &[u8]) -> bool {
        let fits = buf.len() <= self.bytes.capacity() - self.bytes.len();
        if fits {
            let end = self.bytes.as_ptr().wrapping_add(self.bytes.len());
            match sys::piece(buf, end) {
                all if all == buf.len() => self.bytes.extend_from_slice(buf),
                piece => buf.chunks(piece).for_each(|piece| self.bytes.extend_from_slice(piece)),
            }
        }
        fits
    }

    /// Writes at `at`, zero-filling a gap before it; the end lies within the capacity.
    pub(crate) fn put(&mut self, buf: &[u8], at: usize) {
        debug_assert!(at + buf.len() <= self.capacity());
        self.zero_up_to(at);
        let over = (self.len() - at).min(buf.len());
        self.bytes[at..at + over].copy_from_slice(&buf[..over]);
        self.bytes.extend_from_slice(&buf[over..]);
    }

    /// Zeroes up to `len`, which lies within the capacity.
    pub(crate) fn zero_up_to(&mut self, len: usize) {
        debug_assert!(len <= self.capacity());
        if self.len() < len {
            self.bytes.resize(len, 0);
        }
    }

    /// Room for `need` bytes in all; up to `limit` where that saves growing again soon. With `home`, out of a pool: a kept
    /// buffer if one is large enough, and no larger than `limit` but for what can be given up in front.
    ///
    /// # Errors
    /// `OutOfMemory`, or `QuotaExceeded` where the pool has no more; with the content as it was.
    #[cold]
    pub(crate) fn grow(&mut self, need: usize, limit: usize, home: Option<&Arc<Home>>) -> io::Result<()> {
        if need <= self.capacity() {
            return Ok(());
        }
        if let Some(home) = home {
            if let Some(kept) = home.buffers.take(need, limit.max(need).saturating_add(ALIGNED - 1)) {
                let mut larger = Self::new();
                larger.hold(kept, Some(home), limit.max(need));
                larger.bytes.extend_from_slice(&self.bytes);
                *self = larger;
                return Ok(());
            }
        }
        let roomy = self.bytes.capacity().saturating_mul(2).max(FIRST).min(limit).max(need);
        if home.is_none() && self.bytes.capacity() == 0 && roomy <= SMALL {
            self.bytes = BytesMut::with_capacity(roomy);
            return Ok(());
        }
        self.resize(roomy, home).or_else(|error| if need < roomy { self.resize(need, home) } else { Err(error) })
    }

    fn hold(&mut self, kept: Kept, home: Option<&Arc<Home>>, limit: usize) {
        self.bytes = kept.bytes;
        self.charge = kept.charge;
        self.home = home.cloned();
        self.give_up(self.capacity().saturating_sub(limit));
    }

    /// Exactly `capacity`, which is at least the length. While it grows it is charged for both.
    fn resize(&mut self, capacity: usize, home: Option<&Arc<Home>>) -> io::Result<()> {
        if let Some(home) = home {
            if !home.buffers.charge(capacity) {
                return Err(LimitError::quota(Limit::PoolMemory, home.buffers.limit()));
            }
        }
        let mut vec = Vec::from(std::mem::take(&mut self.bytes));
        // What was split off or advanced over comes back with its memory, which nobody has asked for.
        vec.shrink_to(capacity);
        let resized = vec.try_reserve_exact(capacity - vec.len());
        sys::advise_huge(&mut vec);
        self.bytes = BytesMut::from(Bytes::from(vec));
        match home {
            Some(home) if resized.is_err() => home.buffers.give(capacity),
            Some(home) => {
                let before = std::mem::replace(&mut self.charge, capacity);
                self.home.get_or_insert_with(|| Arc::clone(home)).buffers.give(before);
            }
            None => {}
        }
        resized.map_err(|_| error::out_of_memory(capacity))
    }

    /// Cuts the content, and gives memory back where at least half of it would lie idle.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
        if len == 0 {
            *self = Self::new();
        } else if len <= self.bytes.capacity() / 2 {
            // Shrinking too may take both the old and the new.
            if self.home.as_ref().is_some_and(|home| !home.buffers.charge_if_free(len)) {
                return;
            }
            let mut vec = Vec::from(std::mem::take(&mut self.bytes));
            vec.shrink_to_fit();
            self.bytes = BytesMut::from(Bytes::from(vec));
            if let Some(home) = &self.home {
                home.buffers.give(std::mem::replace(&mut self.charge, len));
            }
        }
    }

    /// Forgets the content and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Forgets what lies past `len` and keeps the memory.
    pub(crate) fn forget_past(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Reads `source` straight behind the content until `most` more bytes are there, or it ends (`false`).
    ///
    /// `arrived` is told of each read, and says whether to go on. What was read stays, whatever `source` does then: it may
    /// fail, or panic.
    pub(crate) fn fill_from<R: Read + ?Sized>(
        &mut self,
        source: &mut R,
        most: usize,
        mut arrived: impl FnMut(usize) -> bool,
    ) -> io::Result<bool> {
        let mut filling = Filling::new(self, most);
        while filling.filled < filling.bytes.len() {
            match source.read(&mut filling.bytes[filling.filled..]) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    // A source that claims more than it was given room for must not take us along.
                    let read = read.min(filling.bytes.len() - filling.filled);
                    filling.filled += read;
                    if !arrived(read) {
                        return Ok(true);
                    }
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
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// What lies from `at` to the end; nothing past it.
    #[inline]
    pub(crate) fn rest(&self, at: u64) -> &[u8] {
        if at < self.len() as u64 { &self.bytes[at as usize..] } else { &[] }
    }

    /// For reading into without initialising it first: see [`AnonFile::read_behind`](sys::AnonFile::read_behind).
    pub(crate) fn as_bytes_mut(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// What has room and no content, to be written by another.
    pub(crate) fn spare(&mut self) -> &mut [MaybeUninit<u8>] {
        self.bytes.spare_capacity_mut()
    }

    /// As data that nobody counts any more.
    pub(crate) fn into_bytes(mut self) -> BytesMut {
        if let Some(home) = self.home.take() {
            home.buffers.give(self.charge);
        }
        std::mem::take(&mut self.bytes)
    }

    /// Counted, and not used again, until the last clone is gone.
    pub(crate) fn freeze(mut self) -> Bytes {
        if self.home.is_some() { Bytes::from_owner(Frozen(self)) } else { std::mem::take(&mut self.bytes).freeze() }
    }
}

impl Buffer {
    /// Apart from the drop, so that one without a pool pays for a look and no more.
    #[inline(never)]
    fn go_home(&mut self) {
        if let Some(home) = self.home.take() {
            home.buffers.put(std::mem::take(&mut self.bytes), self.charge);
        }
    }
}

impl Drop for Buffer {
    #[inline]
    fn drop(&mut self) {
        if self.home.is_some() {
            self.go_home();
        }
    }
}

/// The owner inside a `Bytes`.
struct Frozen(Buffer);

impl AsRef<[u8]> for Frozen {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl From<BytesMut> for Buffer {
    fn from(bytes: BytesMut) -> Self {
        Self { bytes, charge: 0, home: None }
    }
}

impl fmt::Debug for Buffer {
    /// Never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({}/{})", self.len(), self.capacity())
    }
}

/// Memory of another's making, charged for as long as this lives.
pub(crate) struct Loan {
    home: Arc<Home>,
    size: usize,
}

impl Loan {
    pub(crate) fn take(home: &Arc<Home>, size: usize) -> Option<Self> {
        home.buffers.charge(size).then(|| Self { home: Arc::clone(home), size })
    }

    /// Makes that one byte's room in `buffer`, which is full.
    pub(crate) fn into_room_for_one(mut self, buffer: &mut Buffer) -> io::Result<()> {
        let size = buffer.len() + 1;
        let mut larger = Buffer::new();
        larger.resize(size, None)?;
        larger.bytes.extend_from_slice(&buffer.bytes);
        larger.charge = std::mem::take(&mut self.size);
        larger.home = Some(Arc::clone(&self.home));
        *buffer = larger;
        Ok(())
    }

    /// The memory itself came, of the size that was charged.
    pub(crate) fn into_buffer(mut self, bytes: BytesMut) -> Buffer {
        let charge = std::mem::take(&mut self.size);
        Buffer { bytes, charge, home: Some(Arc::clone(&self.home)) }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.home.buffers.give(self.size);
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
/// How far into a page a window should not begin.
const HAZARD: usize = 32;
/// The size of a window.
pub(crate) const WINDOW: usize = 64 * 1024;
/// The capacity of a buffer that first grows: what most bodies need, so that they grow once.
const FIRST: usize = 2048;
/// So few bytes more or less are not counted, where a spool can do with no fewer.
pub(crate) const BOOKKEEPING: usize = 512;
/// So much is asked for as everybody does: where it cannot be had, neither can an error that says so.
const SMALL: usize = 4096;
