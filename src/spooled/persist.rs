//! Taking a name: atomic at the path, and what was there stays whole if anything fails.
//!
//! A file that never had a name is linked to one. Nobody can link over an existing name, so replacing goes by way of a
//! name that nobody can guess, beside the path, and a rename. Where linking is not possible (content in memory, another
//! file system, a file that was unlinked, no `/proc`) the content is written anew in the target's directory: into another
//! file without a name, or if there is no such thing, under a name beside the path; so what a killed process can
//! leave there is at most one whole file, or where there is no `O_TMPFILE`, a part of one.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::{SpooledData, SpooledTempFile};
use crate::error::{Limit, LimitError, PathError, gives_back};
use crate::store::Place;
use crate::sys::{self, AnonFile};

gives_back! {
    /// Why [`SpooledTempFile::persist`] or [`SpooledTempFile::persist_noclobber`] failed, and the spool as it was.
    PersistError: SpooledTempFile
}

impl SpooledTempFile {
    /// Gives the content the name `path`, in place of what had it, and returns the file, of mode 0600.
    ///
    /// Atomic at the path: whoever looks there finds what was there before, or all of the content. On the same file
    /// system as the spool's own file it is one link; else the content is copied once, by the kernel. A symlink at the path
    /// is itself replaced; mode and owner of what was there are not kept. It is not a sync: see [`File::sync_all`]. The
    /// file's cursor stands where the spool's did.
    ///
    /// A process that is killed while it replaces something may leave, beside the path, one file of mode 0600 whose name
    /// begins with `.spooled-`: a whole one, or where there is no `O_TMPFILE`, a part of one.
    ///
    /// # Errors
    /// What the system answered, naming the path. What was there is whole, nothing is left beside it, and the error gives
    /// the spool back. [`InvalidInput`](io::ErrorKind::InvalidInput) where the position lies so far past the end that a file
    /// cannot have its cursor there.
    ///
    /// ```
    /// # let dir = std::env::current_dir()?.join("target");
    /// # std::fs::create_dir_all(&dir)?;
    /// # let path = dir.join(format!("persist-{}", std::process::id()));
    /// use spooled::SpooledTempFile;
    ///
    /// SpooledTempFile::from(b"to stay".to_vec()).persist(&path)?;
    /// assert_eq!(std::fs::read(&path)?, b"to stay");
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "linkat")]
    pub fn persist<P: AsRef<Path>>(self, path: P) -> Result<File, PersistError> {
        self.persist_at(path.as_ref(), Existing::Replace)
    }

    /// The same, but what is at `path` stays there.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if something has that name, and as for [`persist`](Self::persist).
    ///
    /// ```
    /// # let dir = std::env::current_dir()?.join("target");
    /// # std::fs::create_dir_all(&dir)?;
    /// # let path = dir.join(format!("persist-noclobber-{}", std::process::id()));
    /// use spooled::SpooledTempFile;
    ///
    /// std::fs::write(&path, "was here first")?;
    /// let spool = SpooledTempFile::from(b"came second".to_vec());
    /// let failed = spool.persist_noclobber(&path).unwrap_err();
    /// assert_eq!(failed.error().kind(), std::io::ErrorKind::AlreadyExists);
    /// assert_eq!(failed.into_spool().as_slice()?, b"came second");
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn persist_noclobber<P: AsRef<Path>>(self, path: P) -> Result<File, PersistError> {
        self.persist_at(path.as_ref(), Existing::Keep)
    }

    fn persist_at(mut self, path: &Path, existing: Existing) -> Result<File, PersistError> {
        match self.name(path, existing) {
            Ok(Named::Own) => match self.leave() {
                SpooledData::OnDisk(file) => Ok(file),
                SpooledData::InMemory(_) => unreachable!("it was a file that got a name"),
            },
            Ok(Named::Copy(file)) => Ok(file),
            Err(error) => Err(PersistError::new(PathError::at(path, error), self)),
        }
    }

    /// Does all that can fail.
    fn name(&mut self, path: &Path, existing: Existing) -> io::Result<Named> {
        let target = Target::new(path, existing)?;
        self.ready_to_leave()?;
        if let Place::Disk(disk, _) = self.cursor.content.place() {
            if target.link(disk.file())? {
                return Ok(Named::Own);
            }
        }
        target.write_anew(&self.cursor.content.place(), self.cursor.position).map(Named::Copy)
    }
}

enum Named {
    /// The spool's own file.
    Own,
    Copy(File),
}

#[derive(Clone, Copy, PartialEq)]
enum Existing {
    Replace,
    Keep,
}

/// Where a file is to get its name.
struct Target<'a> {
    path: &'a Path,
    directory: &'a Path,
    existing: Existing,
}

impl<'a> Target<'a> {
    fn new(path: &'a Path, existing: Existing) -> io::Result<Self> {
        if path.file_name().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
        }
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        Ok(Self { path, directory, existing })
    }

    /// Links a file without a name to the path, unless it cannot be linked (`false`): it lies on another file system, say.
    ///
    /// Then a copy shows whether that is an error at all.
    fn link(&self, file: &AnonFile) -> io::Result<bool> {
        match file.link(self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.existing == Existing::Replace => {
                // A file is linked once: not for what cannot be replaced.
                if fs::symlink_metadata(self.path).is_ok_and(|there| there.is_dir()) {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                let beside = self.directory.join(sys::random_name()?);
                Ok(file.link(&beside)? && self.rename(&beside).map(|()| true)?)
            }
            done => done,
        }
    }

    /// Writes `content` into a file of the target's directory, puts its cursor at `position`, and gives it the name.
    fn write_anew(&self, content: &Place<'_>, position: u64) -> io::Result<File> {
        let file_size = sys::file_size_limit();
        if content.len() > file_size {
            return Err(LimitError::too_large(Limit::FileSize, file_size));
        }
        if let Some(mut nameless) = AnonFile::create_nameless(self.directory)? {
            nameless.make_private()?;
            content.write_to(nameless.as_file_to_write(), position)?;
            if self.link(&nameless)? {
                return Ok(nameless.into_file(|| ()));
            }
        }
        let (file, beside) = sys::create_named(self.directory)?;
        if let Err(error) = content.write_to(&file, position) {
            let _ = sys::remove_file(&beside);
            return Err(error);
        }
        self.rename(&beside)?;
        Ok(file)
    }

    /// Renames a file beside the path to it, or takes it away.
    fn rename(&self, beside: &Path) -> io::Result<()> {
        let renamed = match self.existing {
            Existing::Replace => sys::rename_replacing(beside, self.path),
            Existing::Keep => sys::rename_without_replacing(beside, self.path),
        };
        if renamed.is_err() {
            let _ = sys::remove_file(beside);
        }
        renamed
    }
}

impl Place<'_> {
    fn len(&self) -> u64 {
        match self {
            Place::Memory(bytes) => bytes.len() as u64,
            Place::Disk(_, len) => *len,
        }
    }

    /// Writes all of it into `file`, which is empty, and puts its cursor at `position`.
    fn write_to(&self, mut file: &File, position: u64) -> io::Result<()> {
        match self {
            Place::Memory(bytes) => file.write_all(bytes)?,
            Place::Disk(disk, len) => disk.copy_whole(*len, file)?,
        }
        file.seek(SeekFrom::Start(position.min(i64::MAX as u64))).map(drop)
    }
}
