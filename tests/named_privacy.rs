//! Nobody else reads what has a name, or follows it: modes under every umask, descriptors that do not survive an `exec`,
//! names after a fork; and what a user without privileges can still remove.
#![cfg(target_os = "linux")]

mod ground;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ground::mount::Mount;
use ground::{BACKINGS, MIB, Scratch, assert_empty, child, kernel, names, options, skipped};
use rustix::fs::Mode;
use rustix::io::FdFlags;
use spooled::{NamedOptions, NamedTempFile, TempDir};

const UMASKS: [u32; 5] = [0, 0o022, 0o077, 0o277, 0o777];
const NOBODY: u32 = 65534;

#[test]
fn p6_names_are_private_under_every_umask() {
    const NAME: &str = "p6_names_are_private_under_every_umask";
    if let Some(argument) = child::argument() {
        return private(&argument);
    }
    for umask in UMASKS {
        for refusal in [0, libc::EOPNOTSUPP] {
            lives(NAME, umask, refusal, None);
        }
    }
}

/// The superuser may open what nobody else may.
#[test]
fn p6_names_are_private_for_a_user_without_privileges() {
    const NAME: &str = "p6_names_are_private_for_a_user_without_privileges";
    if let Some(argument) = child::argument() {
        assert_eq!(rustix::process::geteuid().as_raw(), NOBODY);
        return private(&argument);
    }
    if !rustix::process::geteuid().is_root() {
        return skipped("there is no other user to be; the other tests here ran as one without privileges");
    }
    for umask in UMASKS {
        for refusal in [0, libc::EOPNOTSUPP] {
            if !lives(NAME, umask, refusal, Some(NOBODY)) {
                return skipped("another user may not run this binary where it is");
            }
        }
    }
}

/// Starts a child with that umask and that refusal; false if it could not even be started.
#[track_caller]
fn lives(name: &str, umask: u32, refusal: i32, user: Option<u32>) -> bool {
    let scratch = Scratch::new();
    let argument = format!("{umask} {refusal} {}", scratch.path().display());
    let ran = child::run_as(name, &argument, user);
    assert_empty(scratch.path());
    ran
}

fn private(argument: &str) {
    let mut parts = argument.splitn(3, ' ');
    let mut next = || parts.next().unwrap();
    let (umask, refusal, place) = (next().parse().unwrap(), next().parse().unwrap(), Path::new(next()));
    let by_default = marks(place);
    rustix::process::umask(Mode::from_raw_mode(umask));
    if (refusal != 0 && !kernel::refuse_nameless_files(refusal)) || !kernel::kill_for_careless_files() {
        skipped("the kernel takes no filter");
    }
    // Whatever an umask takes away, what a dead process leaves can be told.
    assert_eq!(marks(place), by_default);
    files(place);
    directories(place);
    let target = place.join("target");
    for backing in BACKINGS {
        for threshold in [0, MIB] {
            let mut spool = options(place, threshold, backing).build();
            spool.write_all(b"private").unwrap();
            let named = spool.into_named().unwrap();
            assert_private(only(place), named.as_file(), 0o600);
            let file = named.persist(&target).unwrap();
            assert_private(target.clone(), &file, 0o600);
            fs::remove_file(&target).unwrap();
        }
    }
    assert_empty(place);
}

/// Whether what is made there is marked: a file, a directory.
fn marks(place: &Path) -> (bool, bool) {
    let marked = |path: &Path| {
        let is_root = rustix::process::geteuid().is_root();
        assert!(is_root || fs::metadata(path).unwrap().mode() & 0o400 != 0, "nobody could look");
        rustix::fs::lgetxattr(path, c"user.spooled", &mut [0_u8; 64]).is_ok_and(|len| len > 0)
    };
    let (file, dir) = (NamedTempFile::new_in(place).unwrap(), TempDir::new_in(place).unwrap());
    (marked(file.path()), marked(dir.path()))
}

