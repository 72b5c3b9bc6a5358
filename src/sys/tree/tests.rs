//! What a walk removes, what it leaves, and what nobody can make it do: the tree is changed between any two of its steps.

use std::env;
use std::ffi::CString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use super::*;

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
    let mut entries = 100;
    assert!(empty(&File::open(&tree).unwrap(), &mut entries).unwrap());
    assert_eq!(entries, 100 - 4 - 6 - 9 - 1);
    assert_empty(&tree);
    assert!(empty(&File::open(&tree).unwrap(), &mut 0).unwrap(), "nothing is left to count");
    scratch.assert_sentinels();
}

#[test]
fn a_directory_that_is_gone_is_empty() {
    let scratch = Scratch::new();
    let gone = scratch.path().join("gone");
    fs::create_dir(&gone).unwrap();
    let dir = File::open(&gone).unwrap();
    fs::remove_dir(&gone).unwrap();
    assert!(empty(&dir, &mut usize::MAX.clone()).unwrap());
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
    assert_eq!(empty(&tree, &mut usize::MAX.clone()).unwrap_err().kind(), io::Error::from(Errno::MFILE).kind());
    setrlimit(Resource::Nofile, Rlimit { current: limit.current.map(|limit| limit + 1), ..limit }).unwrap();
    assert!(empty(&tree, &mut usize::MAX.clone()).unwrap());
    assert_empty(scratch.path());
    deepen(&scratch, &name, 3_000);
    setrlimit(Resource::Nofile, Rlimit { current: limit.current.map(|limit| limit + 11), ..limit }).unwrap();
    assert!(empty(&tree, &mut usize::MAX.clone()).unwrap());
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
    let mut entries = usize::MAX;
    assert!(empty(&File::open(scratch.path()).unwrap(), &mut entries).unwrap());
    assert_eq!(usize::MAX - entries, 20_000 + 2 * outer + 2 * inner);
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
        let mut entries = 7;
        assert!(!empty(&tree, &mut entries).unwrap());
        assert_eq!((entries, count(scratch.path())), (0, left));
    }
    let mut entries = 6;
    assert!(empty(&tree, &mut entries).unwrap());
    assert_eq!(entries, 0);
    assert!(empty(&tree, &mut entries).unwrap());
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
            let mut entries = 100;
            assert!(empty(&dir, &mut entries).unwrap(), "{mode:o} {own:o}");
            assert_eq!(entries, 100 - 4 - 4 - 1);
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
        assert!(empty(&File::from(place), &mut 1).unwrap());
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
    let error = empty(&File::open(&tree).unwrap(), &mut usize::MAX.clone()).unwrap_err();
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
    let error = empty(&File::open(&tree).unwrap(), &mut usize::MAX.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(bound.join("kept").exists() && disk.join("kept/file").exists());
    assert_eq!(
        count(&tree),
        4 + KEPT_OUTSIDE.len() + 2,
        "two mounts, the directories they are in, and what is in them"
    );
    // Asked without having asked it to go: by its device, and where that is the same by the kernel's word.
    let dir = File::open(&tree).unwrap();
    for (mounted, above) in [(&bound, "a"), (&disk, "b")] {
        let mut entries = 1;
        let mut walk = Walk::new(open(dir.as_fd(), c".").unwrap(), &mut entries);
        let above = File::open(tree.join(above)).unwrap();
        let name = CString::new(mounted.file_name().unwrap().as_bytes()).unwrap();
        let mounted = Subdirectory { name, number: 0, tries: 0, refused: true };
        assert_eq!(walk.enter(above.as_fd(), &mounted).unwrap_err(), Errno::XDEV);
    }
    for mounted in [&bound, &disk] {
        assert!(Command::new("umount").arg(mounted).status().unwrap().success());
    }
    assert!(empty(&dir, &mut usize::MAX.clone()).unwrap());
    scratch.assert_sentinels();
}

