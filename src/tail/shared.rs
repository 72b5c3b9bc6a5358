//! What the writer and its readers meet at.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::log::Log;
use super::progress::Progress;
use crate::pool::Seat;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) progress: Progress,
    pub(super) log: Log,
}

impl Shared {
    pub(super) fn new(seat: Option<Arc<Seat>>) -> Self {
        Self { progress: Progress::new(), log: Log::new(seat) }
    }
}

// No stranger's code runs while anything here is locked or half done.
impl UnwindSafe for Shared {}
impl RefUnwindSafe for Shared {}
