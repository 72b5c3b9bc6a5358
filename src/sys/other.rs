//! Systems without anonymous files and positional I/O: memory works, a rollover is a plain error.
//!
//! A handle is a type without values, so that what would use one compiles and can never run: as a file, too.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) enum Handle {}

impl Deref for Handle {
    type Target = File;

    fn deref(&self) -> &File {
        match *self {}
    }
}

impl From<Handle> for File {
    fn from(handle: Handle) -> File {
        match handle {}
    }
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no anonymous files"))
}

pub(super) fn open_nameless(_: &Path) -> io::Result<Option<Handle>> {
    Ok(None)
}

pub(super) fn open_unlinked(_: &Path) -> io::Result<Handle> {
    unsupported()
}

pub(super) fn make_private(_: &File) -> io::Result<()> {
    unsupported()
}

pub(super) fn read_at(file: &Handle, _: &mut [u8], _: u64) -> io::Result<usize> {
    match *file {}
}

pub(super) fn read_spare(file: &Handle, _: &mut [MaybeUninit<u8>], _: u64) -> io::Result<usize> {
    match *file {}
}

pub(super) fn write_at(file: &Handle, _: &[u8], _: u64) -> io::Result<usize> {
    match *file {}
}

pub(super) fn write_vectored_at(file: &Handle, _: &[IoSlice<'_>], _: u64) -> io::Result<usize> {
    match *file {}
}

pub(super) fn set_aside(file: &Handle, _: u64, _: u64) -> io::Result<()> {
    match *file {}
}

pub(super) fn fill_holes(file: &Handle, _: u64) -> io::Result<()> {
    match *file {}
}

pub(super) fn file_system(file: &Handle) -> super::FileSystem {
    match *file {}
}

pub(crate) fn is_ram(_: &Path) -> bool {
    false
}

pub(crate) fn is_writable(_: &Path) -> bool {
    false
}

pub(crate) fn told_directory() -> Option<PathBuf> {
    None
}

pub(crate) fn temporary_directory() -> PathBuf {
    "/tmp".into()
}

pub(crate) fn file_size_limit() -> u64 {
    u64::MAX
}

pub(crate) fn descriptor_limit() -> usize {
    usize::MAX
}

pub(crate) fn no_descriptor_left(_: &io::Error) -> bool {
    false
}

pub(super) fn link(file: &Handle, _: &Path) -> io::Result<bool> {
    match *file {}
}

pub(crate) fn rename_without_replacing(_: &Path, _: &Path) -> io::Result<()> {
    unsupported()
}
