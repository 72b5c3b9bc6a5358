//! What was written so far: in memory, and from the rollover on in a file.
//!
//! Memory is a list of segments that never move: to grow it takes another one, and no byte is copied. The file, once it is
//! there, is there to stay. Hence a reader takes a lock only to find its segment, and none for what is in a file.
//! The writer holds that lock while it puts one list in the place of another, and makes and drops them without it.

use std::io;
use std::sync::Arc;

use crate::pool::{Buffer, Home, Seat};
use crate::store::{Followed, Medium};
use crate::sync::{Mutex, OnceLock};
use crate::sys::{self, Segment, Spare, Wait};

#[derive(Debug)]
pub(super) struct Log {
    memory: Mutex<Arc<[Piece]>>,
    file: OnceLock<Followed>,
    seat: Option<Arc<Seat>>,
}

/// A part of what is in memory.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) start: u64,
    pub(super) segment: Arc<Segment<Buffer>>,
}

impl Log {
    pub(super) fn new(seat: Option<Arc<Seat>>) -> Self {
        Self { memory: Mutex::new(Arc::new([])), file: OnceLock::new(), seat }
    }

    /// So much is in memory now, in the order of where it starts.
    pub(super) fn set_memory(&self, pieces: Arc<[Piece]>) {
        let before = std::mem::replace(&mut *self.memory.lock(), pieces);
        drop(before);
    }

    /// All of it is in that file from now on.
    pub(super) fn move_to(&self, file: Followed) {
        let first = self.file.set(file).is_ok();
        debug_assert!(first, "it rolls over once");
        // Whoever does not find it in memory any more looks there.
        self.set_memory(Arc::new([]));
    }

    pub(super) fn file(&self) -> Option<&Followed> {
        self.file.get()
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
            let at = offset + done as u64;
            let Some(Piece { start, segment }) = self.piece_at(at) else { break };
            let rest = segment.as_slice().get((at - start) as usize..).unwrap_or_default();
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

impl Medium for Log {
    fn home(&self) -> Option<&Arc<Home>> {
        self.seat.as_deref().map(Seat::home)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64, wait: Wait) -> io::Result<usize> {
        let mut done = 0;
        self.take_from_memory(offset, buf.len(), |piece| done += sys::copy(piece, &mut buf[done..]));
        match self.file.get() {
            Some(file) if done < buf.len() => Ok(done + file.read_at(&mut buf[done..], offset + done as u64, wait)?),
            _ => Ok(done),
        }
    }

    fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64, wait: Wait) -> io::Result<usize> {
        let most = most.min(buf.spare().len());
        let done = self.take_from_memory(offset, most, |piece| buf.append(piece));
        match self.file.get() {
            Some(file) if done < most => Ok(done + file.read_behind(buf, most - done, offset + done as u64, wait)?),
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
