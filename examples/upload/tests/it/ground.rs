//! What the tests stand on: a directory of their own, a disk that is small, bytes to compare, programs that may be missing.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const KIB: usize = 1024;
pub(crate) const MIB: usize = 1024 * KIB;

/// A directory of the test's own, gone with all that is in it when this is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    #[track_caller]
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("upload-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it, with this content.
    #[track_caller]
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A few mebibytes of disk, and no more.
pub(crate) struct SmallDisk(Scratch);

impl SmallDisk {
    /// `None`, and said so, where mounting is not allowed.
    #[track_caller]
    pub(crate) fn new(mebibytes: usize) -> Option<SmallDisk> {
        let scratch = Scratch::new();
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(scratch.path()).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(SmallDisk(scratch));
        }
        skipped("mounting is not allowed here");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// Whether there is a program to be run; said so where it is missing, which nobody who checks a change may overlook.
#[track_caller]
pub(crate) fn there_is(program: &str) -> bool {
    let probed = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    if probed.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "there is no {program} here");
    skipped(&format!("there is no {program} here"));
    false
}

/// Says what is not tested here, and why, past the harness that hides what passing tests print.
pub(crate) fn skipped(why: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(io::stderr(), "skipped: {why} ({test})");
}

/// Bytes in which nothing repeats, so that a byte out of place is seen.
pub(crate) fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let numbers = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    });
    numbers.flat_map(u64::to_le_bytes).take(len).collect()
}

/// Compares without printing a megabyte.
#[track_caller]
pub(crate) fn assert_same(seen: &[u8], expected: &[u8], what: &str) {
    if seen == expected {
        return;
    }
    let differs = seen.iter().zip(expected).position(|(a, b)| a != b);
    panic!("{what}: {} bytes in place of {}, the first that differs at {differs:?}", seen.len(), expected.len());
}

/// Looks again until there is something, for some time.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Far more than anything here takes, on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
