//! Writing at the cursor, at an offset, and from one stream into another.

use std::io::{self, IoSlice, Read, Write};

use super::SpooledTempFile;

impl SpooledTempFile {
    /// Writes at `offset`, counted in bytes from the start, and leaves the position where it is.
    ///
    /// Returns how many bytes were written: all of `buf`, unless a limit or the disk ended it. A gap before `offset` is
    /// filled with zeros; past the threshold it rolls over first, so that the gap is a hole in a file.
    ///
    /// # Errors
    /// As for [`Write`]: nothing was taken.
    ///
    /// ```
    /// let mut spool = spooled::SpooledTempFile::from(b"rolled over".to_vec());
    /// assert_eq!(spool.write_at(b"turn", 7)?, 4);
    /// assert_eq!(spool.as_slice()?, b"rolled turn");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pwrite")]
    pub fn write_at(&mut self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.cursor.content.write(buf, offset)
    }

    /// Reads `source` to its end and writes it at the position, with no buffer in between: straight into memory, or into
    /// the window, or from file to file by the kernel. Returns how many bytes that were.
    ///
    /// `Interrupted` is retried. A source that may block, blocks.
    ///
    /// # Errors
    /// Those of `source` as they are, and those of writing. What arrived before is kept and counted: source and spool
    /// together are everything, and a later call goes on. Where the threshold ends memory, one byte is asked of the source
    /// to see whether it goes on, and kept. One that passes a hard limit ([`max_len`](crate::SpoolOptions::max_len), what
    /// [`Overflow`](crate::Overflow) leaves to memory, a process's limit on the size of a file) cannot be kept: it goes with
    /// the [`FileTooLarge`](io::ErrorKind::FileTooLarge) that it caused.
    ///
    /// A position past the end and past the threshold rolls over before anything is asked of the source.
    ///
    /// ```
    /// let mut spool = spooled::SpooledTempFile::new(8);
    /// let mut source: &[u8] = b"from a stream of any length";
    /// assert_eq!(spool.copy_from(&mut source)?, 27);
    /// assert!(spool.is_rolled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn copy_from<R: Read>(&mut self, source: &mut R) -> io::Result<u64> {
        let start = self.cursor.position;
        self.cursor.content.copy_from(source, &mut self.cursor.position)?;
        Ok(self.cursor.position - start)
    }

    /// Writes what lies from the position to the end into `sink`, and moves there. Returns how many bytes that were.
    ///
    /// Where `sink` is a [`File`](std::fs::File) or standard output, the kernel copies what is on disk, if it can; else `sink`
    /// is given memory, the mapping, or one window after the other.
    ///
    /// # Errors
    /// Those of `sink` as they are, and those of reading. The position stands behind what `sink` took; where that is a file
    /// to which the kernel cannot copy (one opened for appending), up to 64 KiB before.
    ///
    /// ```
    /// use std::io::Seek;
    ///
    /// let mut spool = spooled::SpooledTempFile::from(b"to a stream".to_vec());
    /// let mut sink = Vec::new();
    /// assert_eq!(spool.copy_to(&mut sink)?, 11);
    /// assert_eq!(sink, b"to a stream");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "copy_file_range")]
    #[doc(alias = "sendfile")]
    pub fn copy_to<W: Write>(&mut self, sink: &mut W) -> io::Result<u64> {
        let start = self.cursor.position;
        self.cursor.content.copy_to(sink, &mut self.cursor.position)?;
        Ok(self.cursor.position - start)
    }
}

impl SpooledTempFile {
    #[inline(never)]
    fn write_on(&mut self, mut buf: &[u8]) -> io::Result<()> {
        while !buf.is_empty() {
            match self.write(buf)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => buf = &buf[written..],
            }
        }
        Ok(())
    }
}

/// The position moves with what is written. A write that ends past the threshold rolls over first; one that ends past
/// [`max_len`](crate::SpoolOptions::max_len) takes the prefix that fits. One that fails has taken nothing.
///
/// Once rolled, writes of less than 64 KiB go to the window and cost a system call for each window; larger ones go past it.
impl Write for SpooledTempFile {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.cursor.content.write(buf, self.cursor.position)?;
        self.cursor.position += written as u64;
        Ok(written)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.cursor.content.write_vectored(bufs, self.cursor.position)?;
        self.cursor.position += written as u64;
        Ok(written)
    }

    #[inline]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        if self.cursor.content.append(buf, self.cursor.position) {
            self.cursor.position += buf.len() as u64;
            return Ok(());
        }
        self.write_on(buf)
    }

    /// Hands the window to the operating system. It is not a sync: see [`File::sync_all`](std::fs::File::sync_all).
    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        self.cursor.content.flush()
    }
}
