//! Reading along in a file that another writes.

use std::io;
use std::sync::Arc;

use super::open::Open;
use crate::sys::at_once::Wait;
use crate::sys::spare::Spare;

/// Reads along in a file that another writes, as far as that has written; by position, and never through a mapping.
#[derive(Debug)]
pub(crate) struct Reading(pub(super) Arc<Open>);

impl Reading {
    /// As [`AnonFile::read_at`](super::AnonFile::read_at).
    pub(crate) fn read_at(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        self.0.read_at(buf, offset, self.0.written(), wait)
    }

    /// As [`AnonFile::read_behind`](super::AnonFile::read_behind).
    pub(crate) fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64, wait: Wait) -> io::Result<usize> {
        self.0.read_behind(buf, most, offset, self.0.written(), wait)
    }
}
