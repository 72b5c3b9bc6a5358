//! Frames into a spool: in memory at once (but for a few small ones that may be all), and for the disk as many together as
//! one errand should have.
//!
//! While an errand writes, the next frames are gathered, so that network and disk work at the same time. What is gathered goes to
//! the disk as it came, without a copy; only small frames are put together, so that thousands of them do not hold thousands
//! of buffers.
//!
//! Invariants: what lies in `batch` follows all that the spool has; the content never passes `limit`; whoever is told of an
//! error finds nothing left.
//! Knows nothing of where frames come from.

use std::future::Future;
use std::io::{self, IoSlice, Write};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::task::coop;
use bytes::{Buf, Bytes, BytesMut};

use super::error::CollectError;
use crate::errand::{self, Run};
use crate::frozen::SpooledBytes;
use crate::options::{Overflow, SpoolOptions};
use crate::pool::Loan;
use crate::spooled::SpooledTempFile;
use crate::store::AT_A_TIME;

/// What is being taken in.
pub(super) struct Gathering<'a, E> {
    options: &'a SpoolOptions,
    limit: u64,
    /// As much will come at least, by its own account.
    least: u64,
    len: u64,
    content: Content,
    /// Why it will end in nothing, once what is away is back.
    failed: Option<CollectError<E>>,
}

/// What there is of it.
#[derive(Default)]
enum Content {
    #[default]
    Nothing,
    /// Many a body is one frame, and needs no spool.
    Only(Only),
    /// Or a few small ones, which are copied once, in the end.
    Few(Vec<Bytes>),
    // Boxed: what one frame needs is small, and is moved a few times.
    Spooled(Box<Spooling>),
}

/// The first frame, for as long as there is no other; and the part of a pool's memory that it is in.
struct Only {
    frame: Bytes,
    loan: Option<Loan>,
}

struct Spooling {
    place: Place,
    /// Whether the content has outgrown what a task can do by itself.
    needs_disk: bool,
    has_ended: bool,
    batch: Batch,
}

/// Where the spool is.
enum Place {
    Here(SpooledTempFile),
    Away(Run<io::Result<SpooledTempFile>>),
    /// For the last time.
    Freezing(Run<io::Result<SpooledBytes>>),
    /// It went with the errand that failed.
    Gone,
}

/// What comes next of a body: one of its frames, as far as it is looked at here, or its end.
pub(super) enum Next<D> {
    Data(D),
    Other,
    End,
}

impl<'a, E> Gathering<'a, E> {
    /// For content of at least `least` bytes.
    #[inline]
    pub(super) fn new(options: &'a SpoolOptions, least: u64) -> Self {
        let limit = limit(options);
        let mut gathering = Self { options, limit, least, len: 0, content: Content::Nothing, failed: None };
        gathering.expect(least);
        gathering
    }

    /// Refuses content of `len` bytes, if that is too much.
    #[inline]
    pub(super) fn expect(&mut self, len: u64) {
        if len > self.limit {
            self.failed = Some(CollectError::TooLarge { limit: self.limit });
        }
    }

