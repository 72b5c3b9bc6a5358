//! The `tempfile` crate's spooled file.

use std::path::Path;

use tempfile::SpooledTempFile;

pub fn in_memory(threshold: usize) -> SpooledTempFile {
    SpooledTempFile::new(threshold)
}

pub fn rolled(dir: &Path) -> SpooledTempFile {
    let mut spool = tempfile::spooled_tempfile_in(0, dir);
    spool.roll().expect("rolled");
    spool
}
