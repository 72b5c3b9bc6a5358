//! What the page cache can answer without waiting for the disk (`RWF_NOWAIT`).
//!
//! Content that was written a moment ago is nearly always there. Where a file system does not know the question (tmpfs and
//! overlay none, ext4 no writes), the first answer says so, and that file is not asked again. All that is no answer, errors
//! included, is [`WouldBlock`](io::ErrorKind::WouldBlock).

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

use super::system::Handle;

/// Whether a call may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wait {
    ForTheDisk,
    /// What would wait is [`WouldBlock`](io::ErrorKind::WouldBlock).
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "only tasks may not wait"))]
    Never,
}

/// What of a file is not worth asking.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    reads: AtomicBool,
    writes: AtomicBool,
}

impl Unanswered {
    pub(super) fn read_at(&self, file: &Handle, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        ask(&self.reads, || call::read_at(file, buf, offset))
    }

    /// Into memory that is not initialised, from its beginning.
    pub(super) fn read_spare(&self, file: &Handle, spare: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
        ask(&self.reads, || {
            // The call is only to be had for memory that is.
            spare.fill(MaybeUninit::new(0));
            // SAFETY: all of it was initialised just now, and bytes are bytes.
            let buf = unsafe { std::slice::from_raw_parts_mut(spare.as_mut_ptr().cast(), spare.len()) };
            call::read_at(file, buf, offset)
        })
    }

    pub(super) fn write_at(&self, file: &Handle, buf: &[u8], offset: u64) -> io::Result<usize> {
        ask(&self.writes, || call::write_at(file, buf, offset))
    }
}

fn ask(unanswered: &AtomicBool, question: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
    if unanswered.load(Ordering::Relaxed) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    match question() {
        // Linux 5.9 and 5.10 say so of what is not in the page cache, wherever the file ends.
        Ok(0) => {}
        Ok(count) => return Ok(count),
        Err(error) => {
            // Not known, or a sandbox's word.
            if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) {
                unanswered.store(true, Ordering::Relaxed);
            }
        }
    }
    // What is wrong with the disk, who waits for it will find out.
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(target_os = "linux")]
mod call {
    use std::io::{self, IoSlice, IoSliceMut};

    use rustix::io::{ReadWriteFlags, preadv2, pwritev2};

    use super::Handle;

    #[doc(alias = "preadv2")]
    #[doc(alias = "RWF_NOWAIT")]
    pub(super) fn read_at(file: &Handle, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(preadv2(file, &mut [IoSliceMut::new(buf)], offset, ReadWriteFlags::NOWAIT)?)
    }

    #[doc(alias = "pwritev2")]
    pub(super) fn write_at(file: &Handle, buf: &[u8], offset: u64) -> io::Result<usize> {
        Ok(pwritev2(file, &[IoSlice::new(buf)], offset, ReadWriteFlags::NOWAIT)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod call {
    use std::io;

    use super::Handle;

    pub(super) fn read_at(_: &Handle, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn write_at(_: &Handle, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
