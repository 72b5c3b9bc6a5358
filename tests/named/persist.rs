//! A file that gets a name for good.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;

use spooled::NamedTempFile;

use crate::{Ground, assert_left, assert_names, assert_whole, names};

#[test]
fn p4_persisting_gives_the_name_at_once_and_the_file_back() {
    let ground = Ground::new();
    let target = ground.join("target");
    for before in [None, Some("what was there"), Some("")] {
        if let Some(before) = before {
            fs::write(&target, before).unwrap();
        }
        let file = ground.file();
        let old = file.path().to_owned();
        let file = file.persist(&target).unwrap();
        assert!(!old.exists());
        assert_left(file, &target);
        assert_eq!(names(ground.path()), ["target"]);
    }
    fs::remove_file(&target).unwrap();
    assert_left(ground.file().persist_noclobber(&target).unwrap(), &target);
    assert_eq!(names(ground.path()), ["target"]);
    if cfg!(windows) {
        // There, to give a file the name that it has is to do nothing.
        return;
    }
    // To where it is.
    let file = ground.file();
    let path = file.path().to_owned();
    let failed = file.persist_noclobber(&path).unwrap_err();
    assert_names(failed.error(), ErrorKind::AlreadyExists, &path);
    assert_whole(&failed.file);
    assert_left(failed.into_file().persist(&path).unwrap(), &path);
    drop(ground.file());
    assert_eq!(names(ground.path()).len(), 2);
}

/// Where the path is another name of the file already, a rename would do nothing.
#[test]
#[cfg(unix)]
fn p5_persisting_to_another_name_of_the_file_takes_the_first_away() {
    let ground = Ground::new();
    let target = ground.join("target");
    let file = ground.file();
    fs::hard_link(file.path(), &target).unwrap();
    assert_left(file.persist(&target).unwrap(), &target);
    assert_eq!(names(ground.path()), ["target"]);
    // But not where that is the same name, by another way.
    let file = ground.file();
    fs::hard_link(file.path(), ground.join("other")).unwrap();
    std::os::unix::fs::symlink(ground.path(), ground.join("way")).unwrap();
    let way = ground.join("way").join(file.path().file_name().unwrap());
    assert_left(file.persist(&way).unwrap(), &way);
    assert_eq!(names(ground.path()).len(), 4);
}

/// Whatever stands in the way: the error names the path, the file is as it was, under its name, and what was there too.
#[test]
fn p4_a_persist_that_fails_changes_nothing_and_gives_the_file_back() {
    let ground = Ground::new();
    fs::write(ground.join("file"), "there before").unwrap();
    fs::create_dir_all(ground.join("dir/full")).unwrap();
    let long = "x".repeat(300);
    let paths = ["missing/target", "file/below", "dir", "dir/full/..", "", "..", "/", "nul\0", &long];
    for path in paths.map(|path| if path.is_empty() { PathBuf::new() } else { ground.join(path) }) {
        for noclobber in [false, true] {
            let mut file = ground.file();
            let own = file.path().to_owned();
            for _ in 0..2 {
                let failed = if noclobber { file.persist_noclobber(&path) } else { file.persist(&path) }.unwrap_err();
                assert_names(failed.error(), failed.error.kind(), &path);
                assert_eq!(failed.file.path(), own);
                assert_whole(&failed.file);
                assert_eq!(fs::read(ground.join("file")).unwrap(), b"there before");
                file = failed.into();
            }
            assert_eq!(names(ground.path()).len(), 3, "for {}", path.display());
            assert_left(file.persist(ground.join("file")).unwrap(), &ground.join("file"));
            fs::write(ground.join("file"), "there before").unwrap();
            assert_eq!(names(ground.path()), ["dir", "file"]);
        }
    }
    let failed = ground.file().persist_noclobber(ground.join("file")).unwrap_err();
    assert_names(failed.error(), ErrorKind::AlreadyExists, &ground.join("file"));
    assert_whole(&failed.file);
    let (error, file) = failed.into_parts();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    drop(file);
    assert_eq!(
        (names(ground.path()), names(&ground.join("dir"))),
        (vec!["dir".into(), "file".into()], vec!["full".into()])
    );
}

