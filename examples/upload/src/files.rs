//! What is here: under each name a file that is whole, one that is coming, or both.
//!
//! An upload takes the place of the file of its name only when it is whole; whoever reads the old one goes on. Until there is a
//! whole one, readers get the one that is coming, as it comes. One that ends before it is whole is gone: nobody finds it any
//! more, and who reads it gets an error.
//! Knows nothing of HTTP but the reasons to refuse.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use spooled::{Pool, PoolStats, SpoolOptions, tail};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::name::Name;
use crate::refusal::Refusal;

pub(crate) struct Files {
    pool: Pool,
    options: SpoolOptions,
    /// The most bytes of a file, and the most names.
    limit: u64,
    most: usize,
    /// Tells the contents of one life of the program from those of another.
    epoch: u128,
    /// So many pieces may be on their way to the disk: no pool counts them, and with many clients they would be memory.
    on_the_way: Arc<Semaphore>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    names: BTreeMap<Name, Entry>,
    /// How many contents there have been.
    count: u64,
    /// Rises whenever other files are whole than before.
    version: u64,
}

#[derive(Default)]
struct Entry {
    whole: Option<Arc<Content>>,
    coming: Option<Arc<Content>>,
}

/// The content of a file, whole or still coming.
pub(crate) struct Content {
    tag: String,
    /// How long it will be, if that was said beforehand.
    expected: Option<u64>,
    whole: AtomicBool,
    deleted: CancellationToken,
    /// At the start. There until the drop.
    reader: Option<tail::Reader>,
}

/// A file on its way in. Dropped before it is whole, it is gone.
pub(crate) struct Upload {
    files: Arc<Files>,
    name: Name,
    content: Arc<Content>,
    writer: Writing,
}

/// Who writes: we, or a thread that may wait for the disk, which has a piece to write.
enum Writing {
    Here(tail::Writer),
    There(JoinHandle<(tail::Writer, io::Result<()>)>),
    /// Whom that thread has not given back.
    Lost,
}

/// What became of an upload that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    New,
    InPlaceOfAnother,
}

#[derive(Serialize)]
pub(crate) struct List {
    pub(crate) version: u64,
    files: Vec<Whole>,
    uploads: Vec<Coming>,
}

#[derive(Serialize)]
struct Whole {
    name: Name,
    size: u64,
}

#[derive(Serialize, PartialEq, Eq, Clone)]
pub(crate) struct Coming {
    name: Name,
    /// How much can be read.
    size: u64,
    expected: Option<u64>,
}

impl Files {
    /// At most `most` of them, of at most `limit` bytes each, in `pool`.
    pub(crate) fn new(pool: Pool, limit: u64, most: usize) -> Self {
        let mut options = SpoolOptions::new();
        options.threshold(THRESHOLD).max_len(limit).pool(&pool);
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let on_the_way = Arc::new(Semaphore::new(ON_THE_WAY));
        Files { pool, options, limit, most, epoch, on_the_way, table: Mutex::default() }
    }

    /// Begins an upload, if it can be seen to fit.
    pub(crate) fn begin(self: &Arc<Self>, name: Name, expected: Option<u64>) -> Result<Upload, Refusal> {
        if expected.is_some_and(|len| len > self.limit) {
            return Err(Refusal::TooLarge(self.limit));
        }
        let stats = self.pool.stats();
        let free = stats.disk_limit - (stats.disk_used - stats.disk_retained);
        if expected.is_some_and(|len| len > THRESHOLD as u64 && len > free) {
            return Err(Refusal::Full("it is more than what is left of the disk that files may take"));
        }
        let mut table = self.table.lock();
        if table.names.get(&name).is_some_and(|entry| entry.coming.is_some()) {
            return Err(Refusal::Busy);
        }
        if table.names.len() >= self.most && !table.names.contains_key(&name) {
            return Err(Refusal::Full("there are as many files as there may be"));
        }
        let (writer, reader) = tail::channel(&self.options);
        table.count += 1;
        let content = Arc::new(Content {
            tag: format!("\"{:x}-{:x}\"", self.epoch, table.count),
            expected,
            whole: AtomicBool::new(false),
            deleted: CancellationToken::new(),
            reader: Some(reader),
        });
        table.names.entry(name.clone()).or_default().coming = Some(Arc::clone(&content));
        Ok(Upload { files: Arc::clone(self), name, content, writer: Writing::Here(writer) })
    }

    /// The whole one of that name, else the one that is coming.
    pub(crate) fn find(&self, name: &Name) -> Result<Arc<Content>, Refusal> {
        let table = self.table.lock();
        let content = table.names.get(name).and_then(|entry| entry.whole.as_ref().or(entry.coming.as_ref()));
        content.cloned().ok_or(Refusal::Unknown)
    }

    /// Takes the name away from what is there, and ends what is coming.
    pub(crate) fn delete(&self, name: &Name) -> Result<(), Refusal> {
        let entry = {
            let mut table = self.table.lock();
            let entry = table.names.remove(name).ok_or(Refusal::Unknown)?;
            table.version += u64::from(entry.whole.is_some());
            entry
        };
        if let Some(content) = &entry.coming {
            content.deleted.cancel();
        }
        Ok(())
    }

