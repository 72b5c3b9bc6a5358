//! P10: a future that is dropped after any number of polls leaves the spool whole, and what was accepted before is there.
//!
//! Each operation, in each state that a spool can be in, is polled, and dropped: before what it waits for has begun, while that
//! is on its way, and when it is done and nobody has asked yet. What a dropped one may leave:
//!
//! - a write, a read, `fill_buf`, `flush`, `seek`: nothing. A write may have rolled the spool over.
//! - `roll`, `set_len`: nothing, or all of it. The next call sees which.
//! - `freeze`, `into_spool`: no spool, and nothing that it held.
#![cfg(target_os = "linux")]

mod ground;
mod tasks;

use std::fs::{self, File};
use std::future::Future;
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;

use ground::mount::Mount;
use ground::pool::at_rest;
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_same, bytes, in_time, options};
use rustix::fs::Advice;
use rustix::io::{ReadWriteFlags, preadv2, pwritev2};
use spooled::tokio::AsyncSpooledTempFile;
use spooled::{Backing, Pool, SpoolOptions};
use tasks::{ByHand, Executor, Model, at_once, content_in_passing, content_of, content_of_blocking};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

#[test]
fn p10_reading_that_is_dropped_has_moved_nothing() {
    let reads = [10, 5000, 100_000, 400_000].map(Deed::Read);
    everywhere(&[&reads[..], &[Deed::FillBuf, Deed::SeekAndFillBuf]].concat());
}

#[test]
fn p10_a_write_that_is_dropped_has_written_nothing() {
    let writes = [1, 10, 5000, 100_000, 400_000].map(Deed::Write);
    everywhere(&[&writes[..], &[Deed::WriteVectored]].concat());
}

#[test]
fn p10_a_write_behind_a_gap_that_is_dropped_has_written_nothing() {
    everywhere(&[Deed::WriteBehindAGap { gap: 1, count: 10 }, Deed::WriteBehindAGap { gap: 50_000, count: 5000 }]);
}

#[test]
fn p10_a_flush_that_is_dropped_has_lost_nothing() {
    everywhere(&[Deed::Flush, Deed::Shutdown, Deed::Seek]);
}

#[test]
fn p10_roll_and_set_len_that_are_dropped_have_happened_or_not() {
    everywhere(&[Deed::Roll, Deed::SetLen(0), Deed::SetLen(150_001), Deed::SetLen(LEN), Deed::SetLen(LEN + 100_000)]);
}

/// Several in a row, none of which is waited for.
#[test]
fn p10_dropped_after_dropped_after_dropped() {
    in_time(|| {
        let place = Place::new();
        let executor = Executor::new();
        let _inside = executor.enter();
        for (number, state) in STATES.into_iter().enumerate() {
            for rounds in [1, 2, 3, 7] {
                let Some(mut case) = Case::make(&place, state, BACKINGS[number % 2], number % 3 == 0) else { continue };
                let hold = (rounds % 2 == 1).then(|| executor.hold());
                for round in 0..rounds {
                    let deeds =
                        [Deed::Write(5000), Deed::Read(100_000), Deed::Flush, Deed::FillBuf, Deed::Write(100_000)];
                    let deed = deeds[(round + number) % deeds.len()];
                    let mut future = ByHand::new(deed.run(&mut case.spool));
                    let polled = future.poll();
                    drop(future);
                    if let Poll::Ready(done) = polled {
                        case.done(deed, done);
                    }
                    case.assert_nothing_moved();
                }
                drop(hold);
                case.go_on();
                executor.settle();
                case.end();
            }
        }
        place.assert_empty();
    });
}

