//! Systems without anonymous files and positional I/O: memory works, a rollover is a plain error.
//!
//! A handle is a type without values, so that what would use one compiles and can never run.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

pub(super) type Handle = Infallible;

fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no anonymous files"))
}

pub(crate) fn open_anonymous(_: &Path) -> io::Result<(Handle, bool)> {
    unsupported()
}

pub(super) fn create_named(_: &Path) -> io::Result<(File, PathBuf)> {
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

pub(super) fn set_aside(file: &Handle, _: u64, _: u64) -> io::Result<()> {
    match *file {}
}

pub(super) fn fill_holes(file: &Handle, _: u64) -> io::Result<()> {
    match *file {}
}

/// What kind of file system a file is on, as far as it changes what we do.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileSystem {
    pub(super) set_aside_pays: bool,
    pub(super) holes_can_fault: bool,
}

pub(super) fn file_system(file: &Handle) -> FileSystem {
    match *file {}
}

pub(crate) fn is_ram(_: &Path) -> bool {
    false
}

pub(crate) fn is_writable(_: &Path) -> bool {
    false
}

pub(crate) fn temporary_directory() -> PathBuf {
    "/tmp".into()
}

pub(crate) fn file_size_limit() -> u64 {
    u64::MAX
}

pub(super) fn link(file: &Handle, _: &Path) -> io::Result<()> {
    match *file {}
}

pub(crate) fn rename_without_replacing(_: &Path, _: &Path) -> io::Result<()> {
    unsupported()
}
