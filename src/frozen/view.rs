//! A range of frozen content: memory that is shared, or a file that is shared with a window of one's own.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::cursor::Content;
use crate::store::{Disk, Parts, Window};

#[derive(Clone)]
pub(super) struct View {
    place: Place,
}

#[derive(Clone)]
enum Place {
    Memory(Bytes),
    // Boxed: a window is some hundred bytes, of which content in memory knows nothing.
    Disk(Box<DiskView>),
}

struct DiskView {
    disk: Arc<Disk>,
    start: u64,
    len: u64,
    window: Window,
}

/// What a view is of, without a place for reading on.
pub(super) enum Shared {
    Memory(Bytes),
    Disk { disk: Arc<Disk>, start: u64, len: u64 },
}

impl View {
    pub(super) fn new(parts: Parts) -> Self {
        match parts {
            Parts::Memory(buffer) => Self::from(buffer.into_bytes().freeze()),
            Parts::Disk(disk) => {
                let len = disk.len();
                Self { place: Place::Disk(Box::new(DiskView::new(Arc::new(disk), 0, len))) }
            }
        }
    }

    pub(super) fn is_rolled(&self) -> bool {
        matches!(self.place, Place::Disk(_))
    }

    pub(super) fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.place {
            Place::Memory(bytes) => Ok(copy(bytes, buf, offset)),
            Place::Disk(view) => {
                let count = view.within(buf.len(), offset);
                if count > 0 {
                    view.window.read_past(&view.disk, &mut buf[..count], view.start + offset)?;
                }
                Ok(count)
            }
        }
    }

    /// `begin..end` lies within the content.
    pub(super) fn slice(&self, begin: u64, end: u64) -> View {
        match &self.place {
            Place::Memory(bytes) => Self::from(bytes.slice(begin as usize..end as usize)),
            Place::Disk(view) => {
                let slice = DiskView::new(Arc::clone(&view.disk), view.start + begin, end - begin);
                View { place: Place::Disk(Box::new(slice)) }
            }
        }
    }

    pub(super) fn to_bytes(&self) -> io::Result<Bytes> {
        match &self.place {
            Place::Memory(bytes) => Ok(bytes.clone()),
            Place::Disk(view) if view.len == 0 => Ok(Bytes::new()),
            Place::Disk(view) => {
                let disk = Arc::clone(&view.disk);
                disk.map()?;
                Ok(Bytes::from_owner(Mapped { disk, start: view.start, len: view.len }))
            }
        }
    }

    pub(super) fn share(&self) -> Shared {
        match &self.place {
            Place::Memory(bytes) => Shared::Memory(bytes.clone()),
            Place::Disk(view) => Shared::Disk { disk: Arc::clone(&view.disk), start: view.start, len: view.len },
        }
    }
}

impl From<Bytes> for View {
    fn from(bytes: Bytes) -> Self {
        Self { place: Place::Memory(bytes) }
    }
}

impl Content for View {
    #[inline]
    fn len(&self) -> u64 {
        match &self.place {
            Place::Memory(bytes) => bytes.len() as u64,
            Place::Disk(view) => view.len,
        }
    }

    #[inline]
    fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        match &mut self.place {
            Place::Memory(bytes) => Ok(copy(bytes, buf, offset)),
            Place::Disk(view) => view.read(buf, offset),
        }
    }

    fn read_rest(&mut self, buf: &mut Vec<u8>, offset: u64) -> io::Result<()> {
        match &mut self.place {
            Place::Memory(bytes) => {
                buf.extend_from_slice(from(bytes, offset));
                Ok(())
            }
            Place::Disk(view) => {
                let count = view.within(usize::MAX, offset);
                view.disk.read_behind(buf, count, view.start + offset).map(drop)
            }
        }
    }

    #[inline]
    fn fill_at(&mut self, offset: u64) -> io::Result<&[u8]> {
        match &mut self.place {
            Place::Memory(bytes) => Ok(from(bytes, offset)),
            Place::Disk(view) if offset >= view.len => Ok(&[]),
            Place::Disk(view) => view.window.fill_at(&view.disk, view.start + offset, view.start + view.len),
        }
    }

    #[inline]
    fn given(&self, offset: u64) -> u64 {
        match &self.place {
            Place::Memory(bytes) => from(bytes, offset).len() as u64,
            Place::Disk(view) if offset >= view.len => 0,
            Place::Disk(view) => view.window.given(&view.disk, view.start + offset, view.start + view.len),
        }
    }
}

impl DiskView {
    fn new(disk: Arc<Disk>, start: u64, len: u64) -> Self {
        Self { disk, start, len, window: Window::new(start, u64::MAX) }
    }

    fn read(&mut self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.within(buf.len(), offset);
        if count > 0 {
            self.window.read(&self.disk, &mut buf[..count], self.start + offset)?;
        }
        Ok(count)
    }

    fn within(&self, count: usize, offset: u64) -> usize {
        count.min(usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX))
    }
}

impl Clone for DiskView {
    /// A window of its own, which has not moved yet.
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.disk), self.start, self.len)
    }
}

/// The owner inside a `Bytes`: keeps the file, and with it the mapping.
struct Mapped {
    disk: Arc<Disk>,
    start: u64,
    len: u64,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        // It was mapped before this was made, and a file that is shared keeps its mapping.
        let map = self.disk.map().unwrap_or_default();
        &map[self.start as usize..(self.start + self.len) as usize]
    }
}

#[inline]
fn from(bytes: &Bytes, offset: u64) -> &[u8] {
    if offset < bytes.len() as u64 { &bytes[offset as usize..] } else { &[] }
}

#[inline]
fn copy(bytes: &Bytes, buf: &mut [u8], offset: u64) -> usize {
    let there = from(bytes, offset);
    let count = there.len().min(buf.len());
    buf[..count].copy_from_slice(&there[..count]);
    count
}
