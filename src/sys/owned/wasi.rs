//! WASI: names by the standard library's calls, made exclusively, with no more protection than the host gives.
//!
//! There are no modes and no users, so nothing is private to anybody but by what the host opens to whom; and nobody can
//! tell who lives, so nothing is swept. What has taken over a name of ours is left alone, unless it does so while we look.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Stat};

use super::{Seen, taken_over};
use crate::sys::identity::{identity, identity_of};
use crate::sys::tree;

pub(crate) fn create_file(path: &Path, _: bool) -> io::Result<File> {
    OpenOptions::new().create_new(true).read(true).write(true).open(path)
}

pub(crate) fn finish_file(_: &File, _: &Path, _: u32, _: bool, _: Seen) -> io::Result<()> {
    Ok(())
}

/// The file once more, with a cursor of its own.
///
/// # Errors
/// `NotFound` if the name is another's.
pub(crate) fn reopen(file: &File, path: &Path) -> io::Result<File> {
    let again = OpenOptions::new().read(true).write(true).open(path)?;
    require_same(file, &rustix::fs::fstat(&again)?)?;
    Ok(again)
}

/// How many names the file has, of which that is one.
///
/// # Errors
/// `NotFound` if it is not.
pub(crate) fn names(file: &File, path: &Path) -> io::Result<u64> {
    let named = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
    require_same(file, &named).map(|()| named.st_nlink)
}

fn require_same(file: &File, named: &Stat) -> io::Result<()> {
    if identity(file)? == identity_of(named) { Ok(()) } else { Err(taken_over()) }
}

/// Closes the file and takes its name away, and says what went wrong with that.
pub(crate) fn close_and_remove(file: File, path: &Path, _: Seen) -> io::Result<()> {
    // There are hosts that remove no file that is open.
    drop(file);
    remove_name(path)
}

pub(crate) fn remove_name(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// A directory of ours.
#[derive(Debug)]
pub(crate) struct OwnedDir {
    /// What it is whatever its name: the device and the number on it, if the host has told.
    made: Option<(u64, u64)>,
}

impl OwnedDir {
    pub(crate) fn create(path: &Path, _: u32, _: bool) -> io::Result<OwnedDir> {
        fs::create_dir(path)?;
        Ok(OwnedDir { made: found_at(path).ok() })
    }

    /// It is not ours any more.
    pub(crate) fn keep(self) {}

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// The last attempt's; `NotFound` if nothing has that name, or something else.
    pub(crate) fn remove(self, path: &Path) -> io::Result<()> {
        let named = found_at(path)?;
        if self.made.is_some_and(|made| made != named) {
            return Err(taken_over());
        }
        tree::remove(path)
    }
}

fn found_at(path: &Path) -> io::Result<(u64, u64)> {
    Ok(identity_of(&rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?))
}
