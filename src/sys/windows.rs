//! Windows: files that the system deletes when they are closed (`FILE_FLAG_DELETE_ON_CLOSE`), shared with nobody.
//!
//! Such a file has a name while it is open, and cannot be given another: persisting copies.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ATTRIBUTE_TEMPORARY, FILE_FLAG_DELETE_ON_CLOSE, FILE_GENERIC_READ, FILE_GENERIC_WRITE, MoveFileExW,
};

pub(super) type Handle = File;

pub(super) fn open_nameless(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// A file in `dir` whose name goes with it.
#[doc(alias = "FILE_FLAG_DELETE_ON_CLOSE")]
pub(super) fn open_unlinked(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .create_new(true)
        .read(true)
        .write(true)
        .access_mode(FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE)
        .share_mode(0)
        .attributes(FILE_ATTRIBUTE_TEMPORARY)
        .custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    loop {
        match options.open(dir.join(super::random_name()?)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => return done,
        }
    }
}

/// Nothing to do: access is what the directory's own list says.
pub(super) fn make_private(_: &File) -> io::Result<()> {
    Ok(())
}

/// One call, whose count may be short. The cursor of the handle moves; who copies by the cursor sets it first.
pub(super) fn read_at(file: &Handle, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buf, offset)
}

/// One call into memory that is not initialised, from its beginning.
pub(super) fn read_spare(file: &Handle, spare: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
    spare.fill(MaybeUninit::new(0));
    // SAFETY: all of it was initialised just now, and bytes are bytes.
    let buf = unsafe { std::slice::from_raw_parts_mut(spare.as_mut_ptr().cast(), spare.len()) };
    read_at(file, buf, offset)
}

/// One call, whose count may be short.
pub(super) fn write_at(file: &Handle, buf: &[u8], offset: u64) -> io::Result<usize> {
    file.seek_write(buf, offset)
}

/// One call, of the first of them that is not empty.
pub(super) fn write_vectored_at(file: &Handle, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    write_at(file, bufs.iter().find(|buf| !buf.is_empty()).map_or(&[], |buf| &buf[..]), offset)
}

pub(super) fn set_aside(_: &Handle, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn fill_holes(_: &Handle, _: u64) -> io::Result<()> {
    Ok(())
}

pub(super) fn file_system(_: &Handle) -> super::FileSystem {
    super::FileSystem { set_aside_pays: false, holes_can_fault: false }
}

pub(crate) fn is_ram(_: &Path) -> bool {
    false
}

pub(crate) fn is_writable(_: &Path) -> bool {
    true
}

pub(crate) fn told_directory() -> Option<PathBuf> {
    None
}

#[expect(clippy::disallowed_methods, reason = "there is no temporary directory in RAM to mistake it for")]
pub(crate) fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
}

pub(crate) fn file_size_limit() -> u64 {
    u64::MAX
}

pub(crate) fn descriptor_limit() -> usize {
    usize::MAX
}

pub(crate) fn no_descriptor_left(_: &io::Error) -> bool {
    false
}

pub(super) fn link(_: &Handle, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Renames `from` to `to`, unless somebody has that name.
#[doc(alias = "MoveFileExW")]
pub(crate) fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    let wide = |path: &Path| path.as_os_str().encode_wide().chain([0]).collect::<Vec<u16>>();
    let (from, to) = (wide(from), wide(to));
    // SAFETY: both are NUL-terminated UTF-16 and live until the call returns.
    patiently(|| match unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), 0) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    })
}

/// Renames `from` to `to`, in place of what has that name.
pub(crate) fn rename_replacing(from: &Path, to: &Path) -> io::Result<()> {
    // What can never be replaced is denied in the same words as what is in use.
    let stays = |there: fs::Metadata| there.is_dir() || there.permissions().readonly();
    if fs::symlink_metadata(to).is_ok_and(stays) {
        return fs::rename(from, to);
    }
    patiently(|| fs::rename(from, to))
}

/// Takes away a file that this process made a moment ago.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    patiently(|| fs::remove_file(path))
}

/// Tries again, for a quarter of a second at most, what somebody stands in the way of.
///
/// Scanners and indexers open each new file for a moment, and some so that it can be neither renamed nor deleted. That access
/// is denied is also what the system says of a file in use that is to be replaced, and of one that is being deleted: so this
/// is for names in a directory in which a file could just be made, where it says little else.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut pause = Duration::from_millis(1);
    loop {
        match attempt() {
            Err(error) if is_in_use(&error) && pause <= LONGEST_PAUSE => {
                thread::sleep(pause);
                pause *= 2;
            }
            done => return done,
        }
    }
}

const LONGEST_PAUSE: Duration = Duration::from_millis(128);

fn is_in_use(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(|number| number as u32);
    number == Some(ERROR_SHARING_VIOLATION) || number == Some(ERROR_ACCESS_DENIED)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;
    use std::os::windows::fs::OpenOptionsExt;
    use std::path::Path;
    use std::thread;
    use std::time::Duration;

    use super::{
        ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, patiently, remove_file, rename_replacing,
        rename_without_replacing,
    };

    #[test]
    fn what_is_in_use_is_tried_nine_times_and_all_else_once() {
        let tries = |number: u32| {
            let mut tries = 0;
            let failed: io::Result<()> = patiently(|| {
                tries += 1;
                Err(io::Error::from_raw_os_error(number as i32))
            });
            assert_eq!(failed.unwrap_err().raw_os_error(), Some(number as i32));
            tries
        };
        assert_eq!([ERROR_SHARING_VIOLATION, ERROR_ACCESS_DENIED].map(tries), [9, 9]);
        assert_eq!([2, 3, 80, 112, 183].map(tries), [1; 5]);
        let mut tries = 0;
        let done = patiently(|| {
            tries += 1;
            if tries < 3 { Err(io::Error::from_raw_os_error(ERROR_SHARING_VIOLATION as i32)) } else { Ok(tries) }
        });
        assert_eq!(done.unwrap(), 3);
    }

    /// As a scanner has a new file: it can be read and written, and neither renamed nor deleted.
    #[test]
    fn who_has_a_new_file_open_for_a_moment_is_waited_for() {
        let dir = super::temporary_directory().join(crate::sys::random_name().unwrap());
        fs::create_dir(&dir).unwrap();
        let [file, other] = ["file", "other"].map(|name| dir.join(name));
        let held = |path: &Path, work: &dyn Fn() -> io::Result<()>| {
            let held = fs::File::options().read(true).share_mode(1 | 2).open(path).unwrap();
            thread::scope(|scope| {
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(50));
                    drop(held);
                });
                work().unwrap();
            });
        };
        fs::write(&file, "new").unwrap();
        held(&file, &|| rename_without_replacing(&file, &other));
        fs::write(&file, "newer").unwrap();
        held(&file, &|| rename_replacing(&file, &other));
        assert_eq!(fs::read(&other).unwrap(), b"newer");
        held(&other, &|| remove_file(&other));
        fs::remove_dir(&dir).unwrap();
    }
}
