//! `Pool`: what any number of spools may take of memory and disk together, and what they leave to each other.
//!
//! `buffers` and `files` each count exactly and keep what can be used again; neither knows the other, nor what a spool is.
//! What is kept holds nothing of the pool; what is out holds all of it, so that the pool's handles may go first.

mod buffer;
mod buffers;
mod files;
mod home;
mod stats;
mod threads;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use buffer::{BOOKKEEPING, Buffer, Loan, WINDOW};
pub(crate) use home::{Home, Seat};
pub use stats::PoolStats;

use crate::directory::Directories;
use crate::sys;
use buffers::Buffers;
use files::Files;
use home::Core;
use threads::{SHELVES, own_shelf};

/// An exact allowance of memory and one of disk, shared by any number of spools, and the keeper of what they have used.
///
/// A program makes one, once, and gives it to its [`SpoolOptions`](crate::SpoolOptions::pool). Clones share it.
///
/// **Limits.** At no moment, seen from any thread, is more held than allowed. Memory is counted by capacity: of the
/// content that is in memory, of windows, of frozen content, of what is kept. Disk is counted by the length of files. Where
/// memory is short, what is kept goes first, then the spool that asks rolls over before its threshold, and does without a
/// window if it must; so short memory is a reason to fail only where [`Overflow`](crate::Overflow) or the disk leaves no
/// other way. Where disk is short, what is kept goes first, and then a write is
/// [`QuotaExceeded`](std::io::ErrorKind::QuotaExceeded): refused whole, nothing changed, and it works again as soon as any
/// spool gives back.
///
/// **Reuse.** Buffers, windows and files of spools that are dropped are kept, files with their blocks, their pages in
/// memory and their mapping. A spool that finds one allocates nothing, makes, truncates and frees no file, and drops
/// without a system call: a life on disk takes about a tenth of the time. No byte of one spool can be read through the
/// next.
///
/// **While idle** it holds what is [retained](PoolBuilder::retain_memory): up to 64 MiB of memory and 1 GiB of disk unless
/// told. [`trim`](Self::trim) lets go of it, and so does the drop of the last clone. Spools that are out go on as they are.
///
/// **What it costs.** A fresh file that is dropped within the kernel's thirty seconds is never written to the disk at all;
/// the pages of one that is used again are, once in that time: 192 MiB in a hundred seconds, for 100,000 bodies of 1 MiB of
/// which 64 were alive at once. So the disk is written what is alive at once, every thirty seconds, whatever the traffic.
/// Not for programs that hold one spool, or few that live long: reuse gains them nothing. On both sides of a `fork` without
/// an `exec`, only one may use it, as with any open file. A process that first had no limit on the size of its files
/// (`RLIMIT_FSIZE`) and then sets one calls [`trim`](Self::trim) afterwards: a kept file is written as far as it was without
/// asking again.
///
/// ```
/// use spooled::{Pool, SpoolOptions};
/// use std::io::Write;
///
/// let pool = Pool::builder().memory(16 << 20).disk(1 << 30).build();
/// let mut options = SpoolOptions::new();
/// options.pool(&pool);
///
/// for _ in 0..10 {
///     let mut body = options.build();
///     body.write_all(&[b'.'; 100_000])?;
///     assert!(body.is_rolled());
/// }
/// let stats = pool.stats();
/// assert_eq!((stats.spools, stats.reused_files), (0, 9));
/// assert_eq!(stats.disk_used, stats.disk_retained);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Pool(Arc<Handles>);

/// What all clones of a pool share. When the last is gone, nothing is kept any more.
struct Handles {
    core: Arc<Core>,
    seats: [Arc<Seat>; SHELVES],
}

impl Pool {
    /// A pool without limits, in the default directory, until told otherwise.
    ///
    /// ```
    /// let pool = spooled::Pool::builder().memory(256 << 20).disk(20 << 30).dir("/var/tmp").build();
    /// ```
    pub fn builder() -> PoolBuilder {
        PoolBuilder {
            memory: usize::MAX,
            disk: u64::MAX,
            retain_memory: RETAIN_MEMORY,
            retain_disk: RETAIN_DISK,
            dirs: Directories::DEFAULT,
        }
    }

    /// What it holds now, and has held. Takes no lock, and some tens of nanoseconds, however many spools there are.
    ///
    /// Each figure is exact; together they are of one moment only while no other thread is at work.
    ///
    /// ```
    /// let pool = spooled::Pool::builder().memory(1 << 20).build();
    /// println!("{}", pool.stats());
    /// ```
    pub fn stats(&self) -> PoolStats {
        let Core { buffers, files, .. } = &*self.0.core;
        let memory_used = buffers.charged().used() as usize;
        let disk_used = files.charged().used();
        PoolStats {
            memory_used,
            memory_peak: (buffers.charged().peak() as usize).max(memory_used),
            memory_limit: usize::try_from(buffers.limit()).unwrap_or(usize::MAX),
            // Read after what is used, it might be of a later moment.
            memory_retained: buffers.kept().min(memory_used),
            disk_used,
            disk_peak: files.charged().peak().max(disk_used),
            disk_limit: files.limit(),
            disk_retained: files.retained().min(disk_used),
            spools: self.0.seats.iter().map(|seat| Arc::strong_count(seat) - 1).sum(),
            rolled: files.out(),
            reused_buffers: buffers.reused(),
            reused_files: files.reused(),
        }
    }

