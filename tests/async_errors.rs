//! P4 of `tokio::AsyncSpooledTempFile`: each failure has the kind, the message and the cause that it has of the blocking type, comes
//! from the call that met it, and changes nothing.

mod ground;
mod tasks;

use std::io::{self, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ground::mapped::bytes_of;
use ground::{BACKINGS, Scratch, assert_empty, assert_same, bytes, in_time};
use spooled::tokio::AsyncSpooledTempFile;
use spooled::{Limit, LimitError, Overflow, PathError, Pool, SpoolOptions, SpooledTempFile};
use tasks::{Executor, content_of, content_of_blocking};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

const LEN: usize = 300_000;

/// All that can be known of an error.
#[derive(Debug, PartialEq)]
struct Told {
    kind: io::ErrorKind,
    message: String,
    limit: Option<(Limit, u64)>,
    path: Option<PathBuf>,
}

fn told(error: &io::Error) -> Told {
    let cause = error.get_ref();
    let limit = cause.and_then(|cause| cause.downcast_ref::<LimitError>());
    let path = cause.and_then(|cause| cause.downcast_ref::<PathError>());
    Told {
        kind: error.kind(),
        message: error.to_string(),
        limit: limit.map(|limit| (limit.which(), limit.limit())),
        path: path.map(|path| path.path().to_owned()),
    }
}

#[derive(Debug, Clone, Copy)]
enum Ends {
    MaxLen,
    Memory,
    MissingDirectory,
    /// In memory up to twice the threshold.
    MissingDirectoryThenMemory,
    PoolDisk,
    PoolMemory,
}

impl Ends {
    const ALL: [Ends; 6] = [
        Ends::MaxLen,
        Ends::Memory,
        Ends::MissingDirectory,
        Ends::MissingDirectoryThenMemory,
        Ends::PoolDisk,
        Ends::PoolMemory,
    ];

    fn options(self, directory: &Path, threshold: usize) -> SpoolOptions {
        let mut options = SpoolOptions::new();
        options.threshold(threshold).dir(directory);
        let missing = directory.join("missing");
        match self {
            Ends::MaxLen => options.max_len(100_001),
            Ends::Memory => options.overflow(Overflow::Fail),
            Ends::MissingDirectory => options.dir(missing),
            Ends::MissingDirectoryThenMemory => options.dir(missing).overflow(Overflow::DiskOrMemory(2 * threshold)),
            Ends::PoolDisk => options.pool(&Pool::builder().disk(150_000).dir(directory).build()),
            Ends::PoolMemory => {
                options.overflow(Overflow::Fail).pool(&Pool::builder().memory(50_000).dir(directory).build())
            }
        };
        options
    }

    fn kind(self) -> io::ErrorKind {
        match self {
            Ends::MaxLen | Ends::Memory | Ends::MissingDirectoryThenMemory => io::ErrorKind::FileTooLarge,
            Ends::MissingDirectory => io::ErrorKind::NotFound,
            Ends::PoolDisk | Ends::PoolMemory => io::ErrorKind::QuotaExceeded,
        }
    }
}

#[test]
fn p4_a_write_that_is_refused_is_what_it_is_of_the_blocking_type() {
    in_time(|| {
        let scratch = Scratch::new();
        let executor = Executor::new();
        let content = bytes(2 * LEN, 1);
        for ends in Ends::ALL {
            for threshold in [0, 1, 1000, 70_000, 100_000] {
                for piece in [1, 999, 20_000, LEN] {
                    // By bytes, only what is soon at its end.
                    if piece == 1 && threshold > 1000 || matches!((ends, threshold), (Ends::PoolMemory, 0..=1000)) {
                        continue;
                    }
                    let what = format!("{ends:?}, threshold {threshold}, by {piece}");
                    let (blocking_taken, blocking) =
                        blocking(&ends.options(scratch.path(), threshold), &content, piece);
                    let mut spool = AsyncSpooledTempFile::with_options(&ends.options(scratch.path(), threshold));
                    let (taken, error) = executor.block_on(by_task(&mut spool, &content, piece));
                    assert_eq!((told(&error), error.kind()), (blocking, ends.kind()), "{what}");
                    match ends {
                        // What a quota refuses is refused whole, and a task's write may be a smaller one.
                        Ends::PoolDisk => assert!(
                            (blocking_taken..=blocking_taken + piece.min(150_000)).contains(&taken) && taken <= 150_000,
                            "{taken} in place of {blocking_taken}: {what}"
                        ),
                        _ => assert_eq!(taken, blocking_taken, "{what}"),
                    }
                    executor.block_on(goes_on(&mut spool, &content[..taken], &what));
                }
            }
        }
        assert_empty(scratch.path());
    });
}

fn blocking(options: &SpoolOptions, content: &[u8], piece: usize) -> (usize, Told) {
    let mut spool = options.build();
    let mut taken = 0;
    loop {
        match spool.write(&content[taken..][..piece]) {
            Ok(count) => taken += count,
            Err(error) => {
                assert_same(&content_of_blocking(&spool).unwrap(), &content[..taken], "of the blocking one");
                return (taken, told(&error));
            }
        }
    }
}

async fn by_task(spool: &mut AsyncSpooledTempFile, content: &[u8], piece: usize) -> (usize, io::Error) {
    let mut taken = 0;
    loop {
        match spool.write(&content[taken..][..piece]).await {
            Ok(0) => panic!("a write of {piece} bytes took none of them and said so as a success"),
            Ok(count) => taken += count,
            Err(error) => return (taken, error),
        }
    }
}

/// Nothing was lost; the error comes again; less is always possible.
async fn goes_on(spool: &mut AsyncSpooledTempFile, taken: &[u8], what: &str) {
    for _ in 0..2 {
        assert_eq!((spool.len(), spool.position()), (taken.len() as u64, taken.len() as u64), "{what}");
        assert_same(&content_of(spool).await.unwrap(), taken, what);
        assert_eq!(spool.write(b"").await.unwrap(), 0);
        spool.write(&[1; LEN]).await.unwrap_err();
    }
    spool.set_len(taken.len() as u64 / 2).await.unwrap();
    spool.seek(SeekFrom::Start(0)).await.unwrap();
    assert_same(&content_of(spool).await.unwrap(), &taken[..taken.len() / 2], what);
}

#[test]
fn p4_roll_set_len_and_freeze_that_are_refused_are_what_they_are_of_the_blocking_type() {
    in_time(|| {
        let scratch = Scratch::new();
        let executor = Executor::new();
        let content = bytes(40_000, 2);
        for backing in BACKINGS {
            for ends in Ends::ALL {
                let options = |threshold| ends.options(scratch.path(), threshold).backing(backing).to_owned();
                let mut model = options(50_000).build();
                let mut spool = AsyncSpooledTempFile::with_options(&options(50_000));
                model.write_all(&content).unwrap();
                executor.block_on(async {
                    spool.write_all(&content).await.unwrap();
                    for len in [1 << 20, 1 << 40, i64::MAX as u64, u64::MAX] {
                        same(&spool.set_len(len).await, &model.set_len(len), &format!("{ends:?}, set_len({len})"));
                        assert_eq!(spool.len(), model.len(), "{ends:?}");
                        model.set_len(40_000).unwrap();
                        spool.set_len(40_000).await.unwrap();
                    }
                    same(&spool.roll().await, &model.roll(), &format!("{ends:?}, roll"));
                    assert_eq!(spool.is_rolled(), model.is_rolled(), "{ends:?}");
                    same(&spool.flush().await, &model.flush(), &format!("{ends:?}, flush"));
                    assert_same(&content_of(&mut spool).await.unwrap(), &content, "after refusals");
                    let frozen = spool.freeze().await.unwrap();
                    assert_same(&bytes_of(&frozen), &content, "frozen");
                });
            }
        }
        assert_empty(scratch.path());
    });
}

#[track_caller]
fn same(seen: &io::Result<()>, expected: &io::Result<()>, what: &str) {
    let [seen, expected] = [seen, expected].map(|done| done.as_ref().map_err(told));
    assert_eq!(seen, expected, "{what}");
}

/// Where a write would end past what any file can hold, and a seek before the start.
#[test]
fn p1_places_that_no_file_has_are_refused_as_ever() {
    in_time(|| {
        let scratch = Scratch::new();
        let executor = Executor::new();
        for threshold in [0, 1000] {
            let mut model = SpooledTempFile::new_in(threshold, scratch.path());
            let mut spool = AsyncSpooledTempFile::from(SpooledTempFile::new_in(threshold, scratch.path()));
            model.write_all(b"short").unwrap();
            executor.block_on(async {
                spool.write_all(b"short").await.unwrap();
                for to in [SeekFrom::Current(-6), SeekFrom::End(-6), SeekFrom::End(i64::MIN)] {
                    let seen = spool.seek(to).await.unwrap_err();
                    assert_eq!(told(&seen), told(&io::Seek::seek(&mut model, to).unwrap_err()), "{to:?}");
                    assert_eq!(spool.position(), 5, "{to:?}");
                }
                for to in [i64::MAX as u64, u64::MAX] {
                    assert_eq!(spool.seek(SeekFrom::Start(to)).await.unwrap(), to);
                    io::Seek::seek(&mut model, SeekFrom::Start(to)).unwrap();
                    let seen = spool.write(b"!").await.unwrap_err();
                    assert_eq!(told(&seen), told(&model.write(b"!").unwrap_err()), "{to}");
                    assert_eq!((spool.position(), spool.len()), (to, 5));
                }
                spool.rewind().await.unwrap();
                assert_same(&content_of(&mut spool).await.unwrap(), b"short", "after refusals");
            });
        }
        assert_empty(scratch.path());
    });
}
