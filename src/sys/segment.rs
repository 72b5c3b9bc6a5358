//! Memory that one fills while others read what is there already, without a lock.
//!
//! Invariant: a byte below `filled` is never written again, and `filled` only rises, after the bytes below it were written.
//! Knows nothing of how much the others are meant to see.

use std::cell::UnsafeCell;
use std::fmt;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::sync::{AtomicUsize, Ordering};

/// What is read.
pub(crate) struct Segment<M> {
    /// Whose memory it is: touched by nobody until the drop.
    _owner: UnsafeCell<M>,
    begin: NonNull<u8>,
    capacity: usize,
    filled: AtomicUsize,
    #[cfg(all(test, loom))]
    seen: seen::Seen,
}

/// The one who fills it.
pub(crate) struct Filler<M>(Arc<Segment<M>>);

// SAFETY: what `begin` points at belongs to `_owner`, which goes where this goes.
unsafe impl<M: Send> Send for Segment<M> {}
// SAFETY: `_owner` is not touched through a shared reference, and of what `begin` points at only what is below `filled`, which
// nobody writes any more.
unsafe impl<M: Send> Sync for Segment<M> {}

// A panic leaves nothing half done here: a byte is there when `filled` says so, and not before.
impl<M> UnwindSafe for Segment<M> {}
impl<M> RefUnwindSafe for Segment<M> {}

impl<M> Filler<M> {
    /// A segment as long as what `spare` gives, which is memory that `owner` keeps until it is dropped.
    pub(crate) fn new(owner: M, spare: impl FnOnce(&mut M) -> &mut [MaybeUninit<u8>]) -> Self {
        let begin = NonNull::dangling();
        let mut segment = Arc::new(Segment {
            _owner: UnsafeCell::new(owner),
            begin,
            capacity: 0,
            filled: AtomicUsize::new(0),
            #[cfg(all(test, loom))]
            seen: seen::Seen::new(),
        });
        // Where it is now it stays, so that what it lends may lie within it.
        let sole = Arc::get_mut(&mut segment).expect("nobody has a clone yet");
        let spare = spare(sole._owner.get_mut());
        (sole.begin, sole.capacity) = (NonNull::from(&mut *spare).cast(), spare.len());
        Self(segment)
    }

    /// Appends as much of `buf` as there is room for, and says how much.
    #[inline]
    pub(crate) fn append(&mut self, buf: &[u8]) -> usize {
        let filled = self.0.filled.load(Ordering::Relaxed);
        let count = buf.len().min(self.0.capacity - filled);
        // SAFETY: `filled` is at most the capacity, within the memory that `begin` was made of.
        let end = unsafe { self.0.begin.add(filled) };
        // SAFETY: `count` bytes from there lie within the same memory, and nobody looks at them before `filled` rises; only
        // this one writes, which is not cloned, and `buf` is not that memory, of which nobody has a slice past `filled`.
        unsafe { end.copy_from_nonoverlapping(NonNull::from(buf).cast(), count) };
        #[cfg(all(test, loom))]
        self.0.seen.written(filled..filled + count);
        self.0.filled.store(filled + count, Ordering::Release);
        count
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.0.filled.load(Ordering::Relaxed) == self.0.capacity
    }

    /// How long the segment may get.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity
    }

    pub(crate) fn segment(&self) -> &Arc<Segment<M>> {
        &self.0
    }
}

impl<M> Segment<M> {
    /// What is there already.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        let filled = self.filled.load(Ordering::Acquire);
        #[cfg(all(test, loom))]
        self.seen.read(filled);
        // SAFETY: so many bytes from `begin` on were written before `filled` was raised to that, are not written again, and
        // stay for as long as the owner, which this holds.
        unsafe { NonNull::slice_from_raw_parts(self.begin, filled).as_ref() }
    }
}

impl<M> fmt::Debug for Segment<M> {
    /// Never the content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment({}/{})", self.filled.load(Ordering::Relaxed), self.capacity)
    }
}

impl<M> fmt::Debug for Filler<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The first bytes of a segment, where a model checker sees who writes and who reads them.
#[cfg(all(test, loom))]
mod seen {
    use std::ops::Range;

    pub(super) struct Seen([loom::cell::UnsafeCell<()>; 4]);

    impl Seen {
        pub(super) fn new() -> Self {
            Self(std::array::from_fn(|_| loom::cell::UnsafeCell::new(())))
        }

        pub(super) fn written(&self, range: Range<usize>) {
            self.0.iter().take(range.end).skip(range.start).for_each(|byte| byte.with_mut(|_| ()));
        }

        pub(super) fn read(&self, filled: usize) {
            self.0.iter().take(filled).for_each(|byte| byte.with(|_| ()));
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::thread;

    use super::{Arc, Filler};

    /// P1: what is there was written before, in any order of the two.
    #[test]
    fn p1_loom_a_segment_shows_no_byte_too_early() {
        loom::model(|| {
            let mut filler = Filler::new(Vec::with_capacity(3), Vec::spare_capacity_mut);
            let segment = Arc::clone(filler.segment());
            let reader = thread::spawn(move || {
                for _ in 0..2 {
                    assert!(b"abc".starts_with(segment.as_slice()));
                }
            });
            assert_eq!((filler.append(b"a"), filler.append(b"bcd")), (1, 2));
            reader.join().unwrap();
        });
    }
}
