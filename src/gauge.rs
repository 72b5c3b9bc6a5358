//! An allowance: how much is taken, of how much, and the most that ever was.
//!
//! Invariant: what is taken never passes the limit, whoever looks, and whenever. Lock-free.
//! Whoever takes, takes before the thing is made, and gives when it is gone.

use crate::sync::{AtomicU64, Ordering};

/// On cache lines of its own: who counts here must not slow who counts elsewhere.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Gauge {
    used: AtomicU64,
    peak: AtomicU64,
    limit: u64,
}

impl Gauge {
    pub(crate) fn new(limit: u64) -> Self {
        Self { used: AtomicU64::new(0), peak: AtomicU64::new(0), limit }
    }

    /// Takes all of `amount`, or nothing.
    pub(crate) fn take(&self, amount: u64) -> bool {
        let mut used = self.used.load(Ordering::Relaxed);
        let more = loop {
            let more = match used.checked_add(amount) {
                Some(more) if more <= self.limit => more,
                _ => return false,
            };
            match self.used.compare_exchange_weak(used, more, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break more,
                Err(now) => used = now,
            }
        };
        if more > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(more, Ordering::Relaxed);
        }
        true
    }

    /// Gives back what was taken.
    pub(crate) fn give(&self, amount: u64) {
        let before = self.used.fetch_sub(amount, Ordering::Release);
        debug_assert!(before >= amount, "more is given back than was taken");
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::Gauge;

    /// P8: whatever the order, the limit is not passed, and nothing is lost.
    #[test]
    fn p8_a_gauge_is_never_past_its_limit() {
        loom::model(|| {
            let gauge = Arc::new(Gauge::new(3));
            let takers = [2, 2].map(|amount| {
                let gauge = Arc::clone(&gauge);
                thread::spawn(move || {
                    if gauge.take(amount) {
                        gauge.give(amount);
                    }
                    gauge.take(1)
                })
            });
            assert!(gauge.used() <= 3);
            let taken = takers.map(|taker| taker.join().unwrap());
            assert_eq!(taken, [true, true], "one byte each was always there");
            assert_eq!(gauge.used(), 2);
            assert!((2..=3).contains(&gauge.peak()), "a peak of {}", gauge.peak());
        });
    }
}
