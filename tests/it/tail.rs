//! P1, P6 and P8 of `tail`: any schedule of a writer and its readers, each of whom sees what was published, and then the one
//! end that it came to.
//!
//! Where a reader differs from `Cursor` on purpose:
//!
//! - `read`, `read_at` and `fill_buf` give what is published; where that is nothing they wait, and here are not called.
//! - Behind what a writer published that failed or was dropped, each call that wants more is an error. `read_to_end`,
//!   `read_to_string` and `read_until` hand out what came before it, as the standard library says; all others leave the
//!   position as it is.
//!
//! The limits are those of a spool, met by the writer alone; the longest time that something may stay unpublished is until
//! 64 KiB have gathered, or the next `flush`.

use std::panic::RefUnwindSafe;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use spooled::Backing;

use crate::fixture::KIB;
use crate::fixture::case::Case;
use crate::fixture::look::Look;
use crate::fixture::op::Fill;
use crate::fixture::pool::PoolCase;
use crate::fixture::size::{Edge, Place, Size, Target};
use crate::fixture::tail::{Cause, End, Reading, Step, Tailing, Writing};
use crate::property;

const ENDS: [End; 3] = [End::Finish, End::Fail(Cause::Reset), End::Drop];

#[test]
fn p1_p6_p8_any_schedule_of_a_writer_and_its_readers_equals_cursors() {
    in_time(|| property::holds(Duration::from_secs(10), Tailing::run, |tailing| tailing.shorter().collect()));
}

/// Each way to write and to read, on the whole grid, at each end.
#[test]
fn p1_each_way_to_write_and_read_on_the_whole_grid() {
    in_time(|| {
        for len in [3, 5000, 100 * KIB] {
            for case in Case::grid(len) {
                for end in ENDS {
                    Tailing { case, steps: each_step(len), end }.run();
                }
            }
        }
    });
}

/// The same where a pool is short, and where a limit ends it.
#[test]
fn p1_p8_each_way_to_write_and_read_where_something_is_short() {
    in_time(|| {
        let len = 100 * KIB;
        let unlimited = PoolCase::UNLIMITED;
        let pools = [
            PoolCase { memory: 0, ..unlimited },
            PoolCase { memory: 1, ..unlimited },
            PoolCase { memory: 70 * KIB, ..unlimited },
            PoolCase { disk: 0, ..unlimited },
            PoolCase { disk: len as u64 / 2, ..unlimited },
            PoolCase { memory: 0, disk: len as u64 * 2, ..unlimited },
            PoolCase { memory: 50 * KIB, disk: 50 * KIB as u64, retain_memory: 0, ..unlimited },
        ];
        for (number, case) in Case::short(len, &pools).enumerate() {
            Tailing { case, steps: each_step(len), end: ENDS[number % 3] }.run();
        }
    });
}

/// The writer ends before the first step of its readers, then after it, …
#[test]
fn p4_an_end_at_any_moment_takes_nothing_back() {
    in_time(|| {
        for threshold in [0, 3000, usize::MAX] {
            let steps = each_step(5000);
            for at in 0..=steps.len() {
                for end in ENDS {
                    let mut steps = steps.clone();
                    steps.insert(at, Step::End(end));
                    Tailing { case: Case::new(threshold, Backing::File), steps, end }.run();
                }
            }
        }
    });
}

fn each_step(len: usize) -> Vec<Step> {
    let part = |part: usize| Size::Any((len / part) as u32);
    let fill = |size, seed| Fill { size, seed, text: false };
    let look = |who, look| Step::Reader { who, what: Reading::Look(look) };
    let from_start = |by: usize| Place::Start(part(by));
    vec![
        look(0, Look::Read(Size::Small(0))),
        Step::Write(Writing::Flush),
        Step::Write(Writing::Write(fill(part(50), 1))),
        Step::Write(Writing::Flush),
        look(0, Look::Read(part(100))),
        Step::Reader { who: 0, what: Reading::Clone },
        Step::Write(Writing::WriteAgain { seed: 2, size: part(100), times: 20 }),
        look(1, Look::FillBuf { consume: Size::Small(1), twice: true }),
        Step::Write(Writing::WriteVectored([fill(Size::Small(0), 3), fill(part(9), 4), fill(Size::Small(7), 5)])),
        Step::Write(Writing::Flush),
        look(1, Look::ReadAgain { size: part(90), times: 30 }),
        look(0, Look::ReadExact(part(20))),
        Step::Reader { who: 0, what: Reading::Clone },
        Step::Write(Writing::WriteAll(fill(part(2), 6))),
        look(2, Look::ReadUntil(0)),
        look(0, Look::ReadAt { place: from_start(3), size: part(4) }),
        look(1, Look::Seek(Target::To(from_start(2)))),
        look(1, Look::ReadVectored([Size::Small(0), part(7), part(8)])),
        Step::Write(Writing::Flush),
        look(1, Look::ReadVectored([Size::Small(0), part(7), part(8)])),
        look(1, Look::Seek(Target::FromHere(part(5), true))),
        Step::Write(Writing::Write(fill(part(3), 7))),
        look(2, Look::Read(Size::At(Edge::Most, 0))),
        look(0, Look::Seek(Target::To(Place::PastEnd(Size::Small(9))))),
        Step::Write(Writing::WriteAgain { seed: 8, size: part(60), times: 30 }),
        Step::Write(Writing::Flush),
        look(0, Look::Read(part(3))),
        Step::Reader { who: 1, what: Reading::Drop },
        look(1, Look::Rewind),
        look(1, Look::ReadExact(Size::At(Edge::Len, 0))),
    ]
}

/// Where there are no threads, what a reader would wait for only its own thread can write: a program was aborted instead.
#[cfg(target_family = "wasm")]
#[test]
fn p4_without_threads_who_would_wait_is_told_so() {
    use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
    let (mut writer, mut reader) = spooled::tail::channel(&spooled::SpoolOptions::new());
    let mut seen = vec![];
    assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    writer.write_all(b"a part, ").unwrap();
    writer.flush().unwrap();
    assert_eq!(reader.seek(SeekFrom::End(0)).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(reader.read_to_end(&mut seen).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!((&seen[..], reader.position()), (&b"a part, "[..], 8));
    writer.write_all(b"and the rest").unwrap();
    writer.finish().unwrap();
    assert_eq!(reader.read_to_end(&mut seen).unwrap(), 12);
    assert_eq!(seen, b"a part, and the rest");
}

/// A schedule in which somebody waits for what will never come fails, instead of standing still.
#[track_caller]
fn in_time(work: impl FnOnce() + Send + RefUnwindSafe + 'static) {
    if cfg!(target_family = "wasm") {
        return work();
    }
    let (done, is_done) = channel();
    let worker = thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    match is_done.recv_timeout(Duration::from_secs(120)) {
        Err(RecvTimeoutError::Timeout) => panic!("somebody waits where there is something to be had"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        }
    }
}
