//! A spool that becomes a file with a name: its own file where that can be linked, else a copy.

use std::io;
use std::path::PathBuf;

use super::NamedTempFile;
use super::claim::Claim;
use super::options::{FILE, PREFIX};
use super::target::require_file_size;
use crate::error::{PathError, gives_back};
use crate::spooled::{SpooledData, SpooledTempFile};
use crate::store::{Behind, Place};
use crate::sys;

gives_back! {
    /// Why [`SpooledTempFile::into_named`] failed, and the spool as it was.
    IntoNamedError: SpooledTempFile
}

impl SpooledTempFile {
    /// The content as a file with a name, in the directory that the spool's file is in, or would be. Its cursor stands where
    /// the spool's did.
    ///
    /// A file that never had a name is linked to one: one system call, whatever its length. Content in memory becomes such a
    /// file first. Where files cannot be linked (no `O_TMPFILE`, no `/proc`, another system) the content is copied.
    ///
    /// # Errors
    /// As for [`roll`](Self::roll) and [`into_file`](Self::into_file), and what the directory answered to the name, which the
    /// error names. It gives the spool back, which may have rolled by then; nothing is left.
    ///
    /// ```
    /// use spooled::SpooledTempFile;
    ///
    /// let named = SpooledTempFile::from(b"for another program".to_vec()).into_named()?;
    /// assert_eq!(std::fs::read(named.path())?, b"for another program");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "linkat")]
    pub fn into_named(mut self) -> Result<NamedTempFile, IntoNamedError> {
        match self.name_it() {
            Ok(Given::Name { path, sweepable, behind }) => match self.leave() {
                SpooledData::OnDisk(file) => Ok(NamedTempFile::of_spool(file, path, sweepable, behind)),
                SpooledData::InMemory(_) => unreachable!("it was a file that got a name"),
            },
            Ok(Given::Copy(copy)) => Ok(copy),
            Err(error) => Err(IntoNamedError::new(error, self)),
        }
    }

    /// Does all that can fail.
    fn name_it(&mut self) -> io::Result<Given> {
        self.roll()?;
        self.ready_to_leave(Behind::Blocks)?;
        let content = self.cursor.content.place();
        let Place::Disk(disk, _) = content else { unreachable!("it has rolled") };
        let claim = Claim::on(disk.directory())?;
        let linked = claim.make(PREFIX, "", |path| claim.link(disk.file(), path));
        match linked {
            Ok((path, true)) => {
                let behind = if disk.has_blocks_behind() { Behind::Blocks } else { Behind::Nothing };
                return Ok(Given::Name { path, sweepable: claim.marks(), behind });
            }
            Ok((_, false)) | Err(_) => sys::unmark(disk.file().as_file()),
        }
        linked?;
        require_file_size(content.len())?;
        let copy = NamedTempFile::create(&claim, PREFIX, "", FILE)?;
        content
            .write_to(copy.as_file(), self.cursor.position)
            .map_err(|error| PathError::at(disk.directory(), error))?;
        Ok(Given::Copy(copy))
    }
}

enum Given {
    /// The spool's own file has got it.
    Name {
        path: PathBuf,
        sweepable: bool,
        behind: Behind,
    },
    Copy(NamedTempFile),
}
