//! Where content ends, and what of a range lies before that.

/// How much of `count` bytes at `offset` lies within content of `len` bytes.
#[inline]
pub(crate) fn within(len: u64, offset: u64, count: usize) -> usize {
    count.min(usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX))
}

/// Copies as much as both have.
#[inline]
pub(crate) fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    to[..count].copy_from_slice(&from[..count]);
    count
}

/// The longest that a file may be.
pub(super) const LONGEST: u64 = i64::MAX as u64;
