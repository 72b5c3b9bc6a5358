//! Every fault in turn, of names: a script whose first system call of a kind fails, then its second, until a run meets none.
//!
//! What is to be made is made or not, and then nothing is left of it; what is handed in comes back as it was. What is to be
//! removed and cannot be stays, and nothing else does.
#![cfg(target_os = "linux")]

mod ground;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;

use ground::walk;
use ground::{BACKINGS, KIB, assert_holds, assert_same, bytes, kernel, names, options, skipped};
use spooled::{Backing, NamedOptions, NamedTempFile, SpooledTempFile, TempDir};

#[test]
fn p2_p4_each_failing_open_leaves_no_name() {
    let opens = [("openat", "EMFILE"), ("openat", "EACCES"), ("mkdirat", "ENOSPC")];
    walk::walk("p2_p4_each_failing_open_leaves_no_name", &opens, makes);
}

#[test]
fn p2_p4_each_failing_look_at_what_was_made_leaves_no_name() {
    let looks = [("fstat", "EIO"), ("statx", "EIO"), ("newfstatat", "EIO"), ("statfs", "EIO"), ("lseek", "EIO")];
    walk::walk("p2_p4_each_failing_look_at_what_was_made_leaves_no_name", &looks, makes);
}

#[test]
fn p2_p4_each_failing_mark_lock_or_mode_leaves_no_name() {
    let changes = [
        ("fsetxattr", "ENOSPC"),
        ("fremovexattr", "EIO"),
        ("getxattr", "EIO"),
        ("fgetxattr", "EIO"),
        ("flock", "ENOLCK"),
        ("flock", "EAGAIN"),
        ("fchmod", "EIO"),
    ];
    walk::walk("p2_p4_each_failing_mark_lock_or_mode_leaves_no_name", &changes, makes);
}

#[test]
fn p2_p4_each_failing_link_or_rename_leaves_what_was_there() {
    let names = [
        ("linkat", "ENOSPC"),
        ("linkat", "EPERM"),
        ("linkat", "EEXIST"),
        ("renameat2", "EIO"),
        ("renameat2", "EINVAL"),
        #[cfg(target_arch = "x86_64")]
        ("rename", "ENOSPC"),
    ];
    walk::walk("p2_p4_each_failing_link_or_rename_leaves_what_was_there", &names, makes);
}

/// Where a spool cannot be linked, its content is copied.
#[test]
fn p2_p4_each_failing_copy_into_a_named_file_leaves_no_name() {
    let copies = [
        ("openat", "EMFILE"),
        ("fstat", "EIO"),
        ("fchmod", "EIO"),
        ("lseek", "EIO"),
        ("copy_file_range", "EIO"),
        ("copy_file_range", "ENOSPC"),
        ("pread64", "EIO"),
    ];
    walk::walk("p2_p4_each_failing_copy_into_a_named_file_leaves_no_name", &copies, copies_into_named);
}

/// An old kernel cannot rename without replacing: there it takes a link, and the old name away.
#[test]
fn p2_p4_each_failing_call_of_a_rename_by_hand_leaves_what_was_there() {
    let calls = [
        ("linkat", "ENOSPC"),
        ("link", "ENOSPC"),
        #[cfg(target_arch = "x86_64")]
        ("unlink", "EACCES"),
    ];
    walk::walk("p2_p4_each_failing_call_of_a_rename_by_hand_leaves_what_was_there", &calls, renames_by_hand);
}

#[test]
fn p5_each_failing_removal_leaves_what_it_could_not_remove() {
    let removals = [
        #[cfg(target_arch = "x86_64")]
        ("unlink", "EIO"),
        ("unlinkat", "EIO"),
        ("unlinkat", "EACCES"),
    ];
    walk::walk("p5_each_failing_removal_leaves_what_it_could_not_remove", &removals, |directory, interrupted| {
        removes(directory, interrupted, MOST_IN_ONE);
    });
}

/// What cannot be looked at stays with all that is in it.
#[test]
fn p5_each_failing_look_at_what_is_to_be_removed_leaves_one_directory() {
    let looks = [("getdents64", "EIO"), ("openat", "EMFILE"), ("fstat", "EIO"), ("newfstatat", "EIO")];
    walk::walk(
        "p5_each_failing_look_at_what_is_to_be_removed_leaves_one_directory",
        &looks,
        |directory, interrupted| {
            removes(directory, interrupted, usize::MAX);
        },
    );
}

#[test]
fn p4_a_call_that_is_interrupted_is_made_again() {
    let calls = ["openat", "fchmod"];
    let calls = calls.map(|call| (call, walk::INTERRUPTED));
    walk::walk("p4_a_call_that_is_interrupted_is_made_again", &calls, makes);
}

