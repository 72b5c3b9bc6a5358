//! An open file, as its owner and those who read along have it in common.
//!
//! Invariant: no read looks behind the `end` that it is given, which is at most `written`.
//! Knows nothing of mappings, nor of who may write or cut.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::sync::{AtomicU64, Ordering};
use crate::sys::at_once::{Unanswered, Wait};
use crate::sys::copy::within;
use crate::sys::marks::Boundary;
use crate::sys::spare::Spare;
use crate::sys::system::{self, Handle};

#[derive(Debug)]
pub(super) struct Open {
    pub(super) handle: Handle,
    /// The owner's `len`, for those who read along.
    written: AtomicU64,
    pub(super) unanswered: Unanswered,
    // After the handle: what was taken for the file is given back when that is closed.
    pub(super) boundary: Option<Boundary>,
}

impl Open {
    /// One of which nothing is written yet.
    pub(super) fn new(handle: Handle, boundary: Option<Boundary>) -> Arc<Self> {
        Arc::new(Self { handle, written: AtomicU64::new(0), unanswered: Unanswered::default(), boundary })
    }

    /// `end` is where what the owner has written ends, or before that: no byte behind it is looked at.
    pub(super) fn read_at(&self, buf: &mut [u8], offset: u64, end: u64, wait: Wait) -> io::Result<usize> {
        let count = within(end, offset, buf.len());
        let mut done = 0;
        while done < count {
            let (rest, at) = (&mut buf[done..count], offset + done as u64);
            let read = match wait {
                Wait::ForTheDisk => system::read_at(&self.handle, rest, at)?,
                Wait::Never => self.unanswered.read_at(&self.handle, rest, at)?,
            };
            match read {
                0 => break,
                read => done += read,
            }
        }
        Ok(done)
    }

    pub(super) fn read_behind(
        &self,
        buf: &mut impl Spare,
        most: usize,
        offset: u64,
        end: u64,
        wait: Wait,
    ) -> io::Result<usize> {
        let count = within(end, offset, most);
        let mut done = 0;
        while done < count {
            let spare = buf.spare();
            let room = spare.len().min(count - done);
            if room == 0 {
                break;
            }
            let (spare, at) = (&mut spare[..room], offset + done as u64);
            let read = match wait {
                Wait::ForTheDisk => system::read_spare(&self.handle, spare, at)?,
                Wait::Never => self.unanswered.read_spare(&self.handle, spare, at)?,
            };
            if read == 0 {
                break;
            }
            // SAFETY: that many bytes of what is spare, from its beginning, were initialised just now.
            unsafe { buf.filled(read) };
            done += read;
        }
        Ok(done)
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    pub(super) fn set_written(&self, len: u64) {
        self.written.store(len, Ordering::Release);
    }

    /// The file at the handle's own cursor.
    pub(super) fn as_file(&self) -> &File {
        &self.handle
    }

    /// The file by its handle alone.
    #[allow(clippy::useless_conversion, reason = "a handle is not a file on every system")]
    pub(super) fn into_file(self) -> File {
        self.handle.into()
    }

    #[expect(clippy::disallowed_methods, reason = "what may be cut is the callers' to know")]
    pub(super) fn set_len(&self, len: u64) -> io::Result<()> {
        self.as_file().set_len(len)
    }
}
