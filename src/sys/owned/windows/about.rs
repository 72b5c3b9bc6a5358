//! What a handle tells of its file, and has done to it, whatever name the file has.

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::path::Path;

use windows_sys::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_NORMAL, FILE_BASIC_INFO, FILE_DISPOSITION_INFO,
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_INFO_BY_HANDLE_CLASS, FILE_READ_ATTRIBUTES,
    FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_WRITE_ATTRIBUTES, FileBasicInfo, FileDispositionInfo,
    GetFileInformationByHandle, GetFinalPathNameByHandleW, ReOpenFile, SetFileInformationByHandle, VOLUME_NAME_GUID,
};

/// What tells a file or a directory from all others of the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Identity {
    volume: u32,
    /// Its own on the volume; 0 where the file system has none.
    pub(super) number: u64,
}

/// The file, directory or link itself, to be asked about; whoever has it open for whatever is not disturbed.
pub(super) fn open(path: &Path) -> io::Result<File> {
    open_with(path, 0, FILE_FLAG_OPEN_REPARSE_POINT)
}

/// The same, and its attributes can be changed.
pub(super) fn open_to_change(path: &Path) -> io::Result<File> {
    open_with(path, FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES, FILE_FLAG_OPEN_REPARSE_POINT)
}

/// What the path leads to, to be asked about.
pub(super) fn open_target(path: &Path) -> io::Result<File> {
    open_with(path, 0, 0)
}

#[doc(alias = "FILE_FLAG_BACKUP_SEMANTICS")]
fn open_with(path: &Path, access: u32, flags: u32) -> io::Result<File> {
    // Without that flag, no directory.
    OpenOptions::new().access_mode(access).custom_flags(FILE_FLAG_BACKUP_SEMANTICS | flags).open(path)
}

#[doc(alias = "GetFileInformationByHandle")]
pub(super) fn identity(file: &File) -> io::Result<Identity> {
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, and `found` is what the call fills.
    done(unsafe { GetFileInformationByHandle(file.as_raw_handle(), &mut found) })?;
    let number = u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow);
    Ok(Identity { volume: found.dwVolumeSerialNumber, number })
}

/// Whether it is on a volume of this machine's: only these have a name of their own.
#[doc(alias = "GetFinalPathNameByHandleW")]
pub(super) fn is_local(file: &File) -> bool {
    // SAFETY: the handle is open, and the call fills nothing, but says how long the name is.
    unsafe { GetFinalPathNameByHandleW(file.as_raw_handle(), std::ptr::null_mut(), 0, VOLUME_NAME_GUID) != 0 }
}

pub(super) fn attributes(file: &File) -> io::Result<u32> {
    Ok(file.metadata()?.file_attributes())
}

/// Its times stay what they are.
#[doc(alias = "SetFileInformationByHandle")]
pub(super) fn change_attributes(file: &File, change: impl FnOnce(u32) -> u32) -> io::Result<()> {
    let had = attributes(file)? & !FILE_ATTRIBUTE_NORMAL;
    let wanted = change(had);
    if wanted == had {
        return Ok(());
    }
    // Zero would leave them as they are.
    let attributes = if wanted == 0 { FILE_ATTRIBUTE_NORMAL } else { wanted };
    set(file, FileBasicInfo, &FILE_BASIC_INFO { FileAttributes: attributes, ..FILE_BASIC_INFO::default() })
}

/// It is gone when the handle is closed, which has to have been opened for that.
pub(super) fn delete(file: &File) -> io::Result<()> {
    set(file, FileDispositionInfo, &FILE_DISPOSITION_INFO { DeleteFile: true })
}

/// To read and to write, with a cursor of its own.
#[doc(alias = "ReOpenFile")]
pub(super) fn reopen(file: &File) -> io::Result<File> {
    let (access, share) = (GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE);
    // SAFETY: the handle is open.
    let again = unsafe { ReOpenFile(file.as_raw_handle(), access, share, 0) };
    if again == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, a file's, and nobody else has it.
    Ok(unsafe { File::from_raw_handle(again) })
}

fn set<T>(file: &File, class: FILE_INFO_BY_HANDLE_CLASS, value: &T) -> io::Result<()> {
    let (value, len) = ((&raw const *value).cast::<c_void>(), size_of::<T>() as u32);
    // SAFETY: the handle is open, and `value` has `len` bytes; each caller gives the type that its class is set by.
    done(unsafe { SetFileInformationByHandle(file.as_raw_handle(), class, value, len) })
}

fn done(answer: windows_sys::core::BOOL) -> io::Result<()> {
    if answer == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
