//! One directory on the way from the root to where the walk is, and the way back from it.
//!
//! Knows nothing of what is removed.

use std::ffi::CString;
use std::rc::Rc;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::access::open;
use super::closed::open_up;
use crate::sys::identity::identity;

/// A directory we are in, or above.
pub(super) struct Level {
    /// None if it is far above: `..` leads back.
    pub(super) dir: Option<Rc<OwnedFd>>,
    /// What `..` must lead to.
    pub(super) identity: (u64, u64),
    /// As its parent knows it.
    pub(super) known: Subdirectory,
    /// Where its subdirectories begin in `Walk::waiting`.
    pub(super) waiting_from: usize,
    pub(super) listed: Listed,
    /// Something was removed, or given up, since it was last listed.
    pub(super) progress: bool,
    /// Something in it stays.
    pub(super) failed: bool,
    pub(super) opened_up: bool,
}

impl Level {
    pub(super) fn new(dir: OwnedFd, identity: (u64, u64), known: Subdirectory, waiting_from: usize) -> Self {
        Self {
            dir: Some(Rc::new(dir)),
            identity,
            known,
            waiting_from,
            listed: Listed::No,
            progress: false,
            failed: false,
            opened_up: false,
        }
    }
}

/// A subdirectory that was not empty.
pub(super) struct Subdirectory {
    pub(super) name: CString,
    pub(super) number: u64,
    /// How often it has been entered.
    pub(super) tries: u8,
    /// It cannot be removed, and what is in it perhaps can.
    pub(super) refused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    No,
    /// There was no room for more subdirectories.
    InPart,
    /// And what was there is gone: something else may have appeared.
    NotEmpty,
    Whole,
}

/// The directory above `below`, if it still is the one of that identity.
pub(super) fn above(below: BorrowedFd<'_>, expected: (u64, u64)) -> Option<OwnedFd> {
    let above = match open(below, c"..") {
        Err(Errno::ACCESS) => open_up(below).and_then(|()| open(below, c"..")),
        above => above,
    };
    above.ok().filter(|dir| identity(dir.as_fd()).is_ok_and(|found| found == expected))
}

/// What systems say where a directory is asked for, and a link or a file is there.
pub(super) fn is_no_directory(error: Errno) -> bool {
    #[cfg(target_os = "netbsd")]
    if error == Errno::FTYPE {
        return true;
    }
    [Errno::NOTDIR, Errno::LOOP, Errno::MLINK].contains(&error)
}
