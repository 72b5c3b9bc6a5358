//! `AsyncSpooledTempFile`: a blocking spool that goes on an errand where it would block.

mod away;
mod io;

use std::fmt;
use std::future::poll_fn;

use crate::{FreezeError, SpoolOptions, SpooledBytes, SpooledTempFile};
use away::{Away, What};

/// A [`SpooledTempFile`] for tasks: `AsyncRead + AsyncBufRead + AsyncWrite + AsyncSeek`.
///
/// What is in memory or in the window is served at once, without a system call; so is what the page cache has. What has to
/// wait for the disk does so on the blocking pool, see [the module](crate::tokio). Content, limits and errors are those of the
/// blocking type: an error comes from the call that had to write, and again until it succeeds, while what was accepted stays
/// readable.
///
/// Dropped, it gives back what it holds of a pool at once. A file of 1 MiB or more that is no pool's is closed on the blocking
/// pool; and so is one of 16 MiB or more that its pool does not keep, which counts until then.
///
/// After [`split`](::tokio::io::split) either half may be used by a task of its own.
///
/// # Cancel safety
/// Any future may be dropped at any point: the spool stays whole, and what earlier calls accepted is there. A read or a write
/// that was not done has moved and written nothing; each method says what it may have done.
///
/// ```
/// use spooled::tokio::AsyncSpooledTempFile;
/// use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let mut spool = AsyncSpooledTempFile::new(16);
/// spool.write_all(b"in memory, ").await?;
/// assert!(!spool.is_rolled());
/// spool.write_all(b"and then on disk").await?;
/// assert!(spool.is_rolled());
///
/// spool.rewind().await?;
/// let mut text = String::new();
/// spool.read_to_string(&mut text).await?;
/// assert_eq!(text, "in memory, and then on disk");
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct AsyncSpooledTempFile {
    away: Away,
}

impl AsyncSpooledTempFile {
    /// A spool that keeps up to `threshold` bytes in memory. Allocates nothing and does no I/O.
    ///
    /// ```
    /// let spool = spooled::tokio::AsyncSpooledTempFile::new(64 * 1024);
    /// assert!(spool.is_empty());
    /// ```
    pub fn new(threshold: usize) -> Self {
        Self::from(SpooledTempFile::new(threshold))
    }

    /// A spool made as `options` say. Does no I/O.
    ///
    /// ```
    /// use spooled::{SpoolOptions, tokio::AsyncSpooledTempFile};
    ///
    /// let spool = AsyncSpooledTempFile::with_options(SpoolOptions::new().max_len(1 << 30));
    /// assert_eq!(spool.len(), 0);
    /// ```
    pub fn with_options(options: &SpoolOptions) -> Self {
        Self::from(options.build())
    }

    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        self.away.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the content is in a file. While a rollover is under way it is not yet.
    pub fn is_rolled(&self) -> bool {
        self.away.is_rolled()
    }

    /// Where the next read or write begins, in bytes from the start. It may lie past the end.
    pub fn position(&self) -> u64 {
        self.away.position()
    }

    /// Moves what is in memory to a file; flushes what is in one. See [`SpooledTempFile::roll`].
    ///
    /// # Errors
    /// As for [`SpooledTempFile::roll`]: then nothing has changed.
    ///
    /// # Cancel safety
    /// Dropped part-way, it may still happen, wholly or not at all; the next call waits for that.
    ///
    /// ```
    /// use spooled::tokio::AsyncSpooledTempFile;
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let mut spool = AsyncSpooledTempFile::new(1024);
    /// spool.write_all(b"small").await?;
    /// spool.roll().await?;
    /// assert!(spool.is_rolled());
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn roll(&mut self) -> std::io::Result<()> {
        self.settled().await?;
        if self.away.here().is_some_and(|spool| spool.is_rolled() && spool.flush_now()) {
            return Ok(());
        }
        self.on_disk(SpooledTempFile::roll).await
    }

