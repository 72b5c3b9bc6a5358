//! A file without a name, of which this is the only handle that can write, and the only one that can cut what was written.
//!
//! Invariants: no byte below `len` is taken away, or written, while a shared reference is out, since `write_at`,
//! `extend` and `truncate` need `&mut`; the descriptor leaves only by value, when all views are gone. A `Tail` cuts only
//! what lies past the claim, which is never below `len`. Hence a slice of the mapping that borrows from here can neither
//! fault nor change. (Out of scope, as for every mapping: another process of the same user that opens the file through
//! `/proc` to cut it short.)
//! A file may be longer than `len`: what is there was another's, and no call here reads it.
//! Knows nothing of windows, nor of which bytes are content.

mod claim;
mod mapping;
mod open;
mod reading;
mod tail;

use std::fs::File;
use std::io::{self, IoSlice};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

pub(crate) use reading::Reading;
pub(crate) use tail::Tail;

use super::FileSystem;
use super::at_once::Wait;
use super::marks::Boundary;
use super::spare::Spare;
use super::system::{self, Handle};
use mapping::Mapping;
use open::Open;

#[derive(Debug)]
pub(crate) struct AnonFile {
    // Before the handle, so that it goes first.
    mapping: Mapping,
    open: Arc<Open>,
    /// A name can still be given to it.
    linkable: bool,
    /// It had a name, by which somebody else may have opened it; once that is gone it cannot have another.
    named: AtomicBool,
    len: u64,
    /// How far it may be written: the claim of a file of a pool, and no limit for any other.
    claim: u64,
    file_system: OnceLock<FileSystem>,
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
            mapping: Mapping::default(),
            linkable,
            named: AtomicBool::new(false),
            len: 0,
            claim: boundary.as_ref().map_or(u64::MAX, Boundary::claimed),
            open: Open::new(handle, boundary),
            file_system: OnceLock::new(),
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
                self.mapping.release_to_cut();
                boundary.expose(self.len, set_len, || set_len(len))?
            }
            None => set_len(len)?,
        }
        if self.file_system().holes_can_fault {
            self.mapping.set_treacherous(true);
        }
        self.grown_to(len);
        Ok(())
    }

    /// Cuts the file, and with it all blocks that were set aside behind its end.
    pub(crate) fn truncate(&mut self, len: u64) -> io::Result<()> {
        debug_assert!(len <= self.len);
        self.mapping.release_to_cut();
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
        self.open.set_written(len);
    }

    /// Whether it never had a name by which somebody else might have opened it.
    pub(crate) fn was_never_named(&self) -> bool {
        !self.named.load(Ordering::Relaxed)
    }

    /// For those who read along while this one writes. They hold the file open: all of them go before it is retired, or leaves.
    pub(crate) fn reading(&self) -> Reading {
        Reading(Arc::clone(&self.open))
    }

    /// What those who are short of disk may use.
    pub(crate) fn tail(&self) -> Tail {
        Tail(Arc::downgrade(&self.open))
    }

    /// The file to read from at the handle's own cursor, never to write to or to cut.
    pub(crate) fn as_file(&self) -> &File {
        self.open.as_file()
    }

    /// The file to write to at the handle's own cursor; afterwards [`grown_to`](Self::grown_to).
    pub(crate) fn as_file_to_write(&mut self) -> &File {
        self.open.as_file()
    }

    /// Bytes were written through [`as_file_to_write`](Self::as_file_to_write), up to `end`.
    ///
    /// # Panics
    /// If nobody has claimed them: a mapping would show what somebody else may cut.
    pub(crate) fn grown_to(&mut self, end: u64) {
        assert!(end <= self.claim, "written past what was claimed");
        self.set_written(self.len.max(end));
        self.mapping.follow(self.len);
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
        // SAFETY: `grown_to` drops a mapping that is shorter than `len`; the file has `len` bytes at least, and to cut or to
        // write those takes `&mut self`: a `Tail` cuts past the claim, which is not below `len`.
        unsafe { self.mapping.look(self.len) }
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
        self.mapping.make(&self.open, self.len)?;
        Ok(self.mapped().unwrap_or_default())
    }

    /// Whether a look through a mapping might be a signal, until [`map`](Self::map) has filled the holes.
    pub(crate) fn is_treacherous(&self) -> bool {
        self.mapping.is_treacherous()
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
                Ok(sole) => return sole.into_file(),
                Err(in_use) => open = in_use,
            }
            wait();
        }
    }
}

// A panic leaves nothing half done here: each call either happened or did not, and the lock holds no data.
impl UnwindSafe for AnonFile {}
impl RefUnwindSafe for AnonFile {}
