//! What a task may ask of a spool: all that takes no disk; and what it has done by somebody who may wait.
//!
//! By the rules of [`Store`](crate::store::Store)'s calls of the same names, at the position.

use std::io;

use super::SpooledTempFile;

impl SpooledTempFile {
    /// Writes all of `buf`, if that is an append for which nothing has to happen.
    #[inline]
    pub(crate) fn append_now(&mut self, buf: &[u8]) -> bool {
        let fits = self.cursor.content.append_now(buf, self.cursor.position);
        if fits {
            self.cursor.position += buf.len() as u64;
        }
        fits
    }

    /// Writes at the position what takes no disk, and says how much that was; or `None`, with nothing changed, if writing
    /// anything takes the disk: a rollover, or a window to be written. An error is one of a limit.
    pub(crate) fn write_now(&mut self, buf: &[u8]) -> Option<io::Result<usize>> {
        let written = self.cursor.content.write_now(buf, self.cursor.position)?;
        Some(written.inspect(|written| self.cursor.position += *written as u64))
    }

    pub(crate) fn write_what_fits(&mut self, buf: &[u8]) -> usize {
        let written = self.cursor.content.write_what_fits(buf, self.cursor.position);
        self.cursor.position += written as u64;
        written
    }

    pub(crate) fn make_ready(&mut self, count: usize) -> io::Result<()> {
        self.cursor.content.make_ready(self.cursor.position, count)
    }

    pub(crate) fn set_len_now(&mut self, len: u64) -> Option<io::Result<()>> {
        self.cursor.content.set_len_now(len)
    }

    pub(crate) fn flush_now(&mut self) -> bool {
        self.cursor.content.flush_now()
    }

    #[inline]
    pub(crate) fn read_now(&mut self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        let read = self.cursor.content.read_now(buf, self.cursor.position)?;
        Some(read.inspect(|read| self.cursor.position += *read as u64))
    }

    pub(crate) fn fill_now(&mut self) -> Option<io::Result<()>> {
        self.cursor.content.fill_now(self.cursor.position)
    }

    pub(crate) fn bring(&mut self, count: usize) -> io::Result<()> {
        self.cursor.content.bring(self.cursor.position, count)
    }

    #[inline]
    pub(crate) fn at_hand(&self) -> &[u8] {
        self.cursor.content.at_hand(self.cursor.position)
    }

    /// Moves on behind what was at hand.
    pub(crate) fn pass(&mut self, count: usize) {
        self.cursor.position += count.min(self.at_hand().len()) as u64;
    }

    /// All that [`freeze`](Self::freeze) has to wait for.
    pub(crate) fn make_freezable(&mut self) -> io::Result<()> {
        self.cursor.content.freezable()
    }
}
