//! Heap, counted: an allocator that knows what each thread holds, how much that was at most, and how often it was asked.
//!
//! A block that grows counts as what it has grown by. Whether the allocator can do that in place is its own affair, and
//! for large blocks it can.
#![allow(unsafe_code, reason = "an allocator cannot be written without; it only counts")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Nor was anything given back.
pub(crate) const NOTHING: Usage = Usage { calls: 0, peak: 0, left: 0 };

/// What a piece of work asked of the heap, on this thread.
#[derive(Debug, PartialEq)]
pub(crate) struct Usage {
    pub(crate) calls: usize,
    /// The most that was held at once, over what was held before.
    pub(crate) peak: isize,
    pub(crate) left: isize,
}

pub(crate) fn measured(work: impl FnOnce()) -> Usage {
    let (calls, held) = (CALLS.get(), HELD.get());
    PEAK.set(held);
    work();
    Usage { calls: CALLS.get() - calls, peak: PEAK.get() - held, left: HELD.get() - held }
}

struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(grown_by: isize, calls: usize) {
    CALLS.set(CALLS.get() + calls);
    HELD.set(HELD.get() + grown_by);
    PEAK.set(PEAK.get().max(HELD.get()));
}

// SAFETY: each call goes to the system's allocator as it came; the counters hold no memory of their own, nor do they ask
// for any.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: what our caller promised is what is asked of it.
        let block = unsafe { System.alloc(layout) };
        if !block.is_null() {
            counted(layout.size() as isize, 1);
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            counted(layout.size() as isize, 1);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) };
        counted(-(layout.size() as isize), 0);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let moved = unsafe { System.realloc(block, layout, size) };
        if !moved.is_null() {
            counted(size as isize - layout.size() as isize, 1);
        }
        moved
    }
}
