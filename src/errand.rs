//! Work that may wait for a disk, done where nobody's executor stands still for it: on the runtime's blocking pool.
//!
//! What is worked on goes along and comes back. It lies in a place that both sides know, so that it comes back whatever
//! happens: if the work panics, or if the runtime ends before it begins. Who cannot wait as a task does can still have it
//! back: see [`Errand::recall`].
//! Knows nothing of what it is that is sent.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::tokio::runtime::Handle;
use ::tokio::task::JoinHandle;
use parking_lot::Mutex;

/// Something that is away, and what will come of it.
pub(crate) struct Errand<T, R> {
    place: Arc<Mutex<Option<T>>>,
    work: JoinHandle<Option<R>>,
}

impl<T: Send + 'static, R: Send + 'static> Errand<T, R> {
    /// Sends `thing` to be worked on.
    ///
    /// # Errors
    /// Outside a runtime; then `thing` stays.
    pub(crate) fn send(thing: T, work: impl FnOnce(&mut T) -> R + Send + 'static) -> Result<Self, (io::Error, T)> {
        let Ok(runtime) = Handle::try_current() else { return Err((no_runtime(), thing)) };
        let place = Arc::new(Mutex::new(Some(thing)));
        let there = Arc::clone(&place);
        // Locked for as long as it is worked on: whoever recalls it waits for that, and no longer.
        let work = runtime.spawn_blocking(move || there.lock().as_mut().map(work));
        Ok(Self { place, work })
    }

    /// Waits for it to come back, which it does once.
    pub(crate) fn poll_back(&mut self, cx: &mut Context<'_>) -> Poll<(T, io::Result<R>)> {
        let done = match ready!(Pin::new(&mut self.work).poll(cx)) {
            Ok(Some(done)) => Ok(done),
            Ok(None) => unreachable!("it is recalled by value"),
            Err(lost) => Err(io::Error::other(lost)),
        };
        let thing = self.place.lock().take().expect("it comes back once");
        Poll::Ready((thing, done))
    }

    /// Has it back at once: if it is being worked on, when that is done, and else with nothing done to it.
    pub(crate) fn recall(self) -> T {
        let mut place = self.place.lock();
        place.take().expect("it comes back once")
    }
}

/// Does `work` where it may wait.
///
/// # Errors
/// Outside a runtime, and where that ends before the work begins.
pub(crate) fn run<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> io::Result<Run<R>> {
    let runtime = Handle::try_current().map_err(|_| no_runtime())?;
    Ok(Run(runtime.spawn_blocking(work)))
}

/// What will come of [`run`].
pub(crate) struct Run<R>(JoinHandle<R>);

impl<R> Future for Run<R> {
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        Pin::new(&mut self.0).poll(cx).map_err(io::Error::other)
    }
}

/// Drops something that takes the system a while to free; where there is no runtime, here.
pub(crate) fn let_go(thing: impl Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn_blocking(|| drop(thing));
    }
}

/// Whether it would be dropped elsewhere.
pub(crate) fn can_let_go() -> bool {
    Handle::try_current().is_ok()
}

#[cold]
fn no_runtime() -> io::Error {
    io::Error::other("there is no Tokio runtime here, and what is on disk is worked on where one says")
}

/// The most that is handed over at a time, in bytes.
pub(crate) const AT_A_TIME: usize = 256 * 1024;
