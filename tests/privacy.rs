//! Nobody else reads it: modes under every umask, with files that never have a name and where the kernel refuses those,
//! and descriptors that do not survive an `exec`.
#![cfg(target_os = "linux")]

mod ground;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use ground::{BACKINGS, MIB, Scratch, assert_empty, assert_holds, assert_same, bytes, child, kernel, names, options};
use ground::{file_with, skipped};
use rustix::fs::Mode;
use rustix::io::FdFlags;
use spooled::{Backing, SpooledData, tempfile_in};

const UMASKS: [u32; 5] = [0, 0o022, 0o077, 0o277, 0o777];
/// What a kernel, or a file system, says that has no files without a name.
const REFUSALS: [i32; 4] = [libc::EOPNOTSUPP, libc::EISDIR, libc::ENOENT, libc::EINVAL];

#[test]
fn p6_files_are_private_under_every_umask() {
    const NAME: &str = "p6_files_are_private_under_every_umask";
    if let Some(argument) = child::argument() {
        return private(&argument);
    }
    for umask in UMASKS {
        lives(NAME, umask, 0, None);
    }
}

#[test]
fn p6_files_are_private_under_every_umask_where_each_has_a_name_at_first() {
    const NAME: &str = "p6_files_are_private_under_every_umask_where_each_has_a_name_at_first";
    if let Some(argument) = child::argument() {
        return private(&argument);
    }
    for umask in UMASKS {
        lives(NAME, umask, libc::EOPNOTSUPP, None);
    }
}

#[test]
fn p5_each_way_of_saying_that_there_are_no_nameless_files_is_understood() {
    const NAME: &str = "p5_each_way_of_saying_that_there_are_no_nameless_files_is_understood";
    if let Some(argument) = child::argument() {
        return private(&argument);
    }
    for refusal in REFUSALS {
        lives(NAME, 0o022, refusal, None);
    }
}

/// The superuser may open what nobody else may, and link what nobody else may.
#[test]
fn p6_files_are_private_for_a_user_without_privileges() {
    const NAME: &str = "p6_files_are_private_for_a_user_without_privileges";
    const NOBODY: u32 = 65534;
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
    if !child::run_as(name, &argument, user) {
        return false;
    }
    assert_eq!(names(scratch.path()), ["elsewhere", "linked", "out", "over", "reached"], "{argument}");
    assert_empty(&scratch.path().join("elsewhere"));
    true
}

