//! The writer: it alone decides where the content is, and when it can be read.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use super::progress::{Ending, Failed};
use super::shared::Shared;
use crate::options::Settings;
use crate::pool::{Buffer, Home, WINDOW};
use crate::store::{self, Lease, Medium, Tiers};
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
    tier: Tier,
    len: u64,
    published: u64,
    settings: Settings,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Tier {
    Memory {
        /// What is filled now, and what comes after that: they have room for all up to `room`.
        fillers: Vec<Filler<Buffer>>,
        room: u64,
    },
    Rolled(Lease),
    Ended,
}

impl Writer {
    pub(super) fn new(settings: Settings, shared: Arc<Shared>) -> Self {
        let tier = Tier::Memory { fillers: Vec::new(), room: 0 };
        Self { tier, len: 0, published: 0, settings, shared }
    }

    /// Publishes all, and says that no more will come: readers find the end behind it.
    ///
    /// # Errors
    /// What the disk answered to the last bytes. Readers then get an error of the same kind behind what could be published.
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
            // An error has one owner, who is the caller here.
            Err(error) => Ending::Failed(Failed::new(io::Error::new(error.kind(), error.to_string()))),
        });
        flushed
    }

    /// Publishes what was accepted, as far as the disk takes it, and says why no more will come: readers get `error` behind it.
    ///
    /// See [`Failed`] for what it looks like there.
    pub fn fail(mut self, error: io::Error) {
        // What the disk refuses now is missing in front of an error, and not of an end.
        let _ = self.flush();
        self.end(Ending::Failed(Failed::new(error)));
    }

    fn end(&mut self, ending: Ending) {
        if let Tier::Rolled(mut lease) = std::mem::replace(&mut self.tier, Tier::Ended) {
            lease.rest();
            self.shared.content.keep(lease);
        }
        self.shared.progress.end(ending);
    }

    fn publish(&mut self, len: u64) {
        if len > self.published {
            self.published = len;
            self.shared.progress.publish(len);
        }
    }

    /// Appends in memory, as far as there is room.
    #[inline]
    fn append(&mut self, buf: &[u8]) -> usize {
        let Tier::Memory { fillers, .. } = &mut self.tier else { return 0 };
        let mut done = 0;
        while let Some(filler) = fillers.first_mut() {
            done += filler.append(&buf[done..]);
            if done == buf.len() || !filler.is_full() {
                break;
            }
            fillers.remove(0);
        }
        done
    }

    fn write_slowly(&mut self, buf: &[u8]) -> io::Result<usize> {
        let buf = &buf[..store::allowed(&self.settings, buf.len(), self.len)?];
        store::make_way(self, self.len, self.len + buf.len() as u64)?;
        match &mut self.tier {
            Tier::Rolled(lease) => lease.write_small(buf, self.len),
            _ => Ok(self.append(buf)),
        }
    }

    /// Publishes what has gathered, if that is a window.
    fn publish_by_the_window(&mut self) {
        if let Tier::Rolled(lease) = &self.tier {
            // Whatever had to be written.
            let written = lease.disk().file_len();
            self.publish(written);
        }
        if self.len - self.published >= WINDOW as u64 {
            // If the disk refuses, whoever has to write next gets the error.
            let _ = self.flush();
        }
    }
}

impl Tiers for Writer {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn home(&self) -> Option<&Arc<Home>> {
        self.shared.content.home()
    }

    fn room(&self) -> u64 {
        match self.tier {
            Tier::Memory { room, .. } => room,
            Tier::Rolled(_) | Tier::Ended => u64::MAX,
        }
    }

    /// By another segment, of as much as there was before, or if that cannot be had of what is needed.
    fn grow(&mut self, need: usize, most: usize) -> io::Result<()> {
        let Tier::Memory { fillers, room } = &mut self.tier else { return Ok(()) };
        let there = *room as usize;
        let most = self.settings.memory_limit(most).saturating_sub(there);
        let least = need - there;
        let mut buffer = Buffer::new();
        let home = self.shared.content.home();
        buffer.grow(least.max(there).min(most), most, home).or_else(|_| buffer.grow(least, most, home))?;
        let filler = Filler::new(buffer, |buffer| buffer.spare());
        self.shared.content.add(*room, &filler);
        *room += filler.capacity() as u64;
        fillers.push(filler);
        Ok(())
    }

    fn roll_over(&mut self, end: u64) -> io::Result<()> {
        let memory = self.shared.content.in_memory();
        let pieces: Vec<&[u8]> = memory.iter().map(|segment| segment.as_slice()).collect();
        let lease = store::roll(&pieces, end, &self.settings, self.home())?;
        self.shared.content.move_to(lease.disk().reading());
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
        let fits = match &mut self.tier {
            Tier::Rolled(lease) => lease.append(buf, self.len),
            Tier::Memory { room, .. } if buf.len() as u64 <= *room - self.len => self.append(buf) == buf.len(),
            _ => false,
        };
        let written = if fits { buf.len() } else { self.write_slowly(buf)? };
        self.len += written as u64;
        if !fits || self.len - self.published >= WINDOW as u64 {
            self.publish_by_the_window();
        }
        Ok(written)
    }

    /// Publishes what was written, and wakes who waits for it. On disk that is a positional write of what has gathered; it is
    /// not a sync.
    fn flush(&mut self) -> io::Result<()> {
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
        if let Tier::Ended = self.tier {
            return;
        }
        if Arc::strong_count(&self.shared) > 1 {
            let _ = self.flush();
        }
        self.end(Ending::Abandoned);
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
