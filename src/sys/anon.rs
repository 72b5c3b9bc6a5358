//! A file without a name, of which this is the only handle that can write, and the only one that can cut what was written.
//!
//! Invariants: no byte below `len` is taken away, or written, while a shared reference is out, since `write_at`,
//! `extend` and `truncate` need `&mut`; the descriptor leaves only by value, when all views are gone. A `Tail` cuts only
//! what lies past the claim, which is never below `len`. Hence a slice of the mapping that borrows from here can neither
//! fault nor change. (Out of scope, as for every mapping: another process of the same user that opens the file through
//! `/proc` to cut it short.)
//! A file may be longer than `len`: what is there was another's, and no call here reads it.
//! Knows nothing of windows, nor of which bytes are content.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, Weak};

use bytes::BytesMut;
use parking_lot::Mutex;

use super::FileSystem;
use super::at_once::{Unanswered, Wait};
use super::copy::within;
use super::map::Map;
use super::marks::Boundary;
use super::system::{self, Handle};
use crate::sync::{AtomicU64, Ordering};

#[derive(Debug)]
pub(crate) struct AnonFile {
    // Before the handle, so that it goes first.
    map: OnceLock<Map>,
    open: Arc<Open>,
    /// A name can still be given to it.
    linkable: bool,
    /// It had a name, by which somebody else may have opened it; once that is gone it cannot have another.
    named: AtomicBool,
    len: u64,
    /// How far it may be written: the claim of a file of a pool, and no limit for any other.
    claim: u64,
    /// There may be holes, and on this file system a look at one through a mapping can be a signal.
    treacherous: AtomicBool,
    file_system: OnceLock<FileSystem>,
    /// Held while the mapping is made, so that it is made once.
    mapping: Mutex<()>,
}

#[derive(Debug)]
struct Open {
    handle: Handle,
    /// `len`, for those who read along.
    written: AtomicU64,
    unanswered: Unanswered,
    // After the handle: what was taken for the file is given back when that is closed.
    boundary: Option<Boundary>,
}

impl AnonFile {
    /// `boundary`, if there is one, says how far it may be written, and somebody else may cut what lies past that.
    pub(crate) fn create(dir: &Path, boundary: Option<Boundary>) -> io::Result<AnonFile> {
        match system::open_nameless(dir)? {
            Some(nameless) => Ok(Self::new(nameless, true, boundary)),
            None => system::open_unlinked(dir).map(|handle| Self::new(handle, false, boundary)),
        }
    }

    /// One that can be given a name later, if there is such a thing.
    pub(crate) fn create_nameless(dir: &Path) -> io::Result<Option<AnonFile>> {
        Ok(system::open_nameless(dir)?.map(|handle| Self::new(handle, true, None)))
    }

    fn new(handle: Handle, linkable: bool, boundary: Option<Boundary>) -> Self {
        AnonFile {
            map: OnceLock::new(),
            linkable,
            named: AtomicBool::new(false),
            len: 0,
            claim: boundary.as_ref().map_or(u64::MAX, Boundary::claimed),
            open: Arc::new(Open { handle, written: AtomicU64::new(0), unanswered: Unanswered::default(), boundary }),
            treacherous: AtomicBool::new(false),
            file_system: OnceLock::new(),
            mapping: Mutex::new(()),
        }
    }

    /// Writes at `offset`, which is at most `len`. One call, whose count may be short.
    pub(crate) fn write_at(&mut self, buf: &[u8], offset: u64, wait: Wait) -> io::Result<usize> {
        debug_assert!(offset <= self.len && !buf.is_empty());
        let Open { handle, unanswered, .. } = &*self.open;
        let written = match wait {
            Wait::ForTheDisk => system::write_at(handle, buf, offset)?,
            Wait::Never => unanswered.write_at(handle, buf, offset)?,
        };
        self.written(offset, written)
    }

    /// The same of several buffers, one behind the other, which are not all empty.
    pub(crate) fn write_vectored_at(&mut self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        debug_assert!(offset <= self.len);
        let written = system::write_vectored_at(&self.open.handle, bufs, offset)?;
        self.written(offset, written)
    }

