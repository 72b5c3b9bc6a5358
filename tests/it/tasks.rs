//! P1 and P10 of `tokio::AsyncSpooledTempFile`: the same operations, each of them waited for by a task, give what they give on
//! `std::io::Cursor<Vec<u8>>`; and any of them may be dropped before it is done.
//!
//! Where a task sees something else than a thread does:
//!
//! - A write is short once it is on disk, by at most 256 KiB at a time; what it takes is what a write of just that would have taken.
//! - A read may be short once it is on disk, but gives something if there is something. (How much, `async_cancel` knows.)
//! - What has no counterpart (`read_at`, `write_at`, `as_slice`, `copy_from`, `copy_to`) is done by the blocking type, which it
//!   becomes and comes back from.
//! - Dropped: a write, a read, `fill_buf` and `flush` did nothing; `roll` and `set_len` nothing or all.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, BufRead, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::pin::{Pin, pin};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use spooled::tokio::AsyncSpooledTempFile;
use spooled::{Backing, Overflow, SpooledTempFile};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

use crate::fixture::case::{Case, Directory};
use crate::fixture::life::Life;
use crate::fixture::look::Subject;
use crate::fixture::op::{Change, Fill, Op, Pair, Spool, kind};
use crate::fixture::pool::PoolCase;
use crate::fixture::size::{Place, Size};
use crate::fixture::{BACKINGS, Ground, KIB, assert_same};
use crate::model::each_operation;
use crate::property;

const BUDGET: Duration = Duration::from_secs(2);

#[test]
fn p1_any_sequence_by_a_task_equals_cursor() {
    property::holds(BUDGET, Life::run_by::<ByTask>, |life| life.shorter().collect());
}

#[test]
fn p10_any_sequence_of_which_any_is_dropped_equals_cursor() {
    property::holds(BUDGET, Impatient::run, Impatient::shorter);
}

#[test]
fn p1_each_operation_by_a_task_equals_cursor_on_the_whole_grid() {
    let ground = Ground::new();
    for len in [3, 5000, 64 * KIB, 300 * KIB] {
        for case in Case::grid(len) {
            let mut pair = Pair::new(case, &ground).driven::<ByTask>();
            for op in each_operation(len) {
                pair.apply(&op);
            }
            pair.check_all();
        }
    }
}

#[test]
fn p1_p8_each_operation_by_a_task_equals_cursor_where_something_is_short() {
    let ground = Ground::new();
    for len in [5000, 300 * KIB] {
        let unlimited = PoolCase::UNLIMITED;
        let pools = [
            PoolCase { memory: 0, ..unlimited },
            PoolCase { memory: 100 * KIB, ..unlimited },
            PoolCase { disk: 0, ..unlimited },
            PoolCase { disk: len as u64, ..unlimited },
            PoolCase { memory: 0, disk: len as u64 * 2, ..unlimited },
        ];
        for case in Case::short(len, &pools) {
            let mut pair = Pair::new(case, &ground).driven::<ByTask>();
            for op in each_operation(len) {
                pair.apply(&op);
            }
            pair.check_all();
        }
    }
}

/// A spool for tasks, each of whose operations is waited for here.
#[derive(Debug)]
struct ByTask(RefCell<Option<Way>>);

#[derive(Debug)]
enum Way {
    Task(AsyncSpooledTempFile),
    /// For what a task cannot ask of it.
    Thread(SpooledTempFile),
}

thread_local! {
    #[cfg(not(windows))]
    static RUNTIME: Runtime = runtime();
    /// Never dropped: what a thread drops at its end it drops under a lock that others need for theirs, and a runtime waits
    /// for the end of others.
    #[cfg(windows)]
    static RUNTIME: std::mem::ManuallyDrop<Runtime> = std::mem::ManuallyDrop::new(runtime());
}

/// With one thread for errands, so that who comes last to it knows that all others are done.
fn runtime() -> Runtime {
    Builder::new_current_thread().max_blocking_threads(1).build().unwrap()
}

/// Waits for one operation, and for no more errands than such a one can need.
#[track_caller]
fn wait_for<F: Future>(future: F) -> F::Output {
    wait(future, 20)
}

/// Waits for what is made of many.
#[track_caller]
fn wait_for_all<F: Future>(future: F) -> F::Output {
    wait(future, 100_000)
}

