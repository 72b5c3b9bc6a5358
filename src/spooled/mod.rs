//! `SpooledTempFile`: a cursor over a store.
//!
//! What a spool turns into stands with what it turns into: `into` (data, a file), `named` (a name), `frozen`.

mod into;
#[cfg(feature = "tokio")]
mod now;
mod write;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use bytes::{Bytes, BytesMut};

pub use into::{IntoFileError, IntoInnerError, SpooledData};

use crate::cursor::{Content, Cursor, read_and_seek_by_cursor};
use crate::directory::default_directory;
use crate::error::PathError;
use crate::options::{DEFAULT_THRESHOLD, Settings, SpoolOptions};
use crate::pool::Buffer;
use crate::store::Store;
use crate::sys::AnonFile;

/// A buffer that starts in memory and moves to an anonymous file when it outgrows a threshold.
///
/// It reads, writes and seeks as [`std::io::Cursor`] over a `Vec` does, and gives byte for byte the same; where the
/// bytes are can be seen only through [`is_rolled`](Self::is_rolled). Reading, writing and seeking share one position.
/// Dropping it discards the content: nothing is written for it, and nothing is left behind.
///
/// Memory held never exceeds the threshold, plus one window of 64 KiB once the content is on disk (256 KiB in long
/// sequential work). Making one allocates nothing and touches no file.
///
/// The type is source-compatible with the one of the same name in the `tempfile` crate, which follows Python's
/// `SpooledTemporaryFile`, with two exceptions: [`SpooledData::InMemory`] holds a `BytesMut` in place of a `Vec`, and
/// [`into_inner`](Self::into_inner) can fail, since a window may hold bytes that the disk refuses.
///
/// ```
/// use spooled::SpooledTempFile;
/// use std::io::{Read, Seek, Write};
///
/// let mut spool = SpooledTempFile::new(16);
/// spool.write_all(b"short enough")?;
/// assert!(!spool.is_rolled());
/// spool.write_all(b", and now it is not")?;
/// assert!(spool.is_rolled());
///
/// let mut text = String::new();
/// spool.rewind()?;
/// spool.read_to_string(&mut text)?;
/// assert_eq!(text, "short enough, and now it is not");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "SpooledTemporaryFile")]
#[must_use = "a spool that is dropped takes its content with it"]
pub struct SpooledTempFile {
    pub(crate) cursor: Cursor<Store>,
}

impl SpooledTempFile {
    /// A spool that keeps up to `threshold` bytes in memory, then moves to a file in the
    /// [default directory](crate::default_directory). Allocates nothing.
    ///
    /// ```
    /// let spool = spooled::SpooledTempFile::new(1 << 20);
    /// assert!(spool.is_empty());
    /// ```
    #[inline]
    pub fn new(threshold: usize) -> Self {
        Self { cursor: Cursor::new(Store::new(Settings::new(threshold), None)) }
    }

    /// The same with a directory of its own, whose path it copies.
    ///
    /// ```
    /// let spool = spooled::SpooledTempFile::new_in(1 << 20, "/var/tmp");
    /// assert!(!spool.is_rolled());
    /// ```
    pub fn new_in<P: AsRef<Path>>(threshold: usize, dir: P) -> Self {
        SpoolOptions::new().threshold(threshold).dir(dir.as_ref()).build()
    }

    /// Whether the content is in a file.
    #[inline]
    pub fn is_rolled(&self) -> bool {
        self.cursor.content.is_rolled()
    }

    /// How many bytes there are.
    #[inline]
    pub fn len(&self) -> u64 {
        self.cursor.content.len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the next read or write begins, in bytes from the start. It may lie past the end.
    #[inline]
    pub fn position(&self) -> u64 {
        self.cursor.position
    }

    /// Moves the content to a file now; on a spool that has rolled, flushes.
    ///
    /// So a disk that is full shows here, and then nothing has rolled.
    ///
    /// # Errors
    /// What the first directory answered, which the error names (the cause is a [`PathError`]);
    /// [`FileTooLarge`](io::ErrorKind::FileTooLarge) if the process may not have a file that long. Content, position and
    /// length are what they were, and a later attempt may succeed.
    ///
    /// ```
    /// use spooled::SpooledTempFile;
    /// use std::io::Write;
    ///
    /// let mut spool = SpooledTempFile::new(1024);
    /// spool.write_all(b"small")?;
    /// spool.roll()?;
    /// assert!(spool.is_rolled());
    /// assert_eq!((spool.position(), spool.len()), (5, 5));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn roll(&mut self) -> io::Result<()> {
        self.cursor.content.roll()
    }

