//! The writer: it alone decides where the content is, and when it can be read.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use super::log::Piece;
use super::progress::{Ending, Failed};
use super::shared::Shared;
use crate::error;
use crate::options::Settings;
use crate::pool::{BOOKKEEPING, Buffer, Home, WINDOW};
use crate::store::{self, Followed, Lease, Medium, Tiers};
use crate::sys::Filler;

/// Writes what the [`Reader`](super::Reader)s of a [`channel`](super::channel) read.
///
/// Each write is published at the latest by the next [`flush`](Write::flush), or when 64 KiB have gathered. It ends with
/// [`finish`](Self::finish) or [`fail`](Self::fail): dropped without either, readers get an error in place of an end.
///
/// The limits are those of a spool: a maximum length makes a write short, and the next one fails; the shared limit of a pool
/// refuses a write whole. So does a disk that is full, or it takes a part; either way nothing is lost, readers keep what was
/// published, and one may go on when there is room.
pub struct Writer {
    pub(super) tier: Tier,
    pub(super) len: u64,
    published: u64,
    pub(super) ended: bool,
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    #[cfg(feature = "tokio")]
    pub(super) task: super::tasks::WriterTask,
}

#[derive(Debug)]
pub(super) enum Tier {
    Memory {
        pieces: Vec<Piece>,
        /// Those of the pieces that are not full, in their order.
        fillers: VecDeque<Filler<Buffer>>,
        /// How far all of them reach.
        room: u64,
    },
    Rolled(Lease),
}

impl Tier {
    /// Memory that is full, where the content is `len` bytes long.
    fn full(len: u64) -> Self {
        Self::Memory { pieces: Vec::new(), fillers: VecDeque::new(), room: len }
    }
}

impl Writer {
    pub(super) fn new(settings: Settings, shared: Arc<Shared>) -> Self {
        Self {
            tier: Tier::full(0),
            len: 0,
            published: 0,
            ended: false,
            settings,
            shared,
            #[cfg(feature = "tokio")]
            task: Default::default(),
        }
    }

    /// What takes its place while it is away: it holds nothing, and has ended already.
    #[cfg(feature = "tokio")]
    pub(super) fn stand_in(&self) -> Self {
        let mut writer = Self::new(self.settings.clone(), Arc::clone(&self.shared));
        (writer.tier, writer.len, writer.published) = (Tier::full(self.len), self.len, self.published);
        writer.ended = true;
        writer
    }

