//! What a name may look like.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use super::claim::Claim;
use super::{NamedTempFile, TempDir};
use crate::directory::default_directory;

/// How a [`NamedTempFile`] or a [`TempDir`] is to be called and who may use it; in the manner of
/// [`std::fs::OpenOptions`].
///
/// A name is a prefix, 24 letters and digits that carry 88 random bits, and a suffix.
///
/// ```
/// use spooled::NamedOptions;
///
/// let page = NamedOptions::new().prefix("page-").suffix(".html").tempfile()?;
/// let name = page.path().file_name().unwrap().to_str().unwrap();
/// assert!(name.starts_with("page-") && name.ends_with(".html"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "Builder")]
#[derive(Debug, Clone)]
pub struct NamedOptions {
    prefix: OsString,
    suffix: OsString,
    mode: Option<u32>,
}

impl NamedOptions {
    /// The prefix `.spooled-`, no suffix; mode 0600 for a file, 0700 for a directory.
    pub fn new() -> Self {
        Self { prefix: PREFIX.into(), suffix: OsString::new(), mode: None }
    }

    /// What the name begins with.
    pub fn prefix<S: AsRef<OsStr>>(&mut self, prefix: S) -> &mut Self {
        self.prefix = prefix.as_ref().to_owned();
        self
    }

    /// What the name ends with: programs that go by it want `.html`.
    pub fn suffix<S: AsRef<OsStr>>(&mut self, suffix: S) -> &mut Self {
        self.suffix = suffix.as_ref().to_owned();
        self
    }

    /// Exactly this mode, whatever the umask; on systems without modes it says nothing.
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use spooled::NamedOptions;
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// let shared = NamedOptions::new().mode(0o644).tempfile()?;
    /// assert_eq!(shared.as_file().metadata()?.permissions().mode() & 0o7777, 0o644);
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode & 0o7777);
        self
    }

    /// A file in the [default directory](crate::default_directory).
    ///
    /// # Errors
    /// As for [`NamedTempFile::new_in`], and [`InvalidInput`](io::ErrorKind::InvalidInput) where prefix or suffix contain a
    /// separator of paths.
    pub fn tempfile(&self) -> io::Result<NamedTempFile> {
        self.tempfile_in(default_directory())
    }

    /// A file in `dir`.
    ///
    /// # Errors
    /// As for [`tempfile`](Self::tempfile).
    pub fn tempfile_in<P: AsRef<Path>>(&self, dir: P) -> io::Result<NamedTempFile> {
        let claim = Claim::on(dir.as_ref())?;
        NamedTempFile::create(&claim, &self.prefix, &self.suffix, self.mode.unwrap_or(FILE))
    }

    /// A directory in the [default directory](crate::default_directory).
    ///
    /// # Errors
    /// As for [`TempDir::new_in`], and [`InvalidInput`](io::ErrorKind::InvalidInput) where prefix or suffix contain a
    /// separator of paths.
    pub fn tempdir(&self) -> io::Result<TempDir> {
        self.tempdir_in(default_directory())
    }

    /// A directory in `dir`.
    ///
    /// # Errors
    /// As for [`tempdir`](Self::tempdir).
    pub fn tempdir_in<P: AsRef<Path>>(&self, dir: P) -> io::Result<TempDir> {
        let claim = Claim::on(dir.as_ref())?;
        TempDir::create(&claim, &self.prefix, &self.suffix, self.mode.unwrap_or(DIRECTORY))
    }
}

impl Default for NamedOptions {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) const PREFIX: &str = ".spooled-";
pub(super) const FILE: u32 = 0o600;
pub(super) const DIRECTORY: u32 = 0o700;
