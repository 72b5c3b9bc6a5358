//! Where a spool is: here, or away on an errand that may wait for the disk. One errand at a time.
//!
//! Errands are sent by what may be dropped at any point, so none of them takes bytes from a writer or gives any to a reader:
//! they make room, or bring what is to be read. The one thing that can be seen of an errand that nobody asks for any more is a
//! gap in front of a write that did not come. It is remembered, and closed before anything else happens.

use std::io::{self, Seek, SeekFrom};
use std::task::{Context, Poll, ready};

use crate::SpooledTempFile;
use crate::errand::{Ask, Errand};

#[derive(Debug)]
pub(super) struct Away {
    state: State,
    /// How long the content was before a gap was opened behind it, for a write that has not come yet.
    gap: Option<u64>,
    /// Where to go when it is back.
    seek: Option<SeekFrom>,
}

enum State {
    Here(SpooledTempFile),
    Away {
        errand: Errand<SpooledTempFile, Done>,
        what: What,
        seen: Seen,
    },
    /// Given away.
    Gone,
}

/// Which call an errand is for, so that no other is told how it went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum What {
    /// Of these bytes: another write is not told.
    Write(Ask),
    Read,
    Flush,
    CloseGap,
    /// A method's own, which waits for it by itself.
    Own,
}

/// What came of an errand.
pub(super) type Came = Option<(What, io::Result<()>)>;

/// How the errand went, and the gap that there is now.
type Done = (io::Result<()>, Option<u64>);

/// A spool as it was when it left.
#[derive(Debug, Clone, Copy)]
struct Seen {
    len: u64,
    position: u64,
    rolled: bool,
}

impl Away {
    pub(super) fn new(spool: SpooledTempFile) -> Self {
        Self { state: State::Here(spool), gap: None, seek: None }
    }

    /// The spool, if it is here and as it should be.
    #[inline]
    pub(super) fn here(&mut self) -> Option<&mut SpooledTempFile> {
        match &mut self.state {
            State::Here(spool) if self.gap.is_none() => Some(spool),
            _ => None,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.gap.unwrap_or(self.seen().len)
    }

    pub(super) fn position(&self) -> u64 {
        self.seen().position
    }

    pub(super) fn is_rolled(&self) -> bool {
        self.seen().rolled
    }

    fn seen(&self) -> Seen {
        match &self.state {
            State::Here(spool) => Seen { len: spool.len(), position: spool.position(), rolled: spool.is_rolled() },
            State::Away { seen, .. } => *seen,
            State::Gone => unreachable!("{GONE}"),
        }
    }

    /// Waits until it is back, and tells of the errand from which it came.
    fn poll_back(&mut self, cx: &mut Context<'_>) -> Poll<Came> {
        let State::Away { errand, what, seen } = &mut self.state else { return Poll::Ready(None) };
        let (what, seen) = (*what, *seen);
        let (spool, done) = ready!(errand.poll_back(cx));
        self.state = State::Here(spool);
        let (went, gap) = match done {
            Ok(done) => done,
            // It was not begun, or it panicked: then a gap may be there.
            Err(lost) => (Err(lost), self.gap.or((self.spool().len() > seen.len).then_some(seen.len))),
        };
        self.gap = gap;
        Poll::Ready(Some((what, went)))
    }

    /// Waits until it is here and as it should be.
    pub(super) fn poll_here(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(&mut SpooledTempFile, Came)>> {
        let came = match ready!(self.poll_here_or_gap(cx))? {
            came if self.gap.is_none() => came,
            _ => {
                self.send(What::CloseGap, |_| Ok(()))?;
                ready!(self.poll_here_or_gap(cx))?
            }
        };
        Poll::Ready(Ok((self.spool(), came)))
    }

    fn poll_here_or_gap(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Came>> {
        let came = match ready!(self.poll_back(cx)) {
            Some((What::CloseGap, Err(error))) => return Poll::Ready(Err(error)),
            came => came,
        };
        if let Some(to) = self.seek.take() {
            // Whoever asked for that and did not wait for it does not hear of it; nor of what was for another place.
            let _ = self.start_seek(to);
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(Ok(came))
    }

    /// The same for a write, in front of which there may be a gap.
    pub(super) fn poll_here_to_write(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(&mut SpooledTempFile, Came)>> {
        let came = ready!(self.poll_here_or_gap(cx))?;
        let goes_on = self.spool().position() == self.spool().len();
        if self.gap.is_some() && !goes_on {
            return self.poll_here(cx);
        }
        Poll::Ready(Ok((self.spool(), came)))
    }

    /// What was written at the position has come: a gap in front of it is content now.
    pub(super) fn has_come(&mut self) {
        self.gap = None;
    }

    /// Sends it, which is here, to be worked on. Except for a write that goes on where a gap ends, that is closed first.
    pub(super) fn send(
        &mut self,
        what: What,
        work: impl FnOnce(&mut SpooledTempFile) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let seen = Seen { len: self.len(), ..self.seen() };
        let State::Here(spool) = std::mem::replace(&mut self.state, State::Gone) else { unreachable!("{GONE}") };
        let before = self.gap;
        let sent = Errand::send(spool, move |spool| {
            if let (Some(len), false) = (before, matches!(what, What::Write(_))) {
                if let Err(error) = spool.set_len(len) {
                    return (Err(error), before);
                }
            }
            let len = spool.len();
            let went = work(spool);
            let gap = match what {
                What::Write(_) => before.or((spool.len() > len).then_some(len)),
                _ => None,
            };
            (went, gap)
        });
        match sent {
            Ok(errand) => {
                self.state = State::Away { errand, what, seen };
                Ok(())
            }
            Err((error, spool)) => {
                self.state = State::Here(spool);
                Err(error)
            }
        }
    }

    /// Goes to `to` as soon as it can.
    pub(super) fn start_seek(&mut self, to: SeekFrom) -> io::Result<()> {
        match (&mut self.state, to) {
            // A gap behind the end is none of the content.
            (State::Here(spool), SeekFrom::End(by)) => seek_from(spool, self.gap, by).map(drop),
            (State::Here(spool), to) => spool.seek(to).map(drop),
            _ => {
                self.seek = Some(to);
                Ok(())
            }
        }
    }

    pub(super) fn poll_seek(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let _ = ready!(self.poll_back(cx));
        if let Some(to) = self.seek.take() {
            self.start_seek(to)?;
        }
        Poll::Ready(Ok(self.position()))
    }

    /// Gives it away.
    pub(super) fn take(&mut self) -> SpooledTempFile {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Here(spool) => spool,
            _ => unreachable!("{GONE}"),
        }
    }

    fn spool(&mut self) -> &mut SpooledTempFile {
        match &mut self.state {
            State::Here(spool) => spool,
            _ => unreachable!("{GONE}"),
        }
    }
}

/// Goes `by` bytes from the end, before which there may be a gap that is to close.
fn seek_from(spool: &mut SpooledTempFile, gap: Option<u64>, by: i64) -> io::Result<u64> {
    let before = spool.position();
    spool.seek(SeekFrom::Start(gap.unwrap_or(spool.len())))?;
    spool.seek(SeekFrom::Current(by)).inspect_err(|_| {
        let _ = spool.seek(SeekFrom::Start(before));
    })
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Here(spool) => spool.fmt(f),
            Self::Away { what, seen, .. } => f.debug_struct("Away").field("for", what).field("was", seen).finish(),
            Self::Gone => f.write_str("Gone"),
        }
    }
}

const GONE: &str = "it is here whenever it is not waited for";
