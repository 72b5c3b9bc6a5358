//! P4: what consumes a spool and fails gives it back, with its content, its length and its position.

use std::fs;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use spooled::{Overflow, PathError, SpooledData, SpooledTempFile};

use crate::fixture::case::{Case, Directory};
use crate::fixture::look::assert_content;
use crate::fixture::{Ground, KIB, assert_same, noise, stream};

const POSITIONS: [u64; 5] = [0, 1, 700, 1000, 5000];

/// A spool with 1000 bytes, for each way to have them, at each of some positions.
fn spools(ground: &Ground, directory: Directory) -> impl Iterator<Item = SpooledTempFile> {
    let cases = Case::grid(1000).filter(move |case| directory != Directory::Missing || case.threshold >= 1000);
    cases.flat_map(move |case| {
        POSITIONS.map(|position| {
            let mut spool = Case { directory, ..case }.options(ground).build();
            spool.write_all(noise(1000, 1)).unwrap();
            spool.seek(SeekFrom::Start(position)).unwrap();
            spool
        })
    })
}

/// The spool is what it was, and works on.
#[track_caller]
fn assert_whole(mut spool: SpooledTempFile, position: u64) {
    assert_eq!((spool.len(), spool.position()), (1000, position));
    assert_content(&spool, noise(1000, 1), 300);
    spool.seek(SeekFrom::Start(500)).unwrap();
    spool.write_all(b"on").unwrap();
    let expected = [&noise(1000, 1)[..500], b"on", &noise(1000, 1)[502..]].concat();
    assert_content(&spool, &expected, 300);
}

#[track_caller]
fn assert_not_found(error: &io::Error, path: &Path) {
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<PathError>());
    assert!(cause.is_some_and(|cause| cause.path() == path), "{error:?}");
}

#[test]
fn p4_into_file_gives_the_spool_back() {
    let ground = Ground::new();
    for spool in spools(&ground, Directory::Missing) {
        let position = spool.position();
        let failed = spool.into_file().unwrap_err();
        assert_not_found(failed.error(), &ground.missing());
        assert!(failed.to_string().contains("missing"), "{failed}");
        let (error, spool) = failed.into_parts();
        assert_not_found(&error, &ground.missing());
        assert!(!spool.is_rolled());
        assert_whole(spool, position);
    }
}

/// With the directory there at last, what was given back succeeds.
#[test]
fn p4_what_was_given_back_can_be_asked_again() {
    for position in POSITIONS {
        let ground = Ground::new();
        for case in Case::grid(1000).filter(|case| case.threshold >= 1000) {
            let mut spool = Case { directory: Directory::Missing, ..case }.options(&ground).build();
            spool.write_all(noise(1000, 1)).unwrap();
            spool.seek(SeekFrom::Start(position)).unwrap();
            let spool = spool.into_file().unwrap_err().into_spool();
            let path = ground.missing().join("file");
            let spool = spool.persist(&path).unwrap_err().into_spool();
            fs::create_dir(ground.missing()).unwrap();
            let mut file =
                if case.threshold == 1000 { spool.persist(&path).unwrap() } else { spool.into_file().unwrap() };
            assert_eq!(file.stream_position().unwrap(), position);
            assert_same(&stream::content_of(&file), noise(1000, 1), "the file");
            drop(file);
            let _ = fs::remove_file(&path);
            ground.remove_missing();
        }
    }
}

#[test]
fn p4_persist_gives_the_spool_back() {
    let ground = Ground::new();
    for directory in [Directory::There, Directory::Missing] {
        for spool in spools(&ground, directory) {
            let position = spool.position();
            let path = ground.missing().join("file");
            let failed = spool.persist(&path).unwrap_err();
            assert_not_found(failed.error(), &path);
            let failed = failed.into_spool().persist_noclobber(&path).unwrap_err();
            assert_not_found(failed.error(), &path);
            assert_whole(failed.into_spool(), position);
        }
    }
    ground.assert_empty();
}

#[test]
fn p4_persist_noclobber_gives_the_spool_back_and_leaves_what_is_there() {
    let ground = Ground::new();
    let path = ground.fresh();
    fs::write(&path, "was here first").unwrap();
    for spool in spools(&ground, Directory::There) {
        let position = spool.position();
        let failed = spool.persist_noclobber(&path).unwrap_err();
        assert_eq!(failed.error().kind(), ErrorKind::AlreadyExists);
        assert_whole(failed.into_spool(), position);
        assert_eq!(fs::read(&path).unwrap(), b"was here first");
    }
    fs::remove_file(&path).unwrap();
    ground.assert_empty();
}