/// After each number of steps, each directory in turn is moved out of the tree, beside what must not be touched.
#[test]
fn nothing_is_removed_where_a_directory_was_moved_to() {
    const LEVELS: usize = KEPT + 4;
    let mut losses = 0;
    for moved in [0, 1, 3, LEVELS - 1] {
        for steps in 0.. {
            let scratch = Scratch::new();
            let tree = scratch.with_sentinels();
            let level = |depth: usize| tree.join(vec!["d"; depth + 1].join("/"));
            fs::create_dir_all(level(LEVELS)).unwrap();
            for depth in 0..LEVELS {
                fs::write(level(depth).join("file"), "").unwrap();
                if depth % 3 == 0 {
                    fs::create_dir_all(level(depth).join("other/full")).unwrap();
                }
            }
            let mut entries = usize::MAX;
            let dir = File::open(&tree).unwrap();
            let mut walk = Walk::new(open(dir.as_fd(), c".").unwrap(), &mut entries);
            let mut ended = (0..steps).find_map(|_| walk.step().err());
            let target = scratch.outside().join("moved");
            let changed = fs::rename(level(moved), &target).is_ok();
            if changed {
                symlink(scratch.outside(), level(moved)).unwrap();
            }
            while ended.is_none() {
                ended = walk.step().err();
            }
            assert!(matches!(ended, Some(Stop::Empty)) && walk.first.is_none(), "{moved} {steps}");
            losses += walk.losses;
            assert_empty(&tree);
            let _ = fs::remove_dir_all(&target);
            scratch.assert_sentinels();
            if !changed {
                break;
            }
        }
    }
    assert!(losses > 0, "the way back was never cut");
}

#[test]
#[cfg(target_os = "linux")]
fn exchanges_lead_nowhere() {
    for _ in 0..20 {
        let scratch = Scratch::new();
        let tree = scratch.with_sentinels();
        while_others(
            |stop| exchange(&tree, &scratch.outside(), || stop.load(Ordering::Relaxed)),
            || {
                let until = Instant::now() + Duration::from_millis(50);
                while Instant::now() < until {
                    let _ = empty(&File::open(&tree).unwrap(), &mut usize::MAX.clone());
                }
            },
        );
        assert!(empty(&File::open(&tree).unwrap(), &mut usize::MAX.clone()).unwrap());
        assert_empty(&tree);
        scratch.assert_sentinels();
    }
}

/// The superuser removes what somebody else owns, and goes on changing.
#[test]
#[cfg(target_os = "linux")]
fn somebody_else_leads_nowhere() {
    const NAME: &str = "somebody_else_leads_nowhere";
    if is_child() {
        let scratch = Scratch::at(argument());
        return exchange(&scratch.path().join("tree"), &scratch.outside(), || false);
    }
    if !geteuid().is_root() {
        return skipped("there is no other user to be");
    }
    let scratch = Scratch::new();
    let tree = scratch.with_sentinels();
    give(&tree);
    let mut command = command(NAME, scratch.path());
    command.uid(NOBODY).gid(NOBODY).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return skipped("another user may not run this binary where it is") };
    let until = Instant::now() + Duration::from_secs(2);
    let mut removed = 0;
    while Instant::now() < until {
        let mut entries = usize::MAX;
        let _ = empty(&File::open(&tree).unwrap(), &mut entries);
        removed += usize::MAX - entries;
    }
    assert!(child.try_wait().unwrap().is_none(), "it did not last");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(removed > 100, "{removed}");
    assert!(empty(&File::open(&tree).unwrap(), &mut usize::MAX.clone()).unwrap());
    scratch.assert_sentinels();
}

#[test]
fn who_goes_on_creating_does_not_hold_it() {
    let scratch = Scratch::new();
    let tree = scratch.path();
    let create = |stop: &AtomicBool| {
        for at in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let directory = tree.join(format!("{}/{}", at % 3, at % 7));
            let _ = fs::create_dir_all(&directory);
            let _ = File::create(directory.join(at.to_string()));
            let _ = File::create(tree.join(at.to_string()));
        }
    };
    while_others(create, || {
        for _ in 0..20 {
            let begun = Instant::now();
            match empty(&File::open(tree).unwrap(), &mut usize::MAX.clone()) {
                Ok(done) => assert!(done),
                Err(error) => assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty, "{error}"),
            }
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
    });
    assert!(empty(&File::open(tree).unwrap(), &mut usize::MAX.clone()).unwrap());
    assert_empty(tree);
}

#[test]
fn two_at_once_are_none_the_worse() {
    for _ in 0..5 {
        let scratch = Scratch::new();
        for at in 0..100 {
            fs::create_dir_all(scratch.path().join(format!("{}/{at}/a/b/c/d/e/f/g/h/i/j/k", at % 5))).unwrap();
            fs::write(scratch.path().join(format!("{}/{at}/a/b/file", at % 5)), "").unwrap();
        }
        thread::scope(|scope| {
            for _ in 0..3 {
                let tree = File::open(scratch.path()).unwrap();
                scope.spawn(move || assert!(empty(&tree, &mut usize::MAX.clone()).unwrap()));
            }
        });
        assert_empty(scratch.path());
    }
}

