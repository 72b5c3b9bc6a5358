//! What was asked for: plain data, no I/O; and a pool to share, if one was named.

use std::path::PathBuf;
use std::sync::Arc;

use crate::directory::Directories;
use crate::pool::{Pool, Seat};

/// What a rolled spool reads through. Both write with positional writes through a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Backing {
    /// Positional reads through a window. The default: right for content that is read in sequence, and for content that
    /// is mostly written.
    #[default]
    File,
    /// A read-only mapping of the same file, for small reads at random places (less than a tenth of the time of a system call
    /// each) and for [`as_slice`](crate::SpooledTempFile::as_slice). Small sequential reads take two thirds of the time.
    ///
    /// It takes address space, twice the length of the file, and no memory. Without address space, the file is read as
    /// with `File`.
    ///
    /// An I/O error of the disk under a mapped page is a signal (`SIGBUS`), not an `Err`, as with any mapping.
    Mmap,
}

/// What happens when content outgrows the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overflow {
    /// Roll over to a file; if that fails, so does the write. The default.
    #[default]
    Disk,
    /// Memory only: the threshold is a hard limit. A write that crosses it takes the prefix that fits; the next is
    /// [`FileTooLarge`](std::io::ErrorKind::FileTooLarge). `roll`, `into_file` and `persist` still make a file, since
    /// they ask for one; after `roll` it is [`max_len`](SpoolOptions::max_len) alone that limits the length.
    Fail,
    /// Roll over if a directory will take a file, else stay in memory up to this many bytes, trying the disk again
    /// each time the memory has to grow. Past it: [`FileTooLarge`](std::io::ErrorKind::FileTooLarge), whatever the disk
    /// said; [`roll`](crate::SpooledTempFile::roll) tells that.
    ///
    /// ```
    /// use spooled::{Overflow, SpoolOptions};
    /// use std::io::Write;
    ///
    /// let mut options = SpoolOptions::new();
    /// options.threshold(4).overflow(Overflow::DiskOrMemory(1 << 20)).dir("/does/not/exist");
    /// let mut spool = options.build();
    /// spool.write_all(b"more than four bytes")?;
    /// assert!(!spool.is_rolled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    DiskOrMemory(usize),
}

/// How to make a spool, in the manner of [`std::fs::OpenOptions`]. Cheap to clone; the spools it builds share it.
///
/// ```
/// use spooled::{Backing, SpoolOptions};
///
/// let mut options = SpoolOptions::new();
/// options.threshold(1 << 20).max_len(1 << 30).backing(Backing::Mmap);
/// let upload = options.build();
/// let another = options.build();
/// # drop((upload, another));
/// ```
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    settings: Settings,
    pool: Option<Pool>,
}

/// What a store has to know, but for the pool: of that, each spool has a seat of its own.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) threshold: usize,
    pub(crate) max_len: u64,
    pub(crate) overflow: Overflow,
    pub(crate) backing: Backing,
    pub(crate) dirs: Directories,
}

/// The threshold of a spool that was not told one: 64 KiB, the size of a window.
pub(crate) const DEFAULT_THRESHOLD: usize = 64 * 1024;

impl Settings {
    /// Those of a spool that was told nothing else.
    #[inline]
    pub(crate) fn new(threshold: usize) -> Self {
        Self {
            threshold,
            max_len: u64::MAX,
            overflow: Overflow::Disk,
            backing: Backing::File,
            dirs: Directories::DEFAULT,
        }
    }

    /// How far memory may grow where it may grow to `most`.
    pub(crate) fn memory_limit(&self, most: usize) -> usize {
        most.min(usize::try_from(self.max_len).unwrap_or(usize::MAX))
    }
}

impl SpoolOptions {
    /// A threshold of 64 KiB, no maximum length, [`Overflow::Disk`], [`Backing::File`], the default directory, no pool.
    #[inline]
    pub fn new() -> Self {
        Self { settings: Settings::new(DEFAULT_THRESHOLD), pool: None }
    }

    /// How many bytes stay in memory. One more rolls over; 0 rolls at the first byte, `usize::MAX` never does by
    /// itself.
    pub fn threshold(&mut self, bytes: usize) -> &mut Self {
        self.settings.threshold = bytes;
        self
    }

    /// The directory for the file, in place of all that were named before.
    pub fn dir(&mut self, dir: impl Into<PathBuf>) -> &mut Self {
        self.dirs([dir])
    }

    /// The directories for the file, tried in order: the next where a file cannot be made, or does not take the
    /// content. If none does, the first one's error is returned. An empty list means the default directory.
    pub fn dirs(&mut self, dirs: impl IntoIterator<Item = impl Into<PathBuf>>) -> &mut Self {
        self.settings.dirs = Directories::new(dirs);
        self
    }

    /// What a rolled spool reads through.
    pub fn backing(&mut self, backing: Backing) -> &mut Self {
        self.settings.backing = backing;
        self
    }

    /// The most bytes the content may have, wherever it is. A write that crosses it takes the prefix that fits and
    /// says so; the next is [`FileTooLarge`](std::io::ErrorKind::FileTooLarge), takes nothing and rolls nothing.
    pub fn max_len(&mut self, bytes: u64) -> &mut Self {
        self.settings.max_len = bytes;
        self
    }

    /// What happens at the threshold.
    pub fn overflow(&mut self, overflow: Overflow) -> &mut Self {
        self.settings.overflow = overflow;
        self
    }

    /// The pool that the spools share: its limits hold for all of them, its directories are theirs unless they are given
    /// some of their own, and what one of them has used, the next uses again. The options hold a clone of it; a spool
    /// does not, and outlives it.
    ///
    /// ```
    /// use spooled::{Pool, SpoolOptions};
    /// use std::io::{ErrorKind, Write};
    ///
    /// let pool = Pool::builder().disk(100_000).build();
    /// let mut options = SpoolOptions::new();
    /// options.threshold(0).pool(&pool);
    ///
    /// let (mut first, mut second) = (options.build(), options.build());
    /// first.set_len(99_990)?;
    /// assert_eq!(second.write_all(b"eleven more").unwrap_err().kind(), ErrorKind::QuotaExceeded);
    /// drop(first);
    /// second.write_all(b"eleven more")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pool(&mut self, pool: &Pool) -> &mut Self {
        self.pool = Some(pool.clone());
        self
    }

    #[inline]
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A seat in the pool, if there is one, for one spool.
    #[inline]
    pub(crate) fn seat(&self) -> Option<Arc<Seat>> {
        self.pool.as_ref().map(Pool::seat)
    }
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self::new()
    }
}
