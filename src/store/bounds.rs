//! Where content has to end, and what of two ranges both have.

/// Copies as much as both have.
#[inline]
pub(crate) fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    to[..count].copy_from_slice(&from[..count]);
    count
}

/// The longest that a file may be.
pub(super) const LONGEST: u64 = i64::MAX as u64;
