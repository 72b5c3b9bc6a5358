//! P10 of `tokio::AsyncSpooledTempFile` and runtimes: without one, what is in memory works, and what needs the disk is an error; one
//! that ends takes nothing with it.

mod ground;
mod tasks;

use std::io::{self, SeekFrom};
use std::thread;

use ground::mount::Mount;
use ground::pool::at_rest;
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_same, bytes, in_time, options};
use spooled::tokio::AsyncSpooledTempFile;
use spooled::{Backing, Pool, SpoolOptions};
use tasks::{ByHand, Executor, at_once, content_of, content_of_blocking};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

#[test]
fn p10_without_a_runtime_memory_works() {
    let scratch = Scratch::new();
    let content = bytes(300_000, 1);
    for backing in BACKINGS {
        let mut spool = AsyncSpooledTempFile::with_options(&options(scratch.path(), MIB, backing));
        at_once(spool.write_all(&content)).unwrap();
        at_once(spool.flush()).unwrap();
        assert_same(&at_once(content_of(&mut spool)).unwrap(), &content, "in memory");
        at_once(spool.set_len(100_000)).unwrap();
        at_once(spool.set_len(200_000)).unwrap();
        at_once(spool.seek(SeekFrom::Start(250_000))).unwrap();
        at_once(spool.write_all(b"behind a gap")).unwrap();
        at_once(spool.rewind()).unwrap();
        assert!(!at_once(spool.fill_buf()).unwrap().is_empty());
        at_once(spool.shutdown()).unwrap();
        let mut expected = content[..100_000].to_vec();
        expected.resize(250_000, 0);
        expected.extend_from_slice(b"behind a gap");
        let spool = at_once(spool.into_spool()).unwrap();
        assert_same(&content_of_blocking(&spool).unwrap(), &expected, "into_spool");
        let frozen = at_once(AsyncSpooledTempFile::from(spool).freeze()).unwrap();
        assert_same(&frozen.to_bytes().unwrap(), &expected, "frozen");
    }
    assert_empty(scratch.path());
}

#[test]
fn p10_without_a_runtime_what_needs_the_disk_is_an_error_that_changes_nothing() {
    let Some(mount) = Mount::tmpfs(16 * MIB) else { return };
    let content = bytes(300_000, 2);
    let executor = Executor::new();
    for backing in BACKINGS {
        // About to roll over.
        let mut spool = AsyncSpooledTempFile::with_options(&options(mount.path(), content.len(), backing));
        at_once(spool.write_all(&content)).unwrap();
        for _ in 0..2 {
            assert_no_runtime(at_once(spool.write(b"one more")));
            assert_no_runtime(at_once(spool.roll()));
            assert_no_runtime(at_once(spool.set_len(1 << 20)));
            assert_eq!((spool.len(), spool.position(), spool.is_rolled()), (300_000, 300_000, false));
            assert_same(&at_once(content_of(&mut spool)).unwrap(), &content, "in memory");
        }
        executor.block_on(spool.write_all(b"one more")).unwrap();
        assert!(spool.is_rolled());
        // Rolled over.
        for _ in 0..2 {
            at_once(spool.seek(SeekFrom::Start(1000))).unwrap();
            assert_no_runtime(at_once(spool.read(&mut [0; 100])));
            assert_no_runtime(at_once(spool.fill_buf()).map(<[u8]>::len));
            at_once(spool.seek(SeekFrom::End(0))).unwrap();
            assert_no_runtime(at_once(spool.set_len(1 << 20)));
            assert_eq!((spool.len(), spool.position()), (300_008, 300_008));
        }
        let mut refused = 0;
        let mut expected = [&content[..], b"one more"].concat();
        for piece in bytes(200_000, 3).chunks(1000) {
            // What the window has room for is memory.
            match at_once(spool.write(piece)) {
                Ok(count) => expected.extend_from_slice(&piece[..count]),
                Err(error) => {
                    assert_no_runtime::<()>(Err(error));
                    refused += 1;
                }
            }
        }
        assert!(refused > 0, "200,000 bytes went to the disk, or into memory");
        assert_no_runtime(at_once(spool.flush()));
        assert_eq!(spool.position(), expected.len() as u64);
        executor.block_on(spool.flush()).unwrap();
        assert_same(&executor.block_on(content_of(&mut spool)).unwrap(), &expected, "on disk");
        // Without a runtime it is closed here.
        drop(spool);
    }
    assert_empty(mount.path());
}

