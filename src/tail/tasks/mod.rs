//! The writer and its readers for tasks: the same content, waited for by a `Waker`, and the disk on an errand.

mod reader;
mod stream;
mod writer;

use std::io::{self, SeekFrom};
use std::sync::Arc;

use super::shared::Shared;
use crate::errand::Errand;
use crate::store::Window;

pub(super) use writer::WriterTask;

/// What a reader has under way for its task, if it ever had. A clone has nothing.
#[derive(Default)]
pub(super) struct Task(Option<Box<UnderWay>>);

#[derive(Default)]
struct UnderWay {
    ticket: Ticket,
    filling: Option<Filling>,
    seek: Option<SeekFrom>,
}

/// The window, which is being filled, and for which place.
struct Filling {
    errand: Errand<Box<Window>, io::Result<()>>,
    offset: u64,
}

impl Task {
    fn get(&mut self) -> &mut UnderWay {
        self.0.get_or_insert_default()
    }
}

impl Clone for Task {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// By which a task that waits is known, until the reader goes.
#[derive(Default)]
struct Ticket {
    number: Option<u64>,
    given_by: Option<Arc<Shared>>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let (Some(number), Some(shared)) = (self.number, &self.given_by) {
            shared.progress.forget(number);
        }
    }
}