#[test]
fn p10_freeze_and_into_spool_that_are_dropped_leave_nothing_behind() {
    in_time(|| {
        let place = Place::new();
        let executor = Executor::new();
        let _inside = executor.enter();
        for state in STATES {
            for (held, polls) in [(false, 0), (false, 1), (false, 2), (false, 9), (true, 1), (true, 2)] {
                for freezes in [true, false] {
                    let Some(case) = Case::make(&place, state, Backing::File, true) else { continue };
                    let Case { mut spool, model, pool, .. } = case;
                    // Something that is on its way already.
                    let hold = held.then(|| executor.hold());
                    let _ = ByHand::new(Deed::Flush.run(&mut spool)).poll();
                    let (content, position) = (model.content(), model.position());
                    if freezes {
                        let mut future = ByHand::new(spool.freeze());
                        if let Some(frozen) = poll_often(&mut future, polls, held) {
                            let frozen = frozen.unwrap();
                            assert_eq!((frozen.position(), frozen.len()), (0, content.len() as u64));
                            assert_same(&frozen.to_bytes().unwrap(), content, "frozen");
                        }
                    } else {
                        let mut future = ByHand::new(spool.into_spool());
                        if let Some(spool) = poll_often(&mut future, polls, held) {
                            let spool = spool.unwrap();
                            assert_eq!(spool.position(), position);
                            assert_same(&content_of_blocking(&spool).unwrap(), content, "into_spool");
                        }
                    }
                    drop(hold);
                    executor.settle();
                    at_rest(&pool.unwrap());
                }
            }
        }
        place.assert_empty();
    });
}

/// It itself is dropped, whatever is on its way.
#[test]
fn p8_p10_a_spool_that_is_dropped_at_work_gives_everything_back() {
    in_time(|| {
        let place = Place::new();
        let executor = Executor::new();
        let _inside = executor.enter();
        for state in STATES {
            for deed in [Deed::Write(100_000), Deed::Read(100_000), Deed::Flush, Deed::Roll, Deed::SetLen(1 << 20)] {
                for (held, polls) in [(false, 0), (false, 1), (true, 1)] {
                    let Some(Case { mut spool, pool, .. }) = Case::make(&place, state, Backing::File, true) else {
                        continue;
                    };
                    let pool = pool.unwrap();
                    let hold = held.then(|| executor.hold());
                    poll_often(&mut ByHand::new(deed.run(&mut spool)), polls, held);
                    if polls == 0 {
                        drop(spool);
                        // Nothing was on its way, so nothing is waited for.
                        at_rest(&pool);
                        continue;
                    }
                    drop(spool);
                    drop(hold);
                    executor.settle();
                    at_rest(&pool);
                }
            }
        }
        place.assert_empty();
    });
}

fn poll_often<F: Future>(future: &mut ByHand<F>, polls: usize, held: bool) -> Option<F::Output> {
    for nth in 1..=polls {
        if let Poll::Ready(done) = future.poll() {
            return Some(done);
        }
        if !held && nth < polls {
            future.until_woken();
        }
    }
    None
}

/// Each of them in each state, after each number of polls, in each order of what happens.
#[track_caller]
fn everywhere(deeds: &[Deed]) {
    let deeds = deeds.to_vec();
    in_time(move || {
        let place = Place::new();
        let executor = Executor::new();
        let _inside = executor.enter();
        let (mut nth, mut dropped, mut uncached) = (0, 0, 0);
        for (state, deed) in STATES.into_iter().flat_map(|state| deeds.iter().map(move |deed| (state, *deed))) {
            // To empty the page cache takes a while, and is only seen by who reads.
            let reads = matches!(deed, Deed::Read(_) | Deed::FillBuf | Deed::SeekAndFillBuf);
            if state == State::Uncached && !reads {
                continue;
            }
            for how in [How::AtOnce, How::WhenDone, How::Held, How::HeldOn] {
                let most = if how.is_held() { 1 } else { 12 };
                let mut completed = false;
                for polls in 0..=most {
                    nth += 1;
                    let (backing, pooled) = (BACKINGS[nth % 2], nth % 3 == 0);
                    let Some(mut case) = Case::make(&place, state, backing, pooled) else { continue };
                    completed = case.run(&executor, deed, polls, how, nth);
                    let waited = usize::from(!completed && polls > 0);
                    dropped += waited;
                    uncached += if state == State::Uncached && deed == Deed::Read(5000) { waited } else { 0 };
                    executor.settle();
                    case.end();
                    if completed {
                        break;
                    }
                }
                let there = completed || how.is_held() || !place.has(state);
                assert!(there, "{deed:?} is not done after {most} polls, {state:?}");
            }
        }
        let asked = place.has(State::Uncached) && deeds.contains(&Deed::Read(5000));
        assert!(uncached > 0 || !asked, "the page cache had all that was taken out of it");
        assert!(dropped > 0 || deeds.iter().all(|deed| *deed == Deed::Seek), "nothing ever waited");
        place.assert_empty();
    });
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// Dropped as soon as it was polled that often; what it waits for may be on its way.
    AtOnce,
    /// Dropped when what it waits for is done, and was not asked for.
    WhenDone,
    /// Dropped before what it waits for has begun, which then happens.
    Held,
    /// The same; and the next call is made before it has begun, too.
    HeldOn,
}

