//! P1 of `tail` for tasks: who waits is woken by what it waits for, and by nothing before that; tasks and threads wait for the
//! same, and each comes to the one end there is.

mod ground;
mod tasks;

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, SeekFrom, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use ground::mount::Mount;
use ground::pool::at_rest;
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_same, bytes, in_time, options};
use spooled::{Pool, SpoolOptions, tail};
use tasks::{Alarm, ByHand, Executor, at_once};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

async fn next<S: Stream<Item = io::Result<Bytes>> + Unpin>(stream: &mut S) -> Option<io::Result<Bytes>> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

#[test]
fn p1_who_waits_is_woken_when_something_is_published_and_not_before() {
    let (mut writer, mut reader) = tail::channel(SpoolOptions::new().threshold(MIB));
    let mut other = reader.clone();
    let mut buf = [0; 10];
    let mut waits = ByHand::new(AsyncReadExt::read(&mut reader, &mut buf));
    let mut fills = ByHand::new(other.fill_buf());
    assert!(waits.poll().is_pending() && fills.poll().is_pending());
    at_once(AsyncWriteExt::write_all(&mut writer, b"some")).unwrap();
    assert!(!waits.was_woken() && !fills.was_woken(), "woken for what is not published");
    at_once(AsyncWriteExt::flush(&mut writer)).unwrap();
    assert!(waits.was_woken() && fills.was_woken());
    assert!(matches!(waits.poll(), Poll::Ready(Ok(4))));
    assert!(matches!(fills.poll(), Poll::Ready(Ok(b"some"))));
    drop((waits, fills));
    assert_eq!((&buf[..4], reader.position(), other.position()), (&b"some"[..], 4, 0));
    // Nothing new is no reason.
    let mut waits = ByHand::new(AsyncReadExt::read(&mut reader, &mut buf));
    assert!(waits.poll().is_pending());
    at_once(AsyncWriteExt::flush(&mut writer)).unwrap();
    assert!(!waits.was_woken());
    // 64 KiB are published without being asked for.
    for _ in 0..64 {
        at_once(AsyncWriteExt::write_all(&mut writer, &[7; 1024])).unwrap();
    }
    assert!(waits.was_woken());
    assert!(matches!(waits.poll(), Poll::Ready(Ok(10))));
}