fn private(argument: &str) {
    let mut parts = argument.splitn(3, ' ');
    let mut next = || parts.next().unwrap();
    let (umask, refusal, directory) = (next().parse().unwrap(), next().parse().unwrap(), Path::new(next()));

    // Made before the filter comes, since the standard library makes files that others may read.
    let elsewhere = directory.join("elsewhere");
    let (over, out, linked) = (directory.join("over"), directory.join("out"), directory.join("linked"));
    fs::create_dir(&elsewhere).unwrap();
    fs::write(&over, b"wide open").unwrap();
    fs::set_permissions(&over, fs::Permissions::from_mode(0o666)).unwrap();
    fs::write(directory.join("reached"), b"not to be touched").unwrap();
    symlink("reached", &linked).unwrap();

    rustix::process::umask(Mode::from_raw_mode(umask));
    if (refusal != 0 && !kernel::refuse_nameless_files(refusal)) || !kernel::kill_for_careless_files() {
        skipped("the kernel takes no filter");
    }

    let file = tempfile_in(&elsewhere).unwrap();
    assert_private(&file, 0);
    drop(file);

    let content = bytes(100_000, 1);
    for backing in BACKINGS {
        let _ = fs::remove_file(&out);
        for threshold in [0, MIB] {
            let made = || {
                let mut spool = options(&elsewhere, threshold, backing).build();
                spool.write_all(&content).unwrap();
                spool
            };
            let mut rolled = made();
            rolled.roll().unwrap();
            assert_holds(&mut rolled, &content);
            // Before it leaves: at most that, and without a name.
            assert_eq!(opened_in(&elsewhere).len(), 1);
            for metadata in opened_in(&elsewhere) {
                assert_eq!((metadata.mode() & 0o7777 & !0o600, metadata.nlink()), (0, 0));
            }
            assert_empty(&elsewhere);
            match rolled.into_inner().unwrap() {
                SpooledData::OnDisk(file) => assert_private(&file, 0),
                SpooledData::InMemory(_) => panic!("not rolled"),
            }
            let mut file = made().into_file().unwrap();
            assert_private(&file, 0);
            assert_file(&mut file, &content);
            drop(file);

            // A new name, one that is taken, one that is a symlink.
            let mut file = made().persist_noclobber(&out).unwrap();
            assert_private(&file, 1);
            assert_file(&mut file, &content);
            let error = made().persist_noclobber(&out).unwrap_err();
            assert_eq!(error.error().kind(), io::ErrorKind::AlreadyExists);
            let error = made().persist_noclobber(&linked).unwrap_err();
            assert_eq!(error.error().kind(), io::ErrorKind::AlreadyExists);
            let mut spool = error.into_spool();
            assert_holds(&mut spool, &content);
            drop(spool);
            fs::remove_file(&out).unwrap();

            let mut file = made().persist(&out).unwrap();
            assert_private(&file, 1);
            assert_file(&mut file, &content);
            let mut file = made().persist(&over).unwrap();
            assert_private(&file, 1);
            assert_file(&mut file, &content);
            let mut file = made().persist(&linked).unwrap();
            assert_private(&file, 1);
            assert_file(&mut file, &content);
            assert!(!fs::symlink_metadata(&linked).unwrap().is_symlink(), "the link itself is replaced");
            fs::remove_file(&linked).unwrap();
            symlink("reached", &linked).unwrap();
            assert_eq!(fs::metadata(directory.join("reached")).unwrap().len(), 17, "followed a symlink");
            assert_eq!(names(directory), ["elsewhere", "linked", "out", "over", "reached"]);
            fs::remove_file(&out).unwrap();
        }
        // To another file system, or to one that cannot link: always by copy.
        let mut spool = options(&elsewhere, 0, backing).build();
        spool.write_all(&content).unwrap();
        let mut file = spool.persist(&out).unwrap();
        assert_private(&file, 1);
        assert_file(&mut file, &content);
    }
    assert_empty(&elsewhere);
    assert_eq!(opened_in(directory).len(), 0, "a descriptor is left");
}

