//! The writer and its readers in every order that a model checker finds: the real ones, over real memory and a real file.

use std::io::{self, ErrorKind, Read, Write};

use loom::model::Builder;
use loom::thread;

use super::{Reader, channel};
use crate::options::SpoolOptions;

/// As far as that goes in seconds: more than two switches that no lock asks for are rarely needed to show a race.
fn in_every_order(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

fn options(threshold: usize) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.threshold(threshold);
    options
}

fn read_all(mut reader: Reader) -> (Vec<u8>, io::Result<usize>) {
    let mut bytes = vec![];
    let done = reader.read_to_end(&mut bytes);
    (bytes, done)
}

/// P1: whenever the rollover comes, readers see all of it once, and then the end; nobody sleeps through it.
#[test]
fn p1_loom_no_reader_sees_the_rollover_or_misses_the_end() {
    in_every_order(|| {
        let (mut writer, reader) = channel(&options(1));
        let readers = [reader.clone(), reader].map(|reader| thread::spawn(move || read_all(reader)));
        writer.write_all(b"a").unwrap();
        writer.flush().unwrap();
        writer.write_all(b"b").unwrap();
        writer.finish().unwrap();
        for reader in readers {
            let (bytes, done) = reader.join().unwrap();
            assert_eq!((&bytes[..], done.unwrap()), (&b"ab"[..], 2));
        }
    });
}

/// The same in memory that grows by a segment.
#[test]
fn p1_loom_memory_grows_under_its_readers() {
    in_every_order(|| {
        let (mut writer, reader) = channel(&options(usize::MAX));
        let reader = thread::spawn(move || read_all(reader));
        for piece in [[1; 2048], [2; 2048]] {
            writer.write_all(&piece).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(reader.join().unwrap().0, [[1; 2048], [2; 2048]].concat());
    });
}

/// P4: what came before a failure arrives, whatever the order, and then the failure and not an end.
#[test]
fn p4_loom_a_failure_comes_behind_what_was_written() {
    for abandoned in [false, true] {
        in_every_order(move || {
            let (mut writer, reader) = channel(&options(1));
            let reader = thread::spawn(move || read_all(reader));
            writer.write_all(b"ab").unwrap();
            if abandoned {
                drop(writer);
            } else {
                writer.fail(ErrorKind::TimedOut.into());
            }
            let (bytes, done) = reader.join().unwrap();
            assert_eq!(bytes, b"ab");
            let expected = if abandoned { ErrorKind::BrokenPipe } else { ErrorKind::TimedOut };
            assert_eq!(done.unwrap_err().kind(), expected);
        });
    }
}

/// P1: what is flushed wakes who waits for it, though no end follows.
#[test]
fn p1_loom_no_wake_up_is_lost() {
    in_every_order(|| {
        let (mut writer, mut reader) = channel(&options(0));
        let read = thread::spawn(move || reader.read(&mut [0; 2]).unwrap());
        writer.write_all(b"a").unwrap();
        writer.flush().unwrap();
        assert_eq!(read.join().unwrap(), 1);
        writer.finish().unwrap();
    });
}

/// P1: nor is one of a task's, while a thread waits for the same.
#[test]
fn p1_loom_no_waker_is_lost() {
    in_every_order(|| {
        let (mut writer, mut reader) = channel(&options(usize::MAX));
        let shared = reader.shared();
        let task = thread::spawn(move || {
            let mut ticket = None;
            loom::future::block_on(std::future::poll_fn(|cx| shared.progress.poll_past(0, &mut ticket, cx))).unwrap()
        });
        let blocked = thread::spawn(move || reader.read(&mut [0; 2]).unwrap());
        writer.write_all(b"a").unwrap();
        writer.flush().unwrap();
        assert!(task.join().unwrap());
        assert_eq!(blocked.join().unwrap(), 1);
        writer.finish().unwrap();
    });
}

/// P4: a task that waits is told of the end, whichever that is, and whenever it comes.
#[test]
fn p4_loom_a_task_hears_of_the_end() {
    for finishes in [true, false] {
        in_every_order(move || {
            let (writer, reader) = channel(&options(usize::MAX));
            let shared = reader.shared();
            let task = thread::spawn(move || {
                let mut ticket = None;
                loom::future::block_on(std::future::poll_fn(|cx| shared.progress.poll_past(0, &mut ticket, cx)))
            });
            if finishes {
                writer.finish().unwrap();
            } else {
                drop(writer);
            }
            match task.join().unwrap() {
                Ok(past) => assert!(finishes && !past),
                Err(error) => assert!(!finishes && error.kind() == ErrorKind::BrokenPipe),
            }
        });
    }
}
