//! Where nothing is mounted for a test.

use std::path::Path;

use super::skipped;

pub(crate) enum Mount {}

impl Mount {
    pub(crate) fn tmpfs(_: usize) -> Option<Mount> {
        skipped("nothing is mounted here but on Linux");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        match *self {}
    }

    pub(crate) fn fill(&self, _: usize) {
        match *self {}
    }

    pub(crate) fn clear(&self, _: usize) {
        match *self {}
    }

    pub(crate) fn free(&self) -> usize {
        match *self {}
    }

    pub(crate) fn assert_free(&self, _: usize) {
        match *self {}
    }
}
