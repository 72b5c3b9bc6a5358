//! Where a store's bytes are, for who takes them elsewhere.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use super::Disk;

/// What may stay behind a file's end when the file leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Behind {
    Nothing,
    /// What was set aside and not used.
    Blocks,
}

pub(crate) enum Place<'a> {
    Memory(&'a [u8]),
    /// And how long the content is.
    Disk(&'a Disk, u64),
}

impl Place<'_> {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Place::Memory(bytes) => bytes.len() as u64,
            Place::Disk(_, len) => *len,
        }
    }

    /// Writes all of it into `file`, which is empty, and puts its cursor at `position`.
    pub(crate) fn write_to(&self, mut file: &File, position: u64) -> io::Result<()> {
        match self {
            Place::Memory(bytes) => file.write_all(bytes)?,
            Place::Disk(disk, len) => disk.copy_whole(*len, file)?,
        }
        file.seek(SeekFrom::Start(position.min(i64::MAX as u64))).map(drop)
    }
}
