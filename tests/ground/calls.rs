//! System calls, counted by the kernel, and a kernel that kills for the first one too many.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{child, kernel, skipped};

/// Prepares in a child, then does `work` in a thread of it that dies, with all the rest, at the first system call but
/// those for memory.
#[track_caller]
pub(crate) fn without_calls<T: Send + 'static>(
    name: &str,
    directory: &Path,
    prepare: impl FnOnce(&Path) -> T,
    work: impl FnOnce(T) + Send + 'static,
) {
    let Some(directory_of_the_parent) = child::argument() else {
        child::run(name, directory);
        return;
    };
    let prepared = prepare(Path::new(&directory_of_the_parent));
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let filtered = kernel::kill_for_all_but_memory();
        if filtered {
            work(prepared);
        }
        done.send(filtered).unwrap();
        // To end, a thread needs calls that it may not make any more.
        loop {
            thread::park();
        }
    });
    match is_done.recv_timeout(Duration::from_secs(60)) {
        Ok(true) => {}
        Ok(false) => skipped("the kernel takes no filter"),
        Err(error) => panic!("the work did not come to its end: {error}"),
    }
}

/// Prepares in a child, then does `work` in a thread of it that dies, with all the rest, at the first system call but
/// these. What was prepared is left as it is.
#[track_caller]
pub(crate) fn only<T: Send + 'static>(
    calls: &[i64],
    name: &str,
    directory: &Path,
    prepare: impl FnOnce(&Path) -> T,
    work: impl FnOnce(&mut T) + Send + 'static,
) {
    const REFUSED: u8 = 1;
    const DONE: u8 = 2;
    let Some(directory_of_the_parent) = child::argument() else {
        child::run(name, directory);
        return;
    };
    let mut prepared = prepare(Path::new(&directory_of_the_parent));
    let calls = calls.to_vec();
    let state = Arc::new(AtomicU8::new(0));
    let told = Arc::clone(&state);
    thread::spawn(move || {
        let filtered = kernel::kill_for_all_but(&calls);
        if filtered {
            work(&mut prepared);
        }
        told.store(if filtered { DONE } else { REFUSED }, Ordering::Release);
        // It can neither end nor sleep, nor tell by anything but memory.
        loop {
            std::hint::spin_loop();
        }
    });
    let start = Instant::now();
    while state.load(Ordering::Acquire) == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "the work did not come to its end");
        thread::sleep(Duration::from_millis(1));
    }
    if state.load(Ordering::Acquire) == REFUSED {
        skipped("the kernel takes no filter");
    }
}

/// What a piece of work cost this thread in reads and writes.
#[derive(Debug)]
pub(crate) struct Cost {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
}

pub(crate) struct Io(File);

impl Io {
    /// `None`, and said so, where the kernel does not count.
    pub(crate) fn open() -> Option<Io> {
        match File::open("/proc/thread-self/io") {
            Ok(file) => Some(Io(file)),
            Err(error) => {
                skipped(&format!("/proc/thread-self/io: {error}"));
                None
            }
        }
    }

    pub(crate) fn cost(&self, work: impl FnOnce()) -> Cost {
        let (before, looked) = self.now();
        work();
        let (after, _) = self.now();
        // The first look counts in the second: one read, of what it saw.
        Cost {
            reads: after[2] - before[2] - 1,
            writes: after[3] - before[3],
            bytes_read: after[0] - before[0] - looked,
            bytes_written: after[1] - before[1],
        }
    }

    /// `rchar`, `wchar`, `syscr` and `syscw`, and how many bytes it took to say so.
    fn now(&self) -> ([u64; 4], u64) {
        let mut text = [0; 512];
        let count = self.0.read_at(&mut text, 0).unwrap();
        let text = std::str::from_utf8(&text[..count]).unwrap();
        let mut numbers = text.lines().map(|line| line.split_once(": ").unwrap().1.parse().unwrap());
        (std::array::from_fn(|_| numbers.next().unwrap()), count as u64)
    }
}