#[track_caller]
fn wait<F: Future>(future: F, most: usize) -> F::Output {
    let mut future = pin!(future);
    let mut polls = 0;
    let counted = poll_fn(|cx| {
        polls += 1;
        if polls > most { Poll::Ready(None) } else { future.as_mut().poll(cx).map(Some) }
    });
    let done = RUNTIME.with(|runtime| runtime.block_on(counted));
    done.expect("it comes to an end")
}

impl Way {
    fn into_thread(self) -> SpooledTempFile {
        match self {
            Way::Task(spool) => {
                let (len, position, rolled) = (spool.len(), spool.position(), spool.is_rolled());
                let spool = wait_for(spool.into_spool()).unwrap();
                assert_eq!((spool.len(), spool.position(), spool.is_rolled()), (len, position, rolled));
                spool
            }
            Way::Thread(spool) => spool,
        }
    }
}

impl ByTask {
    fn task(&mut self) -> &mut AsyncSpooledTempFile {
        let way = self.0.get_mut();
        if let Some(Way::Thread(_)) = way {
            let spool = way.take().unwrap().into_thread();
            *way = Some(Way::Task(AsyncSpooledTempFile::from(spool)));
        }
        let Some(Way::Task(spool)) = way else { unreachable!() };
        spool
    }

    fn thread(&mut self) -> &mut SpooledTempFile {
        let way = self.0.get_mut();
        let spool = way.take().unwrap().into_thread();
        let Way::Thread(spool) = way.insert(Way::Thread(spool)) else { unreachable!() };
        spool
    }

    fn see<T>(&self, task: fn(&AsyncSpooledTempFile) -> T, thread: fn(&SpooledTempFile) -> T) -> T {
        match self.0.borrow().as_ref().unwrap() {
            Way::Task(spool) => task(spool),
            Way::Thread(spool) => thread(spool),
        }
    }
}

impl Subject for ByTask {
    fn len(&self) -> u64 {
        self.see(AsyncSpooledTempFile::len, SpooledTempFile::len)
    }

    fn position(&self) -> u64 {
        self.see(AsyncSpooledTempFile::position, SpooledTempFile::position)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut way = self.0.borrow_mut();
        let spool = way.take().unwrap().into_thread();
        let read = spool.read_at(buf, offset);
        *way = Some(Way::Thread(spool));
        read
    }
}

impl Spool for ByTask {
    const BY_TASK: bool = true;

    fn drive(spool: SpooledTempFile) -> Self {
        Self(RefCell::new(Some(Way::Task(spool.into()))))
    }

    fn into_spool(self) -> SpooledTempFile {
        self.0.into_inner().unwrap().into_thread()
    }

    fn is_empty(&self) -> bool {
        self.see(AsyncSpooledTempFile::is_empty, SpooledTempFile::is_empty)
    }

    fn is_rolled(&self) -> bool {
        self.see(AsyncSpooledTempFile::is_rolled, SpooledTempFile::is_rolled)
    }

    fn roll(&mut self) -> io::Result<()> {
        wait_for(self.task().roll())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        wait_for(self.task().set_len(len))
    }

    fn write_at(&mut self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.thread().write_at(buf, offset)
    }

    fn as_slice(&mut self) -> io::Result<&[u8]> {
        self.thread().as_slice()
    }

    fn copy_from<R: Read>(&mut self, source: &mut R) -> io::Result<u64> {
        self.thread().copy_from(source)
    }

    fn copy_to<W: Write>(&mut self, sink: &mut W) -> io::Result<u64> {
        self.thread().copy_to(sink)
    }
}

impl Read for ByTask {
    /// As much as there is, of which a task may get a part at a time.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let spool = self.task();
        let mut done = 0;
        loop {
            let buf = &mut buf[done..];
            let all = spool.len().saturating_sub(spool.position()).min(buf.len() as u64) as usize;
            let read = wait_for(spool.read(buf))?;
            let least = if spool.is_rolled() { all.min(1) } else { all };
            assert!((least..=all).contains(&read), "{read} bytes of {all}: {spool:?}");
            done += read;
            if read == all {
                return Ok(done);
            }
        }
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        bufs.iter_mut().try_fold(0, |done, buf| Ok(done + self.read(buf)?))
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let spool = self.task();
        let read = wait_for_all(spool.read_exact(buf)).map(drop);
        if read.is_err() && spool.position() > spool.len() {
            // A task that begins past the end stays there; `Cursor` moves to the end.
            wait_for(spool.seek(SeekFrom::End(0)))?;
        }
        read
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        wait_for_all(self.task().read_to_end(buf))
    }

    /// A task that finds no text has read it all the same.
    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        let position = self.position();
        let read = wait_for_all(self.task().read_to_string(buf));
        if read.is_err() {
            self.seek(SeekFrom::Start(position))?;
        }
        read
    }
}

