//! Taking a name away.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::ERROR_SHARING_VIOLATION;
use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_READONLY;

use super::about;

/// Closes the file and takes its name away, and says what went wrong with that.
pub(crate) fn close_and_remove(file: File, path: &Path) -> io::Result<()> {
    // While it is open, nobody who sweeps can be faster.
    let removed = remove_name(path);
    drop(file);
    removed
}

/// Removes a file, also one that is read-only.
pub(crate) fn remove_name(path: &Path) -> io::Result<()> {
    patiently(|| match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            if make_writable(path).is_ok_and(|changed| changed) { fs::remove_file(path) } else { Err(error) }
        }
        done => done,
    })
}

/// Whether that changed anything.
fn make_writable(path: &Path) -> io::Result<bool> {
    let file = about::open_to_change(path)?;
    let was_read_only = about::attributes(&file)? & FILE_ATTRIBUTE_READONLY != 0;
    about::change_attributes(&file, |attributes| attributes & !FILE_ATTRIBUTE_READONLY)?;
    Ok(was_read_only)
}

/// Again, for some 60 ms, while somebody has it open who does not share: scanners look at what is new.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut pause = Duration::from_millis(1);
    loop {
        match attempt() {
            Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION as i32) && pause.as_millis() < 64 => {
                thread::sleep(pause);
                pause *= 2;
            }
            done => return done,
        }
    }
}
