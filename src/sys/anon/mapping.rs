//! What a file is seen through: a mapping that is made once, when it is asked for, and whether a look through it is safe.
//!
//! Knows nothing of the file's length, which the owner tells it, nor of who may write or cut.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::open::Open;
use crate::sys::map::Map;
use crate::sys::system;

#[derive(Debug, Default)]
pub(super) struct Mapping {
    map: OnceLock<Map>,
    /// There may be holes, and on this file system a look at one through a mapping can be a signal.
    treacherous: AtomicBool,
    /// Held while the mapping is made, so that it is made once.
    making: Mutex<()>,
}

impl Mapping {
    /// The first `len` bytes, if the file is mapped and they are safe to look at.
    ///
    /// # Safety
    /// The file is at least `len` bytes long, and so is the mapping if there is one; nobody shortens the file or writes below
    /// `len` while the slice lives.
    #[inline]
    pub(super) unsafe fn look(&self, len: u64) -> Option<&[u8]> {
        let map = self.map.get()?;
        if self.is_treacherous() {
            return None;
        }
        // SAFETY: the caller's promise.
        Some(unsafe { map.slice(len as usize) })
    }

    /// Maps the file, of which the first `len` bytes are to be seen, and fills its holes, if that has not been done.
    pub(super) fn make(&self, open: &Open, len: u64) -> io::Result<()> {
        if self.map.get().is_none() || self.is_treacherous() {
            let _once = self.making.lock();
            if self.is_treacherous() {
                system::fill_holes(&open.handle, len)?;
                self.treacherous.store(false, Ordering::Release);
            }
            if self.map.get().is_none() {
                let len = isize::try_from(len).map_err(|_| {
                    io::Error::new(io::ErrorKind::Unsupported, "the file is longer than the address space")
                })?;
                let _ = self.map.set(Map::new(open.as_file(), len as usize)?);
            }
        }
        Ok(())
    }

    #[inline]
    pub(super) fn is_treacherous(&self) -> bool {
        self.treacherous.load(Ordering::Acquire)
    }

    /// Whether there are holes that a look may meet.
    pub(super) fn set_treacherous(&mut self, treacherous: bool) {
        *self.treacherous.get_mut() = treacherous;
    }

    /// The file has grown to `len`: a mapping that is shorter goes.
    pub(super) fn follow(&mut self, len: u64) {
        if self.map.get().is_some_and(|map| (map.len() as u64) < len) {
            self.map.take();
        }
    }

    /// The file is about to be cut, or may be by others.
    pub(super) fn release_to_cut(&mut self) {
        if cfg!(windows) {
            // A mapped file cannot be cut there (error 1224).
            self.map.take();
        }
    }
}
