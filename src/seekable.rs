//! `SeekableReader`: seeking in what has no `Seek`, over a store of what has come so far.

use std::fmt;
use std::io::{self, Read};

use crate::cursor::{Content, Cursor, read_and_seek_by_cursor};
use crate::options::SpoolOptions;
use crate::pool::WINDOW;
use crate::spooled::SpooledTempFile;
use crate::store::Store;
use crate::sys;

/// Reads and seeks in a source that can only be read: a pipe, a socket, a decoder.
///
/// It reads from the source what has been asked for, and up to 16 KiB ahead of that, and keeps all of it in a spool: in memory
/// up to the threshold, on disk past it. What was read once comes from there; seeking reads nothing, but to count from the end
/// the source has to be read to its end first.
///
/// The source may be live: each need is one `read` of it, of 64 KiB at most, and a read gives what that gave; where memory ends, and
/// whether there is more has to be known, one of a single byte. `Interrupted` is tried again. Any
/// other error is handed on; position and content are then what they were, nothing that came is lost, and the next call goes on
/// from there. Once the source has said that it has ended, it is not asked again.
///
/// A limit of the options, or of their pool, is an error, each time, and never looks like an end.
///
/// Making one allocates nothing. In memory a read costs a copy; on disk, reading in sequence costs a write for each window of
/// 64 KiB (256 KiB in long work) and no reads, since what comes is read from the window it is written from. Going back costs
/// what it does in a [`SpooledTempFile`].
///
/// ```
/// use spooled::SeekableReader;
/// use std::io::{Read, Seek, SeekFrom};
///
/// // A child's output, say: something without `Seek`.
/// let pipe = std::io::Read::chain(&b"header, "[..], &b"body, trailer"[..]);
///
/// let mut reader = SeekableReader::new(pipe);
/// reader.seek(SeekFrom::End(-7))?;
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "trailer");
///
/// let mut header = [0; 6];
/// reader.rewind()?;
/// reader.read_exact(&mut header)?;
/// assert_eq!(&header, b"header");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct SeekableReader<R> {
    cursor: Cursor<Pulled<R>>,
}

/// What has come of a source, and the source.
struct Pulled<R> {
    store: Store,
    source: R,
    /// The source has said so.
    ended: bool,
    /// What it gave where a limit ends the content for good.
    refused: Option<u8>,
    /// So much may be asked of it at once: who gives little is asked for little, since what is asked for is zeroed first.
    gives: usize,
}

impl<R: Read> SeekableReader<R> {
    /// With the default options: 64 KiB stay in memory.
    ///
    /// ```
    /// let reader = spooled::SeekableReader::new(std::io::stdin());
    /// assert_eq!(reader.pulled(), 0);
    /// ```
    pub fn new(source: R) -> Self {
        Self::with_options(source, &SpoolOptions::new())
    }

    /// With a spool as `options` say.
    ///
    /// ```
    /// use spooled::{SeekableReader, SpoolOptions};
    /// use std::io::{ErrorKind, Read};
    ///
    /// let mut options = SpoolOptions::new();
    /// options.max_len(1 << 20);
    /// let mut reader = SeekableReader::with_options(std::io::repeat(b'x'), &options);
    /// let error = std::io::copy(&mut reader, &mut std::io::sink()).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    /// assert_eq!(reader.pulled(), 1 << 20);
    /// ```
    pub fn with_options(source: R, options: &SpoolOptions) -> Self {
        let SpooledTempFile { cursor: Cursor { content: store, .. } } = options.build();
        Self { cursor: Cursor::new(Pulled { store, source, ended: false, refused: None, gives: WINDOW }) }
    }

    /// The source. What was read of it is in the spool.
    pub fn get_ref(&self) -> &R {
        &self.cursor.content.source
    }

    /// The source. What is read of it here is missing in the spool.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.cursor.content.source
    }

    /// How many bytes have come from the source so far: those that are in the spool.
    pub fn pulled(&self) -> u64 {
        self.cursor.content.store.len()
    }

    /// The source, and the spool with all that came from it. The spool's position is where this one's was.
    ///
    /// Together they are everything, unless a read has failed with [`FileTooLarge`](io::ErrorKind::FileTooLarge), or for want of
    /// memory, and none has succeeded after it: that has cost one byte, since whether there are more can only be asked by reading.
    ///
    /// ```
    /// use spooled::SeekableReader;
    /// use std::io::{Read, Write};
    ///
    /// let mut reader = SeekableReader::new(&b"some of it, and more"[..]);
    /// let mut some = [0; 10];
    /// reader.read_exact(&mut some)?;
    ///
    /// let (mut source, mut spool) = reader.into_parts();
    /// assert_eq!(spool.position(), 10);
    /// spool.copy_from(&mut source)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_parts(self) -> (R, SpooledTempFile) {
        let Cursor { content: Pulled { store, source, .. }, position } = self.cursor;
        (source, SpooledTempFile { cursor: Cursor { content: store, position } })
    }
}

