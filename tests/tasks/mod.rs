//! What the tests of tasks stand on: polls by hand, a waker that can be waited for, and a blocking pool that can be held up.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::future::{Future, poll_fn};
use std::io::{self, Cursor, SeekFrom};
use std::pin::{Pin, pin};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use spooled::SpooledTempFile;
use spooled::tokio::AsyncSpooledTempFile;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::runtime::{Builder, EnterGuard, Runtime};

/// A runtime of the thread that makes it, whose blocking pool is one thread: what is sent there is done in its turn.
pub(crate) struct Executor(Runtime);

impl Executor {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self(Builder::new_current_thread().max_blocking_threads(1).build().unwrap())
    }

    /// While this is held, who is polled by hand finds the runtime.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.0.enter()
    }

    /// Waits for it, and for no more errands than anything here can need.
    #[track_caller]
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut polls = 0;
        let counted = poll_fn(|cx| {
            polls += 1;
            if polls > MOST_POLLS { Poll::Ready(None) } else { future.as_mut().poll(cx).map(Some) }
        });
        self.0.block_on(counted).expect("it comes to an end")
    }

    /// Until what this gives is dropped, nothing that is sent to the blocking pool begins.
    #[track_caller]
    pub(crate) fn hold(&self) -> Hold {
        let (begins, has_begun) = mpsc::channel();
        let (release, is_released) = mpsc::channel::<()>();
        self.0.spawn_blocking(move || {
            begins.send(()).unwrap();
            let _ = is_released.recv();
        });
        has_begun.recv_timeout(PATIENCE).expect("the blocking pool is free");
        Hold { _release: release }
    }

    /// Waits until all that was sent to the blocking pool is done.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let errand = if cfg!(target_family = "wasm") { self.0.spawn(async {}) } else { self.0.spawn_blocking(|| ()) };
        self.0.block_on(errand).unwrap();
    }

    /// Ends it, as a program does that will not wait: what has not begun never will.
    pub(crate) fn shut_down(self) {
        self.0.shutdown_background();
    }
}

pub(crate) struct Hold {
    _release: Sender<()>,
}

/// A waker that can be waited for.
#[derive(Default)]
pub(crate) struct Alarm {
    rung: Mutex<usize>,
    rings: Condvar,
}

impl Alarm {
    pub(crate) fn rung(&self) -> usize {
        *self.rung.lock().unwrap()
    }

    /// Waits until it has rung more often than that.
    #[track_caller]
    pub(crate) fn wait_past(&self, heard: usize) {
        let rung = self.rung.lock().unwrap();
        let (_rung, waited) = self.rings.wait_timeout_while(rung, PATIENCE, |rung| *rung <= heard).unwrap();
        assert!(!waited.timed_out(), "nobody wakes who waits");
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() += 1;
        self.rings.notify_all();
    }
}

/// A future that is polled by hand, and whose waker is its own.
pub(crate) struct ByHand<F> {
    future: Pin<Box<F>>,
    alarm: Arc<Alarm>,
    heard: usize,
}

impl<F: Future> ByHand<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future: Box::pin(future), alarm: Arc::default(), heard: 0 }
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        self.heard = self.alarm.rung();
        let waker = Waker::from(Arc::clone(&self.alarm));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Whether it was woken since it was last polled.
    pub(crate) fn was_woken(&self) -> bool {
        self.alarm.rung() > self.heard
    }

    /// Waits until it is woken, if it was not since it was last polled.
    #[track_caller]
    pub(crate) fn until_woken(&self) {
        self.alarm.wait_past(self.heard);
    }

    /// Polls whenever it is woken, and never else.
    #[track_caller]
    pub(crate) fn finish(mut self) -> F::Output {
        for _ in 0..MOST_POLLS {
            match self.poll() {
                Poll::Ready(done) => return done,
                Poll::Pending => self.until_woken(),
            }
        }
        panic!("it does not come to an end");
    }
}

/// What a spool is held against.
pub(crate) struct Model(Cursor<Vec<u8>>);

impl Model {
    pub(crate) fn new(content: Vec<u8>) -> Self {
        Self(Cursor::new(content))
    }

    pub(crate) fn content(&self) -> &[u8] {
        self.0.get_ref()
    }

    pub(crate) fn len(&self) -> u64 {
        self.content().len() as u64
    }

    pub(crate) fn position(&self) -> u64 {
        self.0.position()
    }

    /// What lies from the position to the end.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.content()[self.content().len().min(self.position() as usize)..]
    }

    pub(crate) fn put(&mut self, piece: &[u8]) {
        std::io::Write::write_all(&mut self.0, piece).unwrap();
    }

    pub(crate) fn move_to(&mut self, position: u64) {
        self.0.set_position(position);
    }

    pub(crate) fn move_by(&mut self, count: usize) {
        self.0.set_position(self.position() + count as u64);
    }

    pub(crate) fn resize(&mut self, len: u64) {
        self.0.get_mut().resize(len as usize, 0);
    }
}

/// What takes no waiting at all.
#[track_caller]
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    match ByHand::new(future).poll() {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits, where there is nothing to wait for"),
    }
}

/// As much as one call writes, again and again.
pub(crate) async fn write_in_pieces(
    spool: &mut AsyncSpooledTempFile,
    content: &[u8],
    piece: usize,
) -> (usize, io::Result<()>) {
    let mut taken = 0;
    while taken < content.len() {
        let piece = &content[taken..][..piece.min(content.len() - taken)];
        match spool.write(piece).await {
            Ok(0) => return (taken, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => taken += count,
            Err(error) => return (taken, Err(error)),
        }
    }
    (taken, Ok(()))
}

/// All of the content, with the position left as it is.
pub(crate) async fn content_of(spool: &mut AsyncSpooledTempFile) -> io::Result<Vec<u8>> {
    let position = spool.position();
    let mut content = vec![];
    spool.rewind().await?;
    spool.read_to_end(&mut content).await?;
    assert_eq!(spool.position(), spool.len());
    spool.seek(SeekFrom::Start(position)).await?;
    Ok(content)
}

/// The same by the blocking type's own way of looking, which the spool becomes and comes back from.
pub(crate) async fn content_in_passing(spool: AsyncSpooledTempFile) -> io::Result<(AsyncSpooledTempFile, Vec<u8>)> {
    let position = spool.position();
    let spool = spool.into_spool().await?;
    assert_eq!(spool.position(), position);
    let content = content_of_blocking(&spool)?;
    Ok((AsyncSpooledTempFile::from(spool), content))
}

pub(crate) fn content_of_blocking(spool: &SpooledTempFile) -> io::Result<Vec<u8>> {
    let mut content = vec![0; spool.len() as usize + 1];
    let read = spool.read_at(&mut content, 0)?;
    content.truncate(read);
    Ok(content)
}

/// More than anything here needs.
const MOST_POLLS: usize = 20_000;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
