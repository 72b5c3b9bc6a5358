//! Windows: files that the system deletes when they are closed (`FILE_FLAG_DELETE_ON_CLOSE`), shared with nobody.
//!
//! Such a file has a name while it is open, and cannot be given another: persisting copies.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ATTRIBUTE_TEMPORARY, FILE_FLAG_DELETE_ON_CLOSE, FILE_GENERIC_READ, FILE_GENERIC_WRITE, MoveFileExW,
};

pub(super) type Handle = File;

pub(super) fn open_nameless(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// A file in `dir` whose name goes with it.
#[doc(alias = "FILE_FLAG_DELETE_ON_CLOSE")]
pub(super) fn open_unlinked(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .create_new(true)
        .read(true)
        .write(true)
        .access_mode(FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE)
        .share_mode(0)
        .attributes(FILE_ATTRIBUTE_TEMPORARY)
        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    loop {
        match options.open(dir.join(super::random_name()?)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => return done,
        }
    }
}

/// Nothing to do: access is what the directory's own list says.
pub(super) fn make_private(_: &File) -> io::Result<()> {
    Ok(())
}

/// One call, whose count may be short. The cursor of the handle moves; who copies by the cursor sets it first.
pub(super) fn read_at(file: &Handle, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buf, offset)
}

/// One call into memory that is not initialised, from its beginning.
pub(super) fn read_spare(file: &Handle, spare: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
    spare.fill(MaybeUninit::new(0));
    // SAFETY: all of it was initialised just now, and bytes are bytes.
    let buf = unsafe { std::slice::from_raw_parts_mut(spare.as_mut_ptr().cast(), spare.len()) };
    read_at(file, buf, offset)
}

/// One call, whose count may be short.
pub(super) fn write_at(file: &Handle, buf: &[u8], offset: u64) -> io::Result<usize> {
    file.seek_write(buf, offset)
}

/// One call, of the first of them that is not empty.
pub(super) fn write_vectored_at(file: &Handle, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    write_at(file, bufs.iter().find(|buf| !buf.is_empty()).map_or(&[], |buf| &buf[..]), offset)
}

pub(super) fn set_aside(_: &Handle, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn fill_holes(_: &Handle, _: u64) -> io::Result<()> {
    Ok(())
}

pub(super) fn file_system(_: &Handle) -> super::FileSystem {
    super::FileSystem { set_aside_pays: false, holes_can_fault: false }
}

pub(crate) fn is_ram(_: &Path) -> bool {
    false
}

pub(crate) fn is_writable(_: &Path) -> bool {
    true
}

pub(crate) fn told_directory() -> Option<PathBuf> {
    None
}

#[expect(clippy::disallowed_methods, reason = "there is no temporary directory in RAM to mistake it for")]
pub(crate) fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
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

pub(super) fn link(_: &Handle, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Renames `from` to `to`, unless somebody has that name.
#[doc(alias = "MoveFileExW")]
pub(crate) fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    let wide = |path: &Path| path.as_os_str().encode_wide().chain([0]).collect::<Vec<u16>>();
    let (from, to) = (wide(from), wide(to));
    // SAFETY: both are NUL-terminated UTF-16 and live until the call returns.
    match unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), 0) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
