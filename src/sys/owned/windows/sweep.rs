//! Removing what processes that died have left.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{
    DELETE, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES, FILE_WRITE_ATTRIBUTES,
};

use super::super::Reach;
use super::{MARK, about};

/// Removes from the directory `dir`, whose number that is, what processes that died have left of names that are ours.
///
/// A listing cannot be gone on with where an earlier one ended: what lies beyond the reach of one look stays. What fails is
/// left.
pub(crate) fn sweep(dir: &Path, number: u64, reach: Reach, is_ours: impl Fn(&[u8]) -> bool) -> Option<u64> {
    debug_assert_eq!(reach.from, 0, "no look has ended elsewhere");
    // Without links, which might lead elsewhere meanwhile.
    let dir = fs::canonicalize(dir).ok()?;
    if about::identity(&about::open(&dir).ok()?).ok()?.number != number {
        return None;
    }
    for entry in fs::read_dir(dir).ok()?.take(reach.most).map_while(Result::ok) {
        if is_ours(entry.file_name().as_encoded_bytes()) && entry.metadata().is_ok_and(|seen| has_mark(&seen)) {
            let _ = sweep_one(&entry.path());
        }
    }
    None
}

fn has_mark(seen: &Metadata) -> bool {
    seen.file_attributes() & (MARK | FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT) == MARK
}

fn sweep_one(path: &Path) -> io::Result<()> {
    let left = open_alone(path)?;
    // By now it may have been kept, or be another's.
    if has_mark(&left.metadata()?) {
        about::change_attributes(&left, |attributes| attributes & !FILE_ATTRIBUTE_READONLY)?;
        about::delete(&left)?;
    }
    Ok(())
}

/// Fails while anybody has it open to read, write or delete; while this is open, nobody can.
#[doc(alias = "ERROR_SHARING_VIOLATION")]
fn open_alone(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(DELETE | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES)
        .share_mode(0)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)
}