    fn written(&mut self, offset: u64, count: usize) -> io::Result<usize> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.grown_to(offset + count as u64);
        Ok(count)
    }

    /// Makes the file longer, with a hole. What another left there is cut off first.
    pub(crate) fn extend(&mut self, len: u64) -> io::Result<()> {
        debug_assert!(len >= self.len && len <= self.claim);
        let set_len = |len| self.open.set_len(len);
        match &self.open.boundary {
            Some(boundary) => {
                if cfg!(windows) {
                    // As in `truncate`.
                    self.map.take();
                }
                boundary.expose(self.len, set_len, || set_len(len))?
            }
            None => set_len(len)?,
        }
        if self.file_system().holes_can_fault {
            *self.treacherous.get_mut() = true;
        }
        self.grown_to(len);
        Ok(())
    }

    /// Cuts the file, and with it all blocks that were set aside behind its end.
    pub(crate) fn truncate(&mut self, len: u64) -> io::Result<()> {
        debug_assert!(len <= self.len);
        if cfg!(windows) {
            // A mapped file cannot be cut there (error 1224).
            self.map.take();
        }
        let set_len = |len| self.open.set_len(len);
        if let Some(boundary) = &self.open.boundary {
            boundary.cut_to(len, set_len)?;
            self.claim = len;
        } else {
            set_len(len)?;
        }
        self.set_written(len);
        Ok(())
    }

    /// What was written reaches up to `len`.
    fn set_written(&mut self, len: u64) {
        self.len = len;
        self.open.written.store(len, Ordering::Release);
    }

    /// How far it may be written.
    #[inline]
    pub(crate) fn claimed(&self) -> u64 {
        self.claim
    }

    /// Raises the claim to `end`, if those who count agree.
    pub(crate) fn claim(&mut self, end: u64) -> bool {
        match &self.open.boundary {
            Some(boundary) if end > self.claim => {
                let agreed = boundary.claim(end);
                if agreed {
                    self.claim = end;
                }
                agreed
            }
            _ => true,
        }
    }

    /// Lowers the claim to `end`, which is where the content ends. It stays where it is if cutting would be needed and fails.
    pub(crate) fn unclaim(&mut self, end: u64) {
        let end = end.max(self.len);
        if let Some(boundary) = &self.open.boundary {
            if end < self.claim && boundary.lower(end, self.len, |len| self.open.set_len(len)).is_ok() {
                self.claim = end;
            }
        }
    }

    /// Forgets the content: all of the file is stale, if those who count let so much be kept.
    pub(crate) fn retire(&mut self) -> bool {
        let Some(boundary) = &self.open.boundary else { return false };
        let agreed = boundary.lower_if_kept(0, self.len);
        if agreed {
            self.claim = 0;
            self.set_written(0);
            if cfg!(windows) {
                // Nobody could cut it.
                self.map.take();
            }
            // Whatever comes to lie below `len` from now on, the next owner has written.
            *self.treacherous.get_mut() = false;
        }
        agreed
    }

    /// Whether it never had a name by which somebody else might have opened it.
    pub(crate) fn was_never_named(&self) -> bool {
        !self.named.load(Ordering::Relaxed)
    }

    /// How far the file reaches, or may.
    pub(crate) fn physical(&self) -> u64 {
        self.open.boundary.as_ref().map_or(0, Boundary::physical).max(self.len)
    }

    /// For those who read along while this one writes. They hold the file open: all of them go before it is retired, or leaves.
    pub(crate) fn reading(&self) -> Reading {
        Reading(Arc::clone(&self.open))
    }

    /// What those who are short of disk may use.
    pub(crate) fn tail(&self) -> Tail {
        Tail(Arc::downgrade(&self.open))
    }

    /// Sets blocks aside for `from..from + len` where that makes writing cheaper, and says whether it did.
    #[doc(alias = "fallocate")]
    pub(crate) fn set_aside(&mut self, from: u64, len: u64) -> bool {
        if !self.file_system().set_aside_pays {
            return false;
        }
        let set_aside = || system::set_aside(&self.open.handle, from, len);
        match &self.open.boundary {
            Some(boundary) => boundary.set_aside(from + len, self.len, set_aside, |len| self.open.set_len(len)),
            None => {
                let done = set_aside().is_ok();
                if !done {
                    // A disk that is full may have given some of them.
                    let _ = self.open.set_len(self.len);
                }
                done
            }
        }
    }

    /// The file to read from at the handle's own cursor, never to write to or to cut.
    pub(crate) fn as_file(&self) -> &File {
        handle_as_file(&self.open.handle)
    }

    /// The file to write to at the handle's own cursor; afterwards [`grown_to`](Self::grown_to).
    pub(crate) fn as_file_to_write(&mut self) -> &File {
        handle_as_file(&self.open.handle)
    }

    /// Bytes were written through [`as_file_to_write`](Self::as_file_to_write), up to `end`.
    ///
    /// # Panics
    /// If nobody has claimed them: a mapping would show what somebody else may cut.
    pub(crate) fn grown_to(&mut self, end: u64) {
        assert!(end <= self.claim, "written past what was claimed");
        self.set_written(self.len.max(end));
        if self.map.get().is_some_and(|map| (map.len() as u64) < self.len) {
            self.map.take();
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buf` from `offset` on; the count is short only at the file's end.
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        self.open.read_at(buf, offset, self.len, wait)
    }

    /// Reads behind what `buf` holds, within its capacity, at most `most` bytes; short only at the file's end.
    pub(crate) fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64, wait: Wait) -> io::Result<usize> {
        self.open.read_behind(buf, most, offset, self.len, wait)
    }

    /// All of the file through the mapping, if there is one and it is safe to look at. Which bytes of it are content is the
    /// caller's to know.
    #[inline]
    pub(crate) fn mapped(&self) -> Option<&[u8]> {
        let map = self.map.get()?;
        if self.treacherous.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: `grown_to` drops a mapping that is shorter than `len`; the file has `len` bytes at least, and to cut or to
        // write those takes `&mut self`: a `Tail` cuts past the claim, which is not below `len`.
        Some(unsafe { map.slice(self.len as usize) })
    }

    /// All of the file through the mapping, made now if it was not there.
    ///
    /// # Errors
    /// What the system says to mapping; `StorageFull` where holes had to be filled first and there was no space.
    #[doc(alias = "mmap")]
    pub(crate) fn map(&self) -> io::Result<&[u8]> {
        if self.len == 0 {
            return Ok(&[]);
        }
        if self.map.get().is_none() || self.treacherous.load(Ordering::Acquire) {
            let _once = self.mapping.lock();
            if self.treacherous.load(Ordering::Acquire) {
                system::fill_holes(&self.open.handle, self.len)?;
                self.treacherous.store(false, Ordering::Release);
            }
            if self.map.get().is_none() {
                let len = isize::try_from(self.len).map_err(|_| {
                    io::Error::new(io::ErrorKind::Unsupported, "the file is longer than the address space")
                })?;
                let _ = self.map.set(Map::new(self.as_file(), len as usize)?);
            }
        }
        Ok(self.mapped().unwrap_or_default())
    }

    /// Whether a look through a mapping might be a signal, until [`map`](Self::map) has filled the holes.
    pub(crate) fn is_treacherous(&self) -> bool {
        self.treacherous.load(Ordering::Acquire)
    }

    fn file_system(&self) -> FileSystem {
        *self.file_system.get_or_init(|| system::file_system(&self.open.handle))
    }

    /// Mode 0600 exactly: to be called before the file leaves.
    pub(crate) fn make_private(&self) -> io::Result<()> {
        system::make_private(self.as_file())
    }

    /// Gives the file the name `path`, which nobody may have yet; false if this file cannot be linked there.
    pub(crate) fn link(&self, path: &Path) -> io::Result<bool> {
        if !self.linkable || !self.was_never_named() {
            return Ok(false);
        }
        let linked = system::link(&self.open.handle, path)?;
        self.named.store(linked, Ordering::Relaxed);
        Ok(linked)
    }

    /// The file by its handle alone, which nobody counts any more. While a `Tail` is in use, `wait` is called.
    pub(crate) fn into_file(self, wait: impl Fn()) -> File {
        let mut open = self.open;
        loop {
            match Arc::try_unwrap(open) {
                Ok(sole) => return handle_into_file(sole.handle),
                Err(in_use) => open = in_use,
            }
            wait();
        }
    }
}

impl Open {
    /// `end` is where what the owner has written ends, or before that: no byte behind it is looked at.
    fn read_at(&self, buf: &mut [u8], offset: u64, end: u64, wait: Wait) -> io::Result<usize> {
        let count = within(end, offset, buf.len());
        let mut done = 0;
        while done < count {
            let (rest, at) = (&mut buf[done..count], offset + done as u64);
            let read = match wait {
                Wait::ForTheDisk => system::read_at(&self.handle, rest, at)?,
                Wait::Never => self.unanswered.read_at(&self.handle, rest, at)?,
            };
            match read {
                0 => break,
                read => done += read,
            }
        }
        Ok(done)
    }

    fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64, end: u64, wait: Wait) -> io::Result<usize> {
        let count = within(end, offset, most);
        let mut done = 0;
        while done < count {
            let spare = buf.spare();
            let room = spare.len().min(count - done);
            if room == 0 {
                break;
            }
            let (spare, at) = (&mut spare[..room], offset + done as u64);
            let read = match wait {
                Wait::ForTheDisk => system::read_spare(&self.handle, spare, at)?,
                Wait::Never => self.unanswered.read_spare(&self.handle, spare, at)?,
            };
            if read == 0 {
                break;
            }
            // SAFETY: that many bytes of what is spare, from its beginning, were initialised just now.
            unsafe { buf.filled(read) };
            done += read;
        }
        Ok(done)
    }

    #[expect(clippy::disallowed_methods, reason = "what may be cut is the callers' to know")]
    fn set_len(&self, len: u64) -> io::Result<()> {
        handle_as_file(&self.handle).set_len(len)
    }
}

/// Reads along in a file that another writes, as far as that has written; by position, and never through a mapping.
#[derive(Debug)]
pub(crate) struct Reading(Arc<Open>);

impl Reading {
    /// As [`AnonFile::read_at`].
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        self.0.read_at(buf, offset, self.0.written.load(Ordering::Acquire), wait)
    }

    /// As [`AnonFile::read_behind`].
    pub(crate) fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64, wait: Wait) -> io::Result<usize> {
        self.0.read_behind(buf, most, offset, self.0.written.load(Ordering::Acquire), wait)
    }
}

/// The right to cut what lies past the claim of a file that somebody else owns. Keeps nothing open.
#[derive(Debug, Clone)]
pub(crate) struct Tail(Weak<Open>);

impl Tail {
    /// Whether that gave anything back.
    pub(crate) fn cut(&self) -> bool {
        match self.0.upgrade() {
            Some(open) => open.boundary.as_ref().is_some_and(|boundary| boundary.cut_stale(|len| open.set_len(len))),
            None => false,
        }
    }

    /// Whether the file is closed, or has left.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

// A panic leaves nothing half done here: each call either happened or did not, and the lock holds no data.
impl UnwindSafe for AnonFile {}
impl RefUnwindSafe for AnonFile {}

/// Memory that can be read into without initialising it first.
pub(crate) trait Spare {
    fn spare(&mut self) -> &mut [MaybeUninit<u8>];

    /// Appends what lies in memory already, which there is room for.
    fn append(&mut self, bytes: &[u8]);

    /// # Safety
    /// The first `count` bytes of `spare` are initialised.
    unsafe fn filled(&mut self, count: usize);
}

impl Spare for Vec<u8> {
    fn spare(&mut self) -> &mut [MaybeUninit<u8>] {
        self.spare_capacity_mut()
    }

    fn append(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    unsafe fn filled(&mut self, count: usize) {
        // SAFETY: the caller's promise; `spare` begins at the length and ends at the capacity.
        unsafe { self.set_len(self.len() + count) }
    }
}

impl Spare for BytesMut {
    fn spare(&mut self) -> &mut [MaybeUninit<u8>] {
        self.spare_capacity_mut()
    }

    fn append(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    unsafe fn filled(&mut self, count: usize) {
        // SAFETY: the caller's promise; `spare` begins at the length and ends at the capacity.
        unsafe { self.set_len(self.len() + count) }
    }
}

/// A new file of mode 0600 with a name that nobody can guess, and that name.
pub(crate) fn create_named(dir: &Path) -> io::Result<(File, PathBuf)> {
    let (file, path) = system::create_named(dir)?;
    match system::make_private(&file) {
        Ok(()) => Ok((file, path)),
        Err(error) => {
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

#[cfg(any(unix, windows))]
fn handle_as_file(handle: &Handle) -> &File {
    handle
}

#[cfg(any(unix, windows))]
fn handle_into_file(handle: Handle) -> File {
    handle
}

#[cfg(not(any(unix, windows)))]
fn handle_as_file(handle: &Handle) -> &File {
    match *handle {}
}

#[cfg(not(any(unix, windows)))]
fn handle_into_file(handle: Handle) -> File {
    match handle {}
}
