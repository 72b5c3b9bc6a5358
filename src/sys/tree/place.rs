//! Linux: directories that even their owner may not open, reached as places (`O_PATH`), and changed by the link in `/proc`
//! that leads to what is open and not to a name.
//!
//! Where there is no `/proc`, the refusal stands.

use std::ffi::CStr;
use std::os::fd::AsRawFd;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result, retry_on_intr};

use super::access::open;
use crate::sys::identity::identity;

/// Lets its owner read, search and change the directory `dir`.
pub(super) fn open_up(dir: BorrowedFd<'_>) -> Result<()> {
    match retry_on_intr(|| rustix::fs::fchmod(dir, Mode::RWXU)) {
        // It was opened as a place.
        Err(Errno::BADF) => open_up_place(dir),
        done => done,
    }
}

/// The directory `name` in `at`, which is opened up first, if it is on that device, or nothing is mounted there.
pub(super) fn open_closed(at: BorrowedFd<'_>, name: &CStr, device: u64) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = retry_on_intr(|| rustix::fs::openat(at, name, flags, Mode::empty()))?;
    let elsewhere = identity(place.as_fd())?.0 != device;
    if elsewhere && may_be_mounted_on(place.as_fd(), elsewhere) {
        return Err(Errno::XDEV);
    }
    open_up_place(place.as_fd())?;
    open(place.as_fd(), c".")
}

/// Whether something is mounted on this directory, or there is no telling. Its device says nothing: a bind mount has the one that
/// it came from, and a subvolume one of its own.
#[cfg(target_os = "linux")]
pub(super) fn may_be_mounted_on(dir: BorrowedFd<'_>, _: bool) -> bool {
    use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};
    let told = retry_on_intr(|| rustix::fs::statx(dir, c"", AtFlags::EMPTY_PATH, StatxFlags::empty()));
    !told.is_ok_and(|told| {
        told.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
            && !told.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
    })
}

/// No telling: Android ends a process for a call that it does not know.
#[cfg(not(target_os = "linux"))]
pub(super) fn may_be_mounted_on(_: BorrowedFd<'_>, _: bool) -> bool {
    true
}

fn open_up_place(place: BorrowedFd<'_>) -> Result<()> {
    let link = format!("/proc/self/fd/{}", place.as_raw_fd());
    match retry_on_intr(|| rustix::fs::chmod(&*link, Mode::RWXU)) {
        Err(Errno::NOENT | Errno::NOTDIR) => Err(Errno::ACCESS),
        done => done,
    }
}