    /// Cuts the content, or lengthens it with zeros. The position stays, and may then lie past the end.
    ///
    /// Past the threshold it rolls over, and the zeros are a hole in a file. Shrinking gives memory and disk back, works
    /// on a full disk too, and does not bring a rolled spool back to memory.
    ///
    /// # Errors
    /// As for [`roll`](Self::roll), and [`FileTooLarge`](io::ErrorKind::FileTooLarge) where a limit is passed
    /// (a [`LimitError`](crate::LimitError) inside). Content, position and length are what they were; where only the file
    /// system's own limit is passed, it has rolled by then.
    ///
    /// ```
    /// let mut spool = spooled::SpooledTempFile::from(b"content".to_vec());
    /// spool.set_len(4)?;
    /// assert_eq!(spool.as_slice()?, b"cont");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.cursor.content.set_len(len)
    }

    /// Reads at `offset`, counted in bytes from the start, and leaves the position where it is.
    ///
    /// Returns how many bytes were read: all of `buf`, or fewer where the content ends. Costs a copy, and once rolled one
    /// positional read for what the window does not hold; the window stays as it is.
    ///
    /// # Errors
    /// What the disk answered, naming the directory. Content in memory never fails.
    ///
    /// ```
    /// use spooled::SpooledTempFile;
    /// use std::io::Write;
    ///
    /// let mut spool = SpooledTempFile::new(4);
    /// spool.write_all(b"rolled over")?;
    /// let mut word = [0; 4];
    /// assert_eq!(spool.read_at(&mut word, 7)?, 4);
    /// assert_eq!(&word, b"over");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pread")]
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.cursor.content.read_at(buf, offset)
    }

    /// All of the content as one slice, whatever the position: from memory as it is, from a rolled spool of
    /// [`Backing::Mmap`](crate::Backing::Mmap) through its mapping.
    ///
    /// # Errors
    /// [`Unsupported`](io::ErrorKind::Unsupported) for a rolled spool of [`Backing::File`](crate::Backing::File). What the
    /// disk answers when the window is written, and what the system answers to mapping.
    ///
    /// ```
    /// let mut spool = spooled::SpooledTempFile::from(b"in one piece".to_vec());
    /// assert_eq!(spool.as_slice()?, b"in one piece");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn as_slice(&mut self) -> io::Result<&[u8]> {
        self.cursor.content.as_slice()
    }
}

impl SpoolOptions {
    /// A spool made so. Does no I/O and allocates nothing, so it cannot fail.
    #[inline]
    pub fn build(&self) -> SpooledTempFile {
        // The settings last, so that they are copied once.
        let seat = self.seat();
        SpooledTempFile { cursor: Cursor::new(Store::new(self.settings().clone(), seat)) }
    }
}

/// A spool that keeps up to `threshold` bytes in memory: [`SpooledTempFile::new`].
///
/// ```
/// let spool = spooled::spooled_tempfile(1 << 20);
/// assert!(spool.is_empty());
/// ```
#[inline]
pub fn spooled_tempfile(threshold: usize) -> SpooledTempFile {
    SpooledTempFile::new(threshold)
}

/// The same with a directory of its own: [`SpooledTempFile::new_in`].
///
/// ```
/// let spool = spooled::spooled_tempfile_in(1 << 20, "/var/tmp");
/// assert!(spool.is_empty());
/// ```
pub fn spooled_tempfile_in<P: AsRef<Path>>(threshold: usize, dir: P) -> SpooledTempFile {
    SpooledTempFile::new_in(threshold, dir)
}

/// An anonymous file in the [default directory](crate::default_directory): open for reading and writing, mode 0600, gone
/// when it is closed.
///
/// # Errors
/// What the directory answered, which the error names.
///
/// ```
/// use std::io::{Read, Seek, Write};
///
/// let mut file = spooled::tempfile()?;
/// file.write_all(b"Heisann, Norge!")?;
/// file.rewind()?;
/// let mut text = String::new();
/// file.read_to_string(&mut text)?;
/// assert_eq!(text, "Heisann, Norge!");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "TemporaryFile")]
#[doc(alias = "O_TMPFILE")]
pub fn tempfile() -> io::Result<File> {
    anonymous(&default_directory())
}

/// The same in `dir`.
///
/// # Errors
/// What the directory answered, which the error names.
///
/// ```
/// # let dir = spooled::default_directory();
/// let file = spooled::tempfile_in(dir)?;
/// assert_eq!(file.metadata()?.len(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn tempfile_in<P: AsRef<Path>>(dir: P) -> io::Result<File> {
    anonymous(dir.as_ref())
}

fn anonymous(dir: &Path) -> io::Result<File> {
    let make = || {
        let file = AnonFile::create(dir, None)?;
        file.make_private()?;
        Ok(file.into_file(|| ()))
    };
    make().map_err(|error| PathError::at(dir, error))
}

impl From<BytesMut> for SpooledTempFile {
    /// Takes the bytes as they are, without a copy. Position 0; the threshold is the larger of 64 KiB and the capacity.
    fn from(bytes: BytesMut) -> Self {
        let threshold = bytes.capacity().max(DEFAULT_THRESHOLD);
        Self { cursor: Cursor::new(Store::with_content(Buffer::from(bytes), Settings::new(threshold))) }
    }
}

impl From<Vec<u8>> for SpooledTempFile {
    /// Takes the bytes as they are, without a copy. Position 0; the threshold is the larger of 64 KiB and the capacity.
    fn from(bytes: Vec<u8>) -> Self {
        // By way of `Bytes`, which takes a `Vec` over; it is unshared, so that is where the copying ends.
        Self::from(BytesMut::from(Bytes::from(bytes)))
    }
}

impl Content for Store {
    fn len(&self) -> u64 {
        Store::len(self)
    }

    #[inline]
    fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Store::read(self, buf, offset)
    }

    fn read_rest(&mut self, buf: &mut Vec<u8>, offset: u64) -> io::Result<()> {
        Store::read_rest(self, buf, offset)
    }

    #[inline]
    fn fill_at(&mut self, offset: u64) -> io::Result<&[u8]> {
        Store::fill_at(self, offset)
    }

    #[inline]
    fn given_len(&self, offset: u64) -> u64 {
        Store::given_len(self, offset)
    }
}

read_and_seek_by_cursor!(SpooledTempFile);

impl fmt::Debug for SpooledTempFile {
    /// Lengths and states, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledTempFile")
            .field("position", &format_args!("{}/{}", self.position(), self.len()))
            .field("rolled", &self.is_rolled())
            .finish_non_exhaustive()
    }
}
