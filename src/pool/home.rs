//! What those who are out hold of a pool: so its handles may go first, and what is kept holds nothing.

use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::buffers::Buffers;
use super::files::Files;
use crate::directory::Directories;

/// What a spool holds of its pool, which tells how many there are.
///
/// Threads that run at once hold different ones, and so do not meet in counting.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Seat {
    home: Arc<Home>,
}

/// What a buffer and a file hold that are out.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Home {
    core: Arc<Core>,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) buffers: Buffers,
    pub(crate) files: Files,
    pub(crate) dirs: Directories,
}

impl Core {
    /// What each of those who are on disk might have of the memory that is allowed.
    pub(crate) fn memory_for_each(&self) -> u64 {
        self.buffers.limit() / self.files.out().max(1) as u64
    }
}

// No stranger's code runs while anything here is locked or half done.
impl UnwindSafe for Core {}
impl RefUnwindSafe for Core {}

impl Seat {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self { home: Arc::new(Home { core: Arc::clone(core) }) }
    }

    #[inline]
    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }
}

impl Deref for Home {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.core
    }
}
