//! Systems without files, or with no more than names: nothing here is private, so nothing is made.

use std::fs::File;
use std::io;
use std::path::Path;

use super::Seen;

fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no private files with names"))
}

pub(crate) fn create_file(_: &Path, _: bool) -> io::Result<File> {
    unsupported()
}

pub(crate) fn finish_file(_: &File, _: &Path, _: u32, _: bool, _: Seen) -> io::Result<()> {
    unsupported()
}

pub(crate) fn reopen(_: &File, _: &Path) -> io::Result<File> {
    unsupported()
}

pub(crate) fn names(_: &File, _: &Path) -> io::Result<u64> {
    unsupported()
}

pub(crate) fn close_and_remove(_: File, _: &Path, _: Seen) -> io::Result<()> {
    unsupported()
}

pub(crate) fn remove_name(_: &Path) -> io::Result<()> {
    unsupported()
}

#[derive(Debug)]
pub(crate) struct OwnedDir;

impl OwnedDir {
    pub(crate) fn create(_: &Path, _: u32, _: bool) -> io::Result<OwnedDir> {
        unsupported()
    }

    pub(crate) fn keep(self) {}

    pub(crate) fn remove(self, _: &Path) -> io::Result<()> {
        unsupported()
    }
}
