//! Work that may wait for a disk, done where nobody's executor stands still for it: on the runtime's blocking pool.
//!
//! What is worked on goes along and comes back. It lies in a place that both sides know, so that it comes back whatever
//! happens: if the work panics, or if the runtime ends before it begins. Who cannot wait as a task does can still have it
//! back: see [`Errand::recall`].
//! Knows nothing of what it is that is sent.

use std::future::Future;
use std::io;
use std::panic::{self, AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ::tokio::runtime::Handle;
use ::tokio::task::{JoinHandle, coop};
use parking_lot::Mutex;

/// Something that is away, and what will come of it.
pub(crate) struct Errand<T, R> {
    place: Arc<Mutex<Option<T>>>,
    work: JoinHandle<Option<R>>,
    /// All tasks that wait: two may, each with a half of what was split.
    waiting: Vec<Waker>,
}

impl<T: Send + 'static, R: Send + 'static> Errand<T, R> {
    /// Sends `thing` to be worked on.
    ///
    /// # Errors
    /// Outside a runtime, and where that has no thread; then `thing` stays.
    pub(crate) fn send(thing: T, work: impl FnOnce(&mut T) -> R + Send + 'static) -> Result<Self, (io::Error, T)> {
        let place = Arc::new(Mutex::new(Some(thing)));
        let there = Arc::clone(&place);
        // Locked for as long as it is worked on: whoever recalls it waits for that, and no longer.
        match spawn(move || there.lock().as_mut().map(work)) {
            Ok(work) => Ok(Self { place, work, waiting: Vec::new() }),
            Err(error) => {
                let thing = place.lock().take().expect("nobody has worked on it");
                Err((error, thing))
            }
        }
    }

    /// Waits for it to come back, which it does once.
    pub(crate) fn poll_back(&mut self, cx: &mut Context<'_>) -> Poll<(T, io::Result<R>)> {
        let Poll::Ready(done) = Pin::new(&mut self.work).poll(cx) else {
            if !self.waiting.iter().any(|waiting| waiting.will_wake(cx.waker())) {
                self.waiting.push(cx.waker().clone());
            }
            return Poll::Pending;
        };
        // The work itself wakes the last of them.
        self.waiting.drain(..).filter(|waiting| !waiting.will_wake(cx.waker())).for_each(Waker::wake);
        let done = match done {
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

// Whatever is half done when work panics comes back with the error that says so.
impl<T, R> UnwindSafe for Errand<T, R> {}
impl<T, R> RefUnwindSafe for Errand<T, R> {}

/// Does `work` where it may wait.
///
/// # Errors
/// Outside a runtime, and where that ends before the work begins.
pub(crate) fn run<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> io::Result<Run<R>> {
    spawn(work).map(Run)
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
    // Where nobody else takes it, it is dropped with what it would have been sent by.
    let _ = spawn(|| drop(thing));
}

/// Whether there are others to do it.
pub(crate) fn is_in_runtime() -> bool {
    Handle::try_current().is_ok()
}

fn spawn<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> io::Result<JoinHandle<R>> {
    let Ok(runtime) = Handle::try_current() else {
        return Err(io::Error::other(
            "there is no Tokio runtime here, and what is on disk is worked on where one says",
        ));
    };
    // It panics where it has no thread and the system gives none.
    panic::catch_unwind(AssertUnwindSafe(|| runtime.spawn_blocking(work)))
        .map_err(|_| io::Error::other("the Tokio runtime has no thread for what may block"))
}

/// Says that a task has done work for so many `bytes`: as many calls, for whoever gives way to others after some.
pub(crate) fn spend(cx: &mut Context<'_>, bytes: usize) {
    for _ in 0..bytes / A_CALLS_WORTH {
        let Poll::Ready(spent) = coop::poll_proceed(cx) else { return };
        spent.made_progress();
    }
}

/// So a task that finds everything at hand gives way about every millisecond.
const A_CALLS_WORTH: usize = 32 * 1024;