/// Everything that makes a name. Nothing is looked at but after a fault, so that none of these looks meets it.
fn makes(directory: &Path, interrupted: bool) {
    let place = directory.join("names");
    fs::create_dir(&place).unwrap();
    let target = directory.join("target");
    let content = bytes(30 * KIB, 1);

    walk::begin(directory);
    let met = &mut 0;
    let again = |met: &mut usize, make: &mut dyn FnMut() -> io::Result<()>| {
        if let Err(error) = make() {
            *met += 1;
            // Whatever fails, nothing is left.
            assert_eq!(names(&place), [""; 0], "{error:?}");
            make().unwrap();
        }
    };
    again(met, &mut || NamedTempFile::new_in(&place).map(drop));
    again(met, &mut || NamedTempFile::new_in(&place)?.close());
    again(met, &mut || NamedOptions::new().mode(0o644).tempfile_in(&place).map(drop));
    let mut file = None;
    again(met, &mut || NamedTempFile::new_in(&place).map(|made| file = Some(made)));
    let file = written(file.unwrap(), &content);
    let reopened = file.reopen().or_else(|_| {
        *met += 1;
        file.reopen()
    });
    drop(reopened.unwrap());

    // To a new name, in place of one, and where one is.
    let file = leave(met, file, &content, |file| {
        let persisted = file.persist(&target);
        assert_eq!(persisted.is_ok(), target.try_exists().unwrap_or(persisted.is_ok()));
        persisted
    });
    assert_left(file, &content);
    for _ in 0..2 {
        let made = made(met, &place, &content[..9000]);
        assert_left(leave(met, made, &content[..9000], |file| file.persist(&target)), &content[..9000]);
    }
    let made_ = made(met, &place, &content);
    let failed = made_.persist_noclobber(&target).unwrap_err();
    // The fault, or what is there.
    *met += usize::from(failed.error().kind() != io::ErrorKind::AlreadyExists);
    let other = directory.join("other");
    assert_left(leave(met, failed.into_file(), &content, |file| file.persist_noclobber(&other)), &content);
    let made_ = made(met, &place, &content);
    let kept = leave(met, made_, &content, |file| {
        file.keep().map(|(file, path)| {
            fs::rename(path, &other).or_else(|_| fs::rename(names_in(&place), &other)).unwrap();
            file
        })
    });
    assert_left(kept, &content);

    // A directory.
    for mode in [0o700, 0o750] {
        let mut dir = None;
        again(met, &mut || NamedOptions::new().mode(mode).tempdir_in(&place).map(|made| dir = Some(made)));
        fs::remove_dir(dir.unwrap().keep()).unwrap();
    }
    spools_get_names(met, &place, &content);
    walk::end(directory);
    walk::met(*met, interrupted);
    // If there were something in it, this would fail.
    fs::remove_dir(&place).unwrap();
    assert_eq!((fs::read(target).unwrap(), fs::read(other).unwrap()), (content[..9000].to_vec(), content));
}

/// The one name that is in there.
fn names_in(place: &Path) -> std::path::PathBuf {
    place.join(&names(place)[0])
}

/// In memory; rolled; rolled with something in the window.
fn spools_get_names(met: &mut usize, place: &Path, content: &[u8]) {
    for (backing, threshold) in [(Backing::File, usize::MAX), (BACKINGS[0], 0), (BACKINGS[1], 0)] {
        let mut spool = options(place, threshold, backing).build();
        // What a spool does with faults of its own is asked elsewhere.
        while spool.write_at(content, 0).is_err() {
            *met += 1;
        }
        if threshold == 0 && spool.roll().is_err() {
            *met += 1;
            spool.roll().unwrap();
        }
        spool.seek(SeekFrom::Start(12_345)).unwrap();
        let named = spool.into_named().unwrap_or_else(|failed| {
            *met += 1;
            let (error, mut spool) = failed.into_parts();
            assert_eq!((spool.position(), spool.len()), (12_345, content.len() as u64), "{error:?}");
            assert_holds(&mut spool, content);
            assert_eq!(names(place), [""; 0], "{error:?}");
            SpooledTempFile::into_named(spool).unwrap()
        });
        let file = named.as_file();
        assert_eq!(again(met, || { file }.stream_position()), 12_345);
        let mut seen = vec![0; content.len() + 1];
        let read = again(met, || file.read_at(&mut seen, 0));
        assert_same(&seen[..read], content, "with a name");
        let mut seen = Vec::new();
        again(met, || {
            seen.clear();
            File::open(named.path())?.read_to_end(&mut seen)
        });
        assert_same(&seen, content, "by its name");
    }
}

fn copies_into_named(directory: &Path, interrupted: bool) {
    let place = directory.join("names");
    fs::create_dir(&place).unwrap();
    if !kernel::refuse_nameless_files(libc::EOPNOTSUPP) {
        skipped("the kernel takes no filter");
    }
    let content = bytes(90 * KIB, 2);
    walk::begin(directory);
    let met = &mut 0;
    spools_get_names(met, &place, &content);
    walk::end(directory);
    walk::met(*met, interrupted);
    fs::remove_dir(&place).unwrap();
}

