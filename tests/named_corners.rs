//! Names by more than one way, cursors that others move, privileges that are gone, names that are lost.
#![cfg(target_os = "linux")]

mod ground;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ground::left::NOBODY;
use ground::limits::Limited;
use ground::mount::{Mount, unmount};
use ground::{MIB, Scratch, bytes, child, names, skipped};
use spooled::{NamedTempFile, SpooledTempFile};

/// Through another mount of its directory the file's own name is one on another file system, so that it is replaced by a copy.
#[test]
fn p4_persisted_onto_its_own_name_by_another_mount_it_is_there() {
    let scratch = Scratch::new();
    let [real, bound] = ["real", "bound"].map(|name| scratch.path().join(name));
    for directory in [&real, &bound] {
        fs::create_dir(directory).unwrap();
    }
    if !Command::new("mount").arg("--bind").args([&real, &bound]).output().is_ok_and(|done| done.status.success()) {
        return skipped("mounting is not allowed here");
    }
    let mut file = NamedTempFile::new_in(&real).unwrap();
    file.write_all(b"content").unwrap();
    let name = file.path().file_name().unwrap().to_owned();
    let persisted = file.persist(bound.join(&name)).map(drop);
    unmount(&bound).unwrap();
    persisted.unwrap();
    assert_eq!(fs::read(real.join(name)).unwrap(), b"content");
}

#[test]
fn p4_a_copy_is_whole_whoever_moves_the_cursor() {
    let Some(elsewhere) = Mount::tmpfs(64 * MIB) else { return };
    let scratch = Scratch::new();
    let content = bytes(8 * MIB, 1);
    let path = elsewhere.path().join("persisted");
    for _ in 0..10 {
        let mut file = NamedTempFile::new_in(scratch.path()).unwrap();
        file.write_all(&content).unwrap();
        let mut shared = rustix::io::dup(&file).map(fs::File::from).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = shared.read(&mut [0; 4096]);
                }
            });
            let persisted = file.persist(&path);
            done.store(true, Ordering::Relaxed);
            drop(persisted.unwrap());
        });
        ground::assert_same(&fs::read(&path).unwrap(), &content, "the copy");
    }
}

/// Blocks that were set aside behind the end are cut off before anybody else can write there.
#[test]
fn p4_what_another_handle_writes_while_a_file_leaves_is_there() {
    let scratch = Scratch::new();
    const BEFORE: u64 = 3 << 20;
    for round in 0..30 {
        let mut spool = SpooledTempFile::new_in(0, scratch.path());
        (0..BEFORE / 8192).for_each(|_| spool.write_all(&[b'.'; 8192]).unwrap());
        let named = spool.into_named().unwrap();
        let shared = rustix::io::dup(named.as_file()).map(fs::File::from).unwrap();
        let (writes, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let path = thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut at = BEFORE;
                while !done.load(Ordering::Relaxed) {
                    shared.write_all_at(b"more", at).unwrap();
                    at += 4;
                    writes.store(true, Ordering::Relaxed);
                }
                at
            });
            while !writes.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            let path = match round % 2 {
                0 => named.keep().unwrap().1,
                _ => {
                    let path = scratch.path().join("persisted");
                    named.persist(&path).unwrap();
                    path
                }
            };
            done.store(true, Ordering::Relaxed);
            let written = writer.join().unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), written);
            path
        });
        let content = fs::read(&path).unwrap();
        assert!(content[BEFORE as usize..].chunks(4).all(|chunk| chunk == b"more"), "round {round}");
        fs::remove_file(path).unwrap();
    }
}

/// Whatever the other is called.
#[test]
fn p4_persisted_over_another_name_of_itself_it_has_that_one_alone() {
    let scratch = Scratch::new();
    for name in ["plain", "abcdefghijklmnopqrstuvwxyz"] {
        let file = NamedTempFile::new_in(scratch.path()).unwrap();
        let path = scratch.path().join(name);
        fs::hard_link(file.path(), &path).unwrap();
        drop(file.persist(&path).unwrap());
        assert_eq!(names(scratch.path()), [name]);
        fs::remove_file(path).unwrap();
    }
}

/// By way of another directory, or of a link to its own.
#[test]
fn p4_persisted_onto_its_own_name_by_another_way_it_is_there() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path().join("beside")).unwrap();
    std::os::unix::fs::symlink(".", scratch.path().join("link")).unwrap();
    for way in ["beside/..", "link"] {
        let file = NamedTempFile::new_in(scratch.path()).unwrap();
        let (own, other) = (file.path().to_owned(), scratch.path().join("other"));
        fs::hard_link(&own, &other).unwrap();
        drop(file.persist(scratch.path().join(way).join(own.file_name().unwrap())).unwrap());
        assert_eq!(names(scratch.path()), [own.file_name().unwrap().to_str().unwrap(), "beside", "link", "other"]);
        fs::remove_file(own).unwrap();
        fs::remove_file(other).unwrap();
    }
}

/// What is persisted needs no mark any more, nor another mode.
#[test]
fn p4_who_gives_up_privileges_can_persist() {
    const NAME: &str = "p4_who_gives_up_privileges_can_persist";
    if let Some(directory) = child::argument() {
        let directory = Path::new(&directory);
        let mut file = NamedTempFile::new_in(directory).unwrap();
        // SAFETY: the call takes numbers alone.
        #[allow(unsafe_code, reason = "there is no other way to become another user")]
        let changed = unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) };
        assert_eq!(changed, 0);
        file.write_all(b"content").unwrap();
        return drop(file.persist(directory.join("persisted")).unwrap());
    }
    if !rustix::process::geteuid().is_root() {
        return skipped("there are no privileges to give up");
    }
    let scratch = Scratch::new();
    child::run(NAME, scratch.path());
    assert_eq!(fs::read(scratch.path().join("persisted")).unwrap(), b"content");
    assert_eq!(fs::metadata(scratch.path().join("persisted")).unwrap().permissions().mode() & 0o7777, 0o600);
}

/// Swept as it was made, and no descriptor to make it again.
#[test]
fn p4_what_has_no_name_cannot_be_kept() {
    const NAME: &str = "p4_what_has_no_name_cannot_be_kept";
    let Some(directory) = child::argument() else {
        let scratch = Scratch::new();
        return child::run(NAME, scratch.path());
    };
    let directory = Path::new(&directory);
    let file = NamedTempFile::new_in(directory).unwrap();
    fs::remove_file(directory.join(&names(directory)[0])).unwrap();
    let limited = Limited::to_no_descriptor();
    let failed = file.keep().unwrap_err();
    drop(limited);
    let file = failed.into_file();
    let failed = file.keep().unwrap_err();
    assert_eq!(failed.error().kind(), ErrorKind::NotFound);
    drop(failed);
    assert_eq!(names(directory), [""; 0]);
}
