//! Others who move, exchange and create while it goes: nothing outside is touched, and it comes to an end.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fd::AsFd;

use super::ground::*;
use super::*;

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
            let mut removals = Removals::unlimited();
            let dir = File::open(&tree).unwrap();
            let mut walk = Walk::new(open(dir.as_fd(), c".").unwrap(), &mut removals);
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
                    let _ = empty(&File::open(&tree).unwrap(), &mut Removals::unlimited());
                }
            },
        );
        assert!(empty(&File::open(&tree).unwrap(), &mut Removals::unlimited()).unwrap());
        assert_empty(&tree);
        scratch.assert_sentinels();
    }
}

/// The superuser removes what somebody else owns, and goes on changing.
#[test]
#[cfg(target_os = "linux")]
fn somebody_else_leads_nowhere() {
    const NAME: &str = "attacks::somebody_else_leads_nowhere";
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
    let (begun, mut removed) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(2) || (removed <= 100 && begun.elapsed() < Duration::from_secs(60)) {
        let mut removals = Removals::unlimited();
        let _ = empty(&File::open(&tree).unwrap(), &mut removals);
        removed += removals.made;
    }
    assert!(child.try_wait().unwrap().is_none(), "it did not last");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(removed > 100, "{removed}");
    assert!(empty(&File::open(&tree).unwrap(), &mut Removals::unlimited()).unwrap());
    scratch.assert_sentinels();
}

/// What somebody takes out of a tree that is going is not of it any more, but for what is looked at in that moment.
#[test]
fn what_is_moved_out_meanwhile_stays() {
    for depth in ["below", "above/below"] {
        assert!((0..10).any(|_| part_of_it_stays(depth)), "it was always too late");
    }
}

/// False if next to nothing was there any more.
fn part_of_it_stays(depth: &str) -> bool {
    const MANY: usize = 40_000;
    let scratch = Scratch::new();
    let (tree, outside) = (scratch.path().join("tree"), scratch.path().join("outside"));
    let below = tree.join(depth);
    fs::create_dir_all(&below).unwrap();
    let file = below.join("file");
    File::create(&file).unwrap();
    for at in 0..MANY {
        fs::hard_link(&file, below.join(at.to_string())).unwrap();
    }
    let before = thread::scope(|scope| {
        let emptied = scope.spawn(|| empty(&File::open(&tree).unwrap(), &mut Removals::unlimited()));
        while (0..MANY).step_by(MANY / 50).all(|at| below.join(at.to_string()).exists()) {}
        let moved = fs::rename(tree.join(depth.split('/').next().unwrap()), &outside);
        let before = if moved.is_ok() { count(&outside) } else { 0 };
        assert!(emptied.join().unwrap().unwrap());
        before
    });
    assert_empty(&tree);
    assert!(before <= 1024 || count(&outside) + 1024 >= before, "{} of {before} are there", count(&outside));
    before > MANY / 4
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
            match empty(&File::open(tree).unwrap(), &mut Removals::unlimited()) {
                Ok(done) => assert!(done),
                Err(error) => assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty, "{error}"),
            }
            assert!(begun.elapsed() < Duration::from_secs(120));
        }
    });
    assert!(empty(&File::open(tree).unwrap(), &mut Removals::unlimited()).unwrap());
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
                scope.spawn(move || assert!(empty(&tree, &mut Removals::unlimited()).unwrap()));
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