impl BufRead for ByTask {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        wait_for(self.task().fill_buf())
    }

    fn consume(&mut self, count: usize) {
        Pin::new(self.task()).consume(count);
    }

    fn read_until(&mut self, byte: u8, buf: &mut Vec<u8>) -> io::Result<usize> {
        wait_for_all(self.task().read_until(byte, buf))
    }
}

impl Write for ByTask {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let spool = self.task();
        wait_for(spool.write(buf)).inspect(|count| assert_at_a_time(spool, *count))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let spool = self.task();
        wait_for(spool.write_vectored(bufs)).inspect(|count| assert_at_a_time(spool, *count))
    }

    fn flush(&mut self) -> io::Result<()> {
        wait_for(self.task().flush())
    }
}

impl Seek for ByTask {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        wait_for(self.task().seek(to))
    }
}

#[track_caller]
fn assert_at_a_time(spool: &AsyncSpooledTempFile, count: usize) {
    assert!(!spool.is_rolled() || count <= AT_A_TIME, "{count} bytes at a time: {spool:?}");
}

/// Somebody who may not wait for what was begun.
#[derive(Debug, Clone)]
struct Impatient {
    case: Case,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Arbitrary)]
enum Step {
    Op(Op),
    Begin { what: Begun, polls: u8, until_done: bool },
    BeginToo { what: Begun, polls: u8, until_done: bool },
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Begun {
    Write(Fill),
    WriteAgain(Fill),
    WriteVectored([Fill; 3]),
    Read(Size),
    FillBuf,
    Flush,
    Roll,
    SetLen(Place),
}

impl Impatient {
    #[track_caller]
    fn run(&self) {
        let ground = Ground::new();
        let mut pair = Pair::new(self.case, &ground).driven::<ByTask>();
        for step in &self.steps {
            match step {
                Step::Op(op) => pair.apply(op),
                Step::Begin { what, polls, until_done } | Step::BeginToo { what, polls, until_done } => {
                    let was_rolled = pair.spool.is_rolled();
                    let done = what.begin(&mut pair, polls % 4, *until_done);
                    let reads = matches!(what, Begun::Read(_) | Begun::FillBuf | Begun::Flush);
                    if !done && !was_rolled && !reads {
                        // Whether it has rolled over is known when it is waited for.
                        pair.spool.fill_buf().unwrap();
                    }
                    let (spool, oracle) = (&pair.spool, &pair.oracle);
                    assert_eq!((spool.position(), spool.len()), (oracle.position(), oracle.len()), "after {step:?}");
                }
            }
        }
        pair.check_all();
        drop(pair);
        // What was begun last may still be on its way, and has a file until it is done.
        let last = async {
            let without_threads = cfg!(target_family = "wasm");
            if without_threads { tokio::spawn(async {}).await } else { tokio::task::spawn_blocking(|| ()).await }
        };
        wait_for(last).unwrap();
        ground.assert_empty();
    }

