//! Memory that is filled behind what it holds.

use std::mem::MaybeUninit;

use bytes::BytesMut;

/// Memory that can be read into without initialising it first.
pub(crate) trait Spare {
    fn spare(&mut self) -> &mut [MaybeUninit<u8>];

    /// Appends what lies in memory already, which there is room for.
    fn append(&mut self, bytes: &[u8]);

    /// # Safety
    /// The first `count` bytes of `spare` are initialised.
    unsafe fn filled(&mut self, count: usize);
}

impl Spare for Vec<u8> {
    fn spare(&mut self) -> &mut [MaybeUninit<u8>] {
        self.spare_capacity_mut()
    }

    fn append(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    unsafe fn filled(&mut self, count: usize) {
        // SAFETY: the caller's promise; `spare` begins at the length and ends at the capacity.
        unsafe { self.set_len(self.len() + count) }
    }
}

impl Spare for BytesMut {
    fn spare(&mut self) -> &mut [MaybeUninit<u8>] {
        self.spare_capacity_mut()
    }

    fn append(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    unsafe fn filled(&mut self, count: usize) {
        // SAFETY: the caller's promise; `spare` begins at the length and ends at the capacity.
        unsafe { self.set_len(self.len() + count) }
    }
}
