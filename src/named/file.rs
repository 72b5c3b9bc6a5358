//! A file that has a name for as long as it is held.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use super::PersistError;
use super::claim::Claim;
use super::options::{FILE, PREFIX};
use super::target::{Existing, Target};
use crate::directory::default_directory;
use crate::error::PathError;
use crate::store::Behind;
use crate::sys::{self, Seen};

/// A file with a name for as long as it is held, for programs that want a path.
///
/// Mode 0600 whatever the umask, created exclusively under a name that nobody can guess. A relative directory is resolved
/// when it is made: what the current directory is later changes nothing. Reading and writing go to the file itself, without
/// a buffer, also through `&NamedTempFile`. On Windows, which has no modes, the directory's access list says who may open it.
///
/// The drop closes the file and removes what has its name, and says nothing if that fails: [`close`](Self::close) does. A
/// name that has been renamed away is not followed. On Windows a program that has the file open and does not share deletion
/// keeps the name until it closes: the drop waits a quarter of a second for that, and leaves it then. What a process that
/// was killed leaves is swept by the next that makes a name in that directory: see [`named`](crate::named).
///
/// Costs what the system takes to make a file and to remove one; where what a dead process leaves is swept, two more calls when
/// it is used first, which mark it, and with a process's first name in a directory a look at what is there. A program that
/// need not know where the file is has it cheaper, and safer, from [`tempfile`](crate::tempfile()).
///
/// ```
/// use spooled::NamedTempFile;
/// use std::io::Write;
///
/// let mut file = NamedTempFile::new()?;
/// file.write_all(b"for another program")?;
/// assert_eq!(std::fs::read(file.path())?, b"for another program");
///
/// let path = file.path().to_owned();
/// drop(file);
/// assert!(!path.exists());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "NamedTemporaryFile")]
#[doc(alias = "mkstemp")]
#[must_use = "a file that is dropped is gone"]
pub struct NamedTempFile {
    // In this order: a file is cheaper to remove when it is closed.
    file: File,
    name: Name,
}

/// A name that goes when this is dropped.
struct Name {
    /// Empty once it is no longer ours.
    path: PathBuf,
    /// What is left of it can be swept.
    sweepable: bool,
    /// Done before anybody gets at the file or its path, who may then change it.
    touch: Once,
    /// The mode is what it is to be.
    finished: AtomicBool,
    /// If there are blocks that were set aside behind the end, where they are cut off: before anybody gets at the file, who may
    /// then write there, by a second descriptor of which no lease can tell.
    cut: Option<Once>,
}

impl Name {
    fn new(path: PathBuf, sweepable: bool, behind: Behind) -> Self {
        let cut = (behind == Behind::Blocks).then(Once::new);
        Self { path, sweepable, touch: Once::new(), finished: AtomicBool::new(false), cut }
    }

    fn take(&mut self) -> PathBuf {
        std::mem::take(&mut self.path)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = sys::remove_name(&self.path);
        }
    }
}

