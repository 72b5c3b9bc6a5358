//! What a walk removes, what it leaves, and what nobody can make it do: the tree is changed between any two of its steps.

use std::ffi::CString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use self::ground::*;
use super::*;
use crate::error::PathError;

mod attacks;
mod ground;

#[test]
fn all_goes_and_the_directory_stays() {
    let scratch = Scratch::new();
    let tree = scratch.with_sentinels();
    fs::create_dir_all(tree.join("a/b/c")).unwrap();
    fs::create_dir(tree.join("empty")).unwrap();
    for file in ["one", "a/two", "a/b/three", "a/b/c/four", ".hidden", "with\nbreak"] {
        fs::write(tree.join(file), file).unwrap();
    }
    for (at, link) in ["link", "a/link", "a/b/link"].into_iter().enumerate() {
        symlink(scratch.outside(), tree.join(link)).unwrap();
        symlink(scratch.outside().join("kept"), tree.join(format!("{link}-to-file"))).unwrap();
        symlink("nowhere", tree.join(format!("dangling-{at}"))).unwrap();
    }
    drop(UnixListener::bind(tree.join("socket")).unwrap());
    let mut removals = Removals::at_most(100);
    assert!(empty(&File::open(&tree).unwrap(), &mut removals).unwrap());
    assert_eq!((removals.left, removals.made), (100 - 20, 4 + 6 + 9 + 1));
    assert_empty(&tree);
    assert!(empty(&File::open(&tree).unwrap(), &mut Removals::at_most(0)).unwrap(), "nothing is left to count");
    scratch.assert_sentinels();
}

#[test]
fn a_directory_that_is_gone_is_empty() {
    let scratch = Scratch::new();
    let gone = scratch.path().join("gone");
    fs::create_dir(&gone).unwrap();
    let dir = File::open(&gone).unwrap();
    fs::remove_dir(&gone).unwrap();
    assert!(empty(&dir, &mut Removals::unlimited()).unwrap());
}

/// Deeper than any path can be, with a dozen descriptors.
#[test]
fn depth_costs_no_descriptors() {
    if !is_child() {
        return run(command("depth_costs_no_descriptors", Path::new("")));
    }
    let scratch = Scratch::new();
    let name = "d".repeat(200);
    deepen(&scratch, &name, 3_000);
    let tree = File::open(scratch.path()).unwrap();
    let limit = Rlimit { current: Some(2 + open_descriptors()), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).unwrap();
    // Two: the root and one below; and then not even that.
    assert_eq!(empty(&tree, &mut Removals::unlimited()).unwrap_err().kind(), io::Error::from(Errno::MFILE).kind());
    setrlimit(Resource::Nofile, Rlimit { current: limit.current.map(|limit| limit + 1), ..limit }).unwrap();
    assert!(empty(&tree, &mut Removals::unlimited()).unwrap());
    assert_empty(scratch.path());
    deepen(&scratch, &name, 3_000);
    setrlimit(Resource::Nofile, Rlimit { current: limit.current.map(|limit| limit + 11), ..limit }).unwrap();
    assert!(empty(&tree, &mut Removals::unlimited()).unwrap());
    assert_empty(scratch.path());
}

#[test]
fn width_is_taken_in_pieces() {
    let scratch = Scratch::new();
    for at in 0..20_000 {
        File::create(scratch.path().join(format!("file-{at}"))).unwrap();
    }
    // More than may wait, on two levels.
    let (outer, inner) = (WAITING / 2 + 100, WAITING / 4 + 100);
    for at in 0..outer {
        fs::create_dir_all(scratch.path().join(format!("{at}/full"))).unwrap();
    }
    for at in 0..inner {
        fs::create_dir_all(scratch.path().join(format!("0/{at}/full"))).unwrap();
    }
    let mut removals = Removals::at_most(usize::MAX);
    assert!(empty(&File::open(scratch.path()).unwrap(), &mut removals).unwrap());
    assert_eq!(removals.made, 20_000 + 2 * outer + 2 * inner);
    assert_empty(scratch.path());
}

#[test]
fn entries_are_counted() {
    let scratch = Scratch::new();
    for at in 0..10 {
        fs::create_dir_all(scratch.path().join(format!("{at}/full"))).unwrap();
    }
    let tree = File::open(scratch.path()).unwrap();
    for left in [13, 6] {
        let mut removals = Removals::at_most(7);
        assert!(!empty(&tree, &mut removals).unwrap());
        assert_eq!((removals.left, count(scratch.path())), (0, left));
    }
    let mut removals = Removals::at_most(6);
    assert!(empty(&tree, &mut removals).unwrap());
    assert_eq!((removals.left, removals.made), (0, 6));
    assert!(empty(&tree, &mut removals).unwrap());
}

