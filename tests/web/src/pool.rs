//! Looking at a pool from outside.

use std::time::{Duration, Instant};

use spooled::{Pool, PoolStats};

/// Nobody holds anything: all that is taken is kept for the next.
#[track_caller]
pub fn assert_at_rest(pool: &Pool) {
    let stats = pool.stats();
    assert!(is_at_rest(stats), "something is left: {stats}");
}

/// The same, as soon as what is being written at this moment is done.
#[track_caller]
pub fn comes_to_rest(pool: &Pool) {
    let started = Instant::now();
    while !is_at_rest(pool.stats()) && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_at_rest(pool);
}

/// Whether it comes to that, within a time that is long for anything; others go on meanwhile.
pub async fn comes(is_so: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    loop {
        let so = is_so();
        if so || started.elapsed() > Duration::from_secs(60) {
            return so;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub fn is_at_rest(stats: PoolStats) -> bool {
    let taken = (stats.memory_used - stats.memory_retained, stats.disk_used - stats.disk_retained);
    (stats.spools, stats.rolled) == (0, 0) && taken == (0, 0)
}