#[track_caller]
fn assert_no_runtime<T: std::fmt::Debug>(done: io::Result<T>) {
    let error = done.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Other, "{error:?}");
}

/// What was on its way when the runtime ended comes to its end, or has never begun; either way the spool is there.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p10_a_runtime_that_ends_takes_no_spool_with_it() {
    in_time(|| {
        let mount = Mount::tmpfs(16 * MIB);
        let scratch = Scratch::new();
        let place = mount.as_ref().map_or(scratch.path(), Mount::path);
        let content = bytes(300_000, 4);
        type Begin = fn(&mut AsyncSpooledTempFile);
        fn begun<F: Future>(future: F) {
            assert!(ByHand::new(future).poll().is_pending());
        }
        let begins: [Begin; 6] = [
            |spool| begun(spool.write(&[1; 250_000])),
            |spool| begun(spool.flush()),
            |spool| begun(spool.roll()),
            |spool| {
                at_once(spool.rewind()).unwrap();
                begun(spool.read(&mut [0; 1000]));
            },
            |spool| begun(spool.set_len(300_000)),
            |_| {},
        ];
        for (nth, begin) in begins.into_iter().enumerate() {
            for (held, next) in [(true, 0), (true, 1), (true, 2), (true, 3), (false, 0), (false, 1)] {
                let what = format!("begun {nth}, held: {held}, then {next}");
                let pool = Pool::builder().dir(place).build();
                let ending = Executor::new();
                let options = SpoolOptions::new().threshold(0).pool(&pool).to_owned();
                let mut spool = AsyncSpooledTempFile::with_options(&options);
                ending.block_on(async {
                    spool.write_all(&content[..290_000]).await.unwrap();
                    spool.flush().await.unwrap();
                    for piece in content[290_000..].chunks(1000) {
                        spool.write_all(piece).await.unwrap();
                    }
                });
                let hold = ending.hold();
                {
                    let _inside = ending.enter();
                    begin(&mut spool);
                }
                let position = spool.position();
                if held {
                    ending.shut_down();
                    drop(hold);
                } else {
                    drop(hold);
                    drop(ending);
                }
                let another = Executor::new();
                another.block_on(async {
                    let mut spool = spool;
                    // Whoever comes next may be told of it, once.
                    let mut lost = 0;
                    let mut told = |done: io::Result<()>| lost += usize::from(done.is_err());
                    match next {
                        0 => {}
                        1 => told(spool.flush().await),
                        2 => told(spool.fill_buf().await.map(drop)),
                        _ => told(spool.roll().await),
                    }
                    assert!(lost <= 1, "{what}");
                    assert_eq!((spool.position(), spool.len()), (position, 300_000), "{what}");
                    let spool = spool.into_spool().await.unwrap();
                    assert_eq!(spool.position(), position, "{what}");
                    assert_same(&content_of_blocking(&spool).unwrap(), &content, &what);
                    let mut spool = AsyncSpooledTempFile::from(spool);
                    spool.seek(SeekFrom::End(0)).await.unwrap();
                    spool.write_all(&content).await.unwrap();
                    let seen = content_of(&mut spool).await.unwrap();
                    assert_same(&seen, &[&content[..], &content].concat(), &what);
                });
                at_rest(&pool);
            }
        }
    });
}

/// One runtime after the other, and threads in between.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p10_a_spool_goes_from_runtime_to_runtime() {
    in_time(|| {
        let scratch = Scratch::new();
        let content = bytes(MIB, 5);
        let mut spool = AsyncSpooledTempFile::with_options(&options(scratch.path(), 100 * KIB, Backing::File));
        for piece in content.chunks(70_000) {
            let worker = thread::spawn(move || {
                let piece = bytes(MIB, 5)[spool.len() as usize..].iter().copied().take(70_000).collect::<Vec<_>>();
                Executor::new().block_on(spool.write_all(&piece)).unwrap();
                spool
            });
            spool = worker.join().unwrap();
            assert_eq!(spool.len() % 70_000, piece.len() as u64 % 70_000);
        }
        assert_same(&Executor::new().block_on(content_of(&mut spool)).unwrap(), &content, "from many");
        drop(spool);
        assert_empty(scratch.path());
    });
}