fn renames_by_hand(directory: &Path, interrupted: bool) {
    let place = directory.join("names");
    fs::create_dir(&place).unwrap();
    if !kernel::refuse(libc::SYS_renameat2, libc::EINVAL) {
        skipped("the kernel takes no filter");
    }
    let content = bytes(10 * KIB, 3);
    let target = directory.join("target");
    walk::begin(directory);
    let met = &mut 0;
    for _ in 0..2 {
        let made = made(met, &place, &content);
        let persisted = leave(met, made, &content, |file| {
            let persisted = file.persist_noclobber(&target);
            assert_eq!(persisted.is_ok(), target.exists());
            persisted
        });
        assert_eq!(persisted.metadata().unwrap().nlink(), 1);
        assert_left(persisted, &content);
        fs::rename(&target, directory.join("done")).unwrap();
    }
    walk::end(directory);
    walk::met(*met, interrupted);
    fs::remove_dir(&place).unwrap();
}

/// Each way in which a name goes. What stays is what one fault kept from going, and it is whole enough to be removed.
fn removes(directory: &Path, interrupted: bool, most: usize) {
    let place = directory.join("names");
    fs::create_dir(&place).unwrap();
    let content = bytes(10 * KIB, 4);
    walk::begin(directory);
    let met = &mut 0;
    let file = made(met, &place, &content);
    let path = file.path().to_owned();
    match file.close() {
        Ok(()) => assert_ne!(path.try_exists().ok(), Some(true)),
        Err(error) => {
            *met += 1;
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert_eq!(fs::read(&path).unwrap(), content, "what could not be removed is as it was");
            fs::remove_file(&path).unwrap();
        }
    }
    drop(made(met, &place, &content));
    for close in [true, false] {
        let dir = again(met, || TempDir::new_in(&place));
        let path = dir.path().to_owned();
        fill(met, &path);
        if !close {
            drop(dir);
        } else if let Err(error) = dir.close() {
            *met += 1;
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert!(path.exists(), "{error:?}");
        }
    }
    walk::end(directory);
    walk::met(*met, interrupted);
    // One fault keeps one thing, and what that lies in.
    let left = names(&place);
    assert!(left.len() <= 1, "{left:?}");
    if let Some(left) = left.first().map(|left| place.join(left)).filter(|left| left.is_dir()) {
        let all = count(&left);
        assert!(all <= most, "{all} in {left:?}");
        fs::remove_dir_all(left).unwrap();
    }
    assert_eq!(fs::read(directory.join("outside")).unwrap(), b"not to be touched");
}

/// Two directories with the same in them, one in the other's neighbourhood.
fn fill(met: &mut usize, dir: &Path) {
    let outside = dir.join("../../outside");
    again(met, || fs::write(&outside, "not to be touched"));
    for below in ["one", "other"] {
        let below = dir.join(below);
        again(met, || fs::create_dir(&below));
        for file in 0..3 {
            again(met, || fs::write(below.join(file.to_string()), b"content"));
        }
        symlink(&outside, below.join("link")).unwrap();
    }
    again(met, || fs::write(dir.join("file"), b"content"));
}

/// What is in either of the directories in `fill`, and that itself.
const MOST_IN_ONE: usize = 5;

fn count(dir: &Path) -> usize {
    let each = fs::read_dir(dir).unwrap().map(|entry| {
        let entry = entry.unwrap();
        1 + if entry.file_type().unwrap().is_dir() { count(&entry.path()) } else { 0 }
    });
    each.sum()
}

#[track_caller]
fn made(met: &mut usize, place: &Path, content: &[u8]) -> NamedTempFile {
    written(again(met, || NamedTempFile::new_in(place)), content)
}

fn written(mut file: NamedTempFile, content: &[u8]) -> NamedTempFile {
    file.as_file_mut().write_all(content).unwrap();
    let place = SeekFrom::Start(1234);
    let _ = file.seek(place).or_else(|_| file.seek(place)).unwrap();
    file
}

/// Consumes a file, and gets it back as it was if that fails.
#[track_caller]
fn leave(
    met: &mut usize,
    file: NamedTempFile,
    content: &[u8],
    mut way: impl FnMut(NamedTempFile) -> Result<File, spooled::named::PersistError>,
) -> File {
    let path = file.path().to_owned();
    way(file).unwrap_or_else(|failed| {
        *met += 1;
        let (error, file) = failed.into_parts();
        assert_eq!(file.path(), path);
        assert_eq!({ &file }.stream_position().unwrap(), 1234);
        assert_same(&fs::read(&path).unwrap_or_else(|_| panic!("{error:?}")), content, "given back");
        assert_eq!(names(path.parent().unwrap()).len(), 1, "{error:?}");
        way(file).unwrap_or_else(|failed| panic!("{failed:?}"))
    })
}

#[track_caller]
fn assert_left(mut file: File, content: &[u8]) {
    assert_eq!(file.stream_position().or_else(|_| file.stream_position()).unwrap(), 1234);
    let mut seen = vec![0; content.len() + 1];
    let read = file.read_at(&mut seen, 0).or_else(|_| file.read_at(&mut seen, 0)).unwrap();
    assert_same(&seen[..read], content, "as it left");
}

/// A call that may fail once.
#[track_caller]
fn again<T>(met: &mut usize, mut call: impl FnMut() -> io::Result<T>) -> T {
    call().unwrap_or_else(|_| {
        *met += 1;
        call().unwrap()
    })
}
