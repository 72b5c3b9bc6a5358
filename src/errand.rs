//! Work that may wait for a disk, done where nobody's executor stands still for it: on the runtime's blocking pool.
//!
//! What is worked on goes along and comes back. It lies in a place that both sides know, so that it comes back whatever
//! happens: if the work panics, or if the runtime ends before it begins. Who cannot wait as a task does can still have it
//! back: see [`Errand::recall`].
//! Knows nothing of what it is that is sent.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::panic::{self, AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use ::tokio::runtime::Handle;
use ::tokio::task::{JoinHandle, coop};
use parking_lot::Mutex;

use crate::sync::HAS_THREADS;

/// Something that is away, and what will come of it.
pub(crate) struct Errand<T, R> {
    place: Arc<Mutex<Option<T>>>,
    report: Arc<Mutex<Report<R>>>,
}

/// What came of it, and who waits for that: two tasks may, each with a half of what was split, and any of them may give up.
struct Report<R> {
    /// Of what was lost, none.
    done: Option<Option<R>>,
    waiting: Vec<Waker>,
}

impl<T: Send + 'static, R: Send + 'static> Errand<T, R> {
    /// Sends `thing` to be worked on.
    ///
    /// # Errors
    /// Outside a runtime, and where that has no thread; then `thing` stays.
    pub(crate) fn send(thing: T, work: impl FnOnce(&mut T) -> R + Send + 'static) -> Result<Self, (io::Error, T)> {
        let place = Arc::new(Mutex::new(Some(thing)));
        let report = Arc::new(Mutex::new(Report { done: None, waiting: Vec::new() }));
        let (there, reporting) = (Arc::clone(&place), Reporting(Arc::clone(&report)));
        let sent = spawn(move || {
            // Locked for as long as it is worked on: whoever recalls it waits for that, and no longer.
            let done = there.lock().as_mut().map(work);
            reporting.0.lock().done = Some(done);
        });
        match sent {
            Ok(_) => Ok(Self { place, report }),
            Err(error) => {
                let thing = place.lock().take().expect("nobody has worked on it");
                Err((error, thing))
            }
        }
    }

    /// Waits for it to come back, which it does once.
    pub(crate) fn poll_back(&mut self, cx: &mut Context<'_>) -> Poll<(T, io::Result<R>)> {
        let waker = cx.waker().clone();
        let mut report = self.report.lock();
        let Some(done) = report.done.take() else {
            if !report.waiting.iter().any(|waiting| waiting.will_wake(&waker)) {
                report.waiting.push(waker);
            }
            return Poll::Pending;
        };
        drop(report);
        let thing = self.place.lock().take().expect("it comes back once");
        Poll::Ready((thing, done.ok_or_else(|| io::Error::other("what waits for the disk was not done"))))
    }

    /// Has it back at once: if it is being worked on, when that is done, and else with nothing done to it.
    pub(crate) fn recall(self) -> T {
        let mut place = self.place.lock();
        place.take().expect("it comes back once")
    }
}

/// Tells all who wait when the work is done, or was lost: it panicked, or the runtime ended before it began.
struct Reporting<R>(Arc<Mutex<Report<R>>>);

impl<R> Drop for Reporting<R> {
    fn drop(&mut self) {
        let mut report = self.0.lock();
        report.done.get_or_insert(None);
        let waiting = std::mem::take(&mut report.waiting);
        drop(report);
        waiting.into_iter().for_each(Waker::wake);
    }
}

// Whatever is half done when work panics comes back with the error that says so.
impl<T, R> UnwindSafe for Errand<T, R> {}
impl<T, R> RefUnwindSafe for Errand<T, R> {}

/// Does `work` where it may wait.
///
/// # Errors
/// Outside a runtime, and where that ends before the work begins, or has no thread.
pub(crate) fn run<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> io::Result<Run<R>> {
    let place = Arc::new(Mutex::new(Some(work)));
    let there = Arc::clone(&place);
    let sent = spawn(move || {
        let work = there.lock().take();
        work.map(|work| work())
    });
    // A runtime that has no thread keeps what it was sent.
    sent.map(Run).inspect_err(|_| drop(place.lock().take()))
}

/// What will come of [`run`].
pub(crate) struct Run<R>(JoinHandle<Option<R>>);

impl<R> Future for Run<R> {
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        let done = ready!(Pin::new(&mut self.0).poll(cx)).map_err(io::Error::other)?;
        Poll::Ready(Ok(done.expect("it is taken back only where it was not sent")))
    }
}

/// Drops something that takes the system a while to free; where there is no runtime, or on an errand, here.
pub(crate) fn let_go(thing: impl Send + 'static) {
    if is_in_runtime() && !MAY_WAIT.get() {
        // Where nobody else takes it, it is dropped with what it would have been sent by.
        let _ = run(move || drop(thing));
    }
}

/// Whether there are others to do it.
pub(crate) fn is_in_runtime() -> bool {
    Handle::try_current().is_ok()
}

thread_local! {
    /// On an errand.
    static MAY_WAIT: Cell<bool> = const { Cell::new(false) };
}

/// While this lives, its thread is on an errand.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        MAY_WAIT.set(true);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        MAY_WAIT.set(false);
    }
}

fn spawn<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> io::Result<JoinHandle<R>> {
    let Ok(runtime) = Handle::try_current() else {
        return Err(io::Error::other(
            "there is no Tokio runtime here, and what is on disk is worked on where one says",
        ));
    };
    // It panics where it has no thread and the system gives none.
    let work = move || {
        let _waiting = Waiting::begin();
        work()
    };
    // Where there are no threads, the work is a task of its own, and the runtime waits for it.
    let spawn = || if HAS_THREADS { runtime.spawn_blocking(work) } else { runtime.spawn(async { work() }) };
    panic::catch_unwind(AssertUnwindSafe(spawn))
        .map_err(|_| io::Error::other("the Tokio runtime has no thread for what may block"))
}

/// By which a write that was not done is known when it is polled again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ask {
    at: usize,
    count: usize,
}

impl Ask {
    pub(crate) fn new(first: &[u8], count: usize) -> Self {
        Self { at: first.as_ptr().addr(), count }
    }
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