impl NamedTempFile {
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
    /// let file = spooled::NamedTempFile::new_in(place)?;
    /// assert_eq!(file.path().parent(), Some(place));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new_in<P: AsRef<Path>>(dir: P) -> io::Result<Self> {
        Self::create(&Claim::on(dir.as_ref())?, PREFIX, "", FILE)
    }

    pub(super) fn create(
        claim: &Claim<'_>,
        prefix: impl AsRef<OsStr>,
        suffix: impl AsRef<OsStr>,
        mode: u32,
    ) -> io::Result<Self> {
        let (path, file) = claim.make(prefix, suffix, |path| sys::create_file(path, claim.marks()))?;
        let named = Self { file, name: Name::new(path, claim.marks(), Behind::Nothing) };
        if mode != FILE {
            let mut finished = Ok(());
            named.name.touch.call_once(|| finished = named.finish(mode, Seen::ByNobody));
            finished.map_err(|error| PathError::at(&named.name.path, error))?;
        }
        Ok(named)
    }

    /// A spool's file that has got that name, of mode 0600, and marked if it can be swept.
    pub(super) fn of_spool(file: File, path: PathBuf, sweepable: bool, behind: Behind) -> Self {
        let name = Name::new(path, sweepable, behind);
        name.touch.call_once(|| name.finished.store(true, Ordering::Release));
        Self { file, name }
    }

    /// Where it is; always absolute.
    pub fn path(&self) -> &Path {
        self.touch();
        &self.name.path
    }

    /// The file: its cursor is this one's.
    pub fn as_file(&self) -> &File {
        self.touch();
        if let Some(cut) = &self.name.cut {
            cut.call_once(|| sys::cut_behind(&self.file));
        }
        &self.file
    }

    /// The file: its cursor is this one's.
    pub fn as_file_mut(&mut self) -> &mut File {
        self.as_file();
        &mut self.file
    }

    /// What nobody has touched can be told from all else without a mark: so a file that is made and dropped costs no more than
    /// that.
    #[inline]
    fn touch(&self) {
        self.name.touch.call_once(|| self.first_touch());
    }

    #[cold]
    fn first_touch(&self) {
        let _ = self.finish(FILE, Seen::ByNobody);
    }

    fn finish(&self, mode: u32, seen: Seen) -> io::Result<()> {
        let finished = sys::finish_file(&self.file, &self.name.path, mode, self.name.sweepable, seen);
        // Where nobody sweeps a file may well have a mode that cannot be changed.
        if finished.is_ok() || (mode == FILE && !self.name.sweepable) {
            self.name.finished.store(true, Ordering::Release);
            return Ok(());
        }
        finished
    }

    /// A file that leaves has the mode that it is to have.
    fn finished(&self) -> io::Result<()> {
        self.touch();
        if self.name.finished.load(Ordering::Acquire) {
            return Ok(());
        }
        // It may be what was swept as it was made, and could not be made again.
        sys::names(&self.file, &self.name.path)?;
        self.finish(FILE, Seen::BySomebody)
    }

    /// The same file once more, to read and to write, with a cursor of its own at the start.
    ///
    /// On Linux and Android (where there is a `/proc`) and on Windows the very file, even if somebody has taken over its name.
    ///
    /// # Errors
    /// What the system answered. Elsewhere [`NotFound`](io::ErrorKind::NotFound) if the name is another file's by now.
    ///
    /// ```
    /// use spooled::NamedTempFile;
    /// use std::io::{Read, Write};
    ///
    /// let mut file = NamedTempFile::new()?;
    /// file.write_all(b"read from the start")?;
    /// let mut text = String::new();
    /// file.reopen()?.read_to_string(&mut text)?;
    /// assert_eq!(text, "read from the start");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reopen(&self) -> io::Result<File> {
        sys::reopen(self.as_file(), self.path()).map_err(|error| PathError::at(self.path(), error))
    }

    /// Gives the file the name `path`, in place of what had it, and returns it.
    ///
    /// Atomic at the path: whoever looks there finds what was there before, or this. On the same file system it is one
    /// rename, to another it is copied (its holes become zeros, and it loses extended attributes), and what is returned is the
    /// copy: with the same mode, and on Unix with the same owner and group, or, where it cannot have those, without the rights
    /// that the mode gave them alone. A symlink at the path is itself replaced. It is not a sync: see [`File::sync_all`].
    ///
    /// # Errors
    /// What the system answered, naming the path; where the file's own name is another's by now, that name and
    /// [`NotFound`](io::ErrorKind::NotFound). What was at the path is whole, and the error gives the file back, under the name
    /// that it had.
    ///
    /// ```
    /// # let place = spooled::TempDir::new()?;
    /// # let path = place.path().join("report");
    /// use spooled::NamedTempFile;
    /// use std::io::Write;
    ///
    /// let mut file = NamedTempFile::new()?;
    /// file.write_all(b"to stay")?;
    /// file.persist(&path)?;
    /// assert_eq!(std::fs::read(&path)?, b"to stay");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "rename")]
    pub fn persist<P: AsRef<Path>>(self, path: P) -> Result<File, PersistError> {
        self.persist_at(path.as_ref(), Existing::Replace)
    }

    /// The same, but what is at `path` stays there.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if something has that name, and as for [`persist`](Self::persist).
    ///
    /// ```
    /// use spooled::NamedTempFile;
    ///
    /// let (first, second) = (NamedTempFile::new()?, NamedTempFile::new()?);
    /// let failed = second.persist_noclobber(first.path()).unwrap_err();
    /// assert_eq!(failed.error().kind(), std::io::ErrorKind::AlreadyExists);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn persist_noclobber<P: AsRef<Path>>(self, path: P) -> Result<File, PersistError> {
        self.persist_at(path.as_ref(), Existing::Keep)
    }

    fn persist_at(mut self, path: &Path, existing: Existing) -> Result<File, PersistError> {
        match self.rename(path, existing) {
            Ok(Some(copy)) => {
                // By another way the path may be our own name: then it is the copy's by now.
                if sys::names(&self.file, self.path()).is_err() {
                    self.name.take();
                }
                Ok(copy)
            }
            Ok(None) => {
                self.name.take();
                Ok(self.file)
            }
            Err(error) => Err(PersistError { error: PathError::at(path, error), file: self }),
        }
    }

    /// The copy, if it had to be one.
    fn rename(&self, path: &Path, existing: Existing) -> io::Result<Option<File>> {
        let target = Target::new(path, existing)?;
        let names = self.finished().and_then(|()| sys::names(&self.file, self.path()));
        let names = names.map_err(|error| PathError::at(self.path(), error))?;
        if existing == Existing::Replace && path == self.path() {
            return self.unmark().map(|()| None);
        }
        match target.give(self.as_file(), self.path(), self.name.sweepable) {
            Ok(()) => {
                // Between two names of one file, a rename does nothing.
                if names > 1 && !target.is_the_name(self.path()) && sys::names(&self.file, self.path()).is_ok() {
                    let _ = sys::remove_name(self.path());
                }
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => self.copy(&target).map(Some),
            Err(error) => Err(error),
        }
    }

    fn copy(&self, target: &Target<'_>) -> io::Result<File> {
        let (metadata, position) = (self.file.metadata()?, (&self.file).stream_position()?);
        target.write_anew(metadata.len(), |mut copy| {
            if sys::copy_all(&self.file, self.path(), copy)? < metadata.len() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file was shortened meanwhile"));
            }
            sys::take_after(copy, &metadata)?;
            copy.seek(SeekFrom::Start(position)).map(drop)
        })
    }

    /// Leaves the file where it is, for good, and returns it and where that is. Nobody will remove it.
    ///
    /// # Errors
    /// What the system answered, if it could not be said that nobody may remove it; the error gives the file back.
    ///
    /// ```
    /// # let place = spooled::TempDir::new()?;
    /// let (_, path) = spooled::NamedTempFile::new_in(&place)?.keep()?;
    /// assert!(path.exists());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn keep(mut self) -> Result<(File, PathBuf), PersistError> {
        match self.finished().and_then(|()| self.unmark()) {
            Ok(()) => {
                let path = self.name.take();
                Ok((self.file, path))
            }
            Err(error) => Err(PersistError { error: PathError::at(self.path(), error), file: self }),
        }
    }

    /// Nobody is to remove it any more, under the name that it has.
    fn unmark(&self) -> io::Result<()> {
        let file = self.as_file();
        if self.name.sweepable { sys::keep(file) } else { Ok(()) }
    }

    /// Closes it and removes its name, as the drop does, and says what went wrong.
    ///
    /// # Errors
    /// What the system answered, naming the file; [`NotFound`](io::ErrorKind::NotFound) if the name is gone.
    ///
    /// ```
    /// let file = spooled::NamedTempFile::new()?;
    /// std::fs::remove_file(file.path())?;
    /// assert_eq!(file.close().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(mut self) -> io::Result<()> {
        let unseen = self.name.sweepable && !self.name.touch.is_completed();
        let (path, seen) = (self.name.take(), if unseen { Seen::ByNobody } else { Seen::BySomebody });
        sys::close_and_remove(self.file, &path, seen).map_err(|error| PathError::at(&path, error))
    }
}

impl AsRef<Path> for NamedTempFile {
    fn as_ref(&self) -> &Path {
        self.path()
    }
}

#[cfg(any(unix, target_os = "wasi"))]
impl std::os::fd::AsFd for NamedTempFile {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.as_file().as_fd()
    }
}

#[cfg(any(unix, target_os = "wasi"))]
impl std::os::fd::AsRawFd for NamedTempFile {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.as_file().as_raw_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsHandle for NamedTempFile {
    fn as_handle(&self) -> std::os::windows::io::BorrowedHandle<'_> {
        self.as_file().as_handle()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsRawHandle for NamedTempFile {
    fn as_raw_handle(&self) -> std::os::windows::io::RawHandle {
        self.as_file().as_raw_handle()
    }
}

impl fmt::Debug for NamedTempFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamedTempFile").field(&self.name.path).finish()
    }
}
