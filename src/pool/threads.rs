//! Threads dealt out in turn, so that those which run at once seldom meet.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The shelf of this thread.
pub(super) fn own_shelf() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHELVES;
    }
    // A thread that is about to end may have lost its own.
    OWN.try_with(|own| *own).unwrap_or(0)
}

/// How many shelves there are: as many threads as run at once on most machines, or more.
pub(super) const SHELVES: usize = 8;
