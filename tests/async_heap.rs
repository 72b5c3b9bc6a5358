//! P9 and P11 of `tokio::AsyncSpooledTempFile`, counted by the allocator: making one allocates nothing; in memory a task asks for
//! nothing that a thread would not; a warm pool's spool asks for nothing.

mod heap;

use std::io::{Read, Seek, Write};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use heap::{NOTHING, measured};
use spooled::tokio::AsyncSpooledTempFile;
use spooled::{Backing, Pool, SpoolOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const BACKINGS: [Backing; 2] = [Backing::File, Backing::Mmap];

/// What takes no waiting, and no memory for asking.
#[track_caller]
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits, where there is nothing to wait for"),
    }
}

#[test]
fn p9_making_one_allocates_nothing() {
    let options = SpoolOptions::new();
    assert_eq!(measured(|| drop(AsyncSpooledTempFile::with_options(&options))), NOTHING);
    assert_eq!(measured(|| drop(AsyncSpooledTempFile::new(1000))), NOTHING);
    let mut spool = None;
    assert_eq!(measured(|| spool = Some(AsyncSpooledTempFile::new(1000))), NOTHING);
    let mut spool = spool.unwrap();
    assert_eq!(measured(|| assert_eq!(at_once(spool.read(&mut [0; 10])).unwrap(), 0)), NOTHING);
    assert_eq!(measured(|| at_once(spool.flush()).unwrap()), NOTHING);
    assert_eq!(measured(|| drop(at_once(spool.into_spool()).unwrap())), NOTHING);
}

#[test]
fn p9_a_task_in_memory_asks_for_no_more_memory_than_a_thread() {
    for backing in BACKINGS {
        for (len, piece) in [(4 * MIB, 64), (100_001, 1), (100_001, 1000), (MIB, 70_000)] {
            let mut options = SpoolOptions::new();
            options.threshold(16 * MIB).backing(backing);
            let piece = vec![7; piece];
            let mut seen = piece.clone();
            let by_thread = measured(|| {
                let mut spool = options.build();
                for _ in 0..len / piece.len() {
                    spool.write_all(&piece).unwrap();
                }
                spool.flush().unwrap();
                spool.rewind().unwrap();
                while spool.read(&mut seen).unwrap() > 0 {}
            });
            let by_task = measured(|| {
                let mut spool = AsyncSpooledTempFile::with_options(&options);
                for _ in 0..len / piece.len() {
                    at_once(spool.write_all(&piece)).unwrap();
                }
                at_once(spool.flush()).unwrap();
                at_once(spool.rewind()).unwrap();
                while at_once(spool.read(&mut seen)).unwrap() > 0 {}
            });
            assert_eq!(by_task, by_thread, "{len} bytes by {}", piece.len());
            assert!(by_task.calls > 0 && by_task.left == 0, "{by_task:?}");
        }
    }
}

#[test]
fn p11_a_warm_life_of_a_task_in_memory_allocates_nothing() {
    let pool = Pool::builder().dir(env!("CARGO_TARGET_TMPDIR")).build();
    let mut options = SpoolOptions::new();
    options.threshold(64 * KIB).pool(&pool);
    let life = |len: usize| {
        let mut spool = AsyncSpooledTempFile::with_options(&options);
        let mut piece = [7; 512];
        for _ in 0..len / piece.len() {
            at_once(spool.write_all(&piece)).unwrap();
        }
        at_once(spool.rewind()).unwrap();
        while at_once(spool.read(&mut piece)).unwrap() > 0 {}
    };
    for len in [2 * KIB, 64 * KIB] {
        life(len);
        assert_eq!(measured(|| life(len)), NOTHING, "{len} bytes");
    }
    assert!(pool.stats().reused_buffers > 0);
}

/// What a rolled one asks for does not depend on what it is given: a place for each errand, and not a copy of what is written.
#[test]
fn p3_a_task_that_writes_to_disk_holds_no_more_than_a_window() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    for backing in BACKINGS {
        for piece in [1000, 4096, 100_000, MIB] {
            let piece = vec![7; piece];
            let mut options = SpoolOptions::new();
            options.threshold(0).backing(backing).dir(env!("CARGO_TARGET_TMPDIR"));
            // Its first thread.
            if cfg!(not(target_family = "wasm")) {
                runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
            }
            let count = 16 * MIB / piece.len();
            let usage = measured(|| {
                let mut spool = AsyncSpooledTempFile::with_options(&options);
                runtime.block_on(async {
                    for _ in 0..count {
                        spool.write_all(&piece).await.unwrap();
                    }
                    spool.flush().await.unwrap();
                });
                assert_eq!(spool.len(), (count * piece.len()) as u64);
            });
            // Made here or there, given back there or here: what this thread sees of it is at most one window either way.
            let most = (256 + 64 + 8) * KIB as isize;
            assert!(usage.peak <= most && usage.left.abs() <= most, "{usage:?} by {}, {backing:?}", piece.len());
            let errands = 16 * MIB / (64 * KIB) + 16;
            assert!(usage.calls <= 8 * errands, "{usage:?} by {}, {backing:?}", piece.len());
        }
    }
}