fn files(place: &Path) {
    let target = place.join("target");
    // Before anybody can know where it is, an odd umask may have taken something away; there is never more.
    let file = NamedTempFile::new_in(place).unwrap();
    assert_eq!(fs::metadata(only(place)).unwrap().mode() & 0o7777 & !0o600, 0);
    assert_eq!(file.path(), only(place));
    assert_private(only(place), file.as_file(), 0o600);
    let again = file.reopen().unwrap();
    assert!(rustix::io::fcntl_getfd(&again).unwrap().contains(FdFlags::CLOEXEC));
    drop(file);
    // By each way that leads to it first, or none.
    drop(NamedTempFile::new_in(place).unwrap());
    let first: [fn(&mut NamedTempFile); 5] = [
        |file| _ = file.as_file_mut(),
        |file| file.write_all(b"private").unwrap(),
        |file| _ = (&*file).read(&mut [0]).unwrap(),
        |file| drop(file.reopen().unwrap()),
        |file| _ = file.as_fd(),
    ];
    for first in first {
        let mut file = NamedTempFile::new_in(place).unwrap();
        first(&mut file);
        assert_eq!(fs::metadata(only(place)).unwrap().mode() & 0o7777, 0o600);
    }
    let (file, path) = NamedTempFile::new_in(place).unwrap().keep().unwrap();
    assert_private(path.clone(), &file, 0o600);
    fs::remove_file(path).unwrap();
    let file = NamedTempFile::new_in(place).unwrap().persist(&target).unwrap();
    assert_private(target.clone(), &file, 0o600);
    let file = NamedTempFile::new_in(place).unwrap().persist(&target).unwrap();
    assert_private(target.clone(), &file, 0o600);
    fs::remove_file(&target).unwrap();
    let file = NamedTempFile::new_in(place).unwrap().persist_noclobber(&target).unwrap();
    assert_private(target.clone(), &file, 0o600);
    fs::remove_file(&target).unwrap();
    // Exactly what was asked for.
    for mode in [0o644, 0o666, 0o400, 0o000, 0o755, 0o600, 0o640] {
        let file = NamedOptions::new().mode(mode).tempfile_in(place).unwrap();
        assert_private(only(place), file.as_file(), mode);
        let file = file.persist(&target).unwrap();
        assert_private(target.clone(), &file, mode);
        fs::remove_file(&target).unwrap();
        let (file, path) = NamedOptions::new().mode(mode).tempfile_in(place).unwrap().keep().unwrap();
        assert_private(path.clone(), &file, mode);
        fs::remove_file(path).unwrap();
    }
}

fn directories(place: &Path) {
    let dir = TempDir::new_in(place).unwrap();
    assert_eq!(dir.path(), only(place));
    assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o7777, 0o700);
    assert!(held(place).iter().all(|cloexec| *cloexec), "a descriptor that an exec inherits");
    drop(dir);
    for mode in [0o755, 0o777, 0o500, 0o000, 0o700, 0o1777] {
        for keep in [false, true] {
            let dir = NamedOptions::new().mode(mode).tempdir_in(place).unwrap();
            let path = dir.path().to_owned();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
            if keep {
                assert_eq!(dir.keep(), path);
                assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
                fs::remove_dir(path).unwrap();
            } else {
                dir.close().unwrap();
            }
        }
    }
    // What a directory hands down to those made in it is not asked for.
    let above = TempDir::new_in(place).unwrap();
    fs::set_permissions(above.path(), fs::Permissions::from_mode(0o2700)).unwrap();
    let dir = TempDir::new_in(&above).unwrap();
    assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o7777, 0o700);
    dir.close().unwrap();
    above.close().unwrap();
}

#[track_caller]
fn assert_private(path: PathBuf, file: &File, mode: u32) {
    let (by_name, by_file) = (fs::symlink_metadata(path).unwrap(), file.metadata().unwrap());
    assert_eq!((by_name.dev(), by_name.ino()), (by_file.dev(), by_file.ino()));
    assert_eq!((by_file.mode() & 0o7777, by_file.nlink()), (mode, 1), "mode and names");
    assert_eq!(by_file.uid(), rustix::process::geteuid().as_raw());
    assert!(rustix::io::fcntl_getfd(file).unwrap().contains(FdFlags::CLOEXEC));
}

/// The one thing that is in there.
#[track_caller]
fn only(place: &Path) -> PathBuf {
    let names = names(place);
    assert_eq!(names.len(), 1, "{names:?}");
    place.join(&names[0])
}

/// Of each descriptor that leads into that directory, whether an `exec` closes it.
fn held(place: &Path) -> Vec<bool> {
    let mut held = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let entry = entry.unwrap();
        // One of them is the listing itself, and gone by now.
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        if target.starts_with(place) && target != place {
            let info = Path::new("/proc/self/fdinfo").join(entry.file_name());
            let info = fs::read_to_string(info).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
            held.push(i32::from_str_radix(flags.trim(), 8).unwrap() & libc::O_CLOEXEC != 0);
        }
    }
    held
}