#[test]
fn p6_an_exec_closes_every_descriptor() {
    const NAME: &str = "p6_an_exec_closes_every_descriptor";
    if let Some(directory) = child::argument() {
        // The one that we left open on purpose, to know that this test can see any.
        return assert_eq!(opened_in(Path::new(&directory)).len(), 1);
    }
    let scratch = Scratch::new();
    let directory = scratch.path();
    let mut open = Vec::new();
    let made = |backing| {
        let mut spool = options(directory, 0, backing).build();
        spool.write_all(b"private").unwrap();
        spool.roll().unwrap();
        spool
    };
    for backing in BACKINGS {
        open.push(made(backing).into_file().unwrap());
        open.push(made(backing).persist(directory.join("persisted")).unwrap());
        open.push(tempfile_in(directory).unwrap());
    }
    let frozen = made(Backing::File).freeze().unwrap();
    let whole = frozen.to_bytes().unwrap();
    let spools = BACKINGS.map(made);
    let inherited = file_with(&directory.join("inherited"), b"");
    rustix::io::fcntl_setfd(inherited.as_fd(), FdFlags::empty()).unwrap();

    child::run(NAME, directory);

    // The same from a shell, which runs another program yet.
    let listed = std::process::Command::new("sh").args(["-c", "ls -l /proc/self/fd"]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let seen = listed.lines().filter(|line| line.contains(directory.to_str().unwrap())).count();
    assert_eq!(seen, 1, "{listed}");
    drop((open, whole, spools));
}

#[test]
fn p6_an_exec_closes_every_descriptor_that_had_a_name_at_first() {
    const NAME: &str = "p6_an_exec_closes_every_descriptor_that_had_a_name_at_first";
    const LISTS: &str = "lists ";
    match child::argument() {
        None => {
            let scratch = Scratch::new();
            child::run(NAME, scratch.path());
            assert_empty(scratch.path());
        }
        Some(argument) if argument.starts_with(LISTS) => {
            assert_eq!(opened_in(Path::new(&argument[LISTS.len()..])).len(), 0);
        }
        Some(directory) => {
            let directory = Path::new(&directory);
            if !kernel::refuse_nameless_files(libc::EOPNOTSUPP) {
                return skipped("the kernel takes no filter");
            }
            let mut spool = options(directory, 0, Backing::File).build();
            spool.write_all(b"private").unwrap();
            let file = tempfile_in(directory).unwrap();
            assert_eq!(opened_in(directory).len(), 2);
            child::run(NAME, format!("{LISTS}{}", directory.display()));
            drop((spool, file));
        }
    }
}

/// A name is seen only if it cannot be removed: so that is what happens here.
#[test]
fn p6_a_name_that_is_unavoidable_cannot_be_guessed() {
    const NAME: &str = "p6_a_name_that_is_unavoidable_cannot_be_guessed";
    if let Some(directory) = child::argument() {
        let directory = Path::new(&directory);
        if !kernel::refuse_nameless_files(libc::EOPNOTSUPP) || !kernel::refuse_unlinking() {
            return skipped("the kernel takes no filter");
        }
        for _ in 0..20 {
            // A file that keeps its name is not private enough to be used.
            let mut spool = options(directory, 0, Backing::File).build();
            assert_eq!(spool.write(b"private").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            assert_holds(&mut spool, b"");
        }
        return;
    }
    let scratch = Scratch::new();
    child::run(NAME, scratch.path());
    let names = names(scratch.path());
    if names.is_empty() {
        return;
    }
    assert_eq!(names.len(), 20);
    let shared =
        (0..).take_while(|&at| names.iter().all(|name| name.as_bytes().get(at) == names[0].as_bytes().get(at)));
    let shared = shared.take(names[0].len()).count();
    for name in &names {
        assert!(name.len() - shared >= 22, "{name}: fewer than 128 bits, however they are spelled");
        let metadata = fs::metadata(scratch.path().join(name)).unwrap();
        assert_eq!((metadata.len(), metadata.mode() & 0o177), (0, 0));
    }
    // Each place has about as many different characters as chance gives it.
    for at in shared..names[0].len() {
        let different: BTreeSet<_> = names.iter().filter_map(|name| name.as_bytes().get(at)).collect();
        assert!(different.len() > 4, "the character at {at} of {names:?}");
    }
}

#[track_caller]
fn assert_private(file: &File, links: u64) {
    let metadata = file.metadata().unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.nlink()), (0o600, links), "mode and names");
    assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
    assert!(rustix::io::fcntl_getfd(file).unwrap().contains(FdFlags::CLOEXEC));
}

#[track_caller]
fn assert_file(file: &mut File, content: &[u8]) {
    let mut seen = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut seen).unwrap();
    assert_same(&seen, content, "as a file");
}

/// What this process has open in that directory, with a name or without.
#[track_caller]
fn opened_in(directory: &Path) -> Vec<fs::Metadata> {
    let mut opened = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let entry = entry.unwrap().path();
        // One of them is the listing itself, and gone by now.
        let Ok(target) = fs::read_link(&entry) else { continue };
        if target.starts_with(directory) && target != directory {
            opened.push(fs::metadata(&entry).unwrap());
        }
    }
    opened
}
