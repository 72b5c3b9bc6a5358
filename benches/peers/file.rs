//! A raw `std::fs::File` without a name.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::work::KIB;

pub fn new(dir: &Path) -> File {
    tempfile::tempfile_in(dir).expect("a file")
}

/// Rewound. The pieces it is written in count: the page cache keeps a large write in large folios, and a small write into
/// one of those costs ext4 several times as much.
pub fn filled(dir: &Path, content: &[u8]) -> File {
    let mut file = new(dir);
    content.chunks(64 * KIB).for_each(|piece| file.write_all(piece).expect("written"));
    file.rewind().expect("rewound");
    file
}

/// One of several that read the same file, each at a place of its own.
pub struct At<'a> {
    file: &'a File,
    offset: u64,
}

impl<'a> At<'a> {
    pub fn start(file: &'a File) -> Self {
        Self { file, offset: 0 }
    }
}

impl Read for At<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buf, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