impl How {
    fn is_held(self) -> bool {
        matches!(self, How::Held | How::HeldOn)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    InMemory,
    /// A byte more, and it rolls over.
    AboutToRoll,
    /// The same, in the middle of a write.
    NearlyThere,
    /// With something unwritten, behind which it stands.
    Dirty,
    /// The same, elsewhere.
    DirtyElsewhere,
    /// The window has room for a few bytes more.
    WindowNearlyFull,
    Clean,
    /// The page cache has nothing of it.
    Uncached,
    /// The file system does not say what the page cache has.
    Unanswered,
    /// The same, with something unwritten.
    UnansweredDirty,
    /// There is no memory for a window.
    NoWindow,
}

const STATES: [State; 11] = [
    State::InMemory,
    State::AboutToRoll,
    State::NearlyThere,
    State::Dirty,
    State::DirtyElsewhere,
    State::WindowNearlyFull,
    State::Clean,
    State::Uncached,
    State::Unanswered,
    State::UnansweredDirty,
    State::NoWindow,
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    Read(usize),
    FillBuf,
    SeekAndFillBuf,
    Write(usize),
    WriteVectored,
    WriteBehindAGap { gap: u64, count: usize },
    Flush,
    Shutdown,
    Seek,
    Roll,
    SetLen(u64),
}

/// What came of it.
#[derive(Debug)]
enum Done {
    Read { asked: usize, read: Vec<u8> },
    Given(Vec<u8>),
    Wrote { asked: usize, count: usize },
    Sought(u64),
    Length(u64),
    Nothing,
}

const LEN: u64 = 300_000;
/// The most that goes to or comes from the disk at a time.
const AT_A_TIME: usize = 256 * KIB;

impl Deed {
    async fn run(self, spool: &mut AsyncSpooledTempFile) -> io::Result<Done> {
        match self {
            Deed::Read(asked) => {
                let mut read = vec![0; asked];
                let count = spool.read(&mut read).await?;
                read.truncate(count);
                Ok(Done::Read { asked, read })
            }
            Deed::FillBuf | Deed::SeekAndFillBuf => Ok(Done::Given(spool.fill_buf().await?.to_vec())),
            Deed::Write(asked) | Deed::WriteBehindAGap { count: asked, .. } => {
                let count = spool.write(&patch()[..asked]).await?;
                Ok(Done::Wrote { asked, count })
            }
            Deed::WriteVectored => {
                let [first, second] = [&patch()[..10], &patch()[10..100_000]];
                let pieces = [IoSlice::new(&[]), IoSlice::new(first), IoSlice::new(second)];
                let count = spool.write_vectored(&pieces).await?;
                Ok(Done::Wrote { asked: 100_000, count })
            }
            Deed::Flush => spool.flush().await.map(|()| Done::Nothing),
            Deed::Shutdown => spool.shutdown().await.map(|()| Done::Nothing),
            Deed::Seek => spool.seek(SeekFrom::End(-5)).await.map(Done::Sought),
            Deed::Roll => spool.roll().await.map(|()| Done::Nothing),
            Deed::SetLen(len) => spool.set_len(len).await.map(|()| Done::Length(len)),
        }
    }

