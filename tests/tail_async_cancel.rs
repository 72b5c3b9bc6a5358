//! P10 of `tail` for tasks: a write, a flush or a read that is dropped after any number of polls has done nothing that its caller
//! was not told of, and everybody else sees what was published, and then the end.
#![cfg(not(target_family = "wasm"))]

mod ground;
mod tasks;

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::task::Poll;

use ground::mount::Mount;
use ground::pool::at_rest;
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_same, bytes, in_time, options};
use spooled::{Backing, Pool, SpoolOptions, tail};
use tasks::{ByHand, Executor, at_once};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    Write(usize),
    Flush,
    Shutdown,
}

/// Polls that often; says what came of it, if it is done.
fn poll_and_drop<F: Future>(future: F, polls: usize, until_done: bool, held: bool) -> Option<F::Output> {
    let mut future = ByHand::new(future);
    for nth in 1..=polls {
        if let Poll::Ready(done) = future.poll() {
            return Some(done);
        }
        if !held && (nth < polls || until_done) {
            future.until_woken();
        }
    }
    None
}

fn places(scratch: &Scratch, mount: &Option<Mount>) -> Vec<(PathBuf, usize)> {
    let mut places = vec![(scratch.path().to_owned(), 0), (scratch.path().to_owned(), 200_000)];
    places.push((scratch.path().to_owned(), MIB));
    places.extend(mount.iter().map(|mount| (mount.path().to_owned(), 0)));
    places
}

#[test]
fn p10_a_writer_whose_call_is_dropped_has_written_what_it_was_told() {
    in_time(|| {
        let (scratch, mount) = (Scratch::new(), Mount::tmpfs(16 * MIB));
        let executor = Executor::new();
        let _inside = executor.enter();
        let content = bytes(MIB, 1);
        let deeds = [Deed::Write(10), Deed::Write(70_000), Deed::Write(300_000), Deed::Flush, Deed::Shutdown];
        let (mut nth, mut dropped) = (0, 0);
        for ((place, threshold), deed) in
            places(&scratch, &mount).into_iter().flat_map(|place| deeds.map(|deed| (place.clone(), deed)))
        {
            for (until_done, held) in [(false, false), (true, false), (false, true)] {
                for polls in 0..5 {
                    nth += 1;
                    let what =
                        format!("{deed:?} after {polls} polls, until done: {until_done}, held: {held}, at {threshold}");
                    let (mut writer, mut reader) = tail::channel(&options(&place, threshold, BACKINGS[nth % 2]));
                    let mut accepted = written(&mut writer, &content, 200_000);
                    let published = reader.published();
                    let hold = held.then(|| executor.hold());
                    let (done, shut) = match deed {
                        Deed::Write(count) => {
                            let write = AsyncWriteExt::write(&mut writer, &content[accepted..][..count]);
                            let done = poll_and_drop(write, polls, until_done, held).map(Result::unwrap);
                            accepted += done.unwrap_or(0);
                            (done.is_some(), false)
                        }
                        Deed::Flush => {
                            let done = poll_and_drop(AsyncWriteExt::flush(&mut writer), polls, until_done, held);
                            if done.is_some_and(|done| done.is_ok()) {
                                assert_eq!(reader.published(), accepted as u64, "{what}");
                            }
                            (false, false)
                        }
                        Deed::Shutdown => {
                            let done = poll_and_drop(writer.shutdown(), polls, until_done, held);
                            (done.is_some(), done.is_some_and(|done| done.is_ok()) || polls > 0)
                        }
                    };
                    dropped += usize::from(!done && polls > 0);
                    assert!((published..=accepted as u64).contains(&reader.published()), "{what}");
                    drop(hold);
                    if shut {
                        // It has ended, or does when it is asked again.
                        ByHand::new(writer.shutdown()).finish().unwrap();
                    } else {
                        // Goes on behind what was accepted.
                        for piece in content[accepted..].chunks(50_000) {
                            ByHand::new(AsyncWriteExt::write_all(&mut writer, piece)).finish().unwrap();
                        }
                        accepted = content.len();
                        ByHand::new(writer.shutdown()).finish().unwrap();
                    }
                    drop(writer);
                    assert_same(&to_the_end(&mut reader, None), &content[..accepted], &what);
                }
            }
        }
        assert!(dropped > 20, "next to nothing ever waited");
        executor.settle();
        assert_empty(scratch.path());
    });
}

