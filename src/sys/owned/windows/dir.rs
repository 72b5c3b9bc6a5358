//! A directory of ours.

use std::fs;
use std::io;
use std::path::Path;

use super::about::{self, Identity};
use crate::sys::tree;

/// A directory of ours, of which no handle is held.
#[derive(Debug)]
pub(crate) struct OwnedDir {
    /// Only where it is told by something that lasts.
    made: Option<Identity>,
}

impl OwnedDir {
    /// A new directory at `path`; there are no modes.
    pub(crate) fn create(path: &Path, _: u32, marked: bool) -> io::Result<OwnedDir> {
        fs::create_dir(path)?;
        // What would be marked lies where a number lasts.
        let made = if marked { about::open(path).and_then(|dir| about::identity(&dir)).ok() } else { None };
        Ok(OwnedDir { made })
    }

    /// It is not ours any more.
    pub(crate) fn keep(self) {}

    /// Removes it with all that is in it, if it still has that name.
    ///
    /// # Errors
    /// The last attempt's; `NotFound` if the name is another's.
    pub(crate) fn remove(self, path: &Path) -> io::Result<()> {
        match self.made {
            Some(made) => super::require(made, path)?,
            None => fs::symlink_metadata(path).map(drop)?,
        }
        tree::remove(path)
    }
}