    /// Lets go of all that is retained: frees buffers, closes files, cuts what is stale off files that are out.
    ///
    /// For a program that knows it will be idle. Costs a few system calls for each file. On Windows what is stale in a file
    /// that is mapped ([`Backing::Mmap`](crate::Backing::Mmap), [`to_bytes`](crate::SpooledBytes::to_bytes)) stays, and
    /// stays counted, until the mapping goes.
    ///
    /// ```
    /// use spooled::{Pool, SpoolOptions};
    ///
    /// let pool = Pool::builder().build();
    /// SpoolOptions::new().pool(&pool).build().set_len(1 << 20)?;
    /// assert_eq!(pool.stats().disk_retained, 1 << 20);
    /// pool.trim();
    /// assert_eq!(pool.stats().disk_used, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn trim(&self) {
        self.0.core.buffers.trim();
        self.0.core.files.give_way();
    }

    #[inline]
    pub(crate) fn seat(&self) -> Arc<Seat> {
        Arc::clone(&self.0.seats[own_shelf()])
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.stats()).finish()
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        self.core.files.close();
        self.core.buffers.close();
    }
}

/// How to make a [`Pool`]: see [`Pool::builder`]. Setters as in [`SpoolOptions`](crate::SpoolOptions).
///
/// ```
/// use spooled::Pool;
///
/// let pool = Pool::builder().memory(8 << 20).disk(1 << 30).retain_disk(256 << 20).build();
/// assert_eq!(pool.stats().memory_limit, 8 << 20);
/// ```
#[derive(Debug, Clone)]
pub struct PoolBuilder {
    memory: usize,
    disk: u64,
    retain_memory: usize,
    retain_disk: u64,
    dirs: Directories,
}

impl PoolBuilder {
    /// How many bytes of memory all of its spools may hold together. No limit unless told.
    ///
    /// A buffer counts with its capacity, and while it grows with both the old and the new one; so one spool alone may use
    /// about half of it before it rolls over early. Each clone of frozen content that reads from disk in small pieces has a
    /// window, of 64 KiB, or 256 KiB in long sequential work. With 0 all content is on disk, unbuffered. What is not counted:
    /// about 1 KiB of bookkeeping for each spool on disk, and for each clone of frozen content there.
    pub fn memory(&mut self, bytes: usize) -> &mut Self {
        self.memory = bytes;
        self
    }

    /// How many bytes of disk all of its spools may hold together: the lengths of their files, holes included. No limit
    /// unless told.
    pub fn disk(&mut self, bytes: u64) -> &mut Self {
        self.disk = bytes;
        self
    }

    /// The directory for the files, in place of all that were named before. A spool whose options name one of its own goes
    /// there: its file counts in the pool, and is not kept.
    pub fn dir(&mut self, dir: impl Into<PathBuf>) -> &mut Self {
        self.dirs([dir])
    }

    /// The directories for the files, tried in order. An empty list means the default directory.
    pub fn dirs(&mut self, dirs: impl IntoIterator<Item = impl Into<PathBuf>>) -> &mut Self {
        self.dirs = Directories::new(dirs);
        self
    }

    /// The most memory that is kept to be used again. 64 MiB unless told: what a few hundred bodies of the usual kind need at
    /// once, and little beside what a program has that buffers bodies. At most 64 buffers. 0 keeps none.
    pub fn retain_memory(&mut self, bytes: usize) -> &mut Self {
        self.retain_memory = bytes;
        self
    }

    /// The most disk that is kept to be used again, kept files and what is stale in files that are out. 1 GiB unless told:
    /// sixteen times what is kept of memory, as disk is to memory on most machines. At most 64 files, and no more than a
    /// quarter of the descriptors that the process may have. 0 keeps none.
    ///
    /// A file that is longer than what is free of it is cut; to keep up to a quarter of it, the oldest are closed.
    pub fn retain_disk(&mut self, bytes: u64) -> &mut Self {
        self.retain_disk = bytes;
        self
    }

    /// A pool made so. Touches no file.
    pub fn build(&self) -> Pool {
        let most = MOST_FILES.min(sys::descriptor_limit() / 4);
        let core = Arc::new(Core {
            buffers: Buffers::new(self.memory, self.retain_memory),
            files: Files::new(self.disk, self.retain_disk, most),
            dirs: self.dirs.clone(),
        });
        let seat = |_| Arc::new(Seat::new(&core));
        Pool(Arc::new(Handles { seats: std::array::from_fn(seat), core }))
    }
}

const RETAIN_MEMORY: usize = 64 << 20;
const RETAIN_DISK: u64 = 1 << 30;
const MOST_FILES: usize = 64;
