//! `SpooledBytes`: content that no longer changes, for any number of readers. And `SpooledTempFile::freeze`.

mod chunks;
#[cfg(feature = "tokio")]
mod stream;
mod view;

use std::fmt;
use std::io;
use std::ops::{Bound, RangeBounds};

use bytes::Bytes;

pub use chunks::Chunks;
#[cfg(feature = "tokio")]
pub use stream::ChunkStream;

use crate::cursor::{Content, Cursor, read_and_seek_by_cursor};
use crate::error::gives_back;
use crate::spooled::SpooledTempFile;
use view::View;

/// What [`SpooledTempFile::freeze`] gives: immutable, cheap to clone, each clone with a position of its own.
///
/// The step from `BytesMut` to `Bytes`, for content that may be on disk. Clones and slices share one file, or one piece of
/// memory, which is let go when the last of them, and the last [`Bytes`] made of them, is gone.
///
/// In memory a read is a copy. On disk a clone that reads in sequence, in small pieces, has a window of its own (64 KiB; 256 KiB
/// in long work), and costs a positional read for each; any other read is a call of its own. With
/// [`Backing::Mmap`](crate::Backing::Mmap) small reads come out of the mapping that all clones share, and cost neither.
///
/// ```
/// use spooled::SpooledTempFile;
/// use std::io::Read;
///
/// let frozen = SpooledTempFile::from(b"one content, many readers".to_vec()).freeze()?;
/// let readers: Vec<_> = (0..3)
///     .map(|_| {
///         let mut reader = frozen.clone();
///         std::thread::spawn(move || {
///             let mut text = String::new();
///             reader.read_to_string(&mut text).map(|_| text)
///         })
///     })
///     .collect();
/// for reader in readers {
///     assert_eq!(reader.join().unwrap()?, "one content, many readers");
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SpooledBytes {
    cursor: Cursor<View>,
}

gives_back! {
    /// Why [`SpooledTempFile::freeze`] failed, and the spool as it was.
    FreezeError: SpooledTempFile
}

impl SpooledTempFile {
    /// Ends the writing: the content as something to read from many places at once. Its position is 0.
    ///
    /// Copies nothing. On disk it costs the write of what is in the window. Spare capacity, and blocks that were set aside
    /// (16 MiB at most, of a file past 2 MiB on ext4), stay until the last clone is gone.
    ///
    /// # Errors
    /// A window that the disk refuses; with [`Backing::Mmap`](crate::Backing::Mmap) on a file system in RAM,
    /// [`StorageFull`](io::ErrorKind::StorageFull) if there is a hole and no space to fill it. The error gives the spool back.
    ///
    /// ```
    /// use spooled::SpooledTempFile;
    ///
    /// let frozen = SpooledTempFile::from(b"content".to_vec()).freeze()?;
    /// assert_eq!(frozen.to_bytes()?, "content");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn freeze(mut self) -> Result<SpooledBytes, FreezeError> {
        match self.cursor.content.freezable() {
            Ok(()) => Ok(SpooledBytes { cursor: Cursor::new(View::new(self.cursor.content.into_parts())) }),
            Err(error) => Err(FreezeError::new(error, self)),
        }
    }
}

impl SpooledBytes {
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

    /// Whether they are in a file.
    #[inline]
    pub fn is_rolled(&self) -> bool {
        self.cursor.content.is_rolled()
    }

    /// Where the next read begins, in bytes from the start. It may lie past the end.
    #[inline]
    pub fn position(&self) -> u64 {
        self.cursor.position
    }

