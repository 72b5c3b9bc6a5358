//! `RLIMIT_FSIZE`: a limit that is known beforehand. Whoever is caught by it gets a signal, whose default is death.
#![cfg(target_os = "linux")]

mod ground;

use std::fs;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use ground::{BACKINGS, Scratch, assert_empty, assert_holds, assert_same, bytes, child, file_with, kernel, options};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use spooled::{Backing, Limit, LimitError};

const LIMIT: usize = 100_000;

/// Runs `body` in a child where no file may be longer than [`LIMIT`].
#[track_caller]
fn limited(name: &str, body: impl FnOnce(&Path)) {
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path().join("spools")).unwrap();
        child::run(name, scratch.path().join("spools"));
        return assert_empty(&scratch.path().join("spools"));
    };
    limit(LIMIT as u64);
    body(Path::new(&directory));
}

/// The soft limit, up to the hard one, which stays what it was.
fn limit(bytes: u64) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    let current = Some(bytes.min(maximum.unwrap_or(u64::MAX))).filter(|bytes| *bytes < u64::MAX);
    setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
}

#[track_caller]
fn assert_too_large(error: &io::Error) {
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error:?}");
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<LimitError>());
    let cause = cause.unwrap_or_else(|| panic!("{error:?} names no limit"));
    assert_eq!((cause.which(), cause.limit()), (Limit::FileSize, LIMIT as u64));
}

/// Whoever asks for a byte past the limit dies here: else nothing that follows proves anything.
#[test]
fn a_byte_past_the_limit_is_a_signal() {
    const NAME: &str = "a_byte_past_the_limit_is_a_signal";
    if let Some(directory) = child::argument() {
        let mut file = fs::File::create(Path::new(&directory).join("plain")).unwrap();
        limit(LIMIT as u64);
        file.seek(SeekFrom::Start(LIMIT as u64)).unwrap();
        file.write_all(b"!").unwrap_err();
        return;
    }
    let scratch = Scratch::new();
    let output = child::command(NAME, scratch.path()).output().unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGXFSZ), "{output:?}");
}

#[test]
fn p7_a_write_across_the_limit_takes_the_prefix_and_the_next_is_an_error() {
    limited("p7_a_write_across_the_limit_takes_the_prefix_and_the_next_is_an_error", |directory| {
        let content = bytes(3 * LIMIT, 1);
        for backing in BACKINGS {
            for threshold in [0, 1000, 64 * 1024, LIMIT - 1] {
                for piece in [999, 4096, 64 * 1024, LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT] {
                    let mut spool = options(directory, threshold, backing).build();
                    let mut taken = 0;
                    while taken < LIMIT {
                        let count = spool.write(&content[taken..taken + piece]).unwrap();
                        assert_eq!(count, piece.min(LIMIT - taken), "threshold {threshold}, {taken} bytes before");
                        taken += count;
                    }
                    for _ in 0..2 {
                        assert_too_large(&spool.write(&content[taken..taken + piece]).unwrap_err());
                        assert_too_large(&spool.write(b"!").unwrap_err());
                        assert_too_large(&spool.write_at(b"!", LIMIT as u64).unwrap_err());
                        assert_too_large(&spool.write_at(b"!", 5 * LIMIT as u64).unwrap_err());
                        assert_too_large(&spool.set_len(LIMIT as u64 + 1).unwrap_err());
                        assert_eq!(spool.position(), LIMIT as u64);
                    }
                    assert_eq!(spool.write(b"").unwrap(), 0);
                    spool.flush().unwrap();
                    assert_holds(&mut spool, &content[..LIMIT]);

                    // Below the limit it goes on.
                    assert_eq!(spool.write_at(b"ends", LIMIT as u64 - 2).unwrap(), 2);
                    spool.set_len(LIMIT as u64 / 2).unwrap();
                    spool.set_len(LIMIT as u64).unwrap();
                    spool.flush().unwrap();
                    assert_eq!(spool.into_file().unwrap().metadata().unwrap().len(), LIMIT as u64);
                }
            }
        }
    });
}