    /// Cuts the content, or lengthens it with zeros. The position stays. See [`SpooledTempFile::set_len`].
    ///
    /// # Errors
    /// As for [`SpooledTempFile::set_len`]: then nothing has changed.
    ///
    /// # Cancel safety
    /// Dropped part-way, it may still happen, wholly or not at all; the next call waits for that.
    ///
    /// ```
    /// use spooled::tokio::AsyncSpooledTempFile;
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let mut spool = AsyncSpooledTempFile::new(1024);
    /// spool.write_all(b"content").await?;
    /// spool.set_len(4).await?;
    /// assert_eq!((spool.len(), spool.position()), (4, 7));
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn set_len(&mut self, len: u64) -> std::io::Result<()> {
        self.settled().await?;
        match self.away.here().and_then(|spool| spool.set_len_now(len)) {
            Some(set) => set,
            None => self.on_disk(move |spool| spool.set_len(len)).await,
        }
    }

    /// Ends the writing: the content as something to read from many places at once. See [`SpooledTempFile::freeze`].
    ///
    /// # Errors
    /// As for [`SpooledTempFile::freeze`]. The error gives back the blocking spool, of which this can be made again with `From`.
    ///
    /// # Cancel safety
    /// Dropped part-way, the content is gone: it belongs to the future.
    ///
    /// ```
    /// use spooled::tokio::AsyncSpooledTempFile;
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let mut spool = AsyncSpooledTempFile::new(4);
    /// spool.write_all(b"content").await?;
    /// let frozen = spool.freeze().await?;
    /// assert_eq!(frozen.len(), 7);
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn freeze(mut self) -> Result<SpooledBytes, FreezeError> {
        match self.on_disk_if_rolled(SpooledTempFile::make_freezable).await {
            Ok(()) => self.away.take().freeze(),
            Err(error) => Err(FreezeError::new(error, self.away.take())),
        }
    }

    /// The blocking spool, when what is under way is done.
    ///
    /// # Errors
    /// Where a write past the end was dropped part-way, what the disk answers to taking that back.
    ///
    /// # Cancel safety
    /// Dropped part-way, the content is gone: it belongs to the future.
    ///
    /// ```
    /// use spooled::tokio::AsyncSpooledTempFile;
    /// use tokio::io::AsyncWriteExt;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # runtime.block_on(async {
    /// let mut spool = AsyncSpooledTempFile::new(1024);
    /// spool.write_all(b"content").await?;
    /// let mut spool = spool.into_spool().await?;
    /// assert_eq!(spool.as_slice()?, b"content");
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn into_spool(mut self) -> std::io::Result<SpooledTempFile> {
        self.settled().await?;
        Ok(self.away.take())
    }

    /// Waits for what is under way, whose own caller is gone.
    async fn settled(&mut self) -> std::io::Result<()> {
        poll_fn(|cx| self.away.poll_here(cx).map_ok(drop)).await
    }

    async fn on_disk_if_rolled(
        &mut self,
        work: impl FnOnce(&mut SpooledTempFile) -> std::io::Result<()> + Send + 'static,
    ) -> std::io::Result<()> {
        self.settled().await?;
        if self.is_rolled() { self.on_disk(work).await } else { Ok(()) }
    }

    async fn on_disk(
        &mut self,
        work: impl FnOnce(&mut SpooledTempFile) -> std::io::Result<()> + Send + 'static,
    ) -> std::io::Result<()> {
        self.away.send(What::Own, work)?;
        poll_fn(|cx| {
            self.away.poll_here(cx).map(|here| match here? {
                (_, Some((What::Own, went))) => went,
                _ => unreachable!("its own errand is waited for"),
            })
        })
        .await
    }
}

impl From<SpooledTempFile> for AsyncSpooledTempFile {
    /// With the position as it is.
    fn from(spool: SpooledTempFile) -> Self {
        Self { away: Away::new(spool) }
    }
}

impl fmt::Debug for AsyncSpooledTempFile {
    /// Lengths and states, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncSpooledTempFile").field(&self.away).finish()
    }
}
