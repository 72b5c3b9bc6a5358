//! A read-only mapping of a file, as an address and a length: who may look at how much of it is `anon`'s to say.
//!
//! The mapping may be longer than the file, so that it can follow the file's growth; hence no slice over all of it.

use std::fs::File;
use std::io;

use memmap2::{MmapOptions, MmapRaw};

#[derive(Debug)]
pub(super) struct Map(MmapRaw);

impl Map {
    /// Maps the first `len` bytes, and where the system allows it as much again for the file to grow into.
    pub(super) fn new(file: &File, len: usize) -> io::Result<Map> {
        let map = |len| MmapOptions::new().len(len).map_raw_read_only(file).map(Map);
        if cfg!(unix) {
            // Address space may be short (32 bits, `RLIMIT_AS`), even where the file itself would fit.
            map(len.saturating_mul(2).max(LEAST)).or_else(|_| map(len))
        } else {
            map(len)
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first `len` bytes.
    ///
    /// # Safety
    /// The file is at least `len` bytes long, and nobody shortens it or writes below `len` while the slice lives.
    pub(super) unsafe fn slice(&self, len: usize) -> &[u8] {
        debug_assert!(len <= self.len());
        // SAFETY: the mapping is `self.len()` bytes long and lives as long as `self`; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), len) }
    }
}

const LEAST: usize = 1 << 20;
