//! A reader: a place of its own in what is published, and a window over it.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::shared::Shared;
#[cfg(feature = "tokio")]
use super::tasks::Task;
use crate::cursor::{Content, Cursor, read_and_seek_by_cursor};
use crate::store::{Medium, Window};
use crate::sys::{Wait, within};

/// Reads what the [`Writer`](super::Writer) of a [`channel`](super::channel) writes, from its start, at its own pace.
///
/// Where nothing more is published yet, it waits. A clone stands where its original stands, and goes its own way from there;
/// [`rewind`](std::io::Seek::rewind) takes any of them back to the start. `read_at` takes `&self`, so that threads can share
/// one.
///
/// ```
/// use spooled::{SpoolOptions, tail};
/// use std::io::{Read, Write};
///
/// let (mut writer, mut reader) = tail::channel(&SpoolOptions::new());
/// writer.write_all(b"early")?;
/// writer.flush()?;
///
/// let mut buf = [0; 16];
/// assert_eq!(reader.read(&mut buf)?, 5); // It does not wait to fill the buffer.
/// writer.finish()?;
/// assert_eq!(reader.read(&mut buf)?, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Reader {
    pub(super) cursor: Cursor<Following>,
    #[cfg(feature = "tokio")]
    pub(super) task: Task,
}

pub(super) struct Following {
    // Boxed: it is some hundred bytes, and readers are moved about.
    pub(super) window: Box<Window>,
    pub(super) shared: Arc<Shared>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            cursor: Cursor::new(Following::new(shared)),
            #[cfg(feature = "tokio")]
            task: Task::default(),
        }
    }

    #[cfg(all(test, loom))]
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.cursor.content.shared)
    }

    /// Where the next read begins, in bytes from the start. It may lie past the end.
    #[inline]
    pub fn position(&self) -> u64 {
        self.cursor.position
    }

    /// How many bytes are published so far.
    #[inline]
    pub fn published(&self) -> u64 {
        self.cursor.content.len()
    }

    /// Reads at `offset`, counted in bytes from the start, and leaves the position where it is. Waits for something to be
    /// published there, or the end.
    ///
    /// Returns how many bytes were read: all of `buf`, or fewer where what is published ends. Costs a copy, and on disk one
    /// positional read for what this reader's window does not hold.
    ///
    /// # Errors
    /// Past all that was published, the writer's failure. What the disk answered, naming the directory.
    ///
    /// ```
    /// use spooled::{SpoolOptions, tail};
    /// use std::io::Write;
    ///
    /// let (mut writer, reader) = tail::channel(&SpoolOptions::new());
    /// writer.write_all(b"0123456789")?;
    /// writer.finish()?;
    /// let mut three = [0; 3];
    /// assert_eq!(reader.read_at(&mut three, 4)?, 3);
    /// assert_eq!(&three, b"456");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "pread")]
    pub fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let Following { window, shared } = &self.cursor.content;
        if buf.is_empty() || !shared.progress.wait_past(offset)? {
            return Ok(0);
        }
        let count = within(shared.progress.published(), offset, buf.len());
        window.read_around(&shared.log, &mut buf[..count], offset)?;
        Ok(count)
    }
}

impl Following {
    fn new(shared: Arc<Shared>) -> Self {
        Self { window: Self::no_window(), shared }
    }

    /// One that has not moved yet.
    pub(super) fn no_window() -> Box<Window> {
        Box::new(Window::new(0, u64::MAX))
    }
}

impl Clone for Following {
    /// A window of its own, which has not moved yet.
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl Content for Following {
    #[inline]
    fn len(&self) -> u64 {
        self.shared.progress.published()
    }

    fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = self.len();
        let count = within(len, offset, buf.len());
        if count > 0 {
            self.window.read(&self.shared.log, &mut buf[..count], offset, len)?;
        }
        Ok(count)
    }

    fn read_rest(&mut self, buf: &mut Vec<u8>, offset: u64) -> io::Result<()> {
        let count = within(self.len(), offset, buf.capacity() - buf.len());
        match self.shared.log.read_behind(buf, count, offset, Wait::ForTheDisk)? {
            all if all == count => Ok(()),
            _ => Err(self.shared.log.error(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn fill_at(&mut self, offset: u64) -> io::Result<&[u8]> {
        let len = self.len();
        if offset >= len { Ok(&[]) } else { self.window.fill_at(&self.shared.log, offset, len) }
    }

    fn given_len(&self, offset: u64) -> u64 {
        self.window.given_len(&self.shared.log, offset, self.len())
    }

    fn bring(&mut self, offset: u64, _: usize) -> io::Result<bool> {
        self.shared.progress.wait_past(offset)
    }

    fn bring_all(&mut self) -> io::Result<()> {
        self.shared.progress.wait_for_end()
    }
}

read_and_seek_by_cursor! {
    [] Reader,
    read: "Waits until something is published, or the end; then gives what there is.",
    read_exact: "Waits until there is enough. Where the writer fails before that, the position is what it was; where it \
                 finishes, it moves to the end.",
    read_to_end: "Waits for the end. Where the writer fails, what came before that is appended, and the position is behind it.",
    read_to_string: "As `read_to_end`. Content that is not UTF-8 leaves `buf` and the position as they were.",
    fill_buf: "Waits until something is published, or the end; then gives what can be had in one piece.",
    seek: "Costs nothing, but from the end: then it waits for that. The position may lie past it."
}

impl fmt::Debug for Reader {
    /// Lengths, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("position", &format_args!("{}/{}", self.position(), self.published()))
            .finish_non_exhaustive()
    }
}
