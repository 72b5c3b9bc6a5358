//! Trees, what must stay beside them, and other processes.

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::geteuid;

/// The number of the next one.
pub(super) fn open_descriptors() -> u64 {
    use std::os::fd::AsRawFd;
    File::open("/").unwrap().as_raw_fd().try_into().unwrap()
}

pub(super) fn count(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| 1 + if entry.file_type().unwrap().is_dir() { count(&entry.path()) } else { 0 }).sum()
}

#[track_caller]
pub(super) fn assert_empty(directory: &Path) {
    assert_eq!(count(directory), 0);
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(super) fn give(path: &Path) {
    std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
}

#[track_caller]
pub(super) fn mount(arguments: &[&str], path: &Path) {
    assert!(Command::new("mount").args(arguments).arg(path).status().unwrap().success());
}

/// Runs this test once more, as somebody without privileges, in a directory of theirs that was prepared.
pub(super) fn as_nobody(name: &str, prepare: impl FnOnce(&Path)) {
    let scratch = Scratch::new();
    if !geteuid().is_root() {
        return skipped("there is no other user to be");
    }
    prepare(scratch.path());
    let mut command = command(name, scratch.path());
    command.uid(NOBODY).gid(NOBODY);
    run(command);
}

#[track_caller]
pub(super) fn run(mut command: Command) {
    let output = match command.output() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return skipped("another user may not run this binary where it is");
        }
        output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complained}");
}

/// This binary again, for the test `name` alone.
pub(super) fn command(name: &str, argument: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    let (_, here) = module_path!().split_once("::").unwrap();
    let name = here.replace("ground", name);
    command.args([&name, "--exact", "--nocapture", "--test-threads=1"]).env(KEY, argument).stdin(Stdio::null());
    command
}

pub(super) fn is_child() -> bool {
    env::var_os(KEY).is_some()
}

pub(super) fn argument() -> PathBuf {
    env::var_os(KEY).unwrap().into()
}

pub(super) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// A directory that goes with this value, or stays if it is somebody else's.
pub(super) struct Scratch {
    path: PathBuf,
    ours: bool,
}

impl Scratch {
    pub(super) fn new() -> Self {
        let path = crate::sys::temporary_directory().join(crate::sys::random_name().unwrap());
        fs::create_dir(&path).unwrap();
        set_mode(&path, 0o755);
        Self { path, ours: true }
    }

    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, ours: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn outside(&self) -> PathBuf {
        self.path.join("outside")
    }

    /// A tree to be emptied, and beside it what must stay.
    pub(super) fn with_sentinels(&self) -> PathBuf {
        for name in KEPT_OUTSIDE {
            let path = self.outside().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if name.ends_with("file") { drop(File::create(path).unwrap()) } else { fs::create_dir(path).unwrap() }
        }
        let tree = self.path.join("tree");
        fs::create_dir(&tree).unwrap();
        tree
    }

    #[track_caller]
    pub(super) fn assert_sentinels(&self) {
        for name in KEPT_OUTSIDE {
            assert!(fs::symlink_metadata(self.outside().join(name)).is_ok(), "{name} is gone");
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Names as in the trees here, so that whoever goes astray finds them.
pub(super) const KEPT_OUTSIDE: [&str; 9] =
    ["file", "kept", "d", "d/file", "d/d", "d/d/file", "other", "other/full", "other/file"];
pub(super) const NOBODY: u32 = 65534;
const KEY: &str = "SPOOLED_TREE";
