//! How far the content is published, and how it ended: what readers wait for.
//!
//! Invariants: what is published only rises, and does not after the end. Whoever waits looks under the lock, and whoever
//! changes anything does it under the lock and wakes all afterwards: no wake-up is lost. Who need not wait takes no lock.
//! Threads wait for the condition; tasks leave their `Waker`, one for each reader, and are woken without the lock.
//! Knows nothing of where the content is.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::Waker;
#[cfg(any(feature = "tokio", all(test, loom)))]
use std::task::{Context, Poll};

use crate::sync::{AtomicU64, Condvar, HAS_THREADS, Mutex, Ordering};

#[derive(Debug)]
pub(super) struct Progress {
    published: AtomicU64,
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug)]
struct State {
    ending: Option<Ending>,
    #[cfg(any(feature = "tokio", all(test, loom)))]
    tasks: Tasks,
}

impl State {
    fn new() -> Self {
        Self {
            ending: None,
            #[cfg(any(feature = "tokio", all(test, loom)))]
            tasks: Tasks::default(),
        }
    }

    /// Those who wait, to be woken when nothing is locked any more.
    #[cfg(any(feature = "tokio", all(test, loom)))]
    fn take_tasks(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.tasks.waiting).into_values()
    }

    #[cfg(not(any(feature = "tokio", all(test, loom))))]
    fn take_tasks(&mut self) -> std::iter::Empty<Waker> {
        std::iter::empty()
    }
}

/// Tasks that wait, by their tickets.
#[cfg(any(feature = "tokio", all(test, loom)))]
#[derive(Debug, Default)]
struct Tasks {
    waiting: std::collections::BTreeMap<u64, Waker>,
    tickets: u64,
}

/// The ends that content can come to.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    Finished,
    Failed(Failed),
    Abandoned,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { published: AtomicU64::new(0), state: Mutex::new(State::new()), more: Condvar::new() }
    }

    /// How many bytes can be read: they are where readers look for them.
    #[inline]
    pub(super) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// So many bytes can be read from now on.
    pub(super) fn publish(&self, len: u64) {
        let mut state = self.state.lock();
        self.published.store(len, Ordering::Release);
        let tasks = state.take_tasks();
        drop(state);
        self.wake(tasks);
    }

    /// No more will come.
    pub(super) fn end(&self, ending: Ending) {
        let mut state = self.state.lock();
        state.ending = Some(ending);
        let tasks = state.take_tasks();
        drop(state);
        self.wake(tasks);
    }

    #[inline]
    fn wake(&self, tasks: impl Iterator<Item = Waker>) {
        self.more.notify_all();
        tasks.for_each(Waker::wake);
    }

    /// Waits until there is something past `offset`, or (`false`) never will be.
    ///
    /// # Errors
    /// What ended the content before that, if it did not finish; `WouldBlock` where nobody else is there to be waited for.
    pub(super) fn wait_past(&self, offset: u64) -> io::Result<bool> {
        if self.published() > offset {
            return Ok(true);
        }
        let mut state = self.state.lock();
        loop {
            if self.published() > offset {
                return Ok(true);
            }
            match &state.ending {
                Some(ending) => return ending.as_result().map(|()| false),
                None if HAS_THREADS => self.more.wait(&mut state),
                None => return Err(io::ErrorKind::WouldBlock.into()),
            }
        }
    }

    /// The same for a task, that is woken when it is worth asking again. `ticket` is the reader's, who has one once it has waited.
    #[cfg(any(feature = "tokio", all(test, loom)))]
    pub(super) fn poll_past(
        &self,
        offset: u64,
        ticket: &mut Option<u64>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        if self.published() > offset {
            return Poll::Ready(Ok(true));
        }
        // A stranger's code, as the dropping and the waking of one are: not while anything is locked.
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        if self.published() > offset {
            return Poll::Ready(Ok(true));
        }
        if let Some(ending) = &state.ending {
            return Poll::Ready(ending.as_result().map(|()| false));
        }
        let State { tasks, .. } = &mut *state;
        let ticket = *ticket.get_or_insert_with(|| {
            tasks.tickets += 1;
            tasks.tickets
        });
        let before = tasks.waiting.insert(ticket, waker);
        drop(state);
        drop(before);
        Poll::Pending
    }

    /// The reader with that ticket does not wait any more.
    #[cfg(feature = "tokio")]
    pub(super) fn forget(&self, ticket: u64) {
        let before = self.state.lock().tasks.waiting.remove(&ticket);
        drop(before);
    }

    /// Waits until all is there.
    ///
    /// # Errors
    /// What ended the content before that.
    pub(super) fn wait_for_end(&self) -> io::Result<()> {
        self.wait_past(u64::MAX).map(drop)
    }
}

impl Ending {
    fn as_result(&self) -> io::Result<()> {
        match self {
            Self::Finished => Ok(()),
            Self::Failed(failed) => Err(io::Error::new(failed.kind(), failed.clone())),
            Self::Abandoned => Err(io::Error::new(io::ErrorKind::BrokenPipe, Abandoned(()))),
        }
    }
}

/// The cause inside the error that readers get from a writer that has [failed](super::Writer::fail): it reads as the error that
/// the writer was given, which lies in turn inside it.
///
/// ```
/// use spooled::{SpoolOptions, tail};
/// use std::io::{Error, ErrorKind, Read};
///
/// let (writer, mut reader) = tail::channel(&SpoolOptions::new());
/// writer.fail(Error::new(ErrorKind::ConnectionReset, "the download broke off"));
/// let error = reader.read(&mut [0; 8]).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::ConnectionReset);
/// let failed: &tail::Failed = error.get_ref().unwrap().downcast_ref().unwrap();
/// assert_eq!(failed.cause().to_string(), "the download broke off");
/// ```
#[derive(Debug, Clone)]
pub struct Failed {
    cause: Arc<io::Error>,
}

impl Failed {
    pub(super) fn new(cause: io::Error) -> Self {
        Self { cause: Arc::new(cause) }
    }

    /// The error that the writer was given.
    pub fn cause(&self) -> &io::Error {
        &self.cause
    }

    /// That of the cause, unless readers would take it for an invitation to try again.
    fn kind(&self) -> io::ErrorKind {
        match self.cause.kind() {
            io::ErrorKind::Interrupted => io::ErrorKind::Other,
            kind => kind,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

/// The cause inside the error that readers get from a writer that was dropped before it had finished.
#[derive(Debug, Clone, Copy)]
pub struct Abandoned(());

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the writer was dropped before it had finished")
    }
}

impl Error for Abandoned {}