    fn shorter(&self) -> Vec<Self> {
        let without = |at: usize, count: usize| {
            let mut shorter = self.clone();
            shorter.steps.drain(at..(at + count).min(shorter.steps.len()));
            shorter
        };
        let counts = (1..).map(|power| self.steps.len() >> power).take_while(|count| *count > 1).chain([1]);
        counts.flat_map(|count| (0..self.steps.len()).step_by(count).map(move |at| without(at, count))).collect()
    }
}

impl Begun {
    /// Polls that often, and drops it if it is not done by then; the model follows. Says whether it was done.
    #[track_caller]
    fn begin(self, pair: &mut Pair<'_, ByTask>, polls: u8, until_done: bool) -> bool {
        let around = pair.oracle.around();
        let offset = pair.oracle.position();
        let rolled = pair.spool.is_rolled();
        match self {
            Begun::Write(fill) | Begun::WriteAgain(fill) => {
                let buf = fill.bytes(&around);
                let expected = pair.oracle.write(offset, buf.len(), rolled);
                if expected.is_empty() {
                    return true;
                }
                let Some(done) = begun(pair.spool.task().write(buf), polls, until_done) else { return false };
                pair.written(buf, kind(done), &expected, "write");
            }
            Begun::WriteVectored(fills) => {
                let bufs = fills.map(|fill| fill.bytes(&around));
                let count = bufs.iter().map(|buf| buf.len()).sum();
                let expected = pair.oracle.write(offset, count, rolled);
                // What may be taken of several where a directory is missing is told by `Pair` alone.
                if expected.is_empty() || expected.contains(&Err(ErrorKind::NotFound)) {
                    return true;
                }
                let slices = bufs.map(IoSlice::new);
                let done = begun(pair.spool.task().write_vectored(&slices), polls, until_done);
                let Some(done) = done else { return false };
                pair.written_vectored(bufs, kind(done), &expected);
            }
            Begun::Read(size) => {
                let mut seen = vec![0; size.bytes(&around)];
                let done = begun(pair.spool.task().read(&mut seen), polls, until_done);
                let Some(done) = done else { return false };
                let (rest, read) = (pair.oracle.rest(), done.unwrap());
                let all = seen.len().min(rest.len());
                let least = if rolled { all.min(1) } else { all };
                assert!((least..=all).contains(&read), "{read} bytes of {all}");
                assert_same(&seen[..read], &rest[..read], "by read");
                pair.oracle.cursor.set_position(offset + read as u64);
            }
            Begun::FillBuf => {
                let Some(given) = begun(pair.spool.task().fill_buf(), polls, until_done) else { return false };
                let (rest, given) = (pair.oracle.rest(), given.unwrap());
                assert!(given.len() <= rest.len() && given.is_empty() == rest.is_empty());
                assert_same(given, &rest[..given.len()], "by fill_buf");
            }
            Begun::Flush => {
                let expected = pair.oracle.flush(rolled);
                let Some(done) = begun(pair.spool.task().flush(), polls, until_done) else { return false };
                let done = kind(done);
                assert!(expected.contains(&done), "flush: {done:?}, expected one of {expected:?}");
                if done.is_ok() && rolled {
                    pair.oracle.flushed();
                }
            }
            Begun::Roll => {
                if polls > 0 {
                    pair.oracle.asked_for_a_file();
                }
                let expected = pair.oracle.file(rolled);
                let Some(done) = begun(pair.spool.task().roll(), polls, until_done) else { return false };
                let done = kind(done);
                assert!(expected.contains(&done), "roll: {done:?}, expected one of {expected:?}");
                assert_eq!(pair.spool.is_rolled(), rolled || done.is_ok());
            }
            Begun::SetLen(place) => {
                let len = place.offset(&around);
                let expected = pair.oracle.set_len(len, rolled);
                if expected.is_empty() {
                    return true;
                }
                let before = pair.oracle.len();
                match begun(pair.spool.task().set_len(len), polls, until_done) {
                    Some(done) => {
                        let done = kind(done);
                        assert!(expected.contains(&done), "set_len: {done:?}, expected one of {expected:?}");
                        if done.is_ok() {
                            pair.oracle.cursor.get_mut().resize(len as usize, 0);
                        }
                    }
                    None => {
                        // The next call waits for it, and then it has happened or not.
                        pair.spool.fill_buf().unwrap();
                        let happened = pair.spool.len() == len && polls > 0 && expected.contains(&Ok(()));
                        assert!(happened || pair.spool.len() == before, "{} of {before}, {len}", pair.spool.len());
                        if happened {
                            pair.oracle.cursor.get_mut().resize(len as usize, 0);
                        }
                    }
                }
            }
        }
        true
    }
}

/// What is done after that many polls, with a wake-up between two of them; and another behind the last, if it is to be done.
#[track_caller]
fn begun<F: Future>(future: F, polls: u8, until_done: bool) -> Option<F::Output> {
    let (rings, rung) = channel();
    let waker = Waker::from(Arc::new(Bell(Mutex::new(rings))));
    RUNTIME.with(|runtime| {
        let _inside = runtime.enter();
        let mut future = pin!(future);
        for nth in 1..=polls {
            rung.try_iter().for_each(drop);
            if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(done);
            }
            if nth < polls || until_done {
                // Without threads an errand is a task of the runtime's, which has to be let at it.
                if cfg!(target_family = "wasm") {
                    runtime.block_on(tokio::task::yield_now());
                }
                heard(&rung);
            }
        }
        None
    })
}

