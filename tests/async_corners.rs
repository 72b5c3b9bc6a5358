//! Corners of `tokio::AsyncSpooledTempFile` and the streams, each of which was wrong once.
#![cfg(unix)]

mod ground;
mod tasks;

use std::future::poll_fn;
use std::io::{ErrorKind, Read, SeekFrom, Write};
use std::pin::Pin;
use std::task::Poll;

use futures_core::Stream;
use ground::mount::Mount;
use ground::{MIB, Scratch, assert_empty, assert_same, bytes, in_time};
use spooled::tokio::AsyncSpooledTempFile;
use spooled::{Pool, SpoolOptions, tail};
use tasks::{ByHand, Executor, at_once, content_of};
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
        let mut refused = ByHand::new(spool.write(&large));
        assert!(refused.poll().is_pending());
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
#[test]
fn p9_a_large_file_is_closed_elsewhere() {
    let scratch = Scratch::new();
    let executor = Executor::new();
    let _inside = executor.enter();
    for (retain, is_kept) in [(0, false), (64 << 20, true)] {
        let held = |pool: &Pool, drop_it: &dyn Fn(spooled::SpooledTempFile)| {
            let mut spool = SpoolOptions::new().threshold(0).pool(pool).build();
            std::io::copy(&mut std::io::repeat(1).take(4 << 20), &mut spool).unwrap();
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
