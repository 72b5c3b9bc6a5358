//! A file that one writes and others read along: by position, as far as it is written.
//!
//! Whoever reads holds this, and this, in the end, the lease. So the file goes back when the last of them has gone, and no
//! earlier: until then it could be another's, whose bytes they would read.

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::lease::Lease;
use crate::error::PathError;
use crate::sys::{self, Spare, Wait};

#[derive(Debug)]
pub(crate) struct Followed {
    // Before the lease, which may lend the file on: it goes first.
    file: sys::Reading,
    directory: PathBuf,
    /// There when nobody writes any more; the writer has it before that.
    lease: OnceLock<Lease>,
}

impl Followed {
    /// The lease comes back by [`end_writing`](Self::end_writing).
    pub(crate) fn new(lease: &Lease) -> Self {
        let disk = lease.disk();
        Self { file: disk.file().reading(), directory: disk.directory().to_owned(), lease: OnceLock::new() }
    }

    /// Nobody writes any more. What the disk would not take is given up.
    pub(crate) fn end_writing(&self, mut lease: Lease) {
        lease.end_writing();
        let first = self.lease.set(lease).is_ok();
        debug_assert!(first, "it ends once");
    }

    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        self.file.read_at(buf, offset, wait).map_err(|error| self.error(error))
    }

    pub(crate) fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64, wait: Wait) -> io::Result<usize> {
        self.file.read_behind(buf, most, offset, wait).map_err(|error| self.error(error))
    }

    #[cold]
    pub(crate) fn error(&self, error: io::Error) -> io::Error {
        PathError::at(&self.directory, error)
    }
}
