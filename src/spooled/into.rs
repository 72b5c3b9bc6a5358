//! Leaving a spool as what it holds: data in memory, or the file.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor};

use bytes::BytesMut;

use super::SpooledTempFile;
use crate::error::gives_back;
use crate::store::{Behind, Parts, Place};

/// What a spool held: see [`SpooledTempFile::into_inner`].
pub enum SpooledData {
    /// The content, in memory, with the spool's position.
    InMemory(Cursor<BytesMut>),
    /// The anonymous file, at the spool's position.
    OnDisk(File),
}

impl fmt::Debug for SpooledData {
    /// Lengths, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InMemory(data) => write!(f, "InMemory({}/{})", data.position(), data.get_ref().len()),
            Self::OnDisk(file) => f.debug_tuple("OnDisk").field(file).finish(),
        }
    }
}

gives_back! {
    /// Why [`SpooledTempFile::into_inner`] failed, and the spool as it was.
    IntoInnerError: SpooledTempFile
}

gives_back! {
    /// Why [`SpooledTempFile::into_file`] failed, and the spool as it was.
    ///
    /// ```
    /// use spooled::SpooledTempFile;
    ///
    /// let mut spool = SpooledTempFile::new_in(1024, "/does/not/exist");
    /// std::io::Write::write_all(&mut spool, b"not lost")?;
    /// let failed = spool.into_file().unwrap_err();
    /// assert_eq!(failed.error().kind(), std::io::ErrorKind::NotFound);
    /// assert_eq!(failed.into_spool().as_slice()?, b"not lost");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    IntoFileError: SpooledTempFile
}

impl SpooledTempFile {
    /// The content as it is: data if it is in memory, without a copy, else the anonymous file.
    ///
    /// The position goes with it. A file has mode 0600, and what was set aside behind its end is cut off.
    ///
    /// # Errors
    /// A window that the disk refuses; [`InvalidInput`](io::ErrorKind::InvalidInput) where the position lies so far past the
    /// end that a file cannot have its cursor there. The error gives the spool back.
    ///
    /// ```
    /// use spooled::{SpooledData, SpooledTempFile};
    ///
    /// let spool = SpooledTempFile::from(b"as it is".to_vec());
    /// let SpooledData::InMemory(data) = spool.into_inner()? else { panic!("it is small") };
    /// assert_eq!(&data.get_ref()[..], b"as it is");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_inner(mut self) -> Result<SpooledData, IntoInnerError> {
        match self.ready_to_leave(Behind::Nothing) {
            Ok(()) => Ok(self.leave()),
            Err(error) => Err(IntoInnerError::new(error, self)),
        }
    }

    /// The content as an anonymous file, which it becomes now if it is in memory. Its cursor stands where the spool's did.
    ///
    /// # Errors
    /// As for [`roll`](Self::roll) and [`into_inner`](Self::into_inner). The error gives the spool back: see the example of
    /// [`IntoFileError`].
    ///
    /// ```
    /// use spooled::SpooledTempFile;
    ///
    /// let file = SpooledTempFile::from(b"a file".to_vec()).into_file()?;
    /// assert_eq!(file.metadata()?.len(), 6);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_file(mut self) -> Result<File, IntoFileError> {
        if let Err(error) = self.roll().and_then(|()| self.ready_to_leave(Behind::Nothing)) {
            return Err(IntoFileError::new(error, self));
        }
        match self.leave() {
            SpooledData::OnDisk(file) => Ok(file),
            SpooledData::InMemory(_) => unreachable!("it has rolled"),
        }
    }

    /// Does all that can fail of leaving: everything in the file and no more behind it than that, mode 0600, its cursor in place.
    pub(crate) fn ready_to_leave(&mut self, behind: Behind) -> io::Result<()> {
        self.cursor.content.settle(behind)?;
        if let Place::Disk(disk, _) = self.cursor.content.place() {
            disk.ready_to_leave(self.cursor.position)?;
        }
        Ok(())
    }

    pub(crate) fn leave(self) -> SpooledData {
        let position = self.cursor.position;
        match self.cursor.content.into_parts() {
            Parts::Memory(buffer) => {
                let mut data = Cursor::new(buffer.into_bytes());
                data.set_position(position);
                SpooledData::InMemory(data)
            }
            Parts::Disk(lease, _) => SpooledData::OnDisk(lease.into_file()),
        }
    }
}