    /// Reads at `offset`, counted in bytes from the start, and leaves the position where it is.
    ///
    /// Returns how many bytes were read: all of `buf`, or fewer where the content ends. Costs a copy, and on disk one
    /// positional read for what this clone's window does not hold.
    ///
    /// # Errors
    /// What the disk answered, naming the directory. Content in memory never fails.
    ///
    /// ```
    /// let frozen = spooled::SpooledBytes::from(b"0123456789".to_vec());
    /// let mut three = [0; 3];
    /// assert_eq!(frozen.read_at(&mut three, 4)?, 3);
    /// assert_eq!(&three, b"456");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pread")]
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.cursor.content.read_at(buf, offset)
    }

    /// A part of the content, in bytes from the start, as content of its own. Copies nothing; its position is 0.
    ///
    /// # Panics
    /// If the range ends before it begins, or past the end, as [`Bytes::slice`] does.
    ///
    /// ```
    /// let frozen = spooled::SpooledBytes::from(b"0123456789".to_vec());
    /// assert_eq!(frozen.slice(2..5).to_bytes()?, "234");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn slice(&self, range: impl RangeBounds<u64>) -> SpooledBytes {
        let past_any = "the range ends at or before u64::MAX";
        let begin = match range.start_bound() {
            Bound::Included(&begin) => begin,
            Bound::Excluded(&before) => before.checked_add(1).expect(past_any),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.checked_add(1).expect(past_any),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.len(),
        };
        assert!(begin <= end, "range start must not be greater than end: {begin} <= {end}");
        assert!(end <= self.len(), "range end out of bounds: {end} <= {}", self.len());
        SpooledBytes { cursor: Cursor::new(self.cursor.content.slice(begin, end)) }
    }

    /// All of the content as one [`Bytes`], whatever the position, without a copy: memory as it is, a file by mapping it,
    /// once for all clones. Takes microseconds and no heap, however long the file is.
    ///
    /// An I/O error of the disk under a mapped page is a signal (`SIGBUS`), as with any mapping; who cannot have that uses
    /// [`read_at`](Self::read_at) or [`chunks`](Self::chunks).
    ///
    /// # Errors
    /// What the system answers to mapping. On a file system in RAM a hole has to be filled first:
    /// [`StorageFull`](io::ErrorKind::StorageFull) if there is no space for it.
    ///
    /// ```
    /// use spooled::SpooledTempFile;
    ///
    /// let mut spool = SpooledTempFile::new(0);
    /// std::io::Write::write_all(&mut spool, b"on disk")?;
    /// assert_eq!(spool.freeze()?.to_bytes()?, "on disk");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "mmap")]
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        self.cursor.content.to_bytes()
    }

    /// All of the content, whatever the position, in pieces of `size` bytes, the last one shorter. A `size` of 0 is taken
    /// as 1.
    ///
    /// Memory is handed out as it is. A file is read, into `size` bytes of memory at each step, and never mapped: no page
    /// fault in an executor.
    ///
    /// # Errors
    /// An item is what the disk answered, naming the directory, or [`OutOfMemory`](io::ErrorKind::OutOfMemory); the next
    /// step tries the same piece again.
    ///
    /// ```
    /// let frozen = spooled::SpooledBytes::from(b"0123456789".to_vec());
    /// let pieces = frozen.chunks(4).collect::<std::io::Result<Vec<_>>>()?;
    /// assert_eq!(pieces, ["0123", "4567", "89"]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn chunks(&self, size: usize) -> Chunks {
        Chunks::new(self.cursor.content.share(), size)
    }
}

impl From<Bytes> for SpooledBytes {
    /// Takes the bytes as they are, without a copy.
    fn from(bytes: Bytes) -> Self {
        Self { cursor: Cursor::new(View::Memory(bytes)) }
    }
}

impl From<Vec<u8>> for SpooledBytes {
    /// Takes the bytes as they are, without a copy.
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

read_and_seek_by_cursor!(SpooledBytes);

impl fmt::Debug for SpooledBytes {
    /// Lengths and states, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledBytes")
            .field("position", &format_args!("{}/{}", self.position(), self.len()))
            .field("rolled", &self.is_rolled())
            .finish_non_exhaustive()
    }
}
