//! `spooled`.

use std::io::{Seek, Write};
use std::path::Path;

use spooled::{Backing, SpoolOptions, SpooledTempFile};

use crate::work::KIB;

pub fn in_memory(threshold: usize) -> SpooledTempFile {
    SpooledTempFile::new(threshold)
}

pub fn rolled(dir: &Path, backing: Backing) -> SpooledTempFile {
    let mut spool = SpoolOptions::new().threshold(0).dir(dir).backing(backing).build();
    spool.roll().expect("rolled");
    spool
}

/// On disk, rewound. Written in the same pieces as the raw file.
pub fn filled(dir: &Path, backing: Backing, content: &[u8]) -> SpooledTempFile {
    let mut spool = rolled(dir, backing);
    content.chunks(64 * KIB).for_each(|piece| spool.write_all(piece).expect("written"));
    spool.flush().expect("flushed");
    spool.rewind().expect("rewound");
    assert!(spool.is_rolled() && spool.len() == content.len() as u64);
    spool
}