    /// It cannot be done without the disk, which is not to be had.
    fn has_to_wait(self, state: State, place: &Place) -> bool {
        let writes = matches!(self, Deed::Write(_) | Deed::WriteVectored | Deed::WriteBehindAGap { .. });
        let grows = matches!(self, Deed::SetLen(len) if len > LEN);
        match state {
            State::InMemory => self == Deed::Roll,
            State::AboutToRoll => writes || grows || self == Deed::Roll,
            State::NearlyThere => writes && !matches!(self, Deed::Write(1)) || grows || self == Deed::Roll,
            // What is not asked for may come too, so that once it was asked for it is there: see `everywhere`.
            State::Uncached => false,
            State::Unanswered => matches!(self, Deed::Read(_) | Deed::SeekAndFillBuf) || grows,
            State::Dirty | State::DirtyElsewhere | State::UnansweredDirty => {
                let flushes = matches!(self, Deed::Flush | Deed::Shutdown | Deed::Roll);
                flushes && (place.writes_wait || state == State::UnansweredDirty)
            }
            State::WindowNearlyFull | State::Clean | State::NoWindow => false,
        }
    }

    /// It can be done without the disk.
    fn has_no_reason_to_wait(self, state: State, place: &Place) -> bool {
        let small = matches!(self, Deed::Write(1 | 10));
        self == Deed::Seek
            || match state {
                State::InMemory => self != Deed::Roll,
                State::AboutToRoll | State::NearlyThere => {
                    matches!(self, Deed::Read(_) | Deed::FillBuf | Deed::SeekAndFillBuf | Deed::Flush | Deed::Shutdown)
                        || matches!(self, Deed::SetLen(len) if len <= LEN)
                        || matches!((self, state), (Deed::Write(1), State::NearlyThere))
                }
                State::Dirty | State::UnansweredDirty => small || matches!(self, Deed::Read(_) | Deed::FillBuf),
                State::WindowNearlyFull => matches!(self, Deed::Write(1) | Deed::Read(_) | Deed::FillBuf),
                State::Clean => match self {
                    Deed::Read(10 | 5000 | 100_000) | Deed::FillBuf | Deed::SeekAndFillBuf => place.reads_are_answered,
                    _ => matches!(self, Deed::Flush | Deed::Shutdown | Deed::Roll),
                },
                // What lies elsewhere is read past the window.
                State::DirtyElsewhere => place.reads_are_answered && matches!(self, Deed::Read(10 | 5000 | 100_000)),
                State::Uncached | State::Unanswered => matches!(self, Deed::Flush | Deed::Shutdown | Deed::Roll),
                State::NoWindow => place.reads_are_answered && matches!(self, Deed::Read(10 | 5000 | 100_000)),
            }
    }
}

/// A spool in a certain state, beside what it must hold.
struct Case<'a> {
    spool: AsyncSpooledTempFile,
    model: Model,
    pool: Option<Pool>,
    state: State,
    place: &'a Place,
}

impl<'a> Case<'a> {
    /// Nothing where such a state cannot be had.
    #[track_caller]
    fn make(place: &'a Place, state: State, backing: Backing, pooled: bool) -> Option<Self> {
        let directory = match state {
            State::Unanswered | State::UnansweredDirty => place.tmpfs.as_ref()?.path(),
            _ => place.scratch.path(),
        };
        let pool = match state {
            State::NoWindow => Some(Pool::builder().memory(0).dir(directory).build()),
            _ if pooled => Some(Pool::builder().dir(directory).build()),
            _ => None,
        };
        let threshold = match state {
            State::InMemory => MIB,
            State::AboutToRoll => LEN as usize,
            State::NearlyThere => LEN as usize + 5,
            _ => 0,
        };
        let options = match &pool {
            Some(pool) => SpoolOptions::new().threshold(threshold).backing(backing).pool(pool).to_owned(),
            None => options(directory, threshold, backing),
        };
        let content = bytes(LEN as usize, 1);
        let unwritten = match state {
            State::Dirty | State::DirtyElsewhere | State::UnansweredDirty => 5000,
            State::WindowNearlyFull => 64 * KIB - 9,
            _ => 0,
        };
        let (written, unwritten) = content.split_at(content.len() - unwritten);
        let mut spool = options.build();
        spool.write_all(written).unwrap();
        spool.flush().unwrap();
        unwritten.chunks(1000).for_each(|piece| spool.write_all(piece).unwrap());
        if state == State::Uncached {
            evict(directory, backing)?;
        }
        let behind = [State::AboutToRoll, State::NearlyThere, State::Dirty, State::WindowNearlyFull];
        let position = if behind.contains(&state) || state == State::UnansweredDirty { LEN } else { 10_000 };
        spool.seek(SeekFrom::Start(position)).unwrap();
        let mut model = Model::new(content);
        model.move_to(position);
        let case = Self { spool: AsyncSpooledTempFile::from(spool), model, pool, state, place };
        case.assert_nothing_moved();
        Some(case)
    }