/// Its errand is on its way, has not begun, or is done: readers get what was published, and that it was abandoned.
#[test]
fn p10_a_writer_that_is_dropped_at_work_has_abandoned_its_readers() {
    in_time(|| {
        let (scratch, mount) = (Scratch::new(), Mount::tmpfs(16 * MIB));
        let executor = Executor::new();
        let _inside = executor.enter();
        let content = bytes(MIB, 2);
        for (place, threshold) in places(&scratch, &mount) {
            for deed in [Deed::Write(300_000), Deed::Write(70_000), Deed::Flush] {
                for (polls, until_done, held) in
                    [(0, false, false), (1, false, false), (1, true, false), (1, false, true)]
                {
                    let what = format!("{deed:?} after {polls} polls, until done: {until_done}, held: {held}");
                    let pool = Pool::builder().dir(&place).build();
                    let (mut writer, mut reader) = tail::channel(SpoolOptions::new().threshold(threshold).pool(&pool));
                    let mut accepted = written(&mut writer, &content, 200_000);
                    let published = reader.published() as usize;
                    let hold = held.then(|| executor.hold());
                    match deed {
                        Deed::Write(count) => {
                            let write = AsyncWriteExt::write(&mut writer, &content[accepted..][..count]);
                            accepted += poll_and_drop(write, polls, until_done, held).map_or(0, Result::unwrap);
                        }
                        _ => drop(poll_and_drop(AsyncWriteExt::flush(&mut writer), polls, until_done, held)),
                    }
                    // Somebody who waits for more is told.
                    let mut waiting = reader.clone();
                    waiting.seek_to_published();
                    let mut buf = [0; 10];
                    let mut waits = ByHand::new(AsyncReadExt::read(&mut waiting, &mut buf));
                    let waited = waits.poll().is_pending();
                    drop(writer);
                    drop(hold);
                    if waited {
                        waits.until_woken();
                    }
                    drop(waits);
                    let seen = to_the_end(&mut reader, Some(ErrorKind::BrokenPipe));
                    assert!((published..=accepted).contains(&seen.len()), "{} bytes: {what}", seen.len());
                    assert_same(&seen, &content[..seen.len()], &what);
                    // What was accepted is published by the end, whichever it is.
                    assert_eq!(seen.len(), accepted, "{what}");
                    drop((reader, waiting));
                    executor.settle();
                    at_rest(&pool);
                }
            }
        }
        assert_empty(scratch.path());
    });
}

#[test]
fn p10_a_reader_whose_call_is_dropped_has_not_moved() {
    in_time(|| {
        let (scratch, mount) = (Scratch::new(), Mount::tmpfs(16 * MIB));
        let executor = Executor::new();
        let _inside = executor.enter();
        let content = bytes(400_000, 3);
        let mut dropped = 0;
        for (place, threshold) in places(&scratch, &mount) {
            let (mut writer, reader) = tail::channel(&options(&place, threshold, Backing::File));
            Write::write_all(&mut writer, &content).unwrap();
            Write::flush(&mut writer).unwrap();
            for (until_done, held) in [(false, false), (true, false), (false, true)] {
                for (polls, count) in (0..4).flat_map(|polls| [10, 5000, 100_000].map(|count| (polls, count))) {
                    let mut reader = reader.clone();
                    let at = ByHand::new(AsyncSeekExt::seek(&mut reader, SeekFrom::Start(123_456))).finish().unwrap();
                    let hold = held.then(|| executor.hold());
                    let mut buf = vec![0; count];
                    let mut position = at as usize;
                    match poll_and_drop(AsyncReadExt::read(&mut reader, &mut buf), polls, until_done, held) {
                        Some(read) => {
                            let read = read.unwrap();
                            assert!(read > 0);
                            assert_same(&buf[..read], &content[position..][..read], "by read");
                            position += read;
                        }
                        None => dropped += usize::from(polls > 0),
                    }
                    assert_eq!(reader.position(), position as u64);
                    drop(hold);
                    let mut rest = vec![0; 50_000];
                    ByHand::new(AsyncReadExt::read_exact(&mut reader, &mut rest)).finish().unwrap();
                    assert_same(&rest, &content[position..][..50_000], "behind a dropped read");
                    // A thread goes on where a task was.
                    Read::read_exact(&mut reader, &mut rest).unwrap();
                    assert_same(&rest, &content[position + 50_000..][..50_000], "by a thread");
                }
            }
            writer.finish().unwrap();
        }
        assert!(dropped > 0 || mount.is_none(), "nothing ever waited");
        executor.settle();
        assert_empty(scratch.path());
    });
}

