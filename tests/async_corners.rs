//! Corners of `tokio::AsyncSpooledTempFile` and the streams, each of which was wrong once.

mod ground;
mod tasks;

use std::future::poll_fn;
use std::io::{ErrorKind, Read, SeekFrom, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use ground::mount::Mount;
use ground::{KIB, MIB, Scratch, assert_empty, assert_same, bytes, in_time};
use spooled::tokio::AsyncSpooledTempFile;
use spooled::{Pool, SpoolOptions, tail};
use tasks::{Alarm, ByHand, Executor, at_once, content_of};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// P1: without memory for a window a little is put aside for who looks; what is written over it is not seen through that.
#[test]
fn p1_what_was_put_aside_is_not_told_when_it_is_old() {
    let scratch = Scratch::new();
    let executor = Executor::new();
    let pool = Pool::builder().memory(0).dir(scratch.path()).build();
    let mut content = bytes(20_000, 1);
    let mut spool = AsyncSpooledTempFile::with_options(SpoolOptions::new().pool(&pool));
    executor.block_on(async {
        spool.write_all(&content).await.unwrap();
        spool.rewind().await.unwrap();
        for round in 0..3 {
            assert!(content.starts_with(spool.fill_buf().await.unwrap()), "round {round}");
            spool.write_all(&[b'0' + round; 100]).await.unwrap();
            content[..100].fill(b'0' + round);
            spool.seek(SeekFrom::Start(12_000)).await.unwrap();
            spool.write_all(b"elsewhere").await.unwrap();
            content[12_000..12_009].copy_from_slice(b"elsewhere");
            spool.rewind().await.unwrap();
            let mut first = [0; 200];
            spool.read_exact(&mut first).await.unwrap();
            assert_same(&first, &content[..200], "by read");
            spool.rewind().await.unwrap();
        }
        assert_same(&content_of(&mut spool).await.unwrap(), &content, "in the end");
    });
}

/// P10: what was refused to a large write that nobody waits for any more is not told to a small one.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p10_a_refusal_is_told_to_who_was_refused() {
    let scratch = Scratch::new();
    let executor = Executor::new();
    let _inside = executor.enter();
    let pool = Pool::builder().disk(100_000).dir(scratch.path()).build();
    let mut spool = AsyncSpooledTempFile::with_options(SpoolOptions::new().threshold(0).pool(&pool));
    ByHand::new(spool.write_all(&[1; 50_000])).finish().unwrap();
    let large = vec![2; 60_000];
    {
        let hold = executor.hold();
        let mut refused = ByHand::new(spool.write(&large));
        assert!(refused.poll().is_pending());
        drop(hold);
        refused.until_woken();
    }
    assert_eq!(ByHand::new(spool.write(b"ten bytes.")).finish().unwrap(), 10);
    assert_eq!(ByHand::new(spool.write(&large)).finish().unwrap_err().kind(), ErrorKind::QuotaExceeded);
    assert_eq!(spool.len(), 50_010);
}

/// P10: two tasks with a half each wait for the same errand, and both are woken.
#[test]
fn p10_both_halves_of_a_split_are_woken() {
    in_time(|| {
        let mount = Mount::tmpfs(16 * MIB);
        let Some(mount) = mount else { return };
        let executor = Executor::new();
        let _inside = executor.enter();
        let mut spool = AsyncSpooledTempFile::with_options(SpoolOptions::new().threshold(0).dir(mount.path()));
        ByHand::new(spool.write_all(&bytes(300_000, 1))).finish().unwrap();
        at_once(spool.rewind()).unwrap();
        let (mut reading, mut writing) = tokio::io::split(spool);
        let hold = executor.hold();
        let mut buf = [0; 100];
        let mut flush = ByHand::new(writing.flush());
        let mut read = ByHand::new(reading.read_exact(&mut buf));
        assert!(flush.poll().is_pending() && read.poll().is_pending());
        drop(hold);
        let (mut flushed, mut was_read) = (false, false);
        while !(flushed && was_read) {
            if !flushed && flush.was_woken() {
                flushed = flush.poll().map(|flushed| flushed.unwrap()).is_ready();
            }
            if !was_read && read.was_woken() {
                was_read = read.poll().map(|read| read.unwrap()).is_ready();
            }
            std::thread::yield_now();
        }
    });
}

