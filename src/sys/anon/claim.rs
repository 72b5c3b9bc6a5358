//! How far a file may be written, how far it reaches, and what is set aside in between: of a file of a pool, as agreed with
//! those who count.
//!
//! Invariant: nothing is written past the claim, which is never below `len`; one without a pool has no limit here.

use super::AnonFile;
use crate::sys::marks::Boundary;
use crate::sys::system;

impl AnonFile {
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
        let Self { mapping, open, .. } = self;
        if let Some(boundary) = &open.boundary {
            let cut = |len| {
                mapping.release_to_cut();
                open.set_len(len)
            };
            if end < self.claim && boundary.lower(end, self.len, cut).is_ok() {
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
            self.mapping.release_to_cut();
            // Whatever comes to lie below `len` from now on, the next owner has written.
            self.mapping.set_treacherous(false);
        }
        agreed
    }

    /// How far the file reaches, or may.
    pub(crate) fn physical(&self) -> u64 {
        self.open.boundary.as_ref().map_or(0, Boundary::physical).max(self.len)
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
}
