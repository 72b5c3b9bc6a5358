//! Unix but Linux: directories that even their owner may not open, changed by name, and no symlink followed
//! (`fchmodat`, `AT_SYMLINK_NOFOLLOW`).

use std::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode};
use rustix::io::{Result, retry_on_intr};

use super::access::open;

/// Lets its owner read, search and change the directory `dir`.
pub(super) fn open_up(dir: BorrowedFd<'_>) -> Result<()> {
    retry_on_intr(|| rustix::fs::fchmod(dir, Mode::RWXU))
}

/// The directory `name` in `at`, which is opened up first.
pub(super) fn open_closed(at: BorrowedFd<'_>, name: &CStr, _device: u64) -> Result<OwnedFd> {
    retry_on_intr(|| rustix::fs::chmodat(at, name, Mode::RWXU, AtFlags::SYMLINK_NOFOLLOW))?;
    open(at, name)
}

/// What is mounted has a device of its own here, and nothing else has.
pub(super) fn may_be_mounted_on(_: BorrowedFd<'_>, has_another_device: bool) -> bool {
    has_another_device
}
