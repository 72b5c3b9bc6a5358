//! System calls of names, as the kernel got them: a file that is made and dropped is three, a spool on disk has its name by
//! one, whatever its length.
#![cfg(target_os = "linux")]

mod ground;

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use ground::mount::Mount;
use ground::{BACKINGS, MIB, Scratch, bytes, child, options, strace};
use spooled::{NamedTempFile, TempDir};

/// How often each is done. Once a second the directory is asked whether it is still the same, once in sixteen names
/// randomness is asked for: so what counts is the least that one of them costs.
const TIMES: usize = 8;

#[test]
fn p9_names_cost_what_the_system_takes_for_them() {
    const NAME: &str = "p9_names_cost_what_the_system_takes_for_them";
    if let Some(directory) = child::argument() {
        return work(Path::new(&directory));
    }
    let scratch = Scratch::new();
    let Some(log) = traced(NAME, scratch.path()) else { return };
    assert_costs(&log, "file", &["openat", "close", "unlink"]);
    // Open for writing until its new name is no name of ours, so that nobody sweeps it.
    assert_costs(
        &log,
        "persist",
        &["openat", "fstat", "fsetxattr", "write", "lstat", "fstat", "rename", "fremovexattr", "close"],
    );
    // The last look is whether it could be taken for one that is not marked yet: then it gets another mark.
    let keep = least(&log, "keep");
    let of = |unmarks| ["openat", "fstat", "fsetxattr", "fstat", unmarks, "close"];
    assert!(keep == of("fremovexattr") || keep == of("fsetxattr"), "{keep:?}");
    assert_costs(&log, "close", &["openat", "unlink", "close"]);
    // Nothing that looks into it: it is empty.
    let dir = ["mkdir", "openat", "flock", "fstat", "geteuid", "fstat", "fsetxattr", "fchmod"];
    let removed = ["openat", "fstatat", "fstat", "unlink", "close", "close"];
    assert_costs(&log, "dir", &[&dir[..], &removed].concat());
    for backing in BACKINGS {
        let calls = least(&log, &format!("into-{backing:?}"));
        let of = |name: &str| calls.iter().filter(|call| *call == name).count();
        assert_eq!(of("linkat"), 1, "{calls:?}");
        // The cursor, the mode, the mark; nothing that reads, writes or copies.
        let expected = ["lseek", "fchmod", "fstat", "fsetxattr", "linkat", "ftruncate"];
        assert!(calls.iter().all(|call| expected.contains(&call.as_str())) && calls.len() <= 6, "{calls:?}");
    }
}

/// Where nothing is swept, nothing is marked, and a directory is not held.
#[test]
fn p9_where_nothing_can_be_swept_names_cost_no_more() {
    const NAME: &str = "p9_where_nothing_can_be_swept_names_cost_no_more";
    if let Some(directory) = child::argument() {
        return work(Path::new(&directory));
    }
    let Some(mount) = Mount::ramfs() else { return };
    let Some(log) = traced(NAME, mount.path()) else { return };
    assert_costs(&log, "file", &["openat", "close", "unlink"]);
    for what in ["persist", "keep", "dir"] {
        let calls = least(&log, what);
        assert!(calls.iter().all(|call| !call.contains("xattr") && call != "flock"), "{what}: {calls:?}");
        assert!(calls.len() <= 13, "{what}: {calls:?}");
    }
}

fn work(directory: &Path) {
    let mark = |what: &str| drop(fs::metadata(directory.join(what)).unwrap_err());
    let each = |what: &str, work: &mut dyn FnMut()| {
        for _ in 0..=TIMES {
            mark(&format!("begins-{what}"));
            work();
            mark("ends");
        }
    };
    each("file", &mut || drop(NamedTempFile::new_in(directory).unwrap()));
    each("close", &mut || NamedTempFile::new_in(directory).unwrap().close().unwrap());
    let target = directory.join("target");
    each("persist", &mut || {
        let mut file = NamedTempFile::new_in(directory).unwrap();
        file.write_all(b"content").unwrap();
        file.persist(&target).unwrap();
    });
    each("keep", &mut || drop(NamedTempFile::new_in(directory).unwrap().keep().unwrap()));
    each("dir", &mut || drop(TempDir::new_in(directory).unwrap()));
    let content = bytes(64 * MIB, 1);
    for backing in BACKINGS {
        for _ in 0..3 {
            let mut spool = options(directory, 0, backing).build();
            spool.write_all(&content).unwrap();
            spool.seek(SeekFrom::Start(12_345)).unwrap();
            spool.flush().unwrap();
            // So that the directory is known for another second.
            drop(NamedTempFile::new_in(directory).unwrap());
            mark(&format!("begins-into-{backing:?}"));
            let named = spool.into_named().unwrap();
            mark("ends");
            assert_eq!(named.as_file().metadata().unwrap().len(), content.len() as u64);
        }
    }
}

#[track_caller]
fn assert_costs(log: &str, what: &str, expected: &[&str]) {
    assert_eq!(least(log, what), expected, "{what}");
}

/// The calls that this took when it took the fewest.
#[track_caller]
fn least(log: &str, what: &str) -> Vec<String> {
    let begins = format!("begins-{what}\"");
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut lines = log.lines();
    while let Some(begin) = lines.find(|line| line.contains(&begins)) {
        let thread = begin.split(' ').next();
        let until = lines.by_ref().take_while(|line| !line.contains("ends\""));
        all.push(until.filter(|line| line.split(' ').next() == thread).filter_map(call).collect());
    }
    let least = all.iter().min_by_key(|calls| calls.len());
    least.unwrap_or_else(|| panic!("no {what} in\n{log}")).clone()
}

/// The call in a line, as most processors call it; memory is not counted.
fn call(line: &str) -> Option<String> {
    let (name, _) = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().split_once('(')?;
    Some(
        match name {
            "mmap" | "munmap" | "brk" | "madvise" | "mprotect" | "mremap" | "futex" | "sched_yield" => return None,
            // A debug build asks whether what it closes is open.
            "fcntl" if line.contains("F_GETFD") => return None,
            "unlinkat" | "rmdir" => "unlink",
            "renameat" | "renameat2" => "rename",
            "mkdirat" => "mkdir",
            "newfstatat" if line.contains("AT_EMPTY_PATH") => "fstat",
            "statx" if line.contains("AT_EMPTY_PATH") => "fstat",
            "newfstatat" | "statx" if line.contains("(AT_FDCWD") => "lstat",
            "newfstatat" => "fstatat",
            other => other,
        }
        .to_owned(),
    )
}

/// All that the child asked of the kernel; `None`, and said so, where nothing can be traced.
#[track_caller]
fn traced(name: &str, directory: &Path) -> Option<String> {
    let scratch = Scratch::new();
    let log = scratch.path().join("log");
    let child = child::command(name, directory);
    let output = strace::traced(&child, &log, &[])?;
    child::assert_passed(&output, name.as_ref());
    Some(fs::read_to_string(log).unwrap())
}
