//! A pool's figures.

use std::fmt;

/// What a pool holds and has held: see [`Pool::stats`](super::Pool::stats).
///
/// Retained is part of used, and used never passes the limit, in every look. What is not limited has a limit of `MAX`.
///
/// ```
/// use spooled::{Pool, SpoolOptions};
///
/// let pool = Pool::builder().memory(64 << 20).disk(10 << 30).build();
/// let mut spool = SpoolOptions::new().pool(&pool).build();
/// spool.set_len(1 << 20)?;
/// assert_eq!(
///     pool.stats().to_string(),
///     "memory 0 B of 64 MiB (0 B retained, peak 0 B), disk 1 MiB of 10 GiB (0 B retained, peak 1 MiB), \
///      1 spool, 1 on disk, 0 buffers and 0 files reused"
/// );
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PoolStats {
    /// Bytes of memory that are charged now: the capacities of buffers and windows, kept ones included.
    pub memory_used: usize,
    /// The most that ever was.
    pub memory_peak: usize,
    /// What is allowed.
    pub memory_limit: usize,
    /// What is kept to be used again, and gives way first.
    pub memory_retained: usize,
    /// Bytes of disk that are charged now: the lengths of files, with holes, stale tails and blocks set aside.
    pub disk_used: u64,
    /// The most that ever was.
    pub disk_peak: u64,
    /// What is allowed.
    pub disk_limit: u64,
    /// What no content needs and gives way first: kept files, and what is stale or set aside ahead in files that are out.
    pub disk_retained: u64,
    /// Spools that are alive now. Frozen content is none.
    pub spools: usize,
    /// Files that are out now: of spools, and of frozen content.
    pub rolled: usize,
    /// How often a kept buffer was used again.
    pub reused_buffers: u64,
    /// How often a kept file was used again.
    pub reused_files: u64,
}

impl fmt::Display for PoolStats {
    /// One line, in units that read well.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = |bytes| Bytes(if bytes == usize::MAX { u64::MAX } else { bytes as u64 });
        write!(
            f,
            "memory {} of {} ({} retained, peak {}), disk {} of {} ({} retained, peak {}), {}, {} on disk, {} and {} reused",
            memory(self.memory_used),
            memory(self.memory_limit),
            memory(self.memory_retained),
            memory(self.memory_peak),
            Bytes(self.disk_used),
            Bytes(self.disk_limit),
            Bytes(self.disk_retained),
            Bytes(self.disk_peak),
            Count(self.spools as u64, "spool"),
            self.rolled,
            Count(self.reused_buffers, "buffer"),
            Count(self.reused_files, "file"),
        )
    }
}

struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        match self.0 {
            u64::MAX => f.write_str("no limit"),
            bytes @ 0..1024 => write!(f, "{bytes} B"),
            bytes => {
                let power = bytes.ilog2() / 10;
                let whole = bytes as f64 / (1u64 << (10 * power)) as f64;
                let digits = if whole.fract() == 0.0 { 0 } else { 1 };
                write!(f, "{whole:.digits$} {}", UNITS[power as usize - 1])
            }
        }
    }
}

struct Count(u64, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}
