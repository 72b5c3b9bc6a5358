//! A range of frozen content: memory that is shared, or a range of a file that is, with a window of one's own.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::cursor::Content;
use crate::pool::Buffer;
use crate::store::{self, Disk, Lease, Medium, Parts, Window};
use crate::sys::{self, Spare, Wait};

#[derive(Clone)]
pub(super) enum View {
    Memory(Bytes),
    // Boxed: a window is some hundred bytes, of which content in memory knows nothing.
    Disk(Box<DiskView>),
}

/// A range of a file that nobody writes to any more.
#[derive(Clone)]
pub(super) struct Extent {
    lease: Arc<Lease>,
    start: u64,
    len: u64,
}

pub(super) struct DiskView {
    extent: Extent,
    window: Window,
}

/// What a view is of, without a place for reading on.
#[derive(Clone)]
pub(super) enum Shared {
    Memory(Bytes),
    Disk(Extent),
}

impl View {
    pub(super) fn new(parts: Parts) -> Self {
        match parts {
            Parts::Memory(buffer) => Self::Memory(buffer.freeze()),
            Parts::Disk(lease, len) => Self::on_disk(Extent { lease: Arc::new(lease), start: 0, len }),
        }
    }

    fn on_disk(extent: Extent) -> Self {
        Self::Disk(Box::new(DiskView::new(extent)))
    }

    pub(super) fn is_rolled(&self) -> bool {
        matches!(self, Self::Disk(_))
    }

    pub(super) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Memory(bytes) => Ok(store::copy(rest(bytes, offset), buf)),
            Self::Disk(view) => {
                let Extent { start, len, .. } = view.extent;
                let count = sys::within(len, offset, buf.len());
                if count > 0 {
                    view.window.read_around(view.extent.disk(), &mut buf[..count], start + offset)?;
                }
                Ok(count)
            }
        }
    }

    /// `begin..end` lies within the content.
    pub(super) fn slice(&self, begin: u64, end: u64) -> View {
        match self {
            Self::Memory(bytes) => Self::Memory(bytes.slice(begin as usize..end as usize)),
            Self::Disk(view) => {
                let Extent { lease, start, .. } = &view.extent;
                Self::on_disk(Extent { lease: Arc::clone(lease), start: start + begin, len: end - begin })
            }
        }
    }

    pub(super) fn to_bytes(&self) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes.clone()),
            Self::Disk(view) if view.extent.len == 0 => Ok(Bytes::new()),
            Self::Disk(view) => {
                view.extent.disk().map()?;
                Ok(Bytes::from_owner(Mapped(view.extent.clone())))
            }
        }
    }

    pub(super) fn share(&self) -> Shared {
        match self {
            Self::Memory(bytes) => Shared::Memory(bytes.clone()),
            Self::Disk(view) => Shared::Disk(view.extent.clone()),
        }
    }
}

impl Content for View {
    #[inline]
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk(view) => view.extent.len,
        }
    }

    #[inline]
    fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Memory(bytes) => Ok(store::copy(rest(bytes, offset), buf)),
            Self::Disk(view) => view.read(buf, offset),
        }
    }

    fn read_rest(&mut self, buf: &mut Vec<u8>, offset: u64) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => {
                buf.extend_from_slice(rest(bytes, offset));
                Ok(())
            }
            Self::Disk(view) => view.extent.read_behind(buf, usize::MAX, offset, Wait::ForTheDisk).map(drop),
        }
    }

    #[inline]
    fn fill_at(&mut self, offset: u64) -> io::Result<&[u8]> {
        match self {
            Self::Memory(bytes) => Ok(rest(bytes, offset)),
            Self::Disk(view) if offset >= view.extent.len => Ok(&[]),
            Self::Disk(view) => {
                let Extent { start, len, .. } = view.extent;
                view.window.fill_at(view.extent.disk(), start + offset, start + len)
            }
        }
    }

    #[inline]
    fn given_len(&self, offset: u64) -> u64 {
        match self {
            Self::Memory(bytes) => rest(bytes, offset).len() as u64,
            Self::Disk(view) if offset >= view.extent.len => 0,
            Self::Disk(view) => {
                let Extent { start, len, .. } = view.extent;
                view.window.given_len(view.extent.disk(), start + offset, start + len)
            }
        }
    }
}

impl Extent {
    #[inline]
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    fn disk(&self) -> &Disk {
        self.lease.disk()
    }

    /// A piece of `count` bytes at `offset`, which lies within it, in memory of its own.
    pub(super) fn piece(&self, count: usize, offset: u64, wait: Wait) -> io::Result<Bytes> {
        // A window's memory begins where copying is fast.
        let mut piece = Buffer::for_window(count, None)?;
        self.read_behind(piece.as_bytes_mut(), count, offset, wait)?;
        Ok(piece.freeze())
    }

    /// Reads at `offset` behind what `buf` holds, at most `most` bytes. Short only at the end.
    pub(super) fn read_behind(&self, buf: &mut impl Spare, most: usize, offset: u64, wait: Wait) -> io::Result<usize> {
        let count = sys::within(self.len, offset, most);
        match self.disk().read_behind(buf, count, self.start + offset, wait)? {
            all if all == count => Ok(count),
            _ => Err(self.disk().error(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl DiskView {
    fn new(extent: Extent) -> Self {
        let window = Window::new(extent.start, u64::MAX);
        Self { extent, window }
    }

    fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let Extent { start, len, .. } = self.extent;
        let count = sys::within(len, offset, buf.len());
        if count > 0 {
            self.window.read(self.extent.disk(), &mut buf[..count], start + offset, start + len)?;
        }
        Ok(count)
    }
}

impl Clone for DiskView {
    /// A window of its own, which has not moved yet.
    fn clone(&self) -> Self {
        Self::new(self.extent.clone())
    }
}

/// The owner inside a `Bytes`: keeps the file, and with it the mapping.
struct Mapped(Extent);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        let Extent { start, len, .. } = self.0;
        // It was mapped before this was made, and a file that is shared keeps its mapping.
        let map = self.0.disk().map().unwrap_or_default();
        &map[start as usize..(start + len) as usize]
    }
}

#[inline]
fn rest(bytes: &Bytes, offset: u64) -> &[u8] {
    if offset < bytes.len() as u64 { &bytes[offset as usize..] } else { &[] }
}