/// P9: a piece of a megabyte is not read in the task, whoever asks for it.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p9_a_long_piece_is_an_errand() {
    let scratch = Scratch::new();
    let executor = Executor::new();
    let _inside = executor.enter();
    let content = bytes(2 * MIB, 1);
    let mut options = SpoolOptions::new();
    options.threshold(0).dir(scratch.path());
    let (mut writer, reader) = tail::channel(&options);
    Write::write_all(&mut writer, &content).unwrap();
    writer.finish().unwrap();
    let mut spool = options.build();
    spool.write_all(&content).unwrap();
    let chunks = spool.freeze().unwrap().chunks(MIB).into_stream();
    let hold = executor.hold();
    let mut streams: [Pin<Box<dyn Stream<Item = std::io::Result<bytes::Bytes>>>>; 2] =
        [Box::pin(chunks), Box::pin(reader.into_stream(MIB))];
    for stream in &mut streams {
        assert!(ByHand::new(poll_fn(|cx| stream.as_mut().poll_next(cx))).poll().is_pending());
    }
    drop(hold);
    for stream in &mut streams {
        let piece = ByHand::new(poll_fn(|cx| stream.as_mut().poll_next(cx))).finish().unwrap().unwrap();
        assert_same(&piece, &content[..MIB], "the first piece");
    }
}

/// P9: nor is a large file closed in it, whatever held it; what a pool keeps is back at once.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p9_a_large_file_is_closed_elsewhere() {
    let scratch = Scratch::new();
    let executor = Executor::new();
    let _inside = executor.enter();
    for (retain, is_kept) in [(0, false), (64 << 20, true)] {
        let held = |pool: &Pool, drop_it: &dyn Fn(spooled::SpooledTempFile)| {
            let mut spool = SpoolOptions::new().threshold(0).pool(pool).build();
            std::io::copy(&mut std::io::repeat(1).take(20 << 20), &mut spool).unwrap();
            let hold = executor.hold();
            drop_it(spool);
            let used = pool.stats().disk_used - pool.stats().disk_retained;
            assert_eq!(used == 0, is_kept, "{used} bytes are held");
            drop(hold);
            executor.settle();
            let stats = pool.stats();
            assert_eq!(stats.disk_used, stats.disk_retained);
        };
        let pool = Pool::builder().retain_disk(retain).dir(scratch.path()).build();
        held(&pool, &|spool| drop(spool));
        held(&pool, &|spool| drop(AsyncSpooledTempFile::from(spool)));
        held(&pool, &|spool| drop(spool.freeze().unwrap()));
        held(&pool, &|spool| drop(spool.freeze().unwrap().chunks(1000).into_stream()));
    }
    assert_empty(scratch.path());
}

/// P10: an error that a read met which nobody waits for any more is not told to a read at another place.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p10_a_seek_leaves_what_was_under_way_behind() {
    let scratch = Scratch::new();
    let executor = Executor::new();
    let _inside = executor.enter();
    let content = bytes(300_000, 3);
    let mut spool = AsyncSpooledTempFile::with_options(SpoolOptions::new().threshold(0).dir(scratch.path()));
    ByHand::new(spool.write_all(&content)).finish().unwrap();
    let hold = executor.hold();
    let flush = ByHand::new(spool.flush()).poll();
    drop(hold);
    if let Poll::Ready(flushed) = flush {
        flushed.unwrap();
    }
    for to in [0, 299_990, 100_000] {
        assert_eq!(ByHand::new(spool.seek(SeekFrom::Start(to))).finish().unwrap(), to);
        let mut ten = [0; 10];
        ByHand::new(spool.read_exact(&mut ten)).finish().unwrap();
        assert_same(&ten, &content[to as usize..][..10], "behind a seek");
    }
    assert_eq!(ByHand::new(spool.seek(SeekFrom::End(-3))).finish().unwrap(), 299_997);
    assert_eq!(ByHand::new(spool.seek(SeekFrom::End(-300_001))).finish().unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(spool.position(), 299_997);
}

/// P4: a shutdown on a full disk has ended nothing, so that the next one can give readers every byte.
#[test]
fn p4_a_shutdown_that_fails_is_no_end() {
    in_time(|| {
        let Some(disk) = Mount::tmpfs(MIB) else { return };
        let executor = Executor::new();
        let content = bytes(409 * KIB, 6);
        let (mut writer, mut reader) = tail::channel(SpoolOptions::new().threshold(0).dir(disk.path()));
        executor.block_on(async {
            AsyncWriteExt::write_all(&mut writer, &content[..400 * KIB]).await.unwrap();
            AsyncWriteExt::flush(&mut writer).await.unwrap();
            disk.fill(0);
            AsyncWriteExt::write_all(&mut writer, &content[400 * KIB..]).await.unwrap();
            for _ in 0..2 {
                let full = AsyncWriteExt::shutdown(&mut writer).await.unwrap_err();
                assert_eq!(full.kind(), ErrorKind::StorageFull);
            }
            assert!(reader.published() < content.len() as u64);
            disk.clear(MIB);
            AsyncWriteExt::shutdown(&mut writer).await.unwrap();
            let late = AsyncWriteExt::write(&mut writer, b"late").await.unwrap_err();
            assert_eq!(late.kind(), ErrorKind::BrokenPipe);
            drop(writer);
            let mut seen = vec![];
            AsyncReadExt::read_to_end(&mut reader, &mut seen).await.unwrap();
            assert_same(&seen, &content, "behind two shutdowns that failed");
        });
    });
}