impl<R: Read> Pulled<R> {
    /// What was refused before is refused again, or finds a place now.
    fn admit(&mut self) -> io::Result<()> {
        if let Some(byte) = self.refused {
            self.store.write(&[byte], self.store.len())?;
            self.refused = None;
        }
        Ok(())
    }

    /// Has `store` read from `source`, and remembers what only the source knows.
    fn pull(&mut self, read: impl FnOnce(&mut Store, &mut Watched<'_, R>) -> io::Result<()>) -> io::Result<()> {
        let Self { store, source, ended, refused, gives } = self;
        let mut source = Watched { source, ended, gives, given: 0, last: 0 };
        let before = store.len();
        let done = read(store, &mut source);
        if source.given > store.len() - before {
            *refused = Some(source.last);
        }
        done
    }
}

impl<R: Read> Content for Pulled<R> {
    #[inline]
    fn len(&self) -> u64 {
        self.store.len()
    }

    #[inline]
    fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        // What has just come is in the window.
        match self.store.in_window(offset, buf.len()) {
            Some(held) => Ok(sys::copy(held, buf)),
            None => self.store.read(buf, offset),
        }
    }

    fn read_rest(&mut self, buf: &mut Vec<u8>, offset: u64) -> io::Result<()> {
        self.store.read_rest(buf, offset)
    }

    #[inline]
    fn fill_at(&mut self, offset: u64) -> io::Result<&[u8]> {
        self.store.fill_at(offset)
    }

    #[inline]
    fn given_len(&self, offset: u64) -> u64 {
        self.store.given_len(offset)
    }

    fn bring(&mut self, offset: u64, count: usize) -> io::Result<bool> {
        while self.store.len() <= offset {
            if self.ended {
                return Ok(false);
            }
            let missing = (offset - self.store.len()).saturating_add(count as u64);
            let most = usize::try_from(missing).unwrap_or(WINDOW).clamp(AHEAD, WINDOW).min(self.gives);
            match self.refused {
                Some(_) => self.admit()?,
                None => self.pull(|store, source| store.pull(source, most))?,
            }
        }
        Ok(true)
    }

    fn bring_all(&mut self) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        self.admit()?;
        self.pull(|store, source| {
            let mut end = store.len();
            store.copy_from(source, &mut end)
        })
    }
}

/// A source, and what it said.
struct Watched<'a, R> {
    source: &'a mut R,
    ended: &'a mut bool,
    gives: &'a mut usize,
    given: u64,
    last: u8,
}

impl<R> Watched<'_, R> {
    /// What comes next is thought to be like what came of a `read` into so much room.
    fn expect_like(&mut self, read: usize, room: usize) {
        if read == room {
            *self.gives = WINDOW.min(*self.gives * 2);
        } else if read < room / 4 {
            *self.gives = (read * 2).clamp(LEAST, WINDOW);
        }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // A source that claims more than it was given room for must not take us along.
        let read = self.source.read(buf)?.min(buf.len());
        match buf[..read].last() {
            Some(last) => self.last = *last,
            None => *self.ended = !buf.is_empty(),
        }
        self.given += read as u64;
        if buf.len() >= LEAST {
            self.expect_like(read, buf.len());
        }
        Ok(read)
    }
}

read_and_seek_by_cursor! {
    [R: Read] SeekableReader<R>,
    read: "What has come from the source already, or if that is nothing, what one `read` of it gives.",
    read_exact: "Where the source fails, the position is what it was; if there is not enough, it moves to the end.",
    read_to_end: "Where the source fails, what came before that is appended, and the position is behind it.",
    read_to_string: "As `read_to_end`. Content that is not UTF-8 leaves `buf` and the position as they were.",
    fill_buf: "What can be had in one piece: of what has come already, or if that is nothing, of what one `read` of the source gives, \
               which is 16 KiB at most.",
    seek: "Reads nothing and costs nothing, but from the end: then the source is read to its end. The position may lie past that."
}

impl<R> fmt::Debug for SeekableReader<R> {
    /// Lengths and states, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cursor { content: Pulled { store, ended, .. }, position } = &self.cursor;
        f.debug_struct("SeekableReader")
            .field("position", &format_args!("{position}/{}", store.len()))
            .field("rolled", &store.is_rolled())
            .field("ended", ended)
            .finish_non_exhaustive()
    }
}

/// How much is asked of a source at least that gives so much.
const AHEAD: usize = 16 * 1024;
/// The same of one that never does.
const LEAST: usize = 1024;