#[test]
fn p2_a_rollover_past_the_limit_is_refused() {
    limited("p2_a_rollover_past_the_limit_is_refused", |directory| {
        for backing in BACKINGS {
            let content = bytes(LIMIT + 1, 2);
            let mut spool = options(directory, LIMIT + 1, backing).build();
            spool.write_all(&content).unwrap();
            spool.seek(SeekFrom::Start(LIMIT as u64 - 9)).unwrap();
            for _ in 0..2 {
                assert_too_large(&spool.roll().unwrap_err());
                assert_too_large(&spool.set_len(2 * LIMIT as u64).unwrap_err());
                assert_too_large(&spool.write(&content).unwrap_err());
                assert_too_large(&spool.write_at(&content, LIMIT as u64 + 1).unwrap_err());
                assert!(!spool.is_rolled());
                assert_eq!(spool.position(), LIMIT as u64 - 9);
                assert_holds(&mut spool, &content);
            }
            let (error, spool) = spool.into_file().unwrap_err().into_parts();
            assert_too_large(&error);
            let (error, mut spool) = spool.persist(directory.join("target")).unwrap_err().into_parts();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error:?}");
            assert_holds(&mut spool, &content);
            assert_empty(directory);

            // One byte less is not past it.
            spool.set_len(LIMIT as u64).unwrap();
            spool.roll().unwrap();
            assert_holds(&mut spool, &content[..LIMIT]);
        }
    });
}

#[test]
fn p7_copy_from_ends_at_the_limit() {
    limited("p7_copy_from_ends_at_the_limit", |directory| {
        let content = bytes(LIMIT + 5000, 3);
        limit(u64::MAX);
        let path = directory.join("source");
        drop(file_with(&path, &content));
        limit(LIMIT as u64);
        for backing in BACKINGS {
            for threshold in [0, 1000, LIMIT] {
                let mut spool = options(directory, threshold, backing).build();
                let mut source = Cursor::new(&content);
                // Where memory ends, all that was pulled was kept, as it is the rollover that is refused.
                assert_too_large(&spool.copy_from(&mut source).unwrap_err());
                assert!(source.position() - spool.len() <= 1, "{} pulled, {} kept", source.position(), spool.len());
                assert_holds(&mut spool, &content[..LIMIT]);

                let mut spool = options(directory, threshold, backing).build();
                let mut source = fs::File::open(&path).unwrap();
                assert_too_large(&spool.copy_from(&mut source).unwrap_err());
                assert!(source.stream_position().unwrap() - spool.len() <= 1);
                assert_holds(&mut spool, &content[..LIMIT]);

                // A source that ends right there is no error.
                let mut spool = options(directory, threshold, backing).build();
                assert_eq!(spool.copy_from(&mut content[..LIMIT].as_ref()).unwrap(), LIMIT as u64);
                let mut spool = options(directory, threshold, backing).build();
                let source = &mut fs::File::open(&path).unwrap();
                assert_eq!(spool.copy_from(&mut source.take(LIMIT as u64)).unwrap(), LIMIT as u64);
            }
        }
        fs::remove_file(path).unwrap();
    });
}

/// The limit that a file meets may be lower than the one that its spool met.
#[test]
fn p7_a_name_by_copy_past_the_limit_is_an_error() {
    limited("p7_a_name_by_copy_past_the_limit_is_an_error", |directory| {
        let content = bytes(2 * LIMIT, 4);
        let target = directory.join("target");
        // A file that had a name cannot be linked again, so it is copied.
        if !kernel::refuse_nameless_files(libc::EOPNOTSUPP) {
            return ground::skipped("the kernel takes no filter");
        }
        for backing in BACKINGS {
            limit(u64::MAX);
            fs::write(&target, b"what was there").unwrap();
            let mut spool = options(directory, 0, backing).build();
            spool.write_all(&content).unwrap();
            spool.flush().unwrap();
            limit(LIMIT as u64);
            let (error, spool) = spool.persist(&target).unwrap_err().into_parts();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error:?}");
            let (error, mut spool) = spool.into_named().unwrap_err().into_parts();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error:?}");
            assert_holds(&mut spool, &content);
            assert_eq!(fs::read(&target).unwrap(), b"what was there");
            assert_eq!(ground::names(directory), ["target"]);
            limit(u64::MAX);
            drop(spool.persist(&target).unwrap());
            assert_same(&fs::read(&target).unwrap(), &content, "persisted");
            fs::remove_file(&target).unwrap();
        }
    });
}

#[test]
fn p7_a_far_hole_past_the_limit_is_an_error() {
    limited("p7_a_far_hole_past_the_limit_is_an_error", |directory| {
        for threshold in [0, 10] {
            let mut spool = options(directory, threshold, Backing::File).build();
            spool.write_all(b"short").unwrap();
            spool.seek(SeekFrom::Start(1 << 40)).unwrap();
            assert_too_large(&spool.write(b"!").unwrap_err());
            assert_too_large(&spool.set_len(1 << 40).unwrap_err());
            assert_eq!(spool.position(), 1 << 40);
            assert_holds(&mut spool, b"short");
        }
    });
}
