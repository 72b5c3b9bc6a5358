//! WASI: files made exclusively under a random name, in a directory that the host has opened for the program, and removed
//! at once.
//!
//! A program that is ended between the two calls, some microseconds apart, leaves an empty file. There are no modes: who
//! else on the host might open the file by its name meanwhile is for the host to say, by what it opens. Where it does not
//! remove a file that is open, the rollover is that error, as where it has opened no directory.
//!
//! Files are read and written by position (`fd_pread`, `fd_pwrite`), so that a handle's cursor is left to who copies by it,
//! and threads, where there are any, need no lock. (Tried and dropped: the standard library alone. It has those calls in
//! nightly Rust only; a seek before each is one call more, and two threads would take each other's place.) Nothing can be
//! mapped: all is read by position.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

use rustix::io::{Errno, retry_on_intr};

pub(super) type Handle = File;

pub(super) fn open_nameless(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// A file in `dir` that has no name any more.
pub(super) fn open_unlinked(dir: &Path) -> io::Result<File> {
    let (file, path) = create_named(dir)?;
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(file),
        Err(error) => {
            // Closed, it may go.
            drop(file);
            let _ = std::fs::remove_file(&path);
            Err(error)
        }
    }
}

/// A new file in `dir` under a name that nobody can guess.
pub(super) fn create_named(dir: &Path) -> io::Result<(File, PathBuf)> {
    loop {
        let path = dir.join(super::random_name()?);
        match OpenOptions::new().create_new(true).read(true).write(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Nothing to do: there are no modes.
pub(super) fn make_private(_: &File) -> io::Result<()> {
    Ok(())
}

/// One call, whose count may be short.
#[doc(alias = "fd_pread")]
pub(super) fn read_at(file: &Handle, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::pread(file, &mut *buf, offset))?)
}

/// One call into memory that is not initialised, from its beginning.
pub(super) fn read_spare(file: &Handle, spare: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::pread(file, &mut *spare, offset).map(|(read, _)| read.len()))?)
}

/// One call, whose count may be short.
#[doc(alias = "fd_pwrite")]
pub(super) fn write_at(file: &Handle, buf: &[u8], offset: u64) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::pwrite(file, buf, offset))?)
}

/// The same of several buffers.
pub(super) fn write_vectored_at(file: &Handle, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    let bufs = &bufs[..bufs.len().min(MOST_AT_ONCE)];
    Ok(retry_on_intr(|| rustix::io::pwritev(file, bufs, offset))?)
}

/// What one call takes (`IOV_MAX`).
const MOST_AT_ONCE: usize = 1024;

pub(super) fn set_aside(_: &Handle, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn fill_holes(_: &Handle, _: u64) -> io::Result<()> {
    Ok(())
}

pub(super) fn file_system(_: &Handle) -> super::FileSystem {
    super::FileSystem { set_aside_pays: false, holes_can_fault: false }
}

/// Nobody can tell.
pub(crate) fn is_ram(_: &Path) -> bool {
    false
}

pub(crate) fn is_writable(_: &Path) -> bool {
    true
}

/// What the user named, if anything.
pub(crate) fn told_directory() -> Option<PathBuf> {
    std::env::var_os("TMPDIR").filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// By custom: a program is told of no temporary directory, and the standard library panics when it is asked for one.
pub(crate) fn temporary_directory() -> PathBuf {
    "/tmp".into()
}

pub(crate) fn file_size_limit() -> u64 {
    u64::MAX
}

pub(crate) fn descriptor_limit() -> usize {
    usize::MAX
}

/// Whether there is no descriptor left, for this program or for its host.
pub(crate) fn no_descriptor_left(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    number == Some(Errno::MFILE.raw_os_error()) || number == Some(Errno::NFILE.raw_os_error())
}

pub(super) fn link(_: &Handle, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Renames `from` to `to`, unless somebody has that name.
pub(crate) fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    super::rename::by_link(from, to)
}
