//! P7 of `tokio::AsyncSpooledTempFile`: `RLIMIT_FSIZE` is a limit that is known beforehand, on the blocking pool too. Whoever is
//! caught by it gets a signal, whose default is death.
#![cfg(target_os = "linux")]

mod ground;
mod tasks;

use std::fs;
use std::io;

use ground::limits::Limited;
use ground::{BACKINGS, Scratch, assert_empty, assert_same, bytes, child, options};
use rustix::process::Resource;
use spooled::tokio::AsyncSpooledTempFile;
use spooled::{Limit, LimitError};
use tasks::{Executor, content_of};
use tokio::io::AsyncWriteExt;

const LIMIT: usize = 100_000;

#[test]
fn p7_a_task_that_writes_across_the_limit_takes_the_prefix_and_the_next_is_an_error() {
    const NAME: &str = "p7_a_task_that_writes_across_the_limit_takes_the_prefix_and_the_next_is_an_error";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path().join("spools")).unwrap();
        child::run(NAME, scratch.path().join("spools"));
        return assert_empty(&scratch.path().join("spools"));
    };
    let _limited = Limited::to(Resource::Fsize, LIMIT as u64);
    let executor = Executor::new();
    let content = bytes(3 * LIMIT, 1);
    for backing in BACKINGS {
        for threshold in [0, 1000, 64 * 1024, LIMIT - 1] {
            for piece in [999, 64 * 1024, LIMIT, LIMIT + 1, 2 * LIMIT] {
                executor.block_on(async {
                    let mut spool =
                        AsyncSpooledTempFile::with_options(&options(directory.as_ref(), threshold, backing));
                    let mut taken = 0;
                    while taken < LIMIT {
                        let count = spool.write(&content[taken..][..piece]).await.unwrap();
                        assert!((1..=piece.min(LIMIT - taken)).contains(&count), "{count} behind {taken}");
                        taken += count;
                    }
                    for _ in 0..2 {
                        assert_too_large(&spool.write(&content[taken..][..piece]).await.unwrap_err());
                        assert_too_large(&spool.write(b"!").await.unwrap_err());
                        assert_too_large(&spool.set_len(LIMIT as u64 + 1).await.unwrap_err());
                        assert_eq!((spool.position(), spool.len()), (LIMIT as u64, LIMIT as u64));
                    }
                    spool.flush().await.unwrap();
                    assert_same(&content_of(&mut spool).await.unwrap(), &content[..LIMIT], "up to the limit");
                });
            }
        }
    }
}

#[track_caller]
fn assert_too_large(error: &io::Error) {
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error:?}");
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<LimitError>());
    let cause = cause.unwrap_or_else(|| panic!("{error:?} names no limit"));
    assert_eq!((cause.which(), cause.limit()), (Limit::FileSize, LIMIT as u64));
}
