//! What a body costs in memory, counted by the allocator itself. One test at a time: all of them count the same heap.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use spooled::http::collect;
use spooled::{Pool, SpoolOptions};
use spooled_web_tests::{KIB, MIB, comes_to_rest};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    /// Of this thread alone: what runs the tests allocates too.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        let held = HELD.fetch_add(size, Ordering::Relaxed) + size;
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALONE: Mutex<()> = Mutex::new(());

/// `left` frames of `size` bytes, each in a buffer of its own.
struct Frames {
    size: usize,
    left: usize,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![self.left as u8; self.size])))))
    }
}

fn on_a_runtime<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn p3_collecting_and_sending_hold_a_threshold_and_a_mebibyte() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for threshold in [0, 64 * KIB, 3 * MIB] {
        // Frames of 5,000 bytes are kept as they are, those of 100 put together.
        for size in [100, 5000, 64 * KIB, 256 * KIB] {
            let len = if size == 100 { 8 * MIB } else { 64 * MIB };
            on_a_runtime(async {
                let mut options = SpoolOptions::new();
                options.threshold(threshold);
                // What a first errand makes for good: a thread, and what it keeps.
                drop(collect(Frames { size: MIB, left: 1 }, SpoolOptions::new().threshold(0)).await.unwrap());
                let before = HELD.load(Ordering::Relaxed);
                PEAK.store(before, Ordering::Relaxed);
                let collected = collect(Frames { size, left: len / size }, &options).await.unwrap();
                let peak = PEAK.load(Ordering::Relaxed) - before;
                assert!(peak <= threshold + MIB, "{peak} bytes, threshold {threshold}, frames of {size}");

                PEAK.store(HELD.load(Ordering::Relaxed), Ordering::Relaxed);
                let before = HELD.load(Ordering::Relaxed);
                let mut body = collected.into_body();
                while let Some(frame) = body.frame().await {
                    frame.unwrap();
                }
                let peak = PEAK.load(Ordering::Relaxed) - before;
                assert!(peak <= MIB, "{peak} bytes to send it");
            });
        }
    }
}

#[test]
fn p9_a_small_body_costs_no_more_allocations_than_the_usual_way() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    on_a_runtime(async {
        let count = |before| COUNT.get() - before;
        for len in [0, 1, 2048, 64 * KIB] {
            let content = Bytes::from(vec![7; len]);
            let before = COUNT.get();
            let usual = Full::new(content.clone()).collect().await.unwrap().to_bytes();
            let usual_count = count(before);
            let before = COUNT.get();
            let ours = collect(Full::new(content.clone()), &SpoolOptions::new()).await.unwrap();
            assert!(count(before) <= usual_count.max(1), "{} for {len} bytes", count(before));
            assert_eq!(ours.content.to_bytes().unwrap(), usual);
        }
    });
}

/// A frame that is kept as it came must not hold a connection's buffer for ten bytes.
#[test]
fn p3_a_small_body_lets_go_of_what_it_came_in() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    on_a_runtime(async {
        let pool = Pool::builder().build();
        for options in [SpoolOptions::new(), SpoolOptions::new().pool(&pool).clone()] {
            let before = HELD.load(Ordering::Relaxed);
            let buffer = Bytes::from(vec![7; MIB]);
            let collected = collect(Full::new(buffer.slice(10..20)), &options).await.unwrap();
            drop(buffer);
            // Whoever runs the tests may hold some more meanwhile.
            assert!(HELD.load(Ordering::Relaxed) < before + 64 * KIB);
            drop(collected);
        }
        comes_to_rest(&pool);
    });
}
