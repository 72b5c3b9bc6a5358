//! What the tests of a pool ask of it.

use std::io::Write;

use spooled::{Backing, Pool, PoolStats, SpoolOptions, SpooledTempFile};

pub(crate) fn options(pool: &Pool, threshold: usize, backing: Backing) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.pool(pool).threshold(threshold).backing(backing);
    options
}

#[track_caller]
pub(crate) fn written(options: &SpoolOptions, content: &[u8]) -> SpooledTempFile {
    let mut spool = options.build();
    spool.write_all(content).unwrap();
    spool
}

/// What the pool says, which holds together.
#[track_caller]
pub(crate) fn sound(pool: &Pool) -> PoolStats {
    let stats = pool.stats();
    let memory = [stats.memory_retained, stats.memory_used, stats.memory_peak, stats.memory_limit];
    let disk = [stats.disk_retained, stats.disk_used, stats.disk_peak, stats.disk_limit];
    assert!(memory.is_sorted() && disk.is_sorted(), "{stats:?}");
    stats
}

/// Nobody has anything of it, and what it keeps can be let go of.
#[track_caller]
pub(crate) fn at_rest(pool: &Pool) {
    let stats = sound(pool);
    assert_eq!((stats.memory_used, stats.disk_used), (stats.memory_retained, stats.disk_retained), "{stats:?}");
    assert_eq!((stats.spools, stats.rolled), (0, 0), "{stats:?}");
    pool.trim();
    let stats = sound(pool);
    assert_eq!((stats.memory_used, stats.disk_used), (0, 0), "{stats:?}");
}