/// Fills `tree`, and exchanges directories in it with links to `outside` and to each other, until told to stop.
#[cfg(target_os = "linux")]
fn exchange(tree: &Path, outside: &Path, stop: impl Fn() -> bool) {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    while !stop() {
        for at in 0..4 {
            let [directory, link, file] = ["directory", "link", "file"].map(|name| tree.join(format!("{name}-{at}")));
            let _ = fs::create_dir_all(directory.join("stuffing/more"));
            let _ = fs::write(directory.join("stuffed"), "");
            let _ = symlink(outside, directory.join("stuffing/more/link"));
            let _ = symlink(outside, &link);
            let _ = fs::write(&file, "");
            for (one, other) in [(&directory, &link), (&link, &file), (&directory, &file), (&directory, &link)] {
                let _ = renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
            }
        }
    }
}

/// Runs `work` while a thread does something else, which is told when to stop.
fn while_others(others: impl Fn(&AtomicBool) + Sync, work: impl FnOnce()) {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| others(&stop));
        let _stop = Stop(&stop);
        work();
    });
}

fn deepen(scratch: &Scratch, name: &str, levels: usize) {
    let mut dir = OwnedFd::from(File::open(scratch.path()).unwrap());
    for _ in 0..levels {
        rustix::fs::mkdirat(&dir, name, Mode::RWXU).unwrap();
        dir = rustix::fs::openat(&dir, name, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    }
}

/// The number of the next one.
fn open_descriptors() -> u64 {
    use std::os::fd::AsRawFd;
    File::open("/").unwrap().as_raw_fd().try_into().unwrap()
}

fn count(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| 1 + if entry.file_type().unwrap().is_dir() { count(&entry.path()) } else { 0 }).sum()
}

#[track_caller]
fn assert_empty(directory: &Path) {
    assert_eq!(count(directory), 0);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn give(path: &Path) {
    std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
}

#[track_caller]
fn mount(arguments: &[&str], path: &Path) {
    assert!(Command::new("mount").args(arguments).arg(path).status().unwrap().success());
}

/// Runs this test once more, as somebody without privileges, in a directory of theirs that was prepared.
fn as_nobody(name: &str, prepare: impl FnOnce(&Path)) {
    let scratch = Scratch::new();
    if !geteuid().is_root() {
        return skipped("there is no other user to be");
    }
    prepare(scratch.path());
    let mut command = command(name, scratch.path());
    command.uid(NOBODY).gid(NOBODY);
    run(command);
}

#[track_caller]
fn run(mut command: Command) {
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return skipped("another user may not run this binary where it is");
        }
        output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complained}");
}

/// This binary again, for the test `name` alone.
fn command(name: &str, argument: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    let name = format!("{}::{name}", module_path!().split_once("::").unwrap().1);
    command.args([&name, "--exact", "--nocapture", "--test-threads=1"]).env(KEY, argument).stdin(Stdio::null());
    command
}

fn is_child() -> bool {
    env::var_os(KEY).is_some()
}

fn argument() -> PathBuf {
    env::var_os(KEY).unwrap().into()
}

fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// A directory that goes with this value, or stays if it is somebody else's.
struct Scratch {
    path: PathBuf,
    ours: bool,
}

impl Scratch {
    fn new() -> Self {
        let path = crate::sys::temporary_directory().join(crate::sys::random_name().unwrap());
        fs::create_dir(&path).unwrap();
        set_mode(&path, 0o755);
        Self { path, ours: true }
    }

    fn at(path: PathBuf) -> Self {
        Self { path, ours: false }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn outside(&self) -> PathBuf {
        self.path.join("outside")
    }

    /// A tree to be emptied, and beside it what must stay.
    fn with_sentinels(&self) -> PathBuf {
        for name in KEPT_OUTSIDE {
            let path = self.outside().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if name.ends_with("file") { drop(File::create(path).unwrap()) } else { fs::create_dir(path).unwrap() }
        }
        let tree = self.path.join("tree");
        fs::create_dir(&tree).unwrap();
        tree
    }

    #[track_caller]
    fn assert_sentinels(&self) {
        for name in KEPT_OUTSIDE {
            assert!(fs::symlink_metadata(self.outside().join(name)).is_ok(), "{name} is gone");
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Names as in the trees here, so that whoever goes astray finds them.
const KEPT_OUTSIDE: [&str; 9] = ["file", "kept", "d", "d/file", "d/d", "d/d/file", "other", "other/full", "other/file"];
const NOBODY: u32 = 65534;
const KEY: &str = "SPOOLED_TREE";
