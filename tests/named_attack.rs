//! Somebody who swaps names, links and directories as fast as he can while ours are made, persisted and removed: nothing outside
//! is read, written, changed or removed, whatever else fails.
#![cfg(target_os = "linux")]

mod ground;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ground::mount::Mount;
use ground::{BACKINGS, Scratch, child, in_time, numbers, options, skipped, strace};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use spooled::{NamedOptions, TempDir};

/// How long each of them goes on.
const WHILE: Duration = Duration::from_millis(2000);
const NOBODY: u32 = 65534;

#[test]
fn p6_nothing_outside_is_touched_whatever_others_do_to_names() {
    in_time(|| {
        let arena = Arena::new();
        let done = arena.fight(|seed, round| match round % 4 {
            0 => one_directory(&arena.place(), seed + round, 0),
            1 => one_spool(&arena.place(), round),
            _ => one_file(&arena.place(), round),
        });
        arena.assert_untouched(done);
    });
}

#[test]
fn p6_nothing_outside_is_touched_whatever_others_do_in_a_directory_while_it_goes() {
    in_time(|| {
        let arena = Arena::new();
        let done = arena.fight(|seed, round| one_directory(&arena.place(), seed + round, 12));
        arena.assert_untouched(done);
    });
}

/// Who may write to a directory may rename what is ours in it, and put there what is his; never may he have us change what is
/// neither.
#[test]
fn p6_another_user_gets_at_nothing_that_is_not_his() {
    const NAME: &str = "p6_another_user_gets_at_nothing_that_is_not_his";
    against_another_user(NAME, |place, _, began| {
        let (start, mut begun, mut rounds) = (Instant::now(), None::<Instant>, 0);
        while begun.is_none_or(|begun| begun.elapsed() < WHILE) {
            if begun.is_none() && began() {
                begun = Some(Instant::now());
            }
            assert!(begun.is_some() || start.elapsed() < Duration::from_secs(60), "it never began");
            one_file(place, rounds);
            one_directory(place, rounds, 3);
            one_spool(place, rounds);
            rounds += 1;
        }
    });
}

/// Between making a directory and having it open there is a moment in which the name can become another's. Here it is a long
/// one.
#[test]
fn p6_a_directory_that_another_user_has_put_in_place_of_a_new_one_is_never_ours() {
    const NAME: &str = "p6_a_directory_that_another_user_has_put_in_place_of_a_new_one_is_never_ours";
    if let Some(place) = child::argument().as_deref().and_then(|argument| argument.strip_prefix(WORKS)) {
        let start = Instant::now();
        while start.elapsed() < WHILE {
            one_directory(Path::new(place), 0, 0);
        }
        return;
    }
    against_another_user(NAME, |place, root, began| {
        let start = Instant::now();
        while !began() {
            assert!(start.elapsed() < Duration::from_secs(60), "it never began");
            thread::sleep(Duration::from_millis(1));
        }
        let child = child::command(NAME, format!("{WORKS}{}", place.display()));
        let how = ["--seccomp-bpf", "-e", "trace=mkdirat", "-e", "inject=mkdirat:delay_exit=500"];
        if let Some(output) = strace::traced(&child, &root.join("log"), &how) {
            child::assert_passed(&output, NAME.as_ref());
        }
    });
}

const WORKS: &str = "works ";

/// Works in a place that belongs to somebody else, who attacks; `began` says whether he has.
#[track_caller]
fn against_another_user(name: &str, work: impl FnOnce(&Path, &Path, &dyn Fn() -> bool)) {
    if let Some(root) = child::argument() {
        let arena = Arena { root: PathBuf::from(root), _scratch: None };
        let over = arena.root.join("over");
        let swaps = attack(&arena, 1, &|| over.exists());
        return assert!(swaps > 0, "it did nothing");
    }
    if !rustix::process::geteuid().is_root() {
        return skipped("there is no other user to be");
    }
    let arena = Arena::new();
    // His own, of which he can remove and rename whatever he likes.
    std::os::unix::fs::chown(arena.place(), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(arena.outside(), fs::Permissions::from_mode(0o700)).unwrap();
    let before = snapshot(&arena.outside());
    let attacker = child::command(name, &arena.root).uid(NOBODY).gid(NOBODY).stdout(Stdio::piped()).spawn();
    let attacker = match attacker {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return skipped("another user may not run this binary where it is");
        }
        started => started.unwrap(),
    };
    let worked = catch_unwind(AssertUnwindSafe(|| {
        work(&arena.place(), &arena.root, &|| arena.root.join("tools-1").exists());
    }));
    fs::write(arena.root.join("over"), "").unwrap();
    let attacked = attacker.wait_with_output().unwrap();
    worked.unwrap_or_else(|panic| resume_unwind(panic));
    child::assert_passed(&attacked, name.as_ref());
    assert_eq!(snapshot(&arena.outside()), before);
}

