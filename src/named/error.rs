//! What a failed `persist` or `keep` gives back.

use std::error::Error;
use std::fmt;
use std::io;

use super::NamedTempFile;

/// Why [`NamedTempFile::persist`], [`persist_noclobber`](NamedTempFile::persist_noclobber) or
/// [`keep`](NamedTempFile::keep) failed, and the file as it was.
///
/// Its fields are those of the error of that name in the `tempfile` crate.
///
/// ```
/// use spooled::NamedTempFile;
///
/// let file = NamedTempFile::new()?;
/// let path = file.path().to_owned();
/// let failed = file.persist("/does/not/exist").unwrap_err();
/// assert_eq!(failed.error().kind(), std::io::ErrorKind::NotFound);
/// assert_eq!(failed.into_file().path(), path);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct PersistError {
    /// What went wrong.
    pub error: io::Error,
    /// The file, under the name that it had.
    pub file: NamedTempFile,
}

impl PersistError {
    /// What went wrong.
    pub fn error(&self) -> &io::Error {
        &self.error
    }

    /// The file, under the name that it had.
    pub fn into_file(self) -> NamedTempFile {
        self.file
    }

    /// What went wrong, and the file.
    pub fn into_parts(self) -> (io::Error, NamedTempFile) {
        (self.error, self.file)
    }
}

impl fmt::Display for PersistError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for PersistError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl From<PersistError> for io::Error {
    /// Drops the file, and with it its name.
    fn from(error: PersistError) -> Self {
        error.error
    }
}

impl From<PersistError> for NamedTempFile {
    fn from(error: PersistError) -> Self {
        error.file
    }
}
