//! Where what is published lies: in memory, and from the rollover on in a file.
//!
//! Memory is a list of segments that never move: to grow it takes another one, and no byte is copied. The file, once it is
//! there, is there to stay. Hence a reader takes a lock only to find its segment, and none for what is in a file.
//! The writer holds that lock while it adds to the list or takes it away, and calls nothing meanwhile.

use std::io;
use std::sync::{Arc, OnceLock};

use crate::pool::{Buffer, Home, Seat};
use crate::store::{Lease, Medium, Reading};
use crate::sync::Mutex;
use crate::sys::{self, Filler, Segment, Spare};

#[derive(Debug)]
pub(super) struct Content {
    memory: Mutex<Vec<Piece>>,
    /// Before the lease: it holds the file open.
    file: OnceLock<Reading>,
    /// The file itself, when nobody writes to it any more: it goes back when the last reader has gone.
    lease: OnceLock<Lease>,
    seat: Option<Arc<Seat>>,
}

#[derive(Debug, Clone)]
struct Piece {
    start: u64,
    segment: Arc<Segment<Buffer>>,
}

impl Content {
    pub(super) fn new(seat: Option<Arc<Seat>>) -> Self {
        Self { memory: Mutex::new(Vec::new()), file: OnceLock::new(), lease: OnceLock::new(), seat }
    }

    /// Memory from `start` on, where what was there before ends.
    pub(super) fn add(&self, start: u64, filler: &Filler<Buffer>) {
        let piece = Piece { start, segment: Arc::clone(filler.segment()) };
        self.memory.lock().push(piece);
    }

    /// All that is in memory.
    pub(super) fn in_memory(&self) -> Vec<Arc<Segment<Buffer>>> {
        self.memory.lock().iter().map(|piece| Arc::clone(&piece.segment)).collect()
    }

    /// All of it is in that file from now on.
    pub(super) fn move_to(&self, file: Reading) {
        let first = self.file.set(file).is_ok();
        debug_assert!(first, "it rolls over once");
        // Freed when the lock is no longer held.
        let memory = std::mem::take(&mut *self.memory.lock());
        drop(memory);
    }

    /// Nobody writes to the file any more.
    pub(super) fn keep(&self, lease: Lease) {
        let first = self.lease.set(lease).is_ok();
        debug_assert!(first, "it ends once");
    }

    /// What is in memory at `offset`, if it is there.
    fn piece_at(&self, offset: u64) -> Option<Piece> {
        let memory = self.memory.lock();
        let behind = memory.partition_point(|piece| piece.start <= offset);
        behind.checked_sub(1).map(|at| memory[at].clone())
    }

    /// Gives what lies in memory from `offset` on to `take`, in pieces, `count` bytes in all; and says how many those were
    /// when it went to the file meanwhile.
    fn take_from_memory(&self, offset: u64, count: usize, mut take: impl FnMut(&[u8])) -> usize {
        let mut done = 0;
        while done < count && self.file.get().is_none() {
            let Some(Piece { start, segment }) = self.piece_at(offset + done as u64) else { break };
            let rest = segment.as_slice().get((offset + done as u64 - start) as usize..).unwrap_or_default();
            let rest = &rest[..rest.len().min(count - done)];
            if rest.is_empty() {
                break;
            }
            take(rest);
            done += rest.len();
        }
        done
    }
}

impl Medium for Content {
    fn home(&self) -> Option<&Arc<Home>> {
        self.seat.as_deref().map(Seat::home)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        self.take_from_memory(offset, buf.len(), |piece| done += sys::copy(piece, &mut buf[done..]));
        match self.file.get() {
            Some(file) if done < buf.len() => Ok(done + file.read_at(&mut buf[done..], offset + done as u64)?),
            _ => Ok(done),
        }
    }

    fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64) -> io::Result<usize> {
        let most = most.min(buf.spare().len());
        let done = self.take_from_memory(offset, most, |piece| buf.append(piece));
        match self.file.get() {
            Some(file) if done < most => Ok(done + file.read_behind(buf, most - done, offset + done as u64)?),
            _ => Ok(done),
        }
    }

    fn error(&self, error: io::Error) -> io::Error {
        match self.file.get() {
            Some(file) => file.error(error),
            None => error,
        }
    }
}