/// Where no descriptor is held, since nothing is swept there, a directory is still told from one that has its name now.
#[test]
fn p6_a_directory_that_took_over_the_name_stays_where_nothing_is_held() {
    let Some(mount) = Mount::ramfs() else { return };
    fs::set_permissions(mount.path(), fs::Permissions::from_mode(0o777)).unwrap();
    for close in [true, false] {
        let dir = TempDir::new_in(mount.path()).unwrap();
        let path = dir.path().to_owned();
        fs::rename(&path, mount.path().join("away")).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("file"), "somebody else's").unwrap();
        if close {
            assert_eq!(dir.close().unwrap_err().kind(), io::ErrorKind::NotFound);
        } else {
            drop(dir);
        }
        assert_eq!(fs::read(path.join("file")).unwrap(), b"somebody else's");
        fs::remove_dir(mount.path().join("away")).unwrap();
        fs::remove_dir_all(path).unwrap();
    }
    // Nor is a link followed that took it over.
    let dir = TempDir::new_in(mount.path()).unwrap();
    let outside = mount.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "somebody else's").unwrap();
    fs::remove_dir(dir.path()).unwrap();
    symlink(&outside, dir.path()).unwrap();
    dir.close().unwrap_err();
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"somebody else's");
}

/// Where they meet, and what lies outside of that.
struct Arena {
    root: PathBuf,
    _scratch: Option<Scratch>,
}

impl Arena {
    #[track_caller]
    fn new() -> Self {
        let scratch = Scratch::new();
        let arena = Arena { root: scratch.path().to_owned(), _scratch: Some(scratch) };
        fs::create_dir(arena.place()).unwrap();
        fs::set_permissions(arena.place(), fs::Permissions::from_mode(0o777)).unwrap();
        for dir in ["", "dir", "dir/dir"] {
            let dir = arena.outside().join(dir);
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("file"), SENTINEL).unwrap();
            fs::set_permissions(dir.join("file"), fs::Permissions::from_mode(0o644)).unwrap();
        }
        arena
    }

    fn place(&self) -> PathBuf {
        self.root.join("place")
    }

    fn outside(&self) -> PathBuf {
        self.root.join("outside")
    }

    /// Two who work and two who attack; what was outside before, how many rounds there were, and how many swaps.
    fn fight(&self, work: impl Fn(usize, usize) + Sync) -> (Snapshot, usize, usize) {
        let before = snapshot(&self.outside());
        let (over, rounds, swaps) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for attacker in 0..2 {
                let (over, swaps) = (&over, &swaps);
                scope.spawn(move || {
                    swaps.fetch_add(attack(self, attacker, &|| over.load(Ordering::Relaxed)), Ordering::Relaxed)
                });
            }
            let workers = [1_usize, 2].map(|seed| {
                let (work, rounds) = (&work, &rounds);
                scope.spawn(move || {
                    let start = Instant::now();
                    let mut round = 0;
                    while start.elapsed() < WHILE {
                        work(seed * 7, round);
                        round += 1;
                    }
                    rounds.fetch_add(round, Ordering::Relaxed)
                })
            });
            let ended = workers.map(thread::ScopedJoinHandle::join);
            over.store(true, Ordering::Relaxed);
            assert!(ended.iter().all(Result::is_ok));
        });
        (before, rounds.into_inner(), swaps.into_inner())
    }

    #[track_caller]
    fn assert_untouched(&self, (before, rounds, swaps): (Snapshot, usize, usize)) {
        assert_eq!(snapshot(&self.outside()), before, "after {rounds} rounds and {swaps} swaps");
        assert!(rounds > 0 && swaps > 0, "{rounds} rounds and {swaps} swaps are no fight");
    }
}

