//! A directory, and all that is in it.

use std::fs;
use std::io::ErrorKind;
use std::thread;

use spooled::TempDir;

use crate::{CONTENT, Ground, assert_names, names};

#[test]
fn p5_a_directory_goes_with_all_that_is_in_it() {
    let ground = Ground::new();
    let filled = || {
        let dir = TempDir::new_in(ground.path()).unwrap();
        for below in ["a/b/c", "d"] {
            fs::create_dir_all(dir.path().join(below)).unwrap();
            fs::write(dir.path().join(below).join("file"), CONTENT).unwrap();
        }
        let read_only = dir.path().join("a/read-only");
        fs::write(&read_only, CONTENT).unwrap();
        if cfg!(not(target_family = "wasm")) {
            let mut permissions = fs::metadata(&read_only).unwrap().permissions();
            permissions.set_readonly(true);
            fs::set_permissions(&read_only, permissions).unwrap();
        }
        dir
    };
    drop(filled());
    assert_eq!(names(ground.path()), [""; 0]);
    let dir = filled();
    let path = dir.path().to_owned();
    assert_eq!(names(&dir.path().join("a")), ["b", "read-only"], "by AsRef<Path>: {:?}", fs::metadata(&dir));
    dir.close().unwrap();
    assert!(!path.exists());
    // In another thread than the one that made it, and by a panic.
    if cfg!(not(target_family = "wasm")) {
        let dir = filled();
        thread::spawn(move || drop(dir)).join().unwrap();
        let dir = filled();
        thread::spawn(move || -> () { panic!("in {dir:?}") }).join().unwrap_err();
    }
    assert_eq!(names(ground.path()), [""; 0]);
}

#[test]
fn p5_closing_a_directory_that_is_not_there_any_more_says_so() {
    let ground = Ground::new();
    let gone = || {
        let dir = TempDir::new_in(ground.path()).unwrap();
        fs::remove_dir(dir.path()).unwrap();
        dir
    };
    let dir = gone();
    let path = dir.path().to_owned();
    assert_names(&dir.close().unwrap_err(), ErrorKind::NotFound, &path);
    drop(gone());
    // Nor does a drop amid a panic end the process.
    if cfg!(not(target_family = "wasm")) {
        let dir = gone();
        thread::spawn(move || -> () { panic!("in {dir:?}") }).join().unwrap_err();
    }
}

/// What has been renamed or moved away is not ours any more, nor is what has its name now.
#[test]
fn p6_a_directory_that_was_moved_or_replaced_stays() {
    let ground = Ground::new();
    for replaced in [false, true] {
        for close in [false, true] {
            let dir = TempDir::new_in(ground.path()).unwrap();
            let path = dir.path().to_owned();
            fs::write(path.join("moved"), CONTENT).unwrap();
            fs::rename(&path, ground.join("away")).unwrap();
            if replaced {
                fs::create_dir(&path).unwrap();
                fs::write(path.join("another's"), CONTENT).unwrap();
            }
            if close {
                assert_names(&dir.close().unwrap_err(), ErrorKind::NotFound, &path);
            } else {
                drop(dir);
            }
            assert_eq!(names(&ground.join("away")), ["moved"]);
            fs::remove_dir_all(ground.join("away")).unwrap();
            assert_eq!(path.exists(), replaced);
            if replaced {
                assert_eq!(names(&path), ["another's"]);
                fs::remove_dir_all(&path).unwrap();
            }
        }
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use spooled::tempfile_in;

    use super::*;

    #[test]
    fn p6_links_in_a_directory_go_and_what_they_lead_to_stays() {
        let ground = Ground::new();
        let outside = ground.join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), CONTENT).unwrap();
        for mode in [0o000, 0o200, 0o400, 0o600] {
            for (what, mode) in [("", mode | 0o100), ("file", mode)] {
                fs::set_permissions(outside.join(what), fs::Permissions::from_mode(mode)).unwrap();
                let before = fs::symlink_metadata(outside.join(what)).unwrap();
                let dir = TempDir::new_in(ground.path()).unwrap();
                fs::create_dir(dir.path().join("below")).unwrap();
                for link in ["link", "below/link"] {
                    symlink(outside.join(what), dir.path().join(link)).unwrap();
                    symlink("../outside", dir.path().join(link).with_extension("relative")).unwrap();
                    symlink("missing", dir.path().join(link).with_extension("broken")).unwrap();
                    symlink("link.self", dir.path().join(link).with_extension("self")).unwrap();
                }
                dir.close().unwrap();
                let after = fs::symlink_metadata(outside.join(what)).unwrap();
                let look = |of: &fs::Metadata| (of.mode(), of.ino(), of.mtime_nsec(), of.ctime_nsec(), of.nlink());
                assert_eq!(look(&before), look(&after));
                for what in ["", "file"] {
                    fs::set_permissions(outside.join(what), fs::Permissions::from_mode(0o700)).unwrap();
                }
            }
        }
        assert_eq!(fs::read(outside.join("file")).unwrap(), CONTENT);
        assert_eq!(names(ground.path()), ["outside"]);
    }

    #[test]
    fn p5_what_is_no_file_goes_too() {
        let ground = Ground::new();
        let dir = TempDir::new_in(ground.path()).unwrap();
        let socket = UnixListener::bind(dir.path().join("socket"));
        // A path that is too long for a socket is no fault of ours.
        if let Err(error) = &socket {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        let fifo = Command::new("mkfifo").arg(dir.path().join("fifo")).status().unwrap();
        assert!(fifo.success());
        dir.close().unwrap();
        // And a name that a pipe has taken over.
        let file = ground.file();
        fs::remove_file(file.path()).unwrap();
        assert!(Command::new("mkfifo").arg(file.path()).status().unwrap().success());
        assert_eq!(file.persist(ground.join("target")).unwrap_err().error.kind(), ErrorKind::NotFound);
        assert_eq!(names(ground.path()), [""; 0]);
    }

    #[test]
    fn p5_a_directory_that_is_in_use_goes() {
        let ground = Ground::new();
        let dir = TempDir::new_in(ground.path()).unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        let mut open = File::create_new(dir.path().join("below/open")).unwrap();
        let listing = fs::read_dir(dir.path()).unwrap();
        let stands_in_it = Command::new("sleep").arg("60").current_dir(dir.path().join("below")).spawn();
        dir.close().unwrap();
        assert_eq!(names(ground.path()), [""; 0]);
        open.write_all(CONTENT).unwrap();
        drop(listing);
        let mut stands_in_it = stands_in_it.unwrap();
        stands_in_it.kill().unwrap();
        stands_in_it.wait().unwrap();
    }

    /// A file without a name keeps nobody from removing the directory that it was made in.
    #[test]
    fn p5_a_nameless_file_is_in_no_directory() {
        let ground = Ground::new();
        let dir = TempDir::new_in(ground.path()).unwrap();
        let mut file = tempfile_in(&dir).unwrap();
        file.write_all(CONTENT).unwrap();
        fs::remove_dir(dir.path()).unwrap();
        file.rewind().unwrap();
        let mut seen = Vec::new();
        file.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, CONTENT);
    }
}
