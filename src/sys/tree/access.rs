//! Opening a directory of a tree, and telling which one it is.

use std::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Result, retry_on_intr};

/// The directory `name` in the directory `at`; a symlink is none.
pub(super) fn open(at: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    retry_on_intr(|| rustix::fs::openat(at, name, flags, Mode::empty()))
}

/// The device a file is on, and its number there: no two that exist at the same time have both in common.
#[allow(clippy::unnecessary_cast, reason = "their types differ from system to system")]
pub(super) fn identity(file: BorrowedFd<'_>) -> Result<(u64, u64)> {
    let stat = retry_on_intr(|| rustix::fs::fstat(file))?;
    Ok((stat.st_dev as u64, stat.st_ino as u64))
}
