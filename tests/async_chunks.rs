//! `tokio::ChunkStream`: frozen content in pieces, for a task. From memory without a copy, from disk without holding up anybody;
//! clones go on from where it is; a piece that was not waited for comes next.

mod ground;
mod tasks;

use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;

use bytes::Bytes;
use futures_core::Stream;
use ground::mount::Mount;
use ground::pool::at_rest;
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_same, bytes, in_time, options};
use spooled::tokio::ChunkStream;
use spooled::{Backing, Pool, SpoolOptions, SpooledBytes};
use tasks::{ByHand, Executor, at_once};

const LEN: usize = 700_000;

async fn next(stream: &mut ChunkStream) -> Option<io::Result<Bytes>> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

async fn rest(stream: &mut ChunkStream) -> Vec<Bytes> {
    let mut pieces = vec![];
    while let Some(piece) = next(stream).await {
        pieces.push(piece.unwrap());
    }
    assert!(next(stream).await.is_none(), "it goes on behind its end");
    pieces
}

fn frozen(options: &SpoolOptions, content: &[u8]) -> SpooledBytes {
    let mut spool = options.build();
    spool.write_all(content).unwrap();
    spool.freeze().unwrap()
}

#[test]
fn p9_pieces_of_memory_are_no_copies_and_need_no_runtime() {
    let content = bytes(LEN, 1);
    let frozen = SpooledBytes::from(content.clone());
    let base = frozen.to_bytes().unwrap().as_ptr();
    for size in [1000, 64 * KIB, LEN - 1, LEN, LEN + 1, usize::MAX] {
        let mut stream = frozen.chunks(size).into_stream();
        assert_eq!(stream.size_hint().0, LEN.div_ceil(size));
        let mut at = 0;
        while let Some(piece) = at_once(next(&mut stream)) {
            let piece = piece.unwrap();
            assert_eq!(piece.as_ptr(), base.wrapping_add(at), "it was copied");
            assert_eq!(piece.len(), size.min(LEN - at));
            at += piece.len();
        }
        assert_eq!(at, LEN);
        assert!(at_once(next(&mut stream)).is_none());
    }
    assert!(at_once(next(&mut SpooledBytes::from(vec![]).chunks(9).into_stream())).is_none());
}