const SENTINEL: &str = "not to be touched";

/// All there is to see of what lies there, but when it was last read.
type Snapshot = BTreeMap<PathBuf, (u64, u32, u32, u64, [i64; 4], Vec<u8>)>;

fn snapshot(root: &Path) -> Snapshot {
    let mut seen = Snapshot::new();
    let mut paths = vec![root.to_owned()];
    while let Some(path) = paths.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
        let mut content = Vec::new();
        if found.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            content = fs::read(&path).unwrap();
        }
        seen.insert(path, (found.ino(), found.mode(), found.uid(), found.nlink(), times, content));
    }
    seen
}

/// Errors are no fault; what is seen through ours is ours.
fn one_file(place: &Path, round: usize) {
    let Ok(mut file) = NamedOptions::new().mode(if round % 3 == 0 { 0o640 } else { 0o600 }).tempfile_in(place) else {
        return;
    };
    file.write_all(b"ours").unwrap();
    let check = |mut file: File| {
        let mut seen = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "ours");
    };
    check(file.reopen().unwrap());
    let target = place.join(format!("target-{}", round % 3));
    match round % 5 {
        0 => drop(file),
        1 => drop(file.close()),
        2 => match file.keep() {
            Ok((file, path)) => {
                check(file);
                let _ = fs::remove_file(path);
            }
            // Its name was lost before it was first used.
            Err(failed) => {
                assert_eq!(failed.error().kind(), io::ErrorKind::NotFound, "{failed}");
                check(failed.into_file().reopen().unwrap());
            }
        },
        way => {
            let persisted = if way == 3 { file.persist(target) } else { file.persist_noclobber(target) };
            match persisted {
                Ok(file) => check(file),
                Err(failed) => check(failed.into_file().reopen().unwrap()),
            }
        }
    }
}

fn one_spool(place: &Path, round: usize) {
    let mut spool = options(place, round % 2, BACKINGS[round / 2 % 2]).build();
    spool.write_all(b"ours").unwrap();
    // Its file never had a name, so nobody could have done anything to it.
    let named = spool.into_named().unwrap();
    let mut seen = String::new();
    named.reopen().unwrap().read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "ours");
}

fn one_directory(place: &Path, round: usize, full: usize) {
    let Ok(dir) = TempDir::new_in(place) else { return };
    let (found, us) = (fs::symlink_metadata(dir.path()), rustix::process::geteuid().as_raw());
    if let Some(found) = found.ok().filter(|found| found.is_dir() && found.uid() != us) {
        assert_eq!(found.mode() & 0o777, ANOTHERS, "another user's directory was taken for ours");
    }
    // Not by paths: these others may have swapped by now.
    if let Ok(opened) = open_directory(dir.path()) {
        for below in 0..full {
            let name = format!("below-{below}");
            let _ = rustix::fs::mkdirat(&opened, &*name, Mode::RWXU);
            let Ok(below) = rustix::fs::openat(&opened, &*name, DIRECTORY, Mode::empty()) else { continue };
            let _ = rustix::fs::mkdirat(&below, "dir", Mode::RWXU);
            for file in ["file", "other"] {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
                let _ = rustix::fs::openat(&below, file, flags, Mode::RUSR);
            }
        }
    }
    match round % 4 {
        0 => drop(dir),
        1 => {
            let kept = dir.keep();
            // Ours no more: by the means of the standard library, which follows no link either.
            let _ = fs::remove_dir_all(kept);
        }
        _ => drop(dir.close()),
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty())
}