    /// Publishes all, and says that no more will come: readers find the end behind it.
    ///
    /// # Errors
    /// What the disk answered to the last bytes, which are lost then; readers get the same error behind what could be published.
    /// Who wants to try again calls [`flush`](Write::flush) first.
    ///
    /// It may wait for the disk: a task uses `shutdown` of Tokio's `AsyncWriteExt` instead (feature `tokio`).
    ///
    /// ```
    /// use spooled::{SpoolOptions, tail};
    /// use std::io::{Read, Write};
    ///
    /// let (mut writer, mut reader) = tail::channel(&SpoolOptions::new());
    /// writer.write_all(b"all of it")?;
    /// writer.finish()?;
    /// let mut text = String::new();
    /// assert_eq!(reader.read_to_string(&mut text)?, 9);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn finish(mut self) -> io::Result<()> {
        let flushed = self.flush();
        self.end(match &flushed {
            Ok(()) => Ending::Finished,
            Err(error) => Ending::Failed(Failed::new(error::again(error))),
        });
        flushed
    }

    /// Publishes what was accepted, as far as the disk takes it, and says why no more will come: readers get `error` behind it.
    ///
    /// See [`Failed`] for what it looks like there.
    pub fn fail(mut self, error: io::Error) {
        self.fall_short(Ending::Failed(Failed::new(error)));
    }

    /// Ends with less than an end, where it may wait for the disk.
    fn fall_short(&mut self, ending: Ending) {
        if let Some(ending) = self.fall_short_elsewhere(ending) {
            self.fall_short_here(ending);
        }
    }

    pub(super) fn fall_short_here(&mut self, ending: Ending) {
        if Arc::strong_count(&self.shared) > 1 {
            // What the disk refuses now is missing in front of an error, and not of an end.
            let _ = self.flush();
        }
        self.end(ending);
    }

    pub(super) fn end(&mut self, ending: Ending) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let (Tier::Rolled(lease), Some(file)) =
            (std::mem::replace(&mut self.tier, Tier::full(self.len)), self.shared.log.file())
        {
            file.end_writing(lease);
        }
        self.shared.progress.end(ending);
    }

    pub(super) fn publish(&mut self, len: u64) {
        if len > self.published {
            self.published = len;
            self.shared.progress.publish(len);
        }
    }

    /// Publishes what has gathered, if that is a window.
    #[inline]
    fn publish_by_the_window(&mut self) {
        if self.has_gathered() {
            self.publish_gathered();
        }
    }

    #[inline]
    pub(super) fn has_gathered(&self) -> bool {
        self.len - self.published >= WINDOW as u64
    }

    fn publish_gathered(&mut self) {
        if let Tier::Rolled(lease) = &self.tier {
            // What has been written anyhow.
            let written = lease.disk().file_len();
            self.publish(written);
        }
        if self.has_gathered() {
            // If the disk refuses, whoever has to write next gets the error.
            let _ = self.flush();
        }
    }

    /// Takes all of `buf`, if that is a small write that nothing has to happen for.
    #[inline]
    pub(super) fn append(&mut self, buf: &[u8]) -> bool {
        match &mut self.tier {
            Tier::Rolled(lease) => lease.append(buf, self.len),
            Tier::Memory { room, .. } => {
                let fits = buf.len() <= WINDOW && buf.len() as u64 <= *room - self.len;
                if fits {
                    self.fill(buf);
                }
                fits
            }
        }
    }

    /// How much of `count` bytes more the maximum length allows.
    pub(super) fn allowed(&self, count: usize) -> io::Result<usize> {
        store::allowed(&self.settings, count, self.len)
    }

    /// Appends in memory, which has room for it.
    #[inline]
    pub(super) fn fill(&mut self, mut buf: &[u8]) {
        let Tier::Memory { fillers, .. } = &mut self.tier else { return };
        while let (false, Some(filler)) = (buf.is_empty(), fillers.front_mut()) {
            buf = &buf[filler.append(buf)..];
            if filler.is_full() {
                fillers.pop_front();
            }
        }
        debug_assert!(buf.is_empty(), "there was room");
    }

    /// Apart from `append`: what is large, grows, rolls, or meets a limit.
    #[inline(never)]
    fn write_slowly(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.come_back();
        if self.ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let buf = &buf[..self.allowed(buf.len())?];
        store::make_way(self, self.len, self.len + buf.len() as u64)?;
        // All of it before any of it: what a pool refuses is refused whole.
        let count = match &mut self.tier {
            Tier::Rolled(lease) => lease.claim(self.len, buf.len())?,
            Tier::Memory { room, .. } => buf.len().min(usize::try_from(*room - self.len).unwrap_or(usize::MAX)),
        };
        let mut done = 0;
        for piece in buf[..count].chunks(AT_ONCE) {
            match self.write_piece(piece) {
                Ok(written) => {
                    done += written;
                    self.len += written as u64;
                    self.publish_by_the_window();
                    if written < piece.len() {
                        break;
                    }
                }
                // What was taken is told; the error comes again from whoever writes next.
                Err(_) if done > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_piece(&mut self, piece: &[u8]) -> io::Result<usize> {
        if let Tier::Rolled(lease) = &mut self.tier {
            return lease.write_by_small_windows(piece, self.len);
        }
        self.fill(piece);
        Ok(piece.len())
    }
}

impl Tiers for Writer {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn home(&self) -> Option<&Arc<Home>> {
        self.shared.log.home()
    }

    fn room(&self) -> u64 {
        match self.tier {
            Tier::Memory { room, .. } => room,
            Tier::Rolled(_) => u64::MAX,
        }
    }

    /// By another piece, of as much as there was before, or where memory is short of less: but of few bytes only if there are no
    /// more, since each piece costs some that nobody counts.
    fn grow(&mut self, need: usize, most: usize) -> io::Result<()> {
        let Tier::Memory { pieces, fillers, room } = &mut self.tier else { return Ok(()) };
        let there = *room as usize;
        let most = self.settings.memory_limit(most).saturating_sub(there);
        let least = need - there;
        let home = self.shared.log.home();
        let mut buffer = Buffer::new();
        let mut grown = Ok(());
        for size in [there, LITTLE, BOOKKEEPING, 0] {
            grown = buffer.grow(size.min(most).max(least), most, home);
            if grown.is_ok() {
                break;
            }
        }
        grown?;
        let filler = Filler::new(buffer, Buffer::spare);
        pieces.push(Piece { start: *room, segment: Arc::clone(filler.segment()) });
        self.shared.log.set_memory(pieces.as_slice().into());
        *room += filler.capacity() as u64;
        fillers.push_back(filler);
        Ok(())
    }

    fn roll_over(&mut self, end: u64) -> io::Result<()> {
        let Tier::Memory { pieces, .. } = &self.tier else { return Ok(()) };
        let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.segment.as_slice()).collect();
        let lease = store::roll(&pieces, end, &self.settings, self.home())?;
        self.shared.log.move_to(Followed::new(&lease));
        self.tier = Tier::Rolled(lease);
        Ok(())
    }
}

impl Write for Writer {
    /// All of `buf`, or what a limit leaves of it. It can be read after the next `flush`, or when 64 KiB have gathered.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if !self.append(buf) {
            return self.write_slowly(buf);
        }
        self.len += buf.len() as u64;
        self.publish_by_the_window();
        Ok(buf.len())
    }

    /// Publishes what was written, and wakes who waits for it. On disk that is a positional write of what has gathered; it is
    /// not a sync.
    fn flush(&mut self) -> io::Result<()> {
        self.come_back();
        match &mut self.tier {
            Tier::Rolled(lease) => {
                let flushed = lease.flush();
                let written = lease.disk().file_len();
                self.publish(written);
                flushed
            }
            _ => {
                self.publish(self.len);
                Ok(())
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.ended {
            self.fall_short(Ending::Abandoned);
        }
    }
}

/// Without tasks it is never away.
#[cfg(not(feature = "tokio"))]
impl Writer {
    #[inline]
    fn come_back(&mut self) {}

    #[inline]
    fn fall_short_elsewhere(&mut self, ending: Ending) -> Option<Ending> {
        Some(ending)
    }
}

impl fmt::Debug for Writer {
    /// Lengths and states, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("published", &format_args!("{}/{}", self.published, self.len))
            .field("rolled", &matches!(self.tier, Tier::Rolled(_)))
            .finish_non_exhaustive()
    }
}

/// The least that memory grows by where it is short.
const LITTLE: usize = 4096;
/// How much of a large write readers may have to wait for.
const AT_ONCE: usize = 4 * WINDOW;
