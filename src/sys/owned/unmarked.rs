//! Systems where nothing is marked, and so nothing swept.

use std::fs::File;
use std::io;
use std::path::Path;

use super::Reach;

pub(crate) fn number(_: &Path) -> io::Result<Option<u64>> {
    Ok(None)
}

/// What is known of a file or a directory of ours.
#[cfg(unix)]
pub(super) struct Made(rustix::fs::Stat);

#[cfg(unix)]
impl Made {
    pub(super) fn look(owned: impl std::os::fd::AsFd) -> rustix::io::Result<Self> {
        rustix::fs::fstat(owned).map(Self)
    }

    pub(super) fn mode(&self) -> rustix::fs::Mode {
        rustix::fs::Mode::from_raw_mode(self.0.st_mode)
    }

    pub(super) fn has_no_name(&self) -> bool {
        false
    }

    pub(super) fn mark<T>(&self, _: T, _: &Path) -> rustix::io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
pub(super) fn replace(_: &File, _: &std::os::fd::OwnedFd) -> io::Result<()> {
    Ok(())
}

pub(crate) fn mark(_: &File, _: &Path) {}

pub(crate) fn keep<T>(_: T) -> io::Result<()> {
    Ok(())
}

pub(crate) fn unmark<T>(_: T) {}

pub(crate) fn cut_behind<T>(_: T) {}

pub(crate) fn let_go(_: &File, _: bool, rename: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    rename()
}

pub(crate) fn sweep(_: &Path, _: u64, _: Reach, _: impl Fn(&[u8]) -> bool) -> Option<u64> {
    None
}