#[test]
fn p1_pieces_of_disk_are_what_chunks_gives() {
    in_time(|| {
        let scratch = Scratch::new();
        let mount = Mount::tmpfs(16 * MIB);
        let executor = Executor::new();
        let content = bytes(LEN, 2);
        let places = [Some(scratch.path()), mount.as_ref().map(Mount::path)];
        for (place, backing) in places.into_iter().flatten().flat_map(|place| BACKINGS.map(|backing| (place, backing)))
        {
            let all = frozen(&options(place, 0, backing), &content);
            for (from, to) in [(0, LEN), (1, LEN - 1), (100_000, 100_001), (5, 5)] {
                let part = all.slice(from as u64..to as u64);
                for size in [1000, 64 * KIB, 300_000, usize::MAX] {
                    let expected = part.chunks(size).collect::<io::Result<Vec<_>>>().unwrap();
                    let mut stream = part.chunks(size).into_stream();
                    assert_eq!(stream.size_hint(), part.chunks(size).size_hint());
                    let pieces = executor.block_on(rest(&mut stream));
                    let lens = |pieces: &[Bytes]| pieces.iter().map(Bytes::len).collect::<Vec<_>>();
                    assert_eq!(lens(&pieces), lens(&expected), "{from}..{to} by {size}");
                    assert_same(&pieces.concat(), &content[from..to], "in pieces");
                    assert_eq!(stream.size_hint(), (0, Some(0)));
                }
            }
        }
        assert_empty(scratch.path());
    });
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn p10_a_piece_that_is_not_waited_for_comes_next() {
    in_time(|| {
        let scratch = Scratch::new();
        let mount = Mount::tmpfs(16 * MIB);
        let executor = Executor::new();
        let _inside = executor.enter();
        let content = bytes(LEN, 3);
        for place in [Some(scratch.path()), mount.as_ref().map(Mount::path)].into_iter().flatten() {
            let all = frozen(&options(place, 0, Backing::File), &content);
            for held in [false, true] {
                for polls in 0..4 {
                    let mut stream = all.chunks(50_000).into_stream();
                    let mut seen = vec![];
                    let mut clones = vec![];
                    while seen.len() < LEN {
                        let hold = held.then(|| executor.hold());
                        for nth in 0..polls {
                            let mut waiting = ByHand::new(next(&mut stream));
                            let polled = waiting.poll();
                            if polled.is_pending() && !held && nth % 2 == 0 {
                                waiting.until_woken();
                            }
                            drop(waiting);
                            if let std::task::Poll::Ready(piece) = polled {
                                seen.extend_from_slice(&piece.unwrap().unwrap());
                                break;
                            }
                        }
                        if clones.len() < 3 {
                            clones.push((seen.len(), stream.clone()));
                        }
                        drop(hold);
                        let Some(piece) = ByHand::new(next(&mut stream)).finish() else { break };
                        seen.extend_from_slice(&piece.unwrap());
                    }
                    assert_same(&seen, &content, "of which some was not waited for");
                    for (from, mut clone) in clones {
                        let pieces = ByHand::new(rest(&mut clone)).finish();
                        assert_same(&pieces.concat(), &content[from..], "of a clone");
                    }
                }
            }
        }
        executor.settle();
        assert_empty(scratch.path());
    });
}

#[test]
fn p8_a_stream_that_is_dropped_gives_back_what_it_held() {
    in_time(|| {
        let Some(mount) = Mount::tmpfs(16 * MIB) else { return };
        let executor = Executor::new();
        let _inside = executor.enter();
        for (polls, held) in [(0, false), (1, false), (3, false), (1, true)] {
            let pool = Pool::builder().dir(mount.path()).build();
            let all = frozen(SpoolOptions::new().threshold(0).pool(&pool), &bytes(LEN, 4));
            let mut stream = all.chunks(100_000).into_stream();
            drop(all);
            let hold = held.then(|| executor.hold());
            for _ in 0..polls {
                let mut waiting = ByHand::new(next(&mut stream));
                let _ = waiting.poll();
            }
            assert_eq!(pool.stats().rolled, 1);
            drop(stream);
            drop(hold);
            executor.settle();
            at_rest(&pool);
        }
    });
}

/// A file that somebody cut short behind our back, as Linux lets one, is an error, as it is of `chunks`, and never a piece that is none.
#[cfg(target_os = "linux")]
#[test]
fn p4_a_read_that_fails_is_an_error_of_its_piece() {
    in_time(|| {
        let scratch = Scratch::new();
        let executor = Executor::new();
        let content = bytes(LEN, 5);
        let all = frozen(&options(scratch.path(), 0, Backing::File), &content);
        let mut stream = all.chunks(100_000).into_stream();
        let mut chunks = all.chunks(100_000);
        executor.block_on(async {
            let first = next(&mut stream).await.unwrap().unwrap();
            assert_same(&first, &content[..100_000], "the first");
            chunks.next().unwrap().unwrap();
            rustix::fs::ftruncate(file_in(scratch.path()), 0).unwrap();
            // What was read ahead may still come.
            let (mut seen, mut error) = (first.len(), None);
            for _ in 0..2 {
                match next(&mut stream).await.unwrap() {
                    Ok(piece) => {
                        assert_same(&piece, &content[seen..][..piece.len()], "read ahead");
                        seen += piece.len();
                    }
                    Err(failed) => {
                        error = Some(failed);
                        break;
                    }
                }
            }
            let (error, expected) = (error.expect("it fails"), chunks.next().unwrap().unwrap_err());
            assert_eq!((error.kind(), error.to_string()), (expected.kind(), expected.to_string()));
            rustix::fs::ftruncate(file_in(scratch.path()), LEN as u64).unwrap();
            // It may have ended with that; what it does not is to skip something.
            if let Some(again) = next(&mut stream).await {
                assert_eq!(again.unwrap().len(), 100_000.min(LEN - seen));
            }
        });
    });
}

/// The one file without a name there.
#[cfg(target_os = "linux")]
fn file_in(directory: &std::path::Path) -> std::fs::File {
    use std::fs::{self, File};

    let paths = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let mut ours = paths.filter(|path| fs::read_link(path).is_ok_and(|target| target.starts_with(directory)));
    File::options().write(true).open(ours.next().expect("a file")).unwrap()
}

#[test]
fn p4_outside_of_a_runtime_disk_is_an_error_and_no_end() {
    let Some(mount) = Mount::tmpfs(16 * MIB) else { return };
    let content = bytes(LEN, 6);
    let all = frozen(&options(mount.path(), 0, Backing::File), &content);
    let mut stream = all.chunks(100_000).into_stream();
    for _ in 0..2 {
        let error = at_once(next(&mut stream)).unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Other, "{error:?}");
    }
    let pieces = Executor::new().block_on(rest(&mut stream));
    assert_same(&pieces.concat(), &content, "inside of one");
}
