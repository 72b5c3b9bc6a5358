//! What holds content on disk, and gives the file back when it goes: to the pool, or to the system.
//!
//! Its drop is the only way back; in a task, where much has to be freed for it, that happens elsewhere. With the file go its mapping, its directory and the allocation they are in, so that the
//! next who rolls over makes none of them.

use std::fs::File;
use std::ops::{Deref, DerefMut};

use super::disk::Disk;
use super::rolled::Rolled;
#[cfg(feature = "tokio")]
use crate::errand;
use crate::pool::Home;

#[derive(Debug)]
pub(crate) struct Lease(
    /// There until the drop.
    Option<Box<Rolled>>,
);

impl Lease {
    pub(super) fn new(disk: Disk) -> Self {
        Self(Some(Box::new(Rolled::new(disk))))
    }

    /// A file that is kept in the pool: one of `len` bytes, if there is any so long.
    pub(super) fn of_kept(len: u64, home: &Home) -> Option<Self> {
        let rolled = home.files.take(len)?.downcast().expect("all that is kept came from a lease");
        Some(Self(Some(rolled)))
    }

    /// What is leased, for a store to work with: that gives it back as a lease.
    pub(super) fn into_rolled(mut self) -> Box<Rolled> {
        self.0.take().expect(HELD)
    }

    /// The file itself, which no pool counts any more.
    pub(crate) fn into_file(mut self) -> File {
        let rolled = self.0.take().expect(HELD);
        rolled.into_disk().into_file()
    }
}

impl From<Box<Rolled>> for Lease {
    fn from(rolled: Box<Rolled>) -> Self {
        Self(Some(rolled))
    }
}

impl Deref for Lease {
    type Target = Rolled;

    #[inline]
    fn deref(&self) -> &Rolled {
        self.0.as_deref().expect(HELD)
    }
}

impl DerefMut for Lease {
    #[inline]
    fn deref_mut(&mut self) -> &mut Rolled {
        self.0.as_deref_mut().expect(HELD)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(rolled) = self.0.take() else { return };
        #[cfg(feature = "tokio")]
        if rolled.disk().is_slow_to_drop() {
            // No executor stands still for what the system has to free.
            return errand::let_go(Ending(Some(rolled)));
        }
        drop(Ending(Some(rolled)));
    }
}

/// A lease that ends when this is dropped, wherever that is.
struct Ending(Option<Box<Rolled>>);

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(mut rolled) = self.0.take() else { return };
        let Some(home) = rolled.leave() else { return };
        if rolled.retire(&home) {
            home.files.keep(rolled.disk().physical(), rolled);
        } else {
            home.files.close_one(rolled);
        }
    }
}

const HELD: &str = "a lease holds its file until it is dropped";