    /// Takes in what `next` gives, up to its end. To be polled until it is ready, once.
    #[inline]
    pub(super) fn poll<D: Buf>(
        &mut self,
        cx: &mut Context<'_>,
        mut next: impl FnMut(&mut Context<'_>) -> Poll<Result<Next<D>, E>>,
    ) -> Poll<Result<SpooledBytes, CollectError<E>>> {
        let mut frames = 0_u32;
        while self.failed.is_none() {
            if let Content::Spooled(spooling) = &mut self.content {
                match spooling.poll(cx, self.options) {
                    Poll::Ready(Ok(None)) => {}
                    Poll::Ready(Ok(Some(frozen))) => return Poll::Ready(Ok(frozen)),
                    Poll::Ready(Err(error)) => {
                        self.failed = Some(CollectError::of_spool(error));
                        break;
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            // A body that has frames without end gives way to others too.
            frames += 1;
            if frames % AT_A_STRETCH == 0 {
                ready!(give_way(cx));
            }
            let done = match ready!(next(cx)) {
                Ok(Next::Data(data)) => self.take(data),
                Ok(Next::Other) => Ok(()),
                Ok(Next::End) => match &mut self.content {
                    Content::Nothing => return Poll::Ready(Ok(SpooledBytes::from(Bytes::new()))),
                    Content::Only(only) => return Poll::Ready(Ok(SpooledBytes::from(only.take_bytes()))),
                    Content::Few(frames) => return Poll::Ready(Ok(SpooledBytes::from(mem::take(frames).concat()))),
                    Content::Spooled(spooling) => match spooling.end() {
                        Ok(Some(frozen)) => return Poll::Ready(Ok(frozen)),
                        Ok(None) => Ok(()),
                        Err(error) => Err(CollectError::of_spool(error)),
                    },
                },
                Err(error) => Err(CollectError::Body(error)),
            };
            self.failed = done.err();
        }
        // What is away ends here, and not when nobody knows.
        if let Content::Spooled(spooling) = &mut self.content {
            let _ = ready!(spooling.poll_back(cx));
        }
        self.content = Content::Nothing;
        Poll::Ready(Err(self.failed.take().expect("it is polled until it is ready")))
    }

    #[inline]
    fn take<D: Buf>(&mut self, mut data: D) -> Result<(), CollectError<E>> {
        let count = data.remaining();
        if count as u64 > self.limit - self.len {
            return Err(CollectError::TooLarge { limit: self.limit });
        }
        if count == 0 {
            return Ok(());
        }
        self.len += count as u64;
        if let Content::Nothing = self.content {
            if let Some(loan) = self.may_keep(count) {
                self.content = Content::Only(Only { frame: data.copy_to_bytes(count), loan });
                return Ok(());
            }
        }
        self.take_another(data).map_err(CollectError::of_spool)
    }

    /// Whether a first frame can stay as it is; and what of a pool it is in.
    fn may_keep(&self, count: usize) -> Option<Option<Loan>> {
        if self.least.max(count as u64) > self.options.settings().threshold as u64 {
            return None;
        }
        match self.options.seat() {
            None => Some(None),
            Some(seat) => Loan::take(seat.home(), count).map(Some),
        }
    }

    #[inline(never)]
    fn take_another(&mut self, mut data: impl Buf) -> io::Result<()> {
        if self.len <= self.options.settings().threshold.min(FIRST) as u64 {
            match &mut self.content {
                Content::Only(Only { frame, loan: None }) => {
                    let mut frames = Vec::with_capacity(FEW);
                    frames.extend([mem::take(frame), data.copy_to_bytes(data.remaining())]);
                    self.content = Content::Few(frames);
                    return Ok(());
                }
                Content::Few(frames) if frames.len() < FEW => {
                    frames.push(data.copy_to_bytes(data.remaining()));
                    return Ok(());
                }
                _ => {}
            }
        }
        self.spooling()?.put(&mut data)
    }

    /// A spool that has all that came.
    fn spooling(&mut self) -> io::Result<&mut Spooling> {
        if !matches!(self.content, Content::Spooled(_)) {
            let settings = self.options.settings();
            // What will go to disk anyway need not be in memory first.
            let needs_disk = self.least > settings.threshold as u64 && settings.overflow == Overflow::Disk;
            let mut spooling = Box::new(Spooling::new(self.options, needs_disk));
            match mem::take(&mut self.content) {
                Content::Only(Only { mut frame, loan }) => {
                    // What it is in is the spool's from here on.
                    drop(loan);
                    spooling.put(&mut frame)?;
                }
                Content::Few(frames) => frames.into_iter().try_for_each(|mut frame| spooling.put(&mut frame))?,
                Content::Nothing | Content::Spooled(_) => {}
            }
            self.content = Content::Spooled(spooling);
        }
        match &mut self.content {
            Content::Spooled(spooling) => Ok(spooling),
            _ => unreachable!("it is spooled"),
        }
    }
}

#[cold]
fn give_way(cx: &mut Context<'_>) -> Poll<()> {
    coop::poll_proceed(cx).map(|proceed| proceed.made_progress())
}

/// The most bytes that a body may have.
fn limit(options: &SpoolOptions) -> u64 {
    let settings = options.settings();
    match settings.overflow {
        Overflow::Fail => settings.max_len.min(settings.threshold as u64),
        _ => settings.max_len,
    }
}

impl Spooling {
    fn new(options: &SpoolOptions, needs_disk: bool) -> Self {
        let place = Place::Here(options.build());
        Self { place, needs_disk, has_ended: false, batch: Batch::new(options) }
    }

    /// Writes what takes no disk, and gathers the rest.
    fn put(&mut self, data: &mut impl Buf) -> io::Result<()> {
        while !self.needs_disk && data.has_remaining() {
            let Place::Here(spool) = &mut self.place else { unreachable!("it is away only once it needs the disk") };
            match spool.write_now(data.chunk()) {
                Some(written) => data.advance(written?),
                None => self.needs_disk = true,
            }
        }
        if data.has_remaining() {
            self.batch.push(data.copy_to_bytes(data.remaining()));
        }
        Ok(())
    }

    /// Nothing if more may come, and the whole content if no more will. While it waits for the disk more may come too, but for a
    /// batch that is full.
    ///
    /// An error of the disk is told now, and not when a client that dawdles has sent enough.
    fn poll(&mut self, cx: &mut Context<'_>, options: &SpoolOptions) -> Poll<io::Result<Option<SpooledBytes>>> {
        loop {
            let is_full = self.batch.is_full(options);
            match &mut self.place {
                Place::Here(_) if self.has_ended => {
                    let (spool, batch) = self.take_up(options);
                    self.place = Place::Freezing(errand::run(move || Ok(batch.write_to(spool)?.freeze()?))?);
                }
                Place::Here(_) if is_full => {
                    let (spool, batch) = self.take_up(options);
                    self.place = Place::Away(errand::run(move || batch.write_to(spool))?);
                }
                Place::Here(_) | Place::Gone => return Poll::Ready(Ok(None)),
                Place::Away(_) => match self.poll_back(cx) {
                    Poll::Ready(back) => back?,
                    Poll::Pending if is_full || self.has_ended || !self.batch.has_begun(options) => {
                        return Poll::Pending;
                    }
                    Poll::Pending => return Poll::Ready(Ok(None)),
                },
                Place::Freezing(run) => {
                    let frozen = ready!(Pin::new(run).poll(cx));
                    self.place = Place::Gone;
                    return Poll::Ready(Ok(Some(frozen??)));
                }
            }
        }
    }

    /// Waits for what is away.
    fn poll_back(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Place::Away(run) = &mut self.place {
            let back = ready!(Pin::new(run).poll(cx));
            self.place = Place::Gone;
            self.place = Place::Here(back??);
        }
        Poll::Ready(Ok(()))
    }

    /// The spool that is here, and what is to be written to it.
    fn take_up(&mut self, options: &SpoolOptions) -> (SpooledTempFile, Batch) {
        match mem::replace(&mut self.place, Place::Gone) {
            Place::Here(spool) => (spool, mem::replace(&mut self.batch, Batch::new(options))),
            _ => unreachable!("it is here"),
        }
    }

    /// All of it, if that takes no disk; else it will come.
    fn end(&mut self) -> io::Result<Option<SpooledBytes>> {
        self.has_ended = true;
        match mem::replace(&mut self.place, Place::Gone) {
            Place::Here(spool) if !self.needs_disk => Ok(Some(spool.freeze()?)),
            place => {
                self.place = place;
                Ok(None)
            }
        }
    }
}

impl Only {
    /// For good: counted where a pool counts, and without the buffer of its connection, if that may be much larger.
    #[inline]
    fn take_bytes(&mut self) -> Bytes {
        let frame = mem::take(&mut self.frame);
        match self.loan.take() {
            None if frame.len() >= TINY => frame,
            None => Bytes::copy_from_slice(&frame),
            loan => Self::counted(frame, loan),
        }
    }

    #[inline(never)]
    fn counted(frame: Bytes, loan: Option<Loan>) -> Bytes {
        let frame = if frame.len() < FIRST { Bytes::copy_from_slice(&frame) } else { frame };
        Bytes::from_owner(Self { frame, loan })
    }
}

impl AsRef<[u8]> for Only {
    fn as_ref(&self) -> &[u8] {
        &self.frame
    }
}

/// What goes to the disk together.
struct Batch {
    pieces: Vec<Bytes>,
    /// Small frames, put together: the last piece.
    small: BytesMut,
    len: usize,
    /// How much there is memory for.
    most: usize,
    /// Whether it goes to a file, whatever the threshold: there is more to come, or the threshold is passed.
    rolls: bool,
    /// The parts of a pool's memory that this is in, but for the first.
    loans: Vec<Loan>,
}

impl Batch {
    fn new(options: &SpoolOptions) -> Self {
        let rolls = options.settings().overflow == Overflow::Disk;
        Self { pieces: Vec::new(), small: BytesMut::new(), len: 0, most: FIRST, rolls, loans: Vec::new() }
    }

    /// Whether it is time to write it: there is enough, or no memory for more.
    fn is_full(&mut self, options: &SpoolOptions) -> bool {
        while self.len >= self.most && self.may_have_more(options) {}
        self.len >= self.most
    }

    /// Whether there is memory to gather in while another batch is written.
    fn has_begun(&mut self, options: &SpoolOptions) -> bool {
        self.most > FIRST || self.may_have_more(options)
    }

    /// Takes more of a pool's memory, if there is plenty: most of it is for content that stays there.
    fn may_have_more(&mut self, options: &SpoolOptions) -> bool {
        if self.most >= AT_A_TIME {
            return false;
        }
        if let Some(seat) = options.seat() {
            let home = seat.home();
            if home.memory_for_each() / 4 < (self.most + STEP) as u64 {
                return false;
            }
            let Some(loan) = Loan::take(home, STEP) else { return false };
            self.loans.push(loan);
        }
        self.most += STEP;
        true
    }

    fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.len() < SMALL {
            self.small.extend_from_slice(&piece);
        } else {
            self.put_small_away();
            self.pieces.push(piece);
        }
    }

    fn put_small_away(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
    }

    /// Writes it, where that may wait, and gives the spool back if all went well.
    fn write_to(mut self, mut spool: SpooledTempFile) -> io::Result<SpooledTempFile> {
        self.put_small_away();
        if self.rolls && !spool.is_rolled() {
            spool.roll()?;
        }
        let mut slices: Vec<_> = self.pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = &mut slices[..];
        while !left.is_empty() {
            match spool.write_vectored(left)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => IoSlice::advance_slices(&mut left, written),
            }
        }
        Ok(spool)
    }
}

/// So many frames are one call, for whoever gives way to others after some.
const AT_A_STRETCH: u32 = 16;
/// Frames of fewer bytes are copied.
const SMALL: usize = 4096;
/// So many frames wait for each other without a spool.
const FEW: usize = 8;
/// A frame of fewer bytes does not stay in what it came in.
const TINY: usize = 1024;
/// So much comes together even where a pool's memory is short; it is not counted.
const FIRST: usize = 16 * 1024;
/// By how much it grows.
const STEP: usize = 60 * 1024;
const _: () = assert!((AT_A_TIME - FIRST) % STEP == 0);