    pub(crate) fn stats(&self) -> PoolStats {
        self.pool.stats()
    }

    pub(crate) fn list(&self) -> List {
        let table = self.table.lock();
        let whole = table.names.iter().filter_map(|(name, entry)| {
            entry.whole.as_ref().map(|content| Whole { name: name.clone(), size: content.reader().published() })
        });
        List { version: table.version, files: whole.collect(), uploads: table.uploads() }
    }

    /// What changes often, and which list of whole files it belongs to.
    pub(crate) fn uploads(&self) -> (u64, Vec<Coming>) {
        let table = self.table.lock();
        (table.version, table.uploads())
    }
}

impl Table {
    fn uploads(&self) -> Vec<Coming> {
        let coming = self.names.iter().filter_map(|(name, entry)| {
            let content = entry.coming.as_ref()?;
            Some(Coming { name: name.clone(), size: content.reader().published(), expected: content.expected })
        });
        coming.collect()
    }

    /// The entry in which this is what is coming, unless it was deleted.
    fn entry_of(&mut self, name: &Name, content: &Arc<Content>) -> Option<&mut Entry> {
        let entry = self.names.get_mut(name)?;
        entry.coming.as_ref().is_some_and(|coming| Arc::ptr_eq(coming, content)).then_some(entry)
    }
}

impl Content {
    /// How long it is, if that is known.
    pub(crate) fn len(&self) -> Option<u64> {
        if self.whole.load(Ordering::Acquire) { Some(self.reader().published()) } else { self.expected }
    }

    /// What tells it from all other contents, as an `ETag` has it.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// From the start. A clone of it has a place of its own.
    pub(crate) fn reader(&self) -> &tail::Reader {
        self.reader.as_ref().expect("it is there until the drop")
    }
}

impl Drop for Content {
    /// To give back gigabytes takes a file system some time, for which no executor stands still.
    fn drop(&mut self) {
        if let (Some(reader), Ok(runtime)) = (self.reader.take(), Handle::try_current())
            && reader.published() >= LARGE
        {
            runtime.spawn_blocking(|| drop(reader));
        }
    }
}

impl Upload {
    /// Appends all of `piece`. A large one is still being written when this is done: the next call says how that went.
    ///
    /// It is written as it is, by a thread that may wait for the disk, while the next one comes. Small ones go the way of
    /// `AsyncWrite`, which gathers them first.
    pub(crate) async fn write(&mut self, piece: Bytes) -> io::Result<()> {
        let writer = self.writer().await?;
        if piece.len() < WORTH_A_THREAD {
            return writer.write_all(&piece).await;
        }
        let place = Arc::clone(&self.files.on_the_way).acquire_owned().await.map_err(io::Error::other)?;
        let Writing::Here(mut writer) = std::mem::replace(&mut self.writer, Writing::Lost) else { return Err(lost()) };
        self.writer = Writing::There(spawn_blocking(move || {
            let written = io::Write::write_all(&mut writer, &piece);
            drop((piece, place));
            (writer, written)
        }));
        Ok(())
    }

    /// Shows readers what there is.
    pub(crate) async fn publish(&mut self) -> io::Result<()> {
        self.writer().await?.flush().await
    }

    /// Waits until nothing is being written.
    async fn writer(&mut self) -> io::Result<&mut tail::Writer> {
        if let Writing::There(thread) = &mut self.writer {
            let back = thread.await;
            self.writer = Writing::Lost;
            let (writer, written) = back?;
            self.writer = Writing::Here(writer);
            written?;
        }
        match &mut self.writer {
            Writing::Here(writer) => Ok(writer),
            _ => Err(lost()),
        }
    }

    /// Ends once somebody has deleted it.
    pub(crate) fn deleted(&self) -> CancellationToken {
        self.content.deleted.clone()
    }

    /// It is whole, and takes its place.
    pub(crate) async fn finish(mut self) -> Result<Stored, Refusal> {
        self.writer().await?.shutdown().await?;
        let before = {
            let mut table = self.files.table.lock();
            let entry = table.entry_of(&self.name, &self.content).ok_or(Refusal::Deleted)?;
            self.content.whole.store(true, Ordering::Release);
            let before = std::mem::replace(&mut entry.whole, entry.coming.take());
            table.version += 1;
            before
        };
        Ok(if before.is_some() { Stored::InPlaceOfAnother } else { Stored::New })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut table = self.files.table.lock();
        if let Some(entry) = table.entry_of(&self.name, &self.content) {
            entry.coming = None;
            if entry.whole.is_none() {
                table.names.remove(&self.name);
            }
        }
    }
}

/// What is in memory of a file, at most.
const THRESHOLD: usize = 64 << 10;
fn lost() -> io::Error {
    io::Error::other("an earlier write did not end")
}

/// What a window holds: less is gathered there first.
const WORTH_A_THREAD: usize = 64 << 10;
const ON_THE_WAY: usize = 16;
/// What takes long to give back.
const LARGE: u64 = 1 << 20;