#[test]
fn p1_each_end_wakes_who_waits() {
    type End = fn(tail::Writer);
    let ends: [(End, Option<ErrorKind>); 4] = [
        (|writer| writer.finish().unwrap(), None),
        (|writer| writer.fail(ErrorKind::ConnectionReset.into()), Some(ErrorKind::ConnectionReset)),
        (drop, Some(ErrorKind::BrokenPipe)),
        (
            |mut writer| {
                at_once(writer.shutdown()).unwrap();
                at_once(writer.shutdown()).unwrap();
                assert_eq!(
                    at_once(AsyncWriteExt::write(&mut writer, b"more")).unwrap_err().kind(),
                    ErrorKind::BrokenPipe
                );
                assert_eq!(Write::write(&mut writer, b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
            },
            None,
        ),
    ];
    for (end, expected) in ends {
        let (mut writer, mut reader) = tail::channel(&SpoolOptions::new());
        let (mut sought, mut streamed) = (reader.clone(), Box::pin(reader.clone().into_stream(3)));
        let mut buf = [0; 10];
        let mut reads = ByHand::new(AsyncReadExt::read(&mut reader, &mut buf));
        let mut seeks = ByHand::new(sought.seek(SeekFrom::End(-2)));
        let mut streams = ByHand::new(next(&mut streamed));
        assert!(reads.poll().is_pending() && seeks.poll().is_pending() && streams.poll().is_pending());
        at_once(AsyncWriteExt::write_all(&mut writer, b"to the end")).unwrap();
        assert!(!reads.was_woken() && !seeks.was_woken() && !streams.was_woken());
        end(writer);
        assert!(reads.was_woken() && seeks.was_woken() && streams.was_woken());
        // What was accepted is published by any end, and comes before it.
        assert!(matches!(reads.poll(), Poll::Ready(Ok(10))));
        let Poll::Ready(Some(Ok(first))) = streams.poll() else { panic!("nothing streams") };
        let sought_to = seeks.poll();
        drop((reads, seeks, streams));
        let (mut seen, mut failed) = (first.to_vec(), None);
        while let Some(piece) = at_once(next(&mut streamed)) {
            match piece {
                Ok(piece) => {
                    assert!((1..=3).contains(&piece.len()));
                    seen.extend_from_slice(&piece);
                }
                Err(error) => {
                    failed = Some(error.kind());
                    break;
                }
            }
        }
        assert_eq!((seen.as_slice(), failed), (&b"to the end"[..], expected));
        for _ in 0..2 {
            let read = at_once(AsyncReadExt::read(&mut reader, &mut buf));
            match (expected, sought_to.is_ready()) {
                (None, true) => assert_eq!(read.unwrap(), 0),
                (Some(kind), true) => {
                    let error = read.unwrap_err();
                    assert_eq!(error.kind(), kind);
                    let cause = error.get_ref().unwrap();
                    let abandoned = kind == ErrorKind::BrokenPipe;
                    assert!(cause.is::<tail::Abandoned>() == abandoned && cause.is::<tail::Failed>() != abandoned);
                }
                (_, false) => panic!("a seek from the end waits behind it"),
            }
        }
        match (expected, sought_to) {
            (None, Poll::Ready(Ok(8))) => assert_eq!(sought.position(), 8),
            (Some(kind), Poll::Ready(Err(error))) => assert_eq!((error.kind(), sought.position()), (kind, 0)),
            (_, other) => panic!("a seek from the end gives {other:?}"),
        }
    }
}

/// The last one to ask is the one to be woken; one that is gone is nobody's to wake, nor to keep.
#[test]
fn p1_a_waker_is_replaced_and_let_go_of() {
    let (mut writer, mut reader) = tail::channel(&SpoolOptions::new());
    let alarms: [Arc<Alarm>; 3] = Default::default();
    let mut buf = [0; 1];
    for alarm in &alarms {
        let mut reading = Box::pin(AsyncReadExt::read(&mut reader, &mut buf));
        let waker = Waker::from(Arc::clone(alarm));
        for _ in 0..10 {
            assert!(reading.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
    }
    Write::write_all(&mut writer, b"!").unwrap();
    Write::flush(&mut writer).unwrap();
    assert!(alarms[2].rung() > 0, "the last one to ask is not woken");
    assert_eq!(at_once(AsyncReadExt::read(&mut reader, &mut buf)).unwrap(), 1);
    let alarm = Arc::<Alarm>::default();
    let mut gone = reader.clone();
    let waker = Waker::from(Arc::clone(&alarm));
    assert!(
        Box::pin(AsyncReadExt::read(&mut gone, &mut buf)).as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
    );
    drop((waker, gone));
    Write::write_all(&mut writer, b"!").unwrap();
    Write::flush(&mut writer).unwrap();
    assert_eq!(Arc::strong_count(&alarm), 1, "the waker of a reader that is gone is kept");
    drop(alarms);
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn p1_tasks_and_threads_wait_for_the_same() {
    in_time(|| {
        let scratch = Scratch::new();
        let mount = Mount::tmpfs(32 * MIB);
        let content = Arc::new(bytes(MIB, 1));
        let mut places = vec![(scratch.path(), 0), (scratch.path(), 100 * KIB), (scratch.path(), usize::MAX)];
        places.extend(mount.iter().flat_map(|mount| [(mount.path(), 0), (mount.path(), 1000)]));
        for (nth, (place, threshold)) in places.into_iter().enumerate() {
            for (piece, asynchronous) in [(700, true), (4096, false), (100_000, true), (300_000, false)] {
                let pool = Pool::builder().dir(place).build();
                let mut options = options(place, threshold, BACKINGS[nth % 2]);
                if nth % 2 == 0 {
                    options = SpoolOptions::new().threshold(threshold).pool(&pool).to_owned();
                }
                let (mut writer, reader) = tail::channel(&options);
                let threads: Vec<_> = [500, 200_000]
                    .into_iter()
                    .map(|ask| {
                        let mut reader = reader.clone();
                        thread::spawn(move || {
                            let (mut seen, mut buf) = (vec![], vec![0; ask]);
                            while let Some(read) =
                                Some(Read::read(&mut reader, &mut buf).unwrap()).filter(|read| *read > 0)
                            {
                                seen.extend_from_slice(&buf[..read]);
                            }
                            seen
                        })
                    })
                    .chain([500, 70_000].into_iter().map(|ask| {
                        let mut reader = reader.clone();
                        thread::spawn(move || {
                            let (mut seen, mut buf) = (vec![], vec![0; ask]);
                            Executor::new().block_on(async {
                                while let Some(read) = Some(AsyncReadExt::read(&mut reader, &mut buf).await.unwrap())
                                    .filter(|read| *read > 0)
                                {
                                    seen.extend_from_slice(&buf[..read]);
                                }
                            });
                            seen
                        })
                    }))
                    .chain([500, 90_000].into_iter().map(|chunk| {
                        let mut stream = Box::pin(reader.clone().into_stream(chunk));
                        thread::spawn(move || {
                            let mut seen = vec![];
                            Executor::new().block_on(async {
                                while let Some(piece) = next(&mut stream).await {
                                    let piece = piece.unwrap();
                                    assert!((1..=chunk).contains(&piece.len()));
                                    seen.extend_from_slice(&piece);
                                }
                            });
                            seen
                        })
                    }))
                    .collect();
                let mut last = reader;
                let ends = thread::spawn(move || Executor::new().block_on(last.seek(SeekFrom::End(0))).unwrap());
                let executor = Executor::new();
                for (nth, piece) in content.chunks(piece).enumerate() {
                    if asynchronous {
                        executor.block_on(AsyncWriteExt::write_all(&mut writer, piece)).unwrap();
                    } else {
                        Write::write_all(&mut writer, piece).unwrap();
                    }
                    if nth % 50 == 3 {
                        executor.block_on(AsyncWriteExt::flush(&mut writer)).unwrap();
                        thread::sleep(Duration::from_micros(100));
                    }
                }
                executor.block_on(writer.shutdown()).unwrap();
                drop(writer);
                for reader in threads {
                    assert_same(&reader.join().unwrap(), &content, &format!("place {nth}, by {piece}"));
                }
                assert_eq!(ends.join().unwrap(), content.len() as u64);
                executor.settle();
                at_rest(&pool);
            }
        }
        assert_empty(scratch.path());
    });
}

/// Each way of reading, from anywhere, beside the blocking one of the same.
#[test]
fn p1_reading_and_seeking_by_a_task_is_what_it_is_by_a_thread() {
    in_time(|| {
        let scratch = Scratch::new();
        let mount = Mount::tmpfs(16 * MIB);
        let executor = Executor::new();
        let content = bytes(400_000, 2);
        for place in [Some(scratch.path()), mount.as_ref().map(Mount::path)].into_iter().flatten() {
            for threshold in [0, MIB] {
                let (mut writer, reader) = tail::channel(&options(place, threshold, BACKINGS[0]));
                Write::write_all(&mut writer, &content).unwrap();
                writer.finish().unwrap();
                let (mut by_task, mut by_thread) = (reader.clone(), reader);
                for (to, count) in [
                    (SeekFrom::Start(0), 1000),
                    (SeekFrom::Current(200_000), 100_000),
                    (SeekFrom::End(-50), 1000),
                    (SeekFrom::Start(1 << 40), 10),
                    (SeekFrom::Current(-(1 << 41)), 10),
                    (SeekFrom::Start(399_000), 1000),
                    (SeekFrom::End(-300_000), 300_000),
                ] {
                    let sought = executor.block_on(AsyncSeekExt::seek(&mut by_task, to)).map_err(|error| error.kind());
                    assert_eq!(sought, io::Seek::seek(&mut by_thread, to).map_err(|error| error.kind()), "{to:?}");
                    let (mut seen, mut expected) = (vec![0; count], vec![0; count]);
                    let (mut read, mut meant) = (0, 0);
                    // Each may be short; what both come to is not.
                    while let Some(more @ 1..) =
                        Some(executor.block_on(AsyncReadExt::read(&mut by_task, &mut seen[read..])).unwrap())
                    {
                        read += more;
                    }
                    while let Some(more @ 1..) = Some(Read::read(&mut by_thread, &mut expected[meant..]).unwrap()) {
                        meant += more;
                    }
                    assert_same(&seen[..read], &expected[..meant], &format!("behind {to:?}"));
                    assert_eq!(by_task.position(), by_thread.position());
                }
                executor.block_on(AsyncSeekExt::rewind(&mut by_task)).unwrap();
                let mut line = vec![];
                executor.block_on(AsyncBufReadExt::read_until(&mut by_task, content[5000], &mut line)).unwrap();
                assert_same(&line, &content[..line.len()], "by read_until");
                let mut rest = vec![];
                executor.block_on(AsyncReadExt::read_to_end(&mut by_task, &mut rest)).unwrap();
                assert_same(&rest, &content[line.len()..], "by read_to_end");
            }
        }
        executor.settle();
        assert_empty(scratch.path());
    });
}