    /// Polls that often, and drops; then looks, in one of several ways, and goes on. Says whether it was done before that.
    #[track_caller]
    fn run(&mut self, executor: &Executor, deed: Deed, polls: usize, how: How, look: usize) -> bool {
        let what = format!("{deed:?} after {polls} polls, {how:?}, {:?}", self.state);
        let to = match deed {
            Deed::WriteBehindAGap { gap, .. } => Some(LEN + gap),
            Deed::SeekAndFillBuf => Some(200_000),
            _ => None,
        };
        if let Some(to) = to {
            assert_eq!(at_once(self.spool.seek(SeekFrom::Start(to))).unwrap(), to);
            self.model.move_to(to);
        }
        let was_rolled = self.spool.is_rolled();
        let mut hold = how.is_held().then(|| executor.hold());
        let mut done = None;
        let mut future = ByHand::new(deed.run(&mut self.spool));
        for nth in 1..=polls {
            if let Poll::Ready(ready) = future.poll() {
                done = Some(ready);
                break;
            }
            assert!(!deed.has_no_reason_to_wait(self.state, self.place), "it waits: {what}");
            if !how.is_held() && (nth < polls || how == How::WhenDone) {
                future.until_woken();
            }
        }
        drop(future);
        let waits = how.is_held() && polls > 0 && deed.has_to_wait(self.state, self.place);
        assert!(!waits || done.is_none(), "it was done without the disk: {what}: {done:?}");

        let completed = done.is_some();
        let mut may_be_longer = None;
        match (done, deed) {
            (Some(done), _) => self.done(deed, done),
            (None, Deed::SetLen(len)) if polls > 0 => may_be_longer = Some(len),
            (None, _) => {}
        }
        assert!(self.spool.is_rolled() || !was_rolled, "it came back to memory: {what}");
        let may_roll = polls > 0 && !matches!(deed, Deed::Read(_) | Deed::FillBuf | Deed::Flush | Deed::Shutdown);
        assert!(self.spool.is_rolled() == was_rolled || may_roll, "it rolled over: {what}");
        let len = self.model.len();
        let lens = [len, may_be_longer.unwrap_or(len)];
        assert_eq!(self.spool.position(), self.model.position(), "{what}");
        assert!(lens.contains(&self.spool.len()), "{}, not one of {lens:?}: {what}", self.spool.len());

        // What is seen first is seen by a call that may meet an errand.
        let position = self.model.position();
        let mut first = vec![0; 777];
        let mut next = ByHand::new(async {
            match look % 4 {
                0 => self.spool.read(&mut first).await,
                1 => self.spool.fill_buf().await.map(|given| given.len().min(777)),
                2 => self.spool.write(&patch()[1000..1777]).await,
                _ => self.spool.flush().await.map(|()| 0),
            }
        });
        let mut count = None;
        if how == How::HeldOn {
            if let Poll::Ready(ready) = next.poll() {
                count = Some(ready);
            }
        }
        hold.take();
        let count = match count {
            Some(count) => {
                drop(next);
                count
            }
            None => next.finish(),
        };
        let count = count.unwrap_or_else(|error| panic!("{error:?}, in the call that comes next: {what}"));
        if let Some(len) = may_be_longer {
            // By now it has happened or not: a call has waited for it. A write may then have come behind that.
            let end = if look % 4 == 2 { position + count as u64 } else { 0 };
            let lens = lens.map(|len| len.max(end));
            assert!(lens.contains(&self.spool.len()), "{}, not one of {lens:?}: {what}", self.spool.len());
            if self.spool.len() == len.max(end) {
                self.model.resize(len);
            }
        }
        match look % 4 {
            0 => {
                let rest = self.model.rest();
                assert_same(&first[..count], &rest[..count], &format!("the read that comes next: {what}"));
                assert!(count > 0 || rest.is_empty(), "the read that comes next reads nothing: {what}");
                self.model.move_to(position + count as u64);
            }
            1 => assert!(count > 0 || self.model.rest().is_empty(), "fill_buf gives nothing: {what}"),
            2 => {
                assert!((1..=777).contains(&count), "{count} bytes were written by the write that comes next: {what}");
                self.model.put(&patch()[1000..][..count]);
            }
            _ => {}
        }
        assert_eq!(self.spool.position(), self.model.position(), "{what}");
        assert_eq!(self.spool.len(), self.model.len(), "{what}");
        let content = if look % 8 < 4 {
            ByHand::new(content_of(&mut self.spool)).finish().unwrap()
        } else {
            let spool = std::mem::replace(&mut self.spool, AsyncSpooledTempFile::new(0));
            let (spool, content) = ByHand::new(content_in_passing(spool)).finish().unwrap();
            self.spool = spool;
            content
        };
        assert_same(&content, self.model.content(), &what);
        self.go_on();
        completed
    }

