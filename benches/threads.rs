//! Many threads on one pool, against two with a pool each: the time until as many lives have been.
//!
//! Eight threads on two cores wait for each other's locks; two that share nothing wait for nobody.

use std::io::Seek;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use spooled::{Backing, Pool, SpooledTempFile};

use crate::harness::{Row, Sample};
use crate::pool::{THRESHOLD, builder, from};
use crate::work::{KIB, Piece, read_pieces, write_pieces};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    [
        ("threads: lives of 128 KiB, eight on one pool", Work { len: 128 * KIB, piece: 8 * KIB, lives: 32_000 }, 1.11),
        ("threads: bodies of 2 KiB, eight on one pool", Work { len: 2 * KIB, piece: 512, lives: 4_000_000 }, 1.67),
    ]
    .map(|(name, work, bar)| {
        Row::new(
            name,
            "two with a pool each",
            bar,
            move || together(work, vec![builder(dir).build(); 8]),
            move || together(work, (0..2).map(|_| builder(dir).build()).collect()),
        )
    })
    .into()
}

#[derive(Clone, Copy)]
struct Work {
    len: usize,
    piece: usize,
    lives: usize,
}

/// A thread for each of `pools`; the lives go to whoever has time for them.
fn together(work: Work, pools: Vec<Pool>) -> impl FnMut() -> Sample {
    let thread = |pool| Thread {
        make: from(&pool, THRESHOLD, Backing::File),
        piece: Piece::new(work.piece),
        buf: Piece::new(work.piece),
    };
    let mut threads: Vec<_> = pools.into_iter().map(thread).collect();
    move || {
        let (started, barrier) = (AtomicUsize::new(0), Barrier::new(threads.len()));
        let spans = thread::scope(|scope| {
            let (started, barrier) = (&started, &barrier);
            let running: Vec<_> = threads
                .iter_mut()
                .map(|thread| {
                    scope.spawn(move || {
                        thread.lives(work, BATCH);
                        barrier.wait();
                        let start = Instant::now();
                        while started.fetch_add(BATCH, Ordering::Relaxed) < work.lives {
                            thread.lives(work, BATCH);
                        }
                        (start, Instant::now())
                    })
                })
                .collect();
            running.into_iter().map(|thread| thread.join().expect("alive")).collect::<Vec<_>>()
        });
        // From the first to start to the last to end: starting threads and joining them is not part of it.
        let start = spans.iter().map(|span| span.0).min().expect("a thread");
        let end = spans.iter().map(|span| span.1).max().expect("a thread");
        Sample::new(end - start, work.lives, work.lives as u64)
    }
}

struct Thread<F> {
    make: F,
    piece: Piece,
    buf: Piece,
}

impl<F: Fn() -> SpooledTempFile> Thread<F> {
    fn lives(&mut self, work: Work, count: usize) {
        let (piece, buf) = (self.piece.turn(), self.buf.turn());
        for _ in 0..count {
            let mut spool = (self.make)();
            write_pieces(&mut spool, piece, work.len);
            spool.rewind().expect("rewound");
            read_pieces(&mut spool, buf);
            assert!(spool.position() == work.len as u64 && spool.is_rolled() == (work.len > THRESHOLD));
        }
    }
}

/// So many at once that taking them costs nothing.
const BATCH: usize = 100;
