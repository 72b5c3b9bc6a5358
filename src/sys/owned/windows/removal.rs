//! Taking a name away.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_READONLY;

use super::about;
use crate::sys::owned::Seen;
use crate::sys::system::remove_file;

/// Closes the file and takes its name away, and says what went wrong with that.
pub(crate) fn close_and_remove(file: File, path: &Path, _: Seen) -> io::Result<()> {
    // While it is open, nobody who sweeps can be faster.
    let removed = remove_name(path);
    drop(file);
    removed
}

/// Removes a file, also one that is read-only.
pub(crate) fn remove_name(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let _ = make_writable(path);
            remove_file(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(_) => remove_file(path),
        Ok(()) => Ok(()),
    }
}

fn make_writable(path: &Path) -> io::Result<()> {
    about::change_attributes(&about::open_to_change(path)?, |attributes| attributes & !FILE_ATTRIBUTE_READONLY)
}