#[test]
fn p6_an_exec_closes_every_descriptor_of_a_name() {
    const NAME: &str = "p6_an_exec_closes_every_descriptor_of_a_name";
    if let Some(directory) = child::argument() {
        // The one that we left open on purpose, to know that this test can see any.
        return assert_eq!(held(Path::new(&directory)), [false]);
    }
    let scratch = Scratch::new();
    let place = scratch.path();
    let file = NamedTempFile::new_in(place).unwrap();
    let again = file.reopen().unwrap();
    let persisted = NamedTempFile::new_in(place).unwrap().persist(place.join("persisted")).unwrap();
    let kept = NamedTempFile::new_in(place).unwrap().keep().unwrap();
    let dir = TempDir::new_in(place).unwrap();
    let named = options(place, 0, BACKINGS[0]).build().into_named().unwrap();
    let inherited = fs::File::create(place.join("inherited")).unwrap();
    rustix::io::fcntl_setfd(&inherited, FdFlags::empty()).unwrap();
    child::run(NAME, place);
    drop((file, again, persisted, kept, dir, named));
}

/// A child that was forked has our randomness, and would make our names.
#[test]
fn p6_a_forked_child_and_its_parent_never_have_the_same_name() {
    const NAME: &str = "p6_a_forked_child_and_its_parent_never_have_the_same_name";
    match child::argument() {
        Some(place) => parent_and_child_make_names(Path::new(&place)),
        None => assert_all_are_different(NAME, &[80]),
    }
}

#[test]
fn p6_nor_have_they_where_the_kernel_empties_no_memory_at_a_fork() {
    const NAME: &str = "p6_nor_have_they_where_the_kernel_empties_no_memory_at_a_fork";
    match child::argument() {
        Some(_) if !kernel::refuse_wiping_at_a_fork() => skipped("the kernel takes no filter"),
        Some(place) => parent_and_child_make_names(Path::new(&place)),
        // None, where that was skipped.
        None => assert_all_are_different(NAME, &[0, 80]),
    }
}

#[track_caller]
fn assert_all_are_different(name: &str, counts: &[usize]) {
    let scratch = Scratch::new();
    for by in ["child", "parent"] {
        fs::create_dir(scratch.path().join(by)).unwrap();
    }
    child::run(name, scratch.path());
    // In a directory for each, so that a name can be made twice; its last seven digits follow from the directory.
    let made = ["child", "parent"].map(|by| names(&scratch.path().join(by))).concat();
    let different: BTreeSet<_> = made.iter().map(|name| &name[".spooled-".len()..][..17]).collect();
    // Five from each child, and as many from us.
    assert!(counts.contains(&made.len()), "{made:?}");
    assert_eq!(different.len(), made.len());
}

#[allow(unsafe_code, reason = "what runs between fork and exec can be told in no other way")]
fn parent_and_child_make_names(place: &Path) {
    // So that there is randomness left over from it.
    drop(NamedTempFile::new_in(place).unwrap());
    for _ in 0..8 {
        let in_the_child = place.join("child");
        let makes = move || {
            for _ in 0..5 {
                NamedTempFile::new_in(&in_the_child)?.keep()?;
            }
            Ok(())
        };
        let mut command = Command::new("true");
        // SAFETY: no other thread of this process has a lock at the time of the fork: the harness waits for this one.
        unsafe { command.pre_exec(makes) };
        assert!(command.status().unwrap().success());
        for _ in 0..5 {
            NamedTempFile::new_in(place.join("parent")).unwrap().keep().unwrap();
        }
    }
}

/// In a child of a user whom modes bind; false, and said so, if none may run this binary.
#[track_caller]
fn run_without_privileges(name: &str, argument: &str) -> bool {
    let user = rustix::process::geteuid().is_root().then_some(NOBODY);
    let ran = child::run_as(name, argument, user);
    if !ran {
        skipped("another user may not run this binary where it is");
    }
    ran
}

/// A mode that forbids its owner to open it once more does not keep a file from another file system.
#[test]
fn p4_what_its_owner_may_not_open_is_persisted_elsewhere() {
    const NAME: &str = "p4_what_its_owner_may_not_open_is_persisted_elsewhere";
    let Some(places) = child::argument() else {
        let scratch = Scratch::new();
        let Some(mount) = Mount::tmpfs(MIB) else { return };
        let places = format!("{} {}", scratch.path().display(), mount.path().display());
        run_without_privileges(NAME, &places);
        return assert_eq!((names(scratch.path()), names(mount.path())), (vec![], vec![]));
    };
    assert!(!rustix::process::geteuid().is_root());
    let (here, elsewhere) = places.split_once(' ').unwrap();
    let target = Path::new(elsewhere).join("target");
    for mode in [0o400, 0o200, 0o000] {
        for there in [false, true] {
            if there {
                fs::write(&target, "before").unwrap();
            }
            let mut file = NamedOptions::new().mode(mode).tempfile_in(here).unwrap();
            file.write_all(b"content").unwrap();
            let mut file = file.persist(&target).unwrap();
            assert_eq!(file.stream_position().unwrap(), 7);
            file.rewind().unwrap();
            assert_eq!(io::read_to_string(&mut file).unwrap(), "content");
            assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, mode);
            assert_eq!(names(Path::new(elsewhere)), ["target"]);
            fs::remove_file(&target).unwrap();
        }
    }
}

