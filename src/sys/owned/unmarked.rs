//! Systems where nothing is marked, and so nothing swept.

use std::fs::File;
use std::io;
use std::path::Path;

use super::Reach;

pub(crate) fn number(_: &Path) -> Option<u64> {
    None
}

#[cfg(unix)]
pub(super) const NEW: rustix::fs::Mode = rustix::fs::Mode::empty();

#[cfg(unix)]
pub(crate) fn mark<T>(_: T, _: &Path) -> rustix::io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn mark<T>(_: T, _: &Path) -> io::Result<()> {
    Ok(())
}

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