/// A path that is a directory, that names no file, and whose parent is a file.
#[test]
fn p4_persist_at_a_path_that_cannot_be_a_file_gives_the_spool_back() {
    let ground = Ground::new();
    let (directory, file) = (ground.fresh(), ground.fresh());
    fs::create_dir_all(directory.join("not empty")).unwrap();
    fs::write(&file, "a file").unwrap();
    for spool in spools(&ground, Directory::There) {
        let position = spool.position();
        let mut spool = spool;
        for path in [directory.clone(), file.join("below"), "/".into(), "..".into(), "".into()] {
            spool = spool.persist(&path).unwrap_err().into_spool();
            spool = spool.persist_noclobber(&path).unwrap_err().into_spool();
        }
        assert_whole(spool, position);
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "something was left");
    assert_eq!(fs::read(&file).unwrap(), b"a file");
    ground.let_go_of_kept_files();
    assert_eq!(fs::read_dir(ground.path()).unwrap().count(), 2, "something was left");
}

/// What is in memory needs no directory to leave.
#[test]
fn p4_into_inner_and_freeze_need_no_directory() {
    let ground = Ground::new();
    for spool in spools(&ground, Directory::Missing) {
        let position = spool.position();
        let SpooledData::InMemory(data) = spool.into_inner().unwrap() else { panic!("there is no disk") };
        assert_eq!(data.position(), position);
        assert_same(data.get_ref(), noise(1000, 1), "the data");
    }
    for spool in spools(&ground, Directory::Missing) {
        let frozen = spool.freeze().unwrap();
        assert_same(&frozen.to_bytes().unwrap(), noise(1000, 1), "what is frozen");
    }
}

/// Whoever asks for a file gets one, whatever was said about memory.
#[test]
fn p4_memory_only_still_becomes_a_file() {
    let ground = Ground::new();
    for overflow in [Overflow::Fail, Overflow::DiskOrMemory(64 * KIB)] {
        for case in Case::grid(1000).filter(|case| case.threshold >= 1000) {
            let case = Case { overflow, ..case };
            let build = || {
                let mut spool = case.options(&ground).build();
                spool.write_all(noise(1000, 1)).unwrap();
                assert!(!spool.is_rolled());
                spool
            };
            assert_same(&stream::content_of(&build().into_file().unwrap()), noise(1000, 1), "by into_file");
            let path = ground.fresh();
            build().persist(&path).unwrap();
            assert_same(&fs::read(&path).unwrap(), noise(1000, 1), "by persist");
            fs::remove_file(&path).unwrap();
            let mut spool = build();
            spool.roll().unwrap();
            assert!(spool.is_rolled());
        }
    }
}

/// Somebody sought to where no file can be read, persisted, got an error, and found that the old file was gone all the
/// same. A file may stand as near to that place as it can; but if that is an error, it is one before anything happens.
#[test]
fn p4_a_position_that_no_file_can_have_harms_nothing() {
    let ground = Ground::new();
    let path = ground.fresh();
    for position in [1 << 44, 1 << 60, i64::MAX as u64, u64::MAX] {
        for spool in spools(&ground, Directory::There) {
            let mut spool = spool;
            spool.seek(SeekFrom::Start(position)).unwrap();
            fs::write(&path, "was here first").unwrap();
            match spool.persist(&path) {
                Ok(_) => assert_same(&fs::read(&path).unwrap(), noise(1000, 1), "what is at the path"),
                Err(failed) => {
                    assert_eq!(failed.error().kind(), ErrorKind::InvalidInput);
                    assert_eq!(fs::read(&path).unwrap(), b"was here first");
                    let spool = failed.into_spool();
                    assert_eq!(spool.position(), position);
                    fs::remove_file(&path).unwrap();
                    let failed = spool.persist_noclobber(&path).unwrap_err();
                    assert!(!path.exists(), "it failed, and left a file all the same");
                    let failed = failed.into_spool().into_file().unwrap_err();
                    assert_whole(failed.into_spool(), position);
                }
            }
            let _ = fs::remove_file(&path);
        }
    }
    ground.assert_empty();
}

/// Persisting takes the place of what was there, at once and wholly.
#[test]
fn p4_persist_replaces_what_is_there() {
    let ground = Ground::new();
    let path = ground.fresh();
    for directory in [Directory::There, Directory::Missing] {
        for spool in spools(&ground, directory) {
            fs::write(&path, noise(3000, 9)).unwrap();
            // Not every file system of Windows lets what somebody has open be replaced.
            let held = cfg!(unix).then(|| fs::File::open(&path).unwrap());
            let position = spool.position();
            let mut file = spool.persist(&path).unwrap();
            assert_eq!(file.stream_position().unwrap(), position);
            assert_same(&fs::read(&path).unwrap(), noise(1000, 1), "what is at the path");
            if let Some(held) = held {
                assert_same(&stream::content_of(&held), noise(3000, 9), "what was at the path, for who had it open");
            }
        }
    }
    fs::remove_file(&path).unwrap();
    ground.assert_empty();
}