/// Whoever may not write to a directory of his own, or enter it, can change that; so can we.
#[test]
fn p5_what_its_owner_has_locked_goes_too() {
    const NAME: &str = "p5_what_its_owner_has_locked_goes_too";
    let Some(place) = child::argument() else {
        let scratch = Scratch::new();
        run_without_privileges(NAME, scratch.path().to_str().unwrap());
        return assert_empty(scratch.path());
    };
    assert!(!rustix::process::geteuid().is_root());
    for close in [true, false] {
        let dir = TempDir::new_in(&place).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        for mode in (0..=0o7).map(|mode| mode << 6) {
            let below = dir.path().join(format!("{mode:o}"));
            fs::create_dir_all(below.join("deep/deeper")).unwrap();
            for file in ["file", "deep/file", "deep/deeper/file"] {
                fs::write(below.join(file), "content").unwrap();
                set(&below.join(file), mode);
            }
            for directory in ["deep/deeper", "deep", ""] {
                set(&below.join(directory), mode);
            }
        }
        set(dir.path(), if close { 0o500 } else { 0o000 });
        if close {
            dir.close().unwrap();
        } else {
            drop(dir);
        }
        assert_empty(Path::new(&place));
    }
}

/// Nothing can be removed from where nobody may write; what is in it lies elsewhere.
#[test]
fn p5_a_directory_that_has_to_stay_is_emptied() {
    const NAME: &str = "p5_a_directory_that_has_to_stay_is_emptied";
    let Some(place) = child::argument() else {
        let scratch = Scratch::new();
        run_without_privileges(NAME, scratch.path().to_str().unwrap());
        return assert_empty(scratch.path());
    };
    let above = Path::new(&place).join("above");
    for close in [true, false] {
        fs::create_dir(&above).unwrap();
        let dir = TempDir::new_in(&above).unwrap();
        let path = dir.path().to_owned();
        fs::create_dir(path.join("below")).unwrap();
        fs::write(path.join("below/file"), "content").unwrap();
        fs::set_permissions(&above, fs::Permissions::from_mode(0o500)).unwrap();
        if close {
            let error = dir.close().unwrap_err();
            ground::assert_names(&error, io::ErrorKind::PermissionDenied, &path);
        } else {
            drop(dir);
        }
        assert_empty(&path);
        fs::set_permissions(&above, fs::Permissions::from_mode(0o700)).unwrap();
        fs::remove_dir_all(&above).unwrap();
    }
}

/// A mark can be changed by who may write to what it is on: that is not how a directory stays that is kept.
#[test]
fn p5_what_is_kept_is_kept_also_if_nobody_may_write_to_it() {
    const NAME: &str = "p5_what_is_kept_is_kept_also_if_nobody_may_write_to_it";
    let Some(place) = child::argument() else {
        let scratch = Scratch::new();
        let ran = run_without_privileges(NAME, scratch.path().to_str().unwrap());
        let kept = names(scratch.path());
        // Whoever comes next finds what a dead process has left, and leaves what it has kept.
        run_without_privileges(NAME, &format!("{SWEEPS}{}", scratch.path().display()));
        assert_eq!(names(scratch.path()), kept);
        return assert_eq!(kept.len(), if ran { 9 } else { 0 });
    };
    if let Some(place) = place.strip_prefix(SWEEPS) {
        return drop(NamedTempFile::new_in(place).unwrap());
    }
    for mode in [0o400, 0o000, 0o500] {
        let mut options = NamedOptions::new();
        let kept = options.mode(mode).tempdir_in(&place).unwrap().keep();
        assert_eq!(fs::metadata(kept).unwrap().mode() & 0o7777, mode);
        let (_, kept) = options.tempfile_in(&place).unwrap().keep().unwrap();
        assert_eq!(fs::metadata(kept).unwrap().mode() & 0o7777, mode);
        // To where it is.
        let file = NamedTempFile::new_in(&place).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let path = file.path().to_owned();
        file.persist(&path).unwrap();
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o7777, mode);
    }
}

const SWEEPS: &str = "sweeps ";

/// Whatever is done by what is left of a descriptor, it is the file's own.
#[test]
fn p1_a_descriptor_of_a_file_with_a_name_is_one_of_this_process() {
    let scratch = Scratch::new();
    let file = NamedTempFile::new_in(scratch.path()).unwrap();
    let target = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    assert_eq!(target, file.path());
}