    /// What a call said that was not dropped.
    #[track_caller]
    fn done(&mut self, deed: Deed, done: io::Result<Done>) {
        let what = format!("{deed:?}, {:?}", self.state);
        let rolled = self.spool.is_rolled();
        let most = if rolled { AT_A_TIME } else { usize::MAX };
        match done.unwrap_or_else(|error| panic!("{error:?}: {what}")) {
            Done::Read { asked, read } => {
                let rest = self.model.rest();
                let all = asked.min(rest.len());
                // The last page that is read may be a whole one.
                let least = all.min(most - 4 * KIB);
                assert!((least..=all).contains(&read.len()), "{} of {all} bytes: {what}", read.len());
                assert_same(&read, &rest[..read.len()], &what);
                self.model.move_to(self.model.position() + read.len() as u64);
            }
            Done::Given(given) => {
                let rest = self.model.rest();
                assert!(given.len() <= rest.len() && (!given.is_empty() || rest.is_empty()), "{what}");
                assert_same(&given, &rest[..given.len()], &what);
            }
            Done::Wrote { asked, count } => {
                assert!((1..=asked.min(most)).contains(&count), "{count} of {asked} bytes: {what}");
                assert!(rolled || count == asked || deed == Deed::WriteVectored, "{count} of {asked} bytes: {what}");
                self.model.put(&patch()[..count]);
            }
            Done::Sought(to) => {
                self.model.move_to(self.model.len() - 5);
                assert_eq!(to, self.model.position(), "{what}");
            }
            Done::Length(len) => self.model.resize(len),
            Done::Nothing => {}
        }
        if deed == Deed::Roll {
            assert!(rolled, "{what}");
        }
    }

    #[track_caller]
    fn assert_nothing_moved(&self) {
        let (spool, model) = (&self.spool, &self.model);
        assert_eq!((spool.position(), spool.len()), (model.position(), model.len()), "{:?}", self.state);
    }

    /// It goes on working, and each byte lands where it belongs.
    #[track_caller]
    fn go_on(&mut self) {
        let (spool, model) = (&mut self.spool, &mut self.model);
        ByHand::new(async {
            spool.write_all(&patch()[7..1007]).await?;
            spool.seek(SeekFrom::Start(5)).await?;
            spool.write_all(&patch()[..3000]).await?;
            spool.seek(SeekFrom::End(0)).await?;
            spool.write_all(&patch()[..70_000]).await?;
            spool.flush().await?;
            spool.set_len(spool.len() - 7).await
        })
        .finish()
        .unwrap();
        model.put(&patch()[7..1007]);
        model.move_to(5);
        model.put(&patch()[..3000]);
        model.move_to(model.len());
        model.put(&patch()[..70_000]);
        let len = model.len() - 7;
        model.resize(len);
        self.assert_nothing_moved();
        let content = ByHand::new(content_of(&mut self.spool)).finish().unwrap();
        assert_same(&content, self.model.content(), &format!("after it went on, {:?}", self.state));
    }

