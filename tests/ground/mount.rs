//! Real file systems, mounted for a test and unmounted with it.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::{MIB, Scratch, skipped};

/// A mounted file system, with something in it that takes up space.
pub(crate) struct Mount {
    /// A file without a name.
    filler: RefCell<Option<File>>,
    path: PathBuf,
    /// What lies underneath, if that is a mount as well; unmounted after this one.
    _below: Option<Box<Mount>>,
    _scratch: Scratch,
}

impl Mount {
    /// A tmpfs of `size` bytes; `None`, and said so, where mounting is not allowed.
    #[track_caller]
    pub(crate) fn tmpfs(size: usize) -> Option<Mount> {
        Self::new(Scratch::new(), None, &["-t", "tmpfs", "-o", &format!("size={size},mode=0777"), "tmpfs"])
    }

    #[track_caller]
    pub(crate) fn ramfs() -> Option<Mount> {
        Self::new(Scratch::new(), None, &["-t", "ramfs", "ramfs"])
    }

    /// A file system in a file of `size` bytes, made by `mkfs.kind`.
    #[track_caller]
    pub(crate) fn on_a_loop_device(kind: &str, size: u64) -> Option<Mount> {
        let scratch = Scratch::new();
        let image = scratch.path().join("image");
        let sparse = File::create(&image).unwrap();
        rustix::fs::ftruncate(&sparse, size).unwrap();
        // Not on everybody's path.
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let made = Command::new(format!("mkfs.{kind}")).env("PATH", path).arg("-q").arg(&image).output();
        match made {
            Ok(made) if made.status.success() => {}
            Ok(made) => {
                skipped(&format!("mkfs.{kind} fails here: {}", String::from_utf8_lossy(&made.stderr).trim()));
                return None;
            }
            Err(error) => {
                skipped(&format!("mkfs.{kind}: {error}"));
                return None;
            }
        }
        Self::new(scratch, None, &["-t", kind, "-o", "loop", image.to_str().unwrap()])
    }

    /// An overlay whose upper layer is on `below`.
    #[track_caller]
    pub(crate) fn overlay(below: Mount) -> Option<Mount> {
        let layers = ["lower", "upper", "work"].map(|layer| below.path.join(layer));
        for layer in &layers {
            fs::create_dir(layer).unwrap();
        }
        let [lower, upper, work] = layers.map(|layer| layer.into_os_string().into_string().unwrap());
        let layers = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        Self::new(Scratch::new(), Some(Box::new(below)), &["-t", "overlay", "-o", &layers, "overlay"])
    }

    #[track_caller]
    fn new(scratch: Scratch, below: Option<Box<Mount>>, arguments: &[&str]) -> Option<Mount> {
        let path = scratch.path().join("mounted");
        fs::create_dir(&path).unwrap();
        match mount(arguments, &path) {
            Ok(()) => Some(Mount { filler: RefCell::new(None), path, _below: below, _scratch: scratch }),
            Err(error) => {
                skipped(&format!("mounting is not allowed here: {error}"));
                None
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    #[track_caller]
    pub(crate) fn resize(&self, size: usize) {
        remount(&self.path, &format!("size={size}"));
    }

    /// Takes up all space but `room` bytes, by a file without a name.
    #[track_caller]
    pub(crate) fn fill(&self, room: usize) {
        let filler = fill(&self.path, room);
        assert!(self.filler.replace(Some(filler)).is_none(), "filled twice");
    }

    /// As it was before it was filled.
    #[track_caller]
    pub(crate) fn clear(&self, size: usize) {
        self.filler.take();
        self.resize(size);
    }

    #[track_caller]
    pub(crate) fn free(&self) -> usize {
        free(&self.path)
    }

    /// That much is free, as soon as nobody holds what is gone.
    #[track_caller]
    pub(crate) fn assert_free(&self, space: usize) {
        before_long(|| match self.free() {
            free if free == space => Ok(()),
            free => Err(format!("{free} bytes are free in place of {space}")),
        })
        .unwrap();
    }
}

impl Drop for Mount {
    /// Unmounts; whoever still holds a file here has leaked it.
    fn drop(&mut self) {
        self.filler.take();
        let unmounted = unmount(&self.path);
        assert!(unmounted.is_ok() || thread::panicking(), "something is still open: {unmounted:?}");
    }
}

/// Unmounts what is mounted at `path`, in the end whoever holds it, which is the error.
pub(crate) fn unmount(path: &Path) -> Result<(), String> {
    let unmounted = before_long(|| run(Command::new("umount").arg(path)));
    if unmounted.is_err() {
        let _ = run(Command::new("umount").arg("--lazy").arg(path));
    }
    unmounted
}

/// Does it again while it fails, for some time: a child that another test has just forked holds our files until it calls `exec`.
fn before_long<E>(work: impl Fn() -> Result<(), E>) -> Result<(), E> {
    let start = Instant::now();
    loop {
        let done = work();
        if done.is_ok() || start.elapsed() > Duration::from_secs(30) {
            return done;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A disk of 1 MiB, of which each byte is accounted for.
///
/// One test at a time: a program that another one starts has our files open until it has become that program, and a file
/// that is open takes space.
pub(crate) struct Disk {
    mount: Mount,
    _alone: MutexGuard<'static, ()>,
}

#[track_caller]
pub(crate) fn small_disk() -> Option<Disk> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock();
    Some(Disk { mount: Mount::tmpfs(MIB)?, _alone: alone })
}

impl Deref for Disk {
    type Target = Mount;

    fn deref(&self) -> &Mount {
        &self.mount
    }
}

/// Changes an option of what is mounted at `path`.
#[track_caller]
pub(crate) fn remount(path: &Path, option: &str) {
    let remounted = before_long(|| mount(&["-o", &format!("remount,{option}")], path));
    assert!(remounted.is_ok(), "cannot remount with {option}: {remounted:?}");
}

/// A file without a name that takes up all space at `path` but `room` bytes.
#[track_caller]
pub(crate) fn fill(path: &Path, room: usize) -> File {
    let name = path.join("filler");
    let filler = File::create_new(&name).unwrap();
    fs::remove_file(&name).unwrap();
    let fill = || {
        let excess = free(path).checked_sub(room).ok_or("less space than that")?;
        (&filler).write_all(&vec![0; excess]).map_err(|_| "less space than it said")?;
        if free(path) == room { Ok(()) } else { Err("another space is left") }
    };
    before_long(fill).unwrap();
    filler
}

#[track_caller]
pub(crate) fn free(path: &Path) -> usize {
    let space = rustix::fs::statvfs(path).unwrap();
    (space.f_bavail * space.f_frsize) as usize
}

fn mount(arguments: &[&str], path: &Path) -> Result<(), String> {
    run(Command::new("mount").args(arguments).arg(path))
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
