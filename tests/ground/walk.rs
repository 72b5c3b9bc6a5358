//! Every fault in turn, by `strace`: a script whose first system call of a kind fails, then its second, until a run meets none.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::strace::traced;
use super::{Scratch, child, kernel, skipped};

/// Runs the script once for each call of that kind that it makes, and lets that one fail.
///
/// In the child, runs the script, which is told where, and whether the call is an interrupted one.
#[track_caller]
pub(crate) fn walk(name: &str, faults: &[(&str, &str)], script: fn(&Path, bool)) {
    if let Some(argument) = child::argument() {
        let (fault, directory) = argument.split_once(' ').unwrap();
        if [BY_HAND_EIO, BY_HAND_ENOSPC].contains(&fault) && !kernel::refuse_copying(libc::ENOSYS) {
            return skipped("the kernel takes no filter");
        }
        return script(Path::new(directory), fault == INTERRUPTED);
    }
    for (call, fault) in faults {
        let errno = fault.trim_start_matches(BY_HAND);
        let scratch = Scratch::new();
        let trace = format!("trace={call},?stat,?newfstatat,?statx");
        let run = |directory: &Path, how: &[&str]| {
            let child = child::command(name, format!("{fault} {}", directory.display()));
            traced(&child, &directory.join("log"), how)
        };
        let Some(plain) = run(scratch.path(), &[FAST, "-e", &trace]) else { return };
        child::assert_passed(&plain, call.as_ref());
        let (before, within) = calls(&scratch.path().join("log"), call);
        let mut met = 0;
        // An interrupted call is made again, and that one works: so every second of them can be one.
        let (last, again) = if errno == INTERRUPTED { (within.min(1), "+2") } else { (within, "") };
        for nth in 1..=last {
            let scratch = Scratch::new();
            let inject = format!("inject={call}:error={errno}:when={}{again}", before + nth);
            let run = run(scratch.path(), &[FAST, "-e", &trace, "-e", &inject]).unwrap();
            child::assert_passed(&run, inject.as_ref());
            let path = scratch.path().join("log");
            // In how many calls a pipe is emptied depends on how it is filled, and the kernel may copy less than it was asked to.
            let fell_due = fs::read_to_string(&path).unwrap().contains("(INJECTED)");
            assert!(fell_due || calls(&path, call).1 < nth, "{inject}: nothing failed");
            met += usize::from(String::from_utf8_lossy(&run.stdout).contains(MET));
        }
        // What some file systems do not do is not done here either.
        let expected = within > 0 && ["pwrite64", "pread64", "ftruncate"].contains(call) && errno != INTERRUPTED;
        assert!(met > 0 || !expected, "{call} failed with {errno} in {within} places, and nobody ever saw it");
    }
}

/// How many calls the thread that does the work makes before it begins, and then until it ends.
#[track_caller]
pub(crate) fn calls(log: &Path, call: &str) -> (usize, usize) {
    let log = fs::read_to_string(log).unwrap();
    let begins = log.lines().position(|line| line.contains(BEGINS)).unwrap();
    let ends = log.lines().position(|line| line.contains(ENDS)).unwrap();
    let thread = log.lines().nth(begins).unwrap().split(' ').next().unwrap();
    let wanted = format!(" {call}(");
    let count = |from: usize, to: usize| {
        let lines = log.lines().take(to).skip(from);
        lines.filter(|line| line.split(' ').next() == Some(thread) && line.contains(&wanted)).count()
    };
    (count(0, begins), count(begins, ends))
}

/// From here on the script's calls count.
pub(crate) fn begin(directory: &Path) {
    // Calls are counted by thread: so that what the others do on their way is over by the time that the fault is due.
    for _ in 0..200 {
        let mut null = File::options().read(true).write(true).open("/dev/null").unwrap();
        null.read_exact(&mut [0]).unwrap_err();
        null.write_all(&[0]).unwrap();
        null.read_at(&mut [0], 0).unwrap();
        null.rewind().unwrap();
    }
    mark(directory, BEGINS);
}

pub(crate) fn end(directory: &Path) {
    mark(directory, ENDS);
}

/// How often the script has seen the fault.
#[track_caller]
pub(crate) fn met(met: usize, interrupted: bool) {
    assert!(met <= 1, "one fault was seen {met} times");
    assert!(!(interrupted && met > 0), "an interrupted call was not made again");
    if met > 0 {
        println!("{MET}");
    }
}

pub(crate) fn mark(directory: &Path, what: &str) {
    fs::metadata(directory.join(what)).unwrap_err();
}

/// It then stops for traced calls only; with this, it loses count of signals.
const FAST: &str = "--seccomp-bpf";
pub(crate) const BEGINS: &str = "the-work-begins";
pub(crate) const ENDS: &str = "the-work-ends";
const MET: &str = "an error was met";
const BY_HAND: &str = "by-hand-";
pub(crate) const BY_HAND_EIO: &str = "by-hand-EIO";
pub(crate) const BY_HAND_ENOSPC: &str = "by-hand-ENOSPC";
pub(crate) const INTERRUPTED: &str = "EINTR";
