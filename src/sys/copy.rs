//! How much of a range there is, and copies that dodge slow cases of the processor.
//!
//! Where the target lies less than 32 bytes behind its source in the page, the one instruction that copies a large piece takes
//! up to sixteen times as long on some processors (`rep movsb` on AMD Zen 3). Small pieces are copied otherwise. So lies
//! every buffer that an allocator maps, 16 bytes into a page, when it is read into from a mapping.

/// How much of `count` bytes at `offset` lies within content of `len` bytes.
#[inline]
pub(crate) fn within(len: u64, offset: u64, count: usize) -> usize {
    count.min(usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX))
}

/// Copies as much as both have.
#[inline]
pub(crate) fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    let (from, to) = (&from[..count], &mut to[..count]);
    if count <= SMALL {
        to.copy_from_slice(from);
    } else {
        copy_large(from, to);
    }
    count
}

/// Copies the same out of a mapping, of which the next piece is probably wanted next.
///
/// The processor fetches by itself what follows in a page, but not the next page: small pieces of a mapping one after the
/// other took twice as long as out of a buffer.
#[inline]
pub(crate) fn copy_along(from: &[u8], to: &mut [u8]) -> usize {
    fetch(from.as_ptr().wrapping_add(AHEAD));
    copy(from, to)
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn fetch(at: *const u8) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint, which reads nothing that could be seen and never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
}

/// What does the same elsewhere is not yet in stable Rust.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn fetch(_: *const u8) {}

#[inline(never)]
fn copy_large(from: &[u8], to: &mut [u8]) {
    let piece = piece(from, to.as_ptr());
    from.chunks(piece).zip(to.chunks_mut(piece)).for_each(|(from, to)| to.copy_from_slice(from));
}

/// How much of `from` should be copied `to` another place at a time.
#[inline]
pub(crate) fn piece(from: &[u8], to: *const u8) -> usize {
    let behind = to.addr().wrapping_sub(from.as_ptr().addr()) % 4096;
    if from.len() > SMALL && (1..32).contains(&behind) { SMALL } else { from.len() }
}

const SMALL: usize = 1024;
/// How far in front it fetches.
const AHEAD: usize = 2048;
