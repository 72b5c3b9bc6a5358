//! What is in a directory, by the kernel's own call: about a thousand names at a time, none of them copied.
//!
//! A listing begins at the beginning.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, RawDir, SeekFrom};
use rustix::io::{Errno, Result};

/// Memory for one piece of a listing; by default none.
#[derive(Default)]
pub(super) struct Buffer(Box<[MaybeUninit<u8>]>);

impl Buffer {
    pub(super) fn new() -> Self {
        Self(Box::new_uninit_slice(PIECE))
    }
}

pub(super) struct Listing<'a>(RawDir<'a, BorrowedFd<'a>>);

impl<'a> Listing<'a> {
    /// `again` says that `dir` may have been listed through this descriptor before.
    pub(super) fn new(dir: BorrowedFd<'a>, again: bool, buffer: &'a mut Buffer) -> Result<Self> {
        if again {
            rustix::fs::seek(dir, SeekFrom::Start(0))?;
        }
        Ok(Self(RawDir::new(dir, &mut buffer.0)))
    }

    /// Shows the next entry: its name, what it is if the directory says so, and its number in the directory's words, which
    /// are not everywhere those of `fstat`.
    pub(super) fn next<R>(&mut self, show: impl FnOnce(&CStr, FileType, u64) -> R) -> Option<Result<R>> {
        match self.0.next()? {
            Ok(entry) => Some(Ok(show(entry.file_name(), entry.file_type(), entry.ino()))),
            // The directory itself is gone.
            Err(Errno::NOENT) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

const PIECE: usize = 32 << 10;