#[test]
fn p4_a_file_whose_name_is_gone_or_anothers_cannot_be_persisted() {
    let ground = Ground::new();
    fs::write(ground.join("target"), "there before").unwrap();
    for taken in [false, true] {
        let file = ground.file();
        fs::rename(file.path(), ground.join("away")).unwrap();
        if taken {
            fs::write(file.path(), "somebody else's").unwrap();
        }
        // The path that is at fault.
        let own = file.path().to_owned();
        let failed = file.persist(ground.join("target")).unwrap_err();
        assert_names(failed.error(), ErrorKind::NotFound, &own);
        let failed = failed.into_file().persist_noclobber(ground.join("new")).unwrap_err();
        assert_names(failed.error(), ErrorKind::NotFound, &own);
        assert_eq!(fs::read(ground.join("target")).unwrap(), b"there before");
        if taken {
            assert_eq!(fs::read(failed.file.path()).unwrap(), b"somebody else's");
        }
        // Once it has its name again, it can.
        let file = failed.into_file();
        fs::rename(ground.join("away"), file.path()).unwrap();
        assert_left(file.persist_noclobber(ground.join("new")).unwrap(), &ground.join("new"));
        fs::remove_file(ground.join("new")).unwrap();
    }
    assert_eq!(names(ground.path()), ["target"]);
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn p4_what_is_read_only_is_replaced_as_the_directory_allows() {
    let ground = Ground::new();
    let target = ground.join("target");
    fs::write(&target, "read-only").unwrap();
    let mut permissions = fs::metadata(&target).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&target, permissions).unwrap();
    match ground.file().persist(&target) {
        Ok(file) => assert_left(file, &target),
        Err(failed) if cfg!(not(windows)) => panic!("{failed}"),
        // Then nothing has happened.
        Err(failed) => {
            assert_whole(&failed.file);
            assert_eq!(fs::read(&target).unwrap(), b"read-only");
        }
    }
}

#[cfg(unix)]
#[test]
fn p6_a_link_at_the_path_is_replaced_itself_and_never_followed() {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    let ground = Ground::new();
    let (sentinel, dir, link) = (ground.join("sentinel"), ground.join("dir"), ground.join("link"));
    fs::write(&sentinel, "not to be touched").unwrap();
    fs::create_dir(&dir).unwrap();
    for to in ["sentinel", "dir", "missing", "link", "dir/.."] {
        symlink(to, &link).unwrap();
        let failed = ground.file().persist_noclobber(&link).unwrap_err();
        assert_names(failed.error(), ErrorKind::AlreadyExists, &link);
        assert_eq!(fs::read_link(&link).unwrap(), Path::new(to));
        assert_left(failed.into_file().persist(&link).unwrap(), &link);
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
        fs::remove_file(&link).unwrap();
        assert_eq!(fs::read(&sentinel).unwrap(), b"not to be touched");
    }
    fs::hard_link(&sentinel, &link).unwrap();
    assert_left(ground.file().persist(&link).unwrap(), &link);
    assert_eq!(fs::read(&sentinel).unwrap(), b"not to be touched");
    assert_eq!((names(ground.path()).len(), names(&dir).len()), (3, 0));
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn p4_of_many_who_persist_to_a_free_name_exactly_one_wins() {
    let ground = Ground::new();
    for round in 0..20 {
        let target = ground.join(&round.to_string());
        let barrier = Barrier::new(16);
        let won: Vec<_> = thread::scope(|scope| {
            let runners: Vec<_> = (0..16_u8)
                .map(|runner| {
                    let (barrier, ground, target) = (&barrier, &ground, &target);
                    scope.spawn(move || {
                        let mut file = NamedTempFile::new_in(ground.path()).unwrap();
                        file.write_all(&[runner]).unwrap();
                        barrier.wait();
                        match file.persist_noclobber(target) {
                            Ok(_) => Some(runner),
                            Err(failed) => {
                                assert_names(failed.error(), ErrorKind::AlreadyExists, target);
                                assert_eq!(fs::read(failed.file.path()).unwrap(), [runner]);
                                None
                            }
                        }
                    })
                })
                .collect();
            runners.into_iter().filter_map(|runner| runner.join().unwrap()).collect()
        });
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(fs::read(&target).unwrap(), won);
    }
    assert_eq!(names(ground.path()).len(), 20);
}

/// Windows has moments in which a name that is replaced cannot be opened.
#[cfg(unix)]
#[test]
fn p4_whoever_looks_meanwhile_finds_the_old_content_or_the_new() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    let ground = Ground::new();
    let target = ground.join("target");
    fs::write(&target, [0; 1000]).unwrap();
    let (over, changes) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let look = scope.spawn(|| {
            let mut last = 0;
            while !over.load(Ordering::Relaxed) {
                let seen = fs::read(&target).unwrap();
                assert!(seen.len() == 1000 && seen.iter().all(|byte| *byte == seen[0]), "a part of it");
                changes.fetch_add(usize::from(seen[0] != last), Ordering::Relaxed);
                last = seen[0];
            }
        });
        for round in 0.. {
            if look.is_finished() || (round >= 1000 && changes.load(Ordering::Relaxed) > 0) {
                break;
            }
            let mut file = NamedTempFile::new_in(ground.path()).unwrap();
            file.write_all(&[round as u8; 1000]).unwrap();
            file.persist(&target).unwrap();
        }
        over.store(true, Ordering::Relaxed);
        look.join().unwrap();
    });
    assert_eq!(names(ground.path()), ["target"]);
}
