//! A spool that takes a name for good: its own file where it can be linked, else a copy.

use std::fs::File;
use std::io;
use std::path::Path;

use super::target::{Existing, Target};
use crate::error::{PathError, gives_back};
use crate::spooled::{SpooledData, SpooledTempFile};
use crate::store::{Behind, Place};

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
    /// begins with `.spooled-`: a whole one, or where there is no `O_TMPFILE`, a part of one. Where such things are swept
    /// (see [`named`](crate::named)) the next process that makes a name in that directory removes it; to replace something
    /// counts as that.
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
        self.ready_to_leave(Behind::Nothing)?;
        if let Place::Disk(disk, _) = self.cursor.content.place() {
            if target.link(disk.file())? {
                return Ok(Named::Own);
            }
        }
        let (content, position) = (self.cursor.content.place(), self.cursor.position);
        target.write_anew(content.len(), |file| content.write_to(file, position)).map(Named::Copy)
    }
}

enum Named {
    /// The spool's own file.
    Own,
    Copy(File),
}
