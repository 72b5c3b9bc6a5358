//! A directory of one's own, and a disk that is really full.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A directory that is gone with all that is in it when this is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    #[allow(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("spooled-web-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = spooled::default_directory().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file system in memory, of so many bytes and no more.
pub struct Mount {
    scratch: Scratch,
}

impl Mount {
    /// `None`, and said so, where mounting is not allowed.
    pub fn of(size: usize) -> Option<Self> {
        let scratch = Scratch::new();
        let size = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(scratch.path()).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self { scratch });
        }
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let _ = writeln!(io::stderr(), "skipped: mounting is not allowed here ({test})");
        None
    }

    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Bytes that are free.
    #[cfg(unix)]
    pub fn free(&self) -> u64 {
        let space = rustix::fs::statvfs(self.path()).unwrap();
        space.f_bavail * space.f_frsize
    }
}

impl Drop for Mount {
    /// Unmounts; whoever still holds a file here has leaked it.
    fn drop(&mut self) {
        // A child that another test has just forked holds our files until it calls `exec`.
        for _ in 0..1500 {
            if Command::new("umount").arg(self.path()).output().is_ok_and(|done| done.status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
        assert!(std::thread::panicking(), "something is still open");
    }
}
