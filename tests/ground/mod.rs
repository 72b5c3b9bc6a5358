//! What the tests with real faults stand on: directories, file systems, children, and a kernel that says no.
//!
//! Nothing here pretends: a full disk is a file system that is full, a refused call is refused by the kernel.
//! Where the machine does not allow one of these, the test says so and is skipped.
#![allow(dead_code, reason = "each test binary uses a part of it")]

#[cfg(target_os = "linux")]
pub(crate) mod calls;
pub(crate) mod child;
#[cfg(target_os = "linux")]
pub(crate) mod kernel;
#[cfg(target_os = "linux")]
pub(crate) mod left;
#[cfg(target_os = "linux")]
pub(crate) mod limits;
#[cfg(target_os = "linux")]
pub(crate) mod makers;
pub(crate) mod mapped;
#[cfg_attr(not(target_os = "linux"), path = "no_mount.rs")]
pub(crate) mod mount;
pub(crate) mod pool;
#[cfg(target_os = "linux")]
pub(crate) mod strace;
#[cfg(target_os = "linux")]
pub(crate) mod walk;

use std::fs::{self, File};
use std::io::{self, BufRead, Seek, SeekFrom, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use spooled::{Backing, PathError, SpoolOptions, SpooledTempFile};

pub(crate) const BACKINGS: [Backing; 2] = [Backing::File, Backing::Mmap];
pub(crate) const KIB: usize = 1024;
pub(crate) const MIB: usize = 1024 * KIB;

/// A directory of the test's own, gone with all that is in it when this is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    #[track_caller]
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // For Windows, where that was built elsewhere, its drive is left out.
        let above = std::path::absolute(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // Under WASI there is no such number, and the directory above is that run's own.
        let process = if cfg!(target_family = "wasm") { 0 } else { std::process::id() };
        let path = above.join(format!("ground-{process}-{count}"));
        fs::create_dir_all(&path).unwrap();
        // Any user may work in it, and no umask narrows it.
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Says what is not tested here, and why, past the harness that hides what passing tests print.
pub(crate) fn skipped(why: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(io::stderr(), "skipped: {why} ({test})");
}

/// Work that stands still fails, instead of holding up all that comes after it.
#[track_caller]
pub(crate) fn in_time(work: impl FnOnce() + Send + 'static) {
    if cfg!(target_family = "wasm") {
        return work();
    }
    let (done, is_done) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        let _ = done.send(());
    });
    match is_done.recv_timeout(Duration::from_secs(300)) {
        Err(RecvTimeoutError::Timeout) => panic!("somebody waits where there is something to be had"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => worker.join().unwrap_or_else(|panic| resume_unwind(panic)),
    }
}

/// Bytes that repeat nowhere within what a test looks at, so that a byte out of place is seen.
pub(crate) fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut all = Vec::with_capacity(len + 8);
    let mut state = seed;
    while all.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        all.extend_from_slice(&(mixed ^ (mixed >> 27)).to_le_bytes());
    }
    all.truncate(len);
    all
}

/// A sequence of numbers below `end`, the same in each run.
pub(crate) fn numbers(end: u64, seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % end
    })
}

pub(crate) fn options(dir: &Path, threshold: usize, backing: Backing) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.dir(dir).threshold(threshold).backing(backing);
    options
}

/// The names in a directory, sorted.
#[track_caller]
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[track_caller]
pub(crate) fn assert_empty(dir: &Path) {
    assert_eq!(names(dir), [""; 0], "something was left in {}", dir.display());
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

/// The spool has exactly this content, by each way of reading that leaves the window where it is and by one that moves
/// it, and its cursor stays where it was.
#[track_caller]
pub(crate) fn assert_holds(spool: &mut SpooledTempFile, expected: &[u8]) {
    let position = spool.position();
    assert_eq!(spool.len(), expected.len() as u64, "the length of {spool:?}");
    let mut seen = vec![0; expected.len() + 1];
    let read = spool.read_at(&mut seen, 0).unwrap();
    assert_same(&seen[..read], expected, "by read_at");
    assert_eq!(spool.position(), position, "read_at moved the cursor of {spool:?}");
    spool.rewind().unwrap();
    seen.clear();
    loop {
        let piece = spool.fill_buf().unwrap();
        if piece.is_empty() {
            break;
        }
        let count = piece.len();
        seen.extend_from_slice(piece);
        spool.consume(count);
    }
    assert_same(&seen, expected, "by fill_buf");
    assert_eq!(spool.seek(SeekFrom::Start(position)).unwrap(), position);
}

/// The error that a full disk gives: of that kind, and naming where it was met.
#[track_caller]
pub(crate) fn assert_full(error: &io::Error, path: &Path) {
    assert_names(error, io::ErrorKind::StorageFull, path);
}

#[track_caller]
pub(crate) fn assert_names(error: &io::Error, kind: io::ErrorKind, path: &Path) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert_names_path(error, path);
}

#[track_caller]
pub(crate) fn assert_names_path(error: &io::Error, path: &Path) {
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error} does not name {}", path.display());
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<PathError>());
    assert_eq!(cause.map(PathError::path), Some(path), "{error:?}");
}

/// A file of its own with this content, at its start.
#[track_caller]
pub(crate) fn file_with(path: &Path, content: &[u8]) -> File {
    fs::write(path, content).unwrap();
    File::open(path).unwrap()
}