/// It waits for the end, and then nobody does: whoever reads or seeks next need not wait for it.
#[test]
fn p10_a_seek_from_the_end_that_is_dropped_has_moved_nothing() {
    for threshold in [0, MIB] {
        let executor = Executor::new();
        let _inside = executor.enter();
        let (mut writer, mut reader) = tail::channel(SpoolOptions::new().threshold(threshold));
        Write::write_all(&mut writer, b"so far").unwrap();
        Write::flush(&mut writer).unwrap();
        let mut buf = [0; 2];
        for polls in [0, 1, 3] {
            let sought = poll_and_drop(AsyncSeekExt::seek(&mut reader, SeekFrom::End(0)), polls, false, true);
            assert!(sought.is_none(), "the end came before it did");
            assert_eq!(reader.position(), polls as u64);
            ByHand::new(AsyncReadExt::read_exact(&mut reader, &mut buf[..1])).finish().unwrap();
            assert_eq!(buf[0], b"so far"[polls]);
            if polls == 1 {
                Seek::seek(&mut reader, SeekFrom::Start(3)).unwrap();
            }
        }
    }
}

/// Nor does it hold up who reads. The next seek it does: Tokio's trait cannot tell one that is abandoned from one that is waited for.
#[test]
fn p10_a_read_takes_back_a_seek_from_the_end_that_is_dropped() {
    let (mut writer, mut reader) = tail::channel(&SpoolOptions::new());
    Write::write_all(&mut writer, b"so far").unwrap();
    Write::flush(&mut writer).unwrap();
    assert!(ByHand::new(AsyncSeekExt::seek(&mut reader, SeekFrom::End(0))).poll().is_pending());
    let mut first = [0; 2];
    at_once(AsyncReadExt::read_exact(&mut reader, &mut first)).unwrap();
    assert_eq!(at_once(AsyncSeekExt::seek(&mut reader, SeekFrom::Current(1))).unwrap(), 3);
    let mut rest = [0; 3];
    at_once(AsyncReadExt::read_exact(&mut reader, &mut rest)).unwrap();
    assert_eq!((&first, &rest), (b"so", b"far"));
    drop(writer);
}

/// Accepts that much, of which the last few bytes are not published.
fn written(writer: &mut tail::Writer, content: &[u8], count: usize) -> usize {
    Write::write_all(writer, &content[..count - 10_000]).unwrap();
    Write::flush(writer).unwrap();
    for piece in content[count - 10_000..count].chunks(1000) {
        Write::write_all(writer, piece).unwrap();
    }
    assert!(count > 64 * KIB);
    count
}

trait SeekToPublished {
    fn seek_to_published(&mut self);
}

impl SeekToPublished for tail::Reader {
    fn seek_to_published(&mut self) {
        let published = self.published();
        Seek::seek(self, SeekFrom::Start(published)).unwrap();
    }
}

#[track_caller]
fn to_the_end(reader: &mut tail::Reader, expected: Option<ErrorKind>) -> Vec<u8> {
    Seek::rewind(reader).unwrap();
    let (mut seen, mut buf) = (vec![], vec![0; 60_000]);
    loop {
        match Read::read(reader, &mut buf) {
            Ok(0) => {
                assert_eq!(expected, None, "an end behind {} bytes", seen.len());
                return seen;
            }
            Ok(count) => seen.extend_from_slice(&buf[..count]),
            Err(error) => {
                assert_eq!(Some(error.kind()), expected, "{error:?} behind {} bytes", seen.len());
                return seen;
            }
        }
    }
}
