//! Heap, counted: a file with a name asks for its path, and that is all, where the system takes paths as they are.
#![cfg(any(target_os = "linux", windows))]

mod heap;

use std::io::Write;
use std::path::Path;

use heap::measured;
use spooled::SpooledTempFile;
#[cfg(target_os = "linux")]
use {
    heap::Usage,
    spooled::{NamedOptions, NamedTempFile, TempDir},
};

/// A path, and what the system's calls need of it behind a NUL where it does not fit on the stack.
const SMALL: isize = 4096;

#[cfg(target_os = "linux")]
#[test]
fn p9_a_file_with_a_name_allocates_its_path_and_little_else() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    assert_uses(1, || drop(NamedTempFile::new_in(directory).unwrap()));
    assert_uses(1, || NamedTempFile::new_in(directory).unwrap().close().unwrap());
    assert_uses(1, || {
        let mut file = NamedTempFile::new_in(directory).unwrap();
        file.write_all(&[1; 10_000]).unwrap();
        assert!(file.path().is_absolute());
    });
    let target = directory.join(format!("named-heap-{}", std::process::id()));
    assert_uses(1, || drop(NamedTempFile::new_in(directory).unwrap().persist(&target).unwrap()));
    std::fs::remove_file(target).unwrap();
    let mut options = NamedOptions::new();
    options.prefix("a prefix that is longer than most").suffix(".html");
    assert_uses(1, || drop(options.tempfile_in(directory).unwrap()));
}

#[cfg(target_os = "linux")]
#[test]
fn p9_a_directory_allocates_its_path_and_little_else() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    assert_uses(2, || drop(TempDir::new_in(directory).unwrap()));
    assert_uses(2, || TempDir::new_in(directory).unwrap().close().unwrap());
}

/// What a spool holds is not copied to get a name.
#[test]
fn p9_a_name_for_a_spool_takes_no_memory_for_its_content() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let content = vec![7; 8 << 20];
    for threshold in [0, usize::MAX] {
        for _ in 0..3 {
            let mut spool = SpooledTempFile::new_in(threshold, directory);
            spool.write_all(&content).unwrap();
            let mut named = None;
            let usage = measured(|| named = Some(spool.into_named().unwrap()));
            assert!(usage.peak <= SMALL, "{usage:?} at {threshold}");
            assert_eq!(named.unwrap().as_file().metadata().unwrap().len(), content.len() as u64);
        }
    }
}

/// At the second time and later; what a process asks of a directory at first is not part of it, nor what it asks once a second.
#[cfg(target_os = "linux")]
#[track_caller]
fn assert_uses(calls: usize, mut work: impl FnMut()) {
    work();
    let all: Vec<Usage> = (0..5).map(|_| measured(&mut work)).collect();
    let least = all.iter().min_by_key(|usage| usage.calls).unwrap();
    assert!(least.calls <= calls && least.peak <= SMALL && least.left == 0, "{all:?} in place of {calls}");
}
