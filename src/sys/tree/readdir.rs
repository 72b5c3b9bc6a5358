//! What is in a directory, by the C library, which reads it in pieces.
//!
//! A listing begins at the beginning, on a descriptor of its own. Where entries are removed meanwhile, some systems leave
//! others out.

use std::ffi::CStr;
use std::marker::PhantomData;

use rustix::fd::BorrowedFd;
use rustix::fs::{Dir, DirEntry, FileType};
use rustix::io::Result;

/// The library has one of its own.
#[derive(Default)]
pub(super) struct Buffer;

impl Buffer {
    pub(super) fn new() -> Self {
        Self
    }
}

pub(super) struct Listing<'a>(Dir, PhantomData<&'a mut Buffer>);

impl<'a> Listing<'a> {
    pub(super) fn new(dir: BorrowedFd<'a>, _again: bool, _: &'a mut Buffer) -> Result<Self> {
        Ok(Self(Dir::read_from(dir)?, PhantomData))
    }

    /// Shows the next entry: its name, what it is if the directory says so, and its number in the directory's words, which
    /// are not everywhere those of `fstat`.
    pub(super) fn next<R>(&mut self, show: impl FnOnce(&CStr, FileType, u64) -> R) -> Option<Result<R>> {
        Some(self.0.read()?.map(|entry| show(entry.file_name(), kind(&entry), entry.ino())))
    }
}

#[cfg(not(any(
    target_os = "aix",
    target_os = "haiku",
    target_os = "illumos",
    target_os = "nto",
    target_os = "solaris"
)))]
fn kind(entry: &DirEntry) -> FileType {
    entry.file_type()
}

#[cfg(any(target_os = "aix", target_os = "haiku", target_os = "illumos", target_os = "nto", target_os = "solaris"))]
fn kind(_: &DirEntry) -> FileType {
    FileType::Unknown
}
