//! P2 and P4 of `tokio::AsyncSpooledTempFile` on a disk that is really full: the error comes from the call that had to write, what
//! was accepted is there, looking never fails, and it goes on when there is room.
#![cfg(target_os = "linux")]

mod ground;
mod tasks;

use std::io::SeekFrom;
use std::task::Poll;

use ground::mount::{Mount, small_disk};
use ground::pool::at_rest;
use ground::{BACKINGS, KIB, MIB, assert_empty, assert_full, assert_holds, assert_same, bytes, in_time, options};
use spooled::tokio::AsyncSpooledTempFile;
use spooled::{Backing, Pool, SpoolOptions};
use tasks::{ByHand, Executor, content_in_passing, content_of, write_in_pieces};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// The blocking pool stands still there, or it does not: whoever is dropped, and whoever waits, finds the same.
#[test]
fn p4_a_disk_that_fills_between_writes_of_any_size_loses_nothing() {
    in_time(|| {
        let Some(disk) = small_disk() else { return };
        let executor = Executor::new();
        let content = bytes(2 * MIB, 1);
        for backing in BACKINGS {
            for threshold in [0, 1000, 300 * KIB] {
                for piece in [100, 4096, 10_001, 64 * KIB, 150_000, 500_000] {
                    disk.fill(600 * KIB);
                    executor.block_on(async {
                        let mut spool = AsyncSpooledTempFile::with_options(&options(disk.path(), threshold, backing));
                        let (accepted, error) = write_in_pieces(&mut spool, &content, piece).await;
                        assert_full(&error.unwrap_err(), disk.path());
                        assert!(
                            accepted <= 600 * KIB + 64 * KIB.max(threshold) + 256 * KIB,
                            "{accepted} were accepted"
                        );
                        for _ in 0..2 {
                            assert_eq!((spool.position(), spool.len()), (accepted as u64, accepted as u64));
                            assert_same(&content_of(&mut spool).await.unwrap(), &content[..accepted], "accepted");
                            let again = spool.write(&content[accepted..][..piece]).await;
                            assert_full(&again.unwrap_err(), disk.path());
                        }
                        let (mut spool, seen) = content_in_passing(spool).await.unwrap();
                        assert_same(&seen, &content[..accepted], "accepted");
                        disk.resize(4 * MIB);
                        let (more, done) = write_in_pieces(&mut spool, &content[accepted..], piece).await;
                        done.unwrap();
                        assert_eq!(accepted + more, content.len());
                        spool.flush().await.unwrap();
                        assert_same(&content_of(&mut spool).await.unwrap(), &content, "all of it");
                    });
                    executor.settle();
                    disk.clear(MIB);
                }
            }
        }
        assert_empty(disk.path());
    });
}

#[test]
fn p2_a_rollover_that_the_disk_refuses_has_not_happened() {
    in_time(|| {
        let Some(disk) = small_disk() else { return };
        let executor = Executor::new();
        let content = bytes(300 * KIB, 2);
        for backing in BACKINGS {
            let options = options(disk.path(), 300 * KIB, backing);
            executor.block_on(async {
                let mut spool = AsyncSpooledTempFile::with_options(&options);
                spool.write_all(&content).await.unwrap();
                disk.fill(64 * KIB);
                for _ in 0..2 {
                    assert_full(&spool.write(b"one more").await.unwrap_err(), disk.path());
                    assert_full(&spool.roll().await.unwrap_err(), disk.path());
                    assert_full(&spool.set_len(MIB as u64).await.unwrap_err(), disk.path());
                    // A dropped one that will fail, or has.
                    let mut dropped = ByHand::new(spool.write(b"never"));
                    if let Poll::Ready(done) = dropped.poll() {
                        assert_full(&done.unwrap_err(), disk.path());
                    }
                    drop(dropped);
                    assert_same(&content_of(&mut spool).await.unwrap(), &content, "in memory");
                    assert!(!spool.is_rolled());
                    assert_eq!(spool.position(), content.len() as u64);
                }
                assert_eq!(disk.free(), 64 * KIB, "the file that could not be had still takes space");
                disk.resize(4 * MIB);
                spool.write_all(b"one more").await.unwrap();
                assert!(spool.is_rolled());
                assert_same(&content_of(&mut spool).await.unwrap(), &[&content[..], b"one more"].concat(), "on disk");
            });
            executor.settle();
            disk.clear(MIB);
        }
        assert_empty(disk.path());
    });
}

