//! Where a file goes if nobody said: on a disk, as far as one can be found.
//!
//! `TMPDIR` is an answer, even if it names RAM. Without it the system's temporary directory may be RAM under another
//! name (a tmpfs), where a spool that rolls over frees nothing; then `/var/tmp` is better, which the file system
//! hierarchy standard wants on a disk.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::error::PathError;
use crate::sys;

/// The directory in which a spool that was given none makes its file.
///
/// On Unix `TMPDIR`, if that is set and not empty; else the system's temporary directory, unless that is RAM and `/var/tmp`
/// is on a disk and can be written to. Whether it is RAM is asked once a process; `TMPDIR` is read each time. On Windows
/// what `GetTempPath` says.
///
/// ```
/// println!("spools roll over into {}", spooled::default_directory().display());
/// ```
pub fn default_directory() -> PathBuf {
    sys::told_directory().unwrap_or_else(|| system_directory().clone())
}

fn system_directory() -> &'static PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let usual = sys::temporary_directory();
        let on_disk = PathBuf::from("/var/tmp");
        if sys::is_ram(&usual) && !sys::is_ram(&on_disk) && sys::is_writable(&on_disk) { on_disk } else { usual }
    })
}

/// Directories to try in order; none stands for the default one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directories(Option<Arc<[PathBuf]>>);

impl Directories {
    pub(crate) const DEFAULT: Self = Self(None);

    pub(crate) fn new(dirs: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        let dirs: Vec<PathBuf> = dirs.into_iter().map(Into::into).collect();
        Self(if dirs.is_empty() { None } else { Some(dirs.into()) })
    }

    pub(crate) fn is_default(&self) -> bool {
        self.0.is_none()
    }

    /// What the first gives that gives anything.
    ///
    /// # Errors
    /// The first one's.
    pub(crate) fn first<T>(&self, mut attempt: impl FnMut(PathBuf) -> io::Result<T>) -> io::Result<T> {
        let Some(dirs) = &self.0 else { return attempt(default_directory()) };
        let mut first = None;
        for dir in dirs.iter() {
            match attempt(dir.clone()) {
                Ok(done) => return Ok(done),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| PathError::at(Path::new(""), io::ErrorKind::NotFound.into())))
    }
}
