//! What a warm pool costs and saves: one whose buffers and files were used by a life before.

use std::path::Path;
use std::time::Duration;

use spooled::{Backing, Pool, PoolBuilder, SpoolOptions, SpooledTempFile};

use crate::harness::{Row, Sample, timed};
use crate::lives::life;
use crate::memory::{body, writes};
use crate::peers::bytes_mut::Bare;
use crate::peers::{memcpy, ours};
use crate::work::{GIB, KIB, MIB, Piece, assert_pieces, write_pieces};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (len, size, file, mapped, copied) in
        [(128 * KIB, "128 KiB", 0.15, 0.11, 3.2), (MIB, "1 MiB", 0.15, 0.12, 3.0), (16 * MIB, "16 MiB", 0.2, 0.17, 2.8)]
    {
        let theirs = move || life(move || tempfile::spooled_tempfile_in(THRESHOLD, dir), len);
        let name = |backing| format!("pool: lives of {size}, {backing:?}");
        let lives = [
            Row::new(name(Backing::File), TEMPFILE, file, move || warm_life(dir, Backing::File, len), theirs),
            Row::new(name(Backing::Mmap), TEMPFILE, mapped, move || warm_life(dir, Backing::Mmap, len), theirs),
            Row::new(
                name(Backing::Mmap),
                "`memcpy` in and out",
                copied,
                move || warm_life(dir, Backing::Mmap, len),
                move || memcpy::life(len),
            ),
        ];
        // What the life before has left in the caches, the peer's turn takes out of them.
        rows.extend(lives.map(|row| row.at_least(8)));
    }
    rows.extend([
        Row::new(
            "pool: lives of 128 KiB, with limits",
            "the same without",
            1.1,
            move || {
                let mut pool = builder(dir);
                warm(&pool.memory(64 * MIB).disk(GIB as u64).build(), THRESHOLD, Backing::File, 128 * KIB)
            },
            move || warm_life(dir, Backing::File, 128 * KIB),
        ),
        Row::new(
            "pool: 64 MiB into memory in writes of 64 KiB",
            "bare `BytesMut`",
            0.3,
            move || {
                let pool = builder(dir).build();
                let make = from(&pool, 64 * MIB, Backing::File);
                let (mut piece, mut spool) = (Piece::new(64 * KIB), make());
                write_pieces(&mut spool, piece.turn(), 64 * MIB);
                assert!(!spool.is_rolled());
                drop(spool);
                assert!(pool.stats().memory_retained >= 64 * MIB, "not kept: {:?}", pool.stats());
                writes(make, 64 * KIB, 64 * MIB)
            },
            || writes(Bare::new, 64 * KIB, 64 * MIB),
        ),
        Row::new(
            "pool: a body of 2 KiB in 4 writes, read back",
            "the same without a pool",
            1.6,
            move || body(from(&builder(dir).build(), THRESHOLD, Backing::File)),
            || body(|| ours::in_memory(THRESHOLD)),
        ),
        Row::new(
            "pool: `stats`",
            ALLOWANCE,
            1.0,
            move || stats(builder(dir).build(), Vec::new()),
            || || Sample::new(LOOK * LOOKS as u32, LOOKS, 0),
        ),
        Row::new(
            "pool: `stats`, 1,000 files out",
            ALLOWANCE,
            1.0,
            move || {
                let pool = builder(dir).build();
                let make = from(&pool, 0, Backing::File);
                let out = (0..1000).map(|_| {
                    let mut spool = make();
                    spool.roll().expect("rolled");
                    spool
                });
                let out = out.collect();
                stats(pool, out)
            },
            || || Sample::new(LOOK * LOOKS as u32, LOOKS, 1000 * LOOKS as u64),
        ),
    ]);
    rows
}

fn warm_life(dir: &Path, backing: Backing, len: usize) -> impl FnMut() -> Sample {
    warm(&builder(dir).build(), THRESHOLD, backing, len)
}

/// Lives from `pool`, of which the first has been.
fn warm(pool: &Pool, threshold: usize, backing: Backing, len: usize) -> impl FnMut() -> Sample + use<> {
    let make = from(pool, threshold, backing);
    let mut piece = Piece::new(8 * KIB);
    for _ in 0..2 {
        let (mut spool, piece) = (make(), piece.turn());
        write_pieces(&mut spool, piece, len);
        assert_pieces(&mut spool, piece, len);
    }
    assert!(pool.stats().reused_files > 0, "no file was used again: {:?}", pool.stats());
    life(make, len)
}

/// Looks at the figures of a pool that `out` came from.
fn stats(pool: Pool, out: Vec<SpooledTempFile>) -> impl FnMut() -> Sample {
    move || {
        let sample = timed(LOOKS, || (0..LOOKS).map(|_| pool.stats().rolled as u64).sum());
        assert_eq!(pool.stats().rolled, out.len());
        sample
    }
}

pub fn builder(dir: &Path) -> PoolBuilder {
    let mut builder = Pool::builder();
    builder.dir(dir);
    builder
}

/// Makes spools from `pool`.
pub fn from(pool: &Pool, threshold: usize, backing: Backing) -> impl Fn() -> SpooledTempFile + use<> {
    let mut options = SpoolOptions::new();
    options.threshold(threshold).backing(backing).pool(pool);
    move || options.build()
}

const TEMPFILE: &str = "`tempfile` 3";
const ALLOWANCE: &str = "a fixed 100 ns";
const LOOK: Duration = Duration::from_nanos(100);
const LOOKS: usize = 10_000;
pub const THRESHOLD: usize = 64 * KIB;
