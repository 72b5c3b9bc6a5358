//! Names by more than one way, cursors that others move, privileges that are gone, names that are lost.
#![cfg(target_os = "linux")]

mod ground;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ground::left::NOBODY;
use ground::limits::Limited;
use ground::mount::{Mount, unmount};
use ground::{MIB, Scratch, bytes, child, names, skipped};
use spooled::NamedTempFile;

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