#[track_caller]
fn heard(rung: &Receiver<()>) {
    rung.recv_timeout(Duration::from_secs(30)).expect("nobody wakes who waits");
}

struct Bell(Mutex<Sender<()>>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.lock().unwrap().send(());
    }
}

impl<'a> Arbitrary<'a> for Impatient {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let case = u.arbitrary()?;
        let mut steps = vec![];
        while !u.is_empty() && steps.len() < MOST_STEPS {
            steps.push(u.arbitrary()?);
        }
        Ok(Impatient { case, steps })
    }
}

const MOST_STEPS: usize = 300;
/// The most that goes to or comes from the disk at a time.
const AT_A_TIME: usize = 256 * KIB;

/// Somebody gave up a write that had to wait, and wrote nothing next: that found the window ready, took none of it, asked for room
/// again, and so on without end.
#[test]
fn p10_an_empty_write_behind_one_that_was_dropped_is_done() {
    let fill = |size, seed| Fill { size, seed, text: false };
    for backing in BACKINGS {
        for last in [
            Op::Change(Change::Write(fill(Size::Small(0), 0))),
            Op::Change(Change::WriteVectored([fill(Size::Small(0), 0); 3])),
        ] {
            let dropped = Begun::Write(fill(Size::Any(200_000), 1));
            let steps = vec![
                Step::Op(Op::Change(Change::Write(fill(Size::Any(200_000), 2)))),
                Step::Begin { what: dropped, polls: 1, until_done: false },
                Step::Op(last),
            ];
            Impatient { case: Case::new(0, backing), steps }.run();
        }
    }
}

/// Each operation, begun and dropped in front of each other one.
#[test]
fn p10_each_operation_is_dropped_in_front_of_each_other_one() {
    let fill = |size, seed| Fill { size, seed, text: false };
    let begins = [
        Begun::Write(fill(Size::Any(100_000), 1)),
        Begun::Write(fill(Size::Small(10), 2)),
        Begun::WriteVectored([1, 2, 3].map(|seed| fill(Size::Any(30_000), seed))),
        Begun::Read(Size::Any(100_000)),
        Begun::FillBuf,
        Begun::Flush,
        Begun::Roll,
        Begun::SetLen(Place::Start(Size::Any(2000))),
        Begun::SetLen(Place::PastEnd(Size::Any(2000))),
    ];
    for (number, backing) in BACKINGS.into_iter().enumerate() {
        for threshold in [0, 5000] {
            for (polls, what) in (0..3).flat_map(|polls| begins.map(|what| (polls, what))) {
                let ops = each_operation(5000 + number);
                let begin = |until_done| Step::Begin { what, polls, until_done };
                let steps = ops.into_iter().enumerate().flat_map(|(nth, op)| [begin(nth % 2 == 0), Step::Op(op)]);
                Impatient { case: Case::new(threshold, backing), steps: steps.collect() }.run();
            }
        }
    }
}

/// One write of more than goes to the disk at a time, at a threshold of more than that. Room was made for a part of it, which memory
/// had, and then all of it was too much for memory: for ever.
#[test]
fn p1_one_write_past_any_threshold_comes_to_its_end() {
    let ground = Ground::new();
    let fill = |bytes: usize| Fill { size: Size::Any(bytes as u32), seed: 1, text: false };
    for threshold in [0, 1, 100 * KIB, 300 * KIB] {
        for bytes in [threshold + 1, AT_A_TIME, AT_A_TIME + 1, 500_000] {
            for overflow in [Overflow::Disk, Overflow::DiskOrMemory(threshold + 2)] {
                for directory in [Directory::There, Directory::Missing] {
                    let case = Case { overflow, directory, ..Case::new(threshold, Backing::File) };
                    let mut pair = Pair::new(case, &ground).driven::<ByTask>();
                    pair.apply(&Op::Change(Change::Write(fill(bytes))));
                    pair.apply(&Op::Change(Change::WriteAll(fill(bytes))));
                    pair.check_all();
                }
            }
        }
    }
}
