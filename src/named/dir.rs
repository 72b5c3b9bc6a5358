//! A private directory, gone with all that is in it.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::claim::Claim;
use super::options::{DIRECTORY, PREFIX};
use crate::directory::default_directory;
use crate::error::PathError;
use crate::sys::{self, OwnedDir};

/// A directory that is gone when this is dropped, with all that is in it.
///
/// Mode 0700, under a name that nobody can guess. A relative directory is resolved when it is made: what the current
/// directory is later changes nothing.
///
/// Removing never follows a symlink, nor (on Unix) leaves the directory, whatever others do in it meanwhile; entries that are
/// read-only go too, and what has been mounted there stays. What has been renamed or moved away is not ours any more and stays
/// as well (but of a directory that is moved out while it is being emptied a few hundred entries more may go, and what lies
/// more than 32 levels below it). The drop says nothing of what it could not remove: [`close`](Self::close) does.
///
/// Where what a killed process leaves is swept by the next that makes a name there (see [`named`](crate::named)), it holds
/// one descriptor with a shared lock (`flock`) on the directory, by which others know that its owner lives; who wants to
/// lock it alone has to lock something in it. If no descriptor is left, it does without, and is not swept. On Windows it
/// holds none, so that it can be renamed, and is never swept.
///
/// ```
/// use spooled::TempDir;
///
/// let dir = TempDir::new()?;
/// std::fs::write(dir.path().join("notes.txt"), "to be forgotten")?;
/// let path = dir.path().to_owned();
/// dir.close()?;
/// assert!(!path.exists());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "TemporaryDirectory")]
#[doc(alias = "mkdtemp")]
#[must_use = "a directory that is dropped is gone"]
pub struct TempDir {
    path: PathBuf,
    /// `None` once it is no longer ours.
    owned: Option<OwnedDir>,
}

impl TempDir {
    /// One in the [default directory](crate::default_directory).
    ///
    /// # Errors
    /// As for [`new_in`](Self::new_in).
    pub fn new() -> io::Result<Self> {
        Self::new_in(default_directory())
    }

    /// One in `dir`.
    ///
    /// # Errors
    /// What the directory answered, which the error names (the cause is a [`PathError`]).
    ///
    /// ```
    /// # let place = spooled::TempDir::new()?;
    /// # let place = place.path();
    /// let dir = spooled::TempDir::new_in(place)?;
    /// assert_eq!(dir.path().parent(), Some(place));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new_in<P: AsRef<Path>>(dir: P) -> io::Result<Self> {
        Self::create(&Claim::on(dir.as_ref())?, PREFIX, "", DIRECTORY)
    }

    pub(super) fn create(
        claim: &Claim<'_>,
        prefix: impl AsRef<OsStr>,
        suffix: impl AsRef<OsStr>,
        mode: u32,
    ) -> io::Result<Self> {
        let (prefix, suffix) = (prefix.as_ref(), suffix.as_ref());
        let mut cannot_be_held = false;
        let made = claim.make(prefix, suffix, |path| {
            let made = OwnedDir::create(path, mode, claim.marks());
            cannot_be_held = made.as_ref().is_err_and(sys::no_descriptor_left);
            made
        });
        let (path, owned) = match made {
            // One that nobody sweeps needs none.
            Err(_) if cannot_be_held && claim.marks() => {
                claim.unmarked().make(prefix, suffix, |path| OwnedDir::create(path, mode, false))
            }
            made => made,
        }?;
        Ok(Self { path, owned: Some(owned) })
    }

    /// Where it is; always absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it where it is, for good, and returns where that is. Nobody will remove it.
    ///
    /// (But where not even its mark can be taken away, on a disk that fails or has become read-only: that holds as long as the
    /// process lives.)
    ///
    /// ```
    /// # let place = spooled::TempDir::new()?;
    /// let kept = spooled::TempDir::new_in(&place)?.keep();
    /// assert!(kept.is_dir());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn keep(mut self) -> PathBuf {
        if let Some(owned) = self.owned.take() {
            owned.keep();
        }
        std::mem::take(&mut self.path)
    }

    /// Removes it now, with all that is in it, and says what went wrong.
    ///
    /// # Errors
    /// What the system answered first, naming the directory or what stayed in it; all that could be removed is gone by then.
    /// [`NotFound`](io::ErrorKind::NotFound) if it is not there any more.
    pub fn close(mut self) -> io::Result<()> {
        self.remove().map_err(|error| PathError::at(&self.path, error))
    }

    fn remove(&mut self) -> io::Result<()> {
        self.owned.take().map_or(Ok(()), |owned| owned.remove(&self.path))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

impl AsRef<Path> for TempDir {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for TempDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TempDir").field(&self.path).finish()
    }
}