/// The modes keep out only who is not the superuser.
#[test]
fn modes_keep_nothing_from_its_owner() {
    if geteuid().is_root() {
        return as_nobody("modes_keep_nothing_from_its_owner", |directory| {
            fs::create_dir(directory.join("tree")).unwrap();
            give(&directory.join("tree"));
        });
    }
    let scratch = if is_child() { Scratch::at(argument()) } else { Scratch::new() };
    let tree = scratch.path().join("tree");
    fs::create_dir_all(&tree).unwrap();
    for mode in [0, 0o100, 0o200, 0o300, 0o400, 0o500, 0o600] {
        for own in [0o700, mode] {
            fs::create_dir_all(tree.join("a/b/c")).unwrap();
            fs::create_dir(tree.join("a/bare")).unwrap();
            for file in ["one", "a/two", "a/b/three", "a/b/c/four"] {
                fs::write(tree.join(file), file).unwrap();
                set_mode(&tree.join(file), 0);
            }
            symlink("/etc", tree.join("a/b/link")).unwrap();
            let dir = File::open(&tree).unwrap();
            for closed in ["a/b/c", "a/bare", "a/b", "a"] {
                set_mode(&tree.join(closed), mode);
            }
            set_mode(&tree, own);
            let mut removals = Removals::at_most(100);
            assert!(empty(&dir, &mut removals).unwrap(), "{mode:o} {own:o}");
            assert_eq!(removals.made, 4 + 4 + 1);
            set_mode(&tree, 0o700);
            assert_empty(&tree);
        }
    }
    // A place alone, as it is kept by who only wants to know that it is still there.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        fs::create_dir(tree.join("a")).unwrap();
        let place = rustix::fs::open(&tree, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        set_mode(&tree, 0);
        assert!(empty(&File::from(place), &mut Removals::at_most(1)).unwrap());
    }
}

/// Somebody else's directories among ours, more than may wait.
#[test]
fn what_stays_does_not_hide_the_rest() {
    const OTHERS: usize = WAITING / 2 + 100;
    if !is_child() {
        return as_nobody("what_stays_does_not_hide_the_rest", |directory| {
            fs::create_dir(directory.join("tree")).unwrap();
            for at in 0..OTHERS {
                fs::create_dir_all(directory.join(format!("tree/{at}/full"))).unwrap();
            }
            // Nobody's own, in a directory that nobody may change.
            fs::create_dir_all(directory.join("tree/theirs/ours/full")).unwrap();
            give(&directory.join("tree/theirs/ours/full"));
            give(&directory.join("tree/theirs/ours"));
            give(&directory.join("tree"));
        });
    }
    let scratch = Scratch::at(argument());
    let tree = scratch.path().join("tree");
    for at in 0..500 {
        fs::create_dir_all(tree.join(format!("ours-{at}/full"))).unwrap();
    }
    let error = empty(&File::open(&tree).unwrap(), &mut Removals::unlimited()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let cause = error.get_ref().unwrap().downcast_ref::<PathError>().unwrap();
    assert!(fs::symlink_metadata(tree.join(cause.path())).unwrap().is_dir(), "{error}");
    assert_eq!(cause.path().components().count(), 2);
    assert_eq!(count(&tree), 2 * OTHERS + 2, "theirs, and ours in theirs");
}

#[test]
fn what_is_mounted_stays_whole() {
    if !is_child() {
        let scratch = Scratch::new();
        let mut unshared = Command::new("unshare");
        unshared.arg("-m");
        let plain = command("what_is_mounted_stays_whole", scratch.path());
        let works = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "tmpfs"]).arg(scratch.path()).output();
        if !works.is_ok_and(|output| output.status.success()) {
            return skipped("mounting is not allowed here");
        }
        unshared.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
        unshared.envs(plain.get_envs().filter_map(|(key, value)| Some((key, value?))));
        return run(unshared);
    }
    let scratch = Scratch::at(argument());
    let tree = scratch.with_sentinels();
    let [bound, disk] = ["a/bound", "b/disk"].map(|name| tree.join(name));
    for directory in [&bound, &disk, &tree.join("c/d")] {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.with_file_name("beside"), "").unwrap();
    }
    mount(&["--bind", scratch.outside().to_str().unwrap()], &bound);
    mount(&["-t", "tmpfs", "tmpfs"], &disk);
    fs::create_dir(disk.join("kept")).unwrap();
    fs::write(disk.join("kept/file"), "").unwrap();
    let error = empty(&File::open(&tree).unwrap(), &mut Removals::unlimited()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(bound.join("kept").exists() && disk.join("kept/file").exists());
    assert_eq!(
        count(&tree),
        4 + KEPT_OUTSIDE.len() + 2,
        "two mounts, the directories they are in, and what is in them"
    );
    // Without having been asked to go: by the kernel's word, or its device.
    let dir = File::open(&tree).unwrap();
    // (One of the same device that was not refused has answered that it is busy.)
    for (mounted, above, refused) in [(&bound, "a", true), (&disk, "b", true), (&disk, "b", false)] {
        let mut removals = Removals::at_most(1);
        let mut walk = Walk::new(open(dir.as_fd(), c".").unwrap(), &mut removals);
        let above = File::open(tree.join(above)).unwrap();
        let name = CString::new(mounted.file_name().unwrap().as_bytes()).unwrap();
        let mounted = Subdirectory { name, number: 0, tries: 0, refused };
        assert_eq!(walk.enter(above.as_fd(), &mounted).unwrap_err(), Errno::XDEV);
    }
    for mounted in [&bound, &disk] {
        assert!(Command::new("umount").arg(mounted).status().unwrap().success());
    }
    assert!(empty(&dir, &mut Removals::unlimited()).unwrap());
    scratch.assert_sentinels();
}

fn deepen(scratch: &Scratch, name: &str, levels: usize) {
    let mut dir = OwnedFd::from(File::open(scratch.path()).unwrap());
    for _ in 0..levels {
        rustix::fs::mkdirat(&dir, name, Mode::RWXU).unwrap();
        dir = rustix::fs::openat(&dir, name, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    }
}