/// P10: whoever is woken by an errand wakes the other, also where the last who asked has given up.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p10_an_errand_that_nobody_asks_for_any_more_wakes_who_waits() {
    let scratch = Scratch::new();
    let executor = Executor::new();
    let _inside = executor.enter();
    let mut spool = AsyncSpooledTempFile::with_options(SpoolOptions::new().threshold(4).dir(scratch.path()));
    at_once(spool.write_all(b"abcd")).unwrap();
    at_once(spool.rewind()).unwrap();
    let (mut reading, mut writing) = tokio::io::split(spool);
    let hold = executor.hold();
    let mut write = ByHand::new(writing.write(&[7; 100]));
    assert!(write.poll().is_pending());
    let mut byte = [0];
    let mut read = ByHand::new(reading.read(&mut byte));
    assert!(read.poll().is_pending());
    assert!(write.poll().is_pending());
    drop(write);
    drop(hold);
    read.until_woken();
    assert_eq!(read.finish().unwrap(), 1);
    assert_eq!(byte, *b"a");
}

/// P10: a gap in front of a write that was dropped is not there for who seeks from the end.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p10_the_end_is_before_a_gap_of_a_write_that_was_dropped() {
    let scratch = Scratch::new();
    let executor = Executor::new();
    let _inside = executor.enter();
    let mut spool = AsyncSpooledTempFile::with_options(SpoolOptions::new().threshold(0).dir(scratch.path()));
    ByHand::new(spool.write_all(b"0123456789")).finish().unwrap();
    at_once(spool.seek(SeekFrom::Start(100_000))).unwrap();
    {
        let hold = executor.hold();
        let mut write = ByHand::new(spool.write(b"far out"));
        assert!(write.poll().is_pending());
        drop(hold);
        write.until_woken();
    }
    assert_eq!(spool.len(), 10);
    assert_eq!(ByHand::new(spool.seek(SeekFrom::End(0))).finish().unwrap(), 10);
    ByHand::new(spool.write_all(b"ab")).finish().unwrap();
    assert_same(&executor.block_on(content_of(&mut spool)).unwrap(), b"0123456789ab", "in the end");
}

/// P10: nor is what became of a write told to another.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p10_another_write_asks_for_itself() {
    let scratch = Scratch::new();
    let executor = Executor::new();
    let _inside = executor.enter();
    let pool = Pool::builder().disk(1000).dir(scratch.path()).build();
    let mut options = SpoolOptions::new();
    options.threshold(100).pool(&pool);
    let mut spool = AsyncSpooledTempFile::with_options(&options);
    at_once(spool.write_all(&[1; 100])).unwrap();
    let (mut writer, _reader) = tail::channel(&options);
    at_once(AsyncWriteExt::write_all(&mut writer, &[1; 100])).unwrap();
    let large = [2; 5000];
    {
        let hold = executor.hold();
        let mut refused = ByHand::new(spool.write(&large));
        let mut refused_too = ByHand::new(AsyncWriteExt::write(&mut writer, &large));
        assert!(refused.poll().is_pending() && refused_too.poll().is_pending());
        drop(hold);
        refused.until_woken();
        refused_too.until_woken();
    }
    assert_eq!(ByHand::new(spool.write(&[3; 10])).finish().unwrap(), 10);
    assert_eq!(ByHand::new(AsyncWriteExt::write(&mut writer, &[3; 10])).finish().unwrap(), 10);
}

/// P8: a reader that goes while it waits leaves no waker behind.
#[test]
fn p8_a_reader_that_goes_is_not_woken() {
    let (writer, reader) = tail::channel(&SpoolOptions::new());
    let alarm = Arc::new(Alarm::default());
    for _ in 0..3 {
        let mut reader = reader.clone();
        let waker = Waker::from(Arc::clone(&alarm));
        let mut byte = [0];
        let read = pin!(AsyncReadExt::read(&mut reader, &mut byte));
        assert!(std::future::Future::poll(read, &mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(Arc::strong_count(&alarm), 1);
    drop(writer);
}