#[test]
fn p4_what_could_not_be_written_is_readable_and_freezes_when_there_is_room() {
    in_time(|| {
        let Some(disk) = small_disk() else { return };
        let executor = Executor::new();
        for backing in BACKINGS {
            executor.block_on(async {
                let (mut spool, content) = with_something_unwritten(&disk, backing).await;
                for round in 0..3 {
                    assert_full(&spool.flush().await.unwrap_err(), disk.path());
                    assert_full(&spool.shutdown().await.unwrap_err(), disk.path());
                    assert_full(&spool.roll().await.unwrap_err(), disk.path());
                    // Dropped, whether or not it has met the disk: whoever comes next is told.
                    let mut dropped = ByHand::new(spool.flush());
                    if round > 0 && dropped.poll().is_pending() && round > 1 {
                        dropped.until_woken();
                    }
                    drop(dropped);
                    spool.seek(SeekFrom::Start(1000)).await.unwrap();
                    let mut buf = vec![0; 5000];
                    spool.read_exact(&mut buf).await.unwrap();
                    assert_same(&buf, &content[1000..6000], "elsewhere");
                    spool.seek(SeekFrom::End(-3000)).await.unwrap();
                    spool.read_exact(&mut buf[..3000]).await.unwrap();
                    assert_same(&buf[..3000], &content[content.len() - 3000..], "unwritten");
                }
                let (error, mut spool) = spool.freeze().await.unwrap_err().into_parts();
                assert_full(&error, disk.path());
                assert_holds(&mut spool, &content);
                let mut spool = AsyncSpooledTempFile::from(spool);
                // Less is always possible.
                spool.set_len(spool.len() - 1).await.unwrap();
                disk.resize(4 * MIB);
                let frozen = spool.freeze().await.unwrap();
                assert_same(&frozen.to_bytes().unwrap(), &content[..content.len() - 1], "frozen");
            });
            executor.settle();
            disk.clear(MIB);
        }
        assert_empty(disk.path());
    });
}

/// A write that is dropped while it finds the disk full takes nothing with it, neither bytes nor the error.
#[test]
fn p10_a_write_that_is_dropped_on_a_full_disk_is_told_to_the_next() {
    in_time(|| {
        let Some(disk) = small_disk() else { return };
        let executor = Executor::new();
        let _inside = executor.enter();
        for backing in BACKINGS {
            for (polls, until_done) in [(0, false), (1, false), (1, true), (2, true)] {
                let (mut spool, content) = ByHand::new(with_something_unwritten(&disk, backing)).finish();
                let position = spool.position();
                let more = bytes(200_000, 9);
                let mut dropped = ByHand::new(spool.write(&more));
                let mut done = None;
                for _ in 0..polls {
                    if let Poll::Ready(ready) = dropped.poll() {
                        done = Some(ready);
                        break;
                    }
                    if until_done {
                        dropped.until_woken();
                    }
                }
                drop(dropped);
                let mut expected = content.clone();
                match done {
                    Some(Ok(count)) => expected.extend_from_slice(&more[..count]),
                    Some(Err(error)) => assert_full(&error, disk.path()),
                    None => {}
                }
                assert_eq!(spool.position() - position, (expected.len() - content.len()) as u64);
                assert_same(&ByHand::new(content_of(&mut spool)).finish().unwrap(), &expected, "after a dropped write");
                assert_full(&ByHand::new(spool.flush()).finish().unwrap_err(), disk.path());
                disk.resize(4 * MIB);
                ByHand::new(spool.write_all(b"goes on")).finish().unwrap();
                ByHand::new(spool.flush()).finish().unwrap();
                expected.extend_from_slice(b"goes on");
                assert_same(&ByHand::new(content_of(&mut spool)).finish().unwrap(), &expected, "after it went on");
                drop(spool);
                executor.settle();
                disk.clear(MIB);
            }
        }
        assert_empty(disk.path());
    });
}

#[test]
fn p8_a_pool_on_a_full_disk_is_at_rest_afterwards() {
    in_time(|| {
        let Some(disk) = small_disk() else { return };
        let executor = Executor::new();
        let content = bytes(2 * MIB, 4);
        for threshold in [0, 64 * KIB] {
            let pool = Pool::builder().dir(disk.path()).build();
            disk.fill(500 * KIB);
            executor.block_on(async {
                let mut spool =
                    AsyncSpooledTempFile::with_options(SpoolOptions::new().threshold(threshold).pool(&pool));
                let (accepted, error) = write_in_pieces(&mut spool, &content, 10_000).await;
                assert_full(&error.unwrap_err(), disk.path());
                assert_same(&content_of(&mut spool).await.unwrap(), &content[..accepted], "accepted");
                drop(spool);
                at_rest(&pool);
            });
            disk.clear(MIB);
        }
        assert_empty(disk.path());
    });
}

/// On a disk that is full by now: some is written, and some is in the window.
async fn with_something_unwritten(disk: &Mount, backing: Backing) -> (AsyncSpooledTempFile, Vec<u8>) {
    let content = bytes(230_000, 3);
    let mut spool = AsyncSpooledTempFile::with_options(&options(disk.path(), 0, backing));
    spool.write_all(&content[..200_000]).await.unwrap();
    spool.flush().await.unwrap();
    disk.fill(0);
    for piece in content[200_000..].chunks(1000) {
        spool.write_all(piece).await.unwrap();
    }
    (spool, content)
}