    #[track_caller]
    fn end(self) {
        drop(self.spool);
        if let Some(pool) = self.pool {
            at_rest(&pool);
        }
    }
}

/// What is written over it.
fn patch() -> &'static [u8] {
    static PATCH: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| bytes(400_000, 2));
    &PATCH
}

/// Where the files are.
struct Place {
    scratch: Scratch,
    tmpfs: Option<Mount>,
    /// What the file system of the first can say of its page cache.
    reads_are_answered: bool,
    writes_wait: bool,
}

impl Place {
    #[track_caller]
    fn new() -> Self {
        let scratch = Scratch::new();
        let name = scratch.path().join("probe");
        fs::write(&name, b"probe").unwrap();
        let probe = File::options().read(true).write(true).open(&name).unwrap();
        fs::remove_file(&name).unwrap();
        let mut five = [0; 5];
        let read = preadv2(&probe, &mut [io::IoSliceMut::new(&mut five)], 0, ReadWriteFlags::NOWAIT);
        let written = pwritev2(&probe, &[IoSlice::new(b"probe")], 0, ReadWriteFlags::NOWAIT);
        Self {
            scratch,
            tmpfs: Mount::tmpfs(16 * MIB),
            reads_are_answered: read == Ok(5),
            writes_wait: written == Err(rustix::io::Errno::OPNOTSUPP),
        }
    }

    fn has(&self, state: State) -> bool {
        match state {
            State::Unanswered | State::UnansweredDirty => self.tmpfs.is_some(),
            State::Uncached => self.reads_are_answered,
            _ => true,
        }
    }

    #[track_caller]
    fn assert_empty(&self) {
        assert_empty(self.scratch.path());
        self.tmpfs.iter().for_each(|mount| assert_empty(mount.path()));
    }
}

/// Takes the files without a name in `directory` out of the page cache; `None` where that cannot be.
#[track_caller]
fn evict(directory: &Path, backing: Backing) -> Option<()> {
    // What is mapped stays.
    if backing == Backing::Mmap {
        return None;
    }
    let mut evicted = None;
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let path = entry.unwrap().path();
        let Ok(target) = fs::read_link(&path) else { continue };
        if !target.starts_with(directory) {
            continue;
        }
        let file = File::open(path).unwrap();
        file.sync_data().unwrap();
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        evicted = Some(());
    }
    evicted
}

/// `fill_buf` that is polled by hand gives the same again, as long as nothing was consumed.
#[test]
fn p10_what_fill_buf_gave_is_given_again() {
    in_time(|| {
        let place = Place::new();
        let executor = Executor::new();
        let _inside = executor.enter();
        for state in STATES {
            let Some(mut case) = Case::make(&place, state, Backing::File, false) else { continue };
            at_once(case.spool.rewind()).unwrap();
            let given = ByHand::new(case.spool.fill_buf()).finish().unwrap().to_vec();
            assert_same(&given, &case.model.content()[..given.len()], "by fill_buf");
            assert!(!given.is_empty());
            // No runtime's help is asked for what is there.
            let hold = executor.hold();
            let again = at_once(case.spool.fill_buf()).unwrap().to_vec();
            assert_same(&again, &given, "by fill_buf, again");
            let half = given.len() / 2;
            Pin::new(&mut case.spool).consume(half);
            let left = at_once(case.spool.fill_buf()).unwrap().to_vec();
            assert_same(&left, &given[half..], "what is left of it");
            // More than there is: it stops where that ends.
            Pin::new(&mut case.spool).consume(usize::MAX);
            assert_eq!(case.spool.position(), given.len() as u64, "{state:?}");
            drop(hold);
            executor.settle();
            case.end();
        }
    });
}
