//! Systems where the standard library removes a tree: what is read-only is made writable, and what somebody has open is
//! tried again, some times.
//!
//! By path: whoever may change the tree meanwhile can have the read-only attribute of a file elsewhere cleared, no more.
//! Knows no budget: a removal cannot be broken off there.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Removes the directory `path` and all that is in it. One that is not there is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let mut pause = Duration::from_millis(1);
    for _ in 0..ATTEMPTS {
        match fs::remove_dir_all(path) {
            Ok(()) => return Ok(()),
            Err(error) => match error.kind() {
                ErrorKind::NotFound if fs::symlink_metadata(path).is_err() => return Ok(()),
                ErrorKind::PermissionDenied => make_writable(path),
                _ if may_pass(&error) => {}
                _ => return Err(error),
            },
        }
        thread::sleep(pause);
        pause *= 2;
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether somebody else's use of the tree may have caused it: a scanner has a file open, or an entry came or went.
fn may_pass(error: &io::Error) -> bool {
    let passing = [ErrorKind::DirectoryNotEmpty, ErrorKind::NotFound, ErrorKind::ResourceBusy];
    passing.contains(&error.kind()) || (cfg!(windows) && error.raw_os_error() == Some(SHARING_VIOLATION))
}

/// Clears the read-only attribute of all that is in `path`, as far as that can be done. What a link leads to is left alone.
#[expect(clippy::permissions_set_readonly_false, reason = "it is about to be removed, and no Unix")]
fn make_writable(path: &Path) {
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let mut permissions = metadata.permissions();
            if permissions.readonly() && !metadata.is_symlink() {
                permissions.set_readonly(false);
                // Removing it says what is wrong.
                let _ = fs::set_permissions(entry.path(), permissions);
            }
            if metadata.is_dir() {
                directories.push(entry.path());
            }
        }
    }
}

/// With the pauses between them, a quarter of a second.
const ATTEMPTS: u32 = 8;
/// `ERROR_SHARING_VIOLATION`.
const SHARING_VIOLATION: i32 = 32;