/// Swaps what is in the place for links and directories of its own, until it is over; how often that went well.
///
/// It names what is outside in links, and goes there itself by no way.
fn attack(arena: &Arena, seed: usize, over: &dyn Fn() -> bool) -> usize {
    let tools = arena.root.join(format!("tools-{seed}"));
    fs::create_dir(&tools).unwrap();
    let at = open_directory(&tools).unwrap();
    let mut choices = numbers(1 << 40, seed as u64 * 2 + 1);
    let mut swaps = 0;
    while !over() {
        let Ok(entries) = fs::read_dir(arena.place()) else { continue };
        for entry in entries.flatten() {
            let (path, choice) = (entry.path(), choices.next().unwrap() as usize);
            let Ok(found) = fs::symlink_metadata(&path) else { continue };
            let tool = make_tool(&at, arena, choice / 64, seed);
            let swapped = match choice % 8 {
                // What others have left here, so that the place does not fill up.
                _ if found.is_symlink() && choice % 2 == 0 => fs::remove_file(&path).is_ok(),
                0 => fs::remove_file(&path).is_ok() && put(&at, tool, &path),
                1 => fs::rename(&path, tools.join("away")).is_ok() && put(&at, tool, &path),
                // Another user's directory cannot be moved to another place, but beside.
                2 if found.is_dir() => beside(&path) && put(&at, tool, &path),
                2 | 3 => exchange(&at, tool, CWD, &path),
                4 => put(&at, tool, &path),
                _ => match open_directory(&path) {
                    Ok(opened) => swap_below(&opened, &at, tool, choice / 8),
                    Err(_) => beside(&path) && put(&at, tool, &path),
                },
            };
            swaps += usize::from(swapped);
            clear(&tools, &at);
        }
        // Something of its own in our way.
        let name = arena.place().join(format!("target-{}", swaps % 3));
        put(&at, make_tool(&at, arena, swaps, seed), &name);
        clear(&tools, &at);
    }
    swaps
}

/// A link to what lies outside, by any way to write that, or a directory of its own, filled.
fn make_tool(at: &OwnedFd, arena: &Arena, choice: usize, seed: usize) -> &'static str {
    let to = match choice % 5 {
        0 => arena.outside(),
        1 => arena.outside().join("dir"),
        2 => arena.outside().join("file"),
        3 => PathBuf::from("../outside"),
        _ => {
            let _ = rustix::fs::mkdirat(at, TOOL, Mode::RWXU);
            if let Ok(opened) = rustix::fs::openat(at, TOOL, DIRECTORY, Mode::empty()) {
                let _ = rustix::fs::fchmod(&opened, Mode::from_raw_mode(ANOTHERS));
                let _ = rustix::fs::symlinkat(arena.outside(), &opened, format!("link-{seed}"));
                let _ = rustix::fs::mkdirat(&opened, "dir", Mode::RWXU);
            }
            return TOOL;
        }
    };
    let _ = rustix::fs::symlinkat(to, at, TOOL);
    TOOL
}

const TOOL: &str = "tool";
/// The mode of a directory that it puts in place of ours.
const ANOTHERS: u32 = 0o755;

fn put(at: &OwnedFd, tool: &str, path: &Path) -> bool {
    rustix::fs::renameat(at, tool, CWD, path).is_ok()
}

fn beside(path: &Path) -> bool {
    let away = path.with_extension("away");
    let gone = fs::rename(path, &away).is_ok();
    let _ = fs::remove_dir(away);
    gone
}

fn exchange(at: &OwnedFd, tool: &str, with: impl AsFd, name: &Path) -> bool {
    rustix::fs::renameat_with(at, tool, with, name, RenameFlags::EXCHANGE).is_ok()
}

fn swap_below(opened: &OwnedFd, at: &OwnedFd, tool: &str, choice: usize) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/self/fd/{}", opened.as_raw_fd())) else { return false };
    let Some(entry) = entries.flatten().nth(choice % 5) else { return false };
    let name = PathBuf::from(entry.file_name());
    if choice % 2 == 0 {
        return exchange(at, tool, opened, &name);
    }
    let away = rustix::fs::renameat(opened, &name, at, "away").is_ok();
    away && rustix::fs::renameat(at, tool, opened, &name).is_ok()
}

/// What the swaps have brought.
fn clear(tools: &Path, at: &OwnedFd) {
    for name in [TOOL, "away"] {
        if rustix::fs::unlinkat(at, name, AtFlags::empty()) == Err(rustix::io::Errno::ISDIR) {
            let _ = fs::remove_dir_all(tools.join(name));
        }
    }
}
