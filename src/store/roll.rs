//! Memory to disk, all or nothing: the only place where one becomes the other.
//!
//! A file is made, filled, and only then takes the place of memory; until then memory is only read. So whatever fails,
//! content, position and length are what they were, and trying again is always allowed.

use std::io;
use std::path::{Path, PathBuf};

use super::LONGEST;
use super::disk::Disk;
use super::rolled::Rolled;
use crate::directory::default_directory;
use crate::error::{Limit, LimitError, PathError};
use crate::options::SpoolOptions;
use crate::sys;

/// A file with `content`, in the first directory that takes it.
///
/// # Errors
/// The first directory's, which it names; `FileTooLarge` if the process may not have a file that long.
#[cold]
pub(super) fn roll(content: &[u8], options: &SpoolOptions) -> io::Result<Rolled> {
    let file_size = sys::file_size_limit();
    if content.len() as u64 > file_size {
        return Err(LimitError::too_large(Limit::FileSize, file_size));
    }
    let disk = match &options.dirs {
        None => fill(default_directory(), content, options),
        Some(dirs) => first_that_takes(dirs, content, options),
    }?;
    let max_len = options.max_len.min(LONGEST);
    let (ceiling, ceiling_is) =
        if file_size < max_len { (file_size, Limit::FileSize) } else { (max_len, Limit::MaxLen) };
    Ok(Rolled::new(disk, content.len() as u64, ceiling, ceiling_is))
}

fn first_that_takes(dirs: &[PathBuf], content: &[u8], options: &SpoolOptions) -> io::Result<Disk> {
    let mut first = None;
    for dir in dirs {
        match fill(dir.clone(), content, options) {
            Ok(disk) => return Ok(disk),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| PathError::at(Path::new(""), io::ErrorKind::NotFound.into())))
}

fn fill(dir: PathBuf, content: &[u8], options: &SpoolOptions) -> io::Result<Disk> {
    let mut disk = Disk::create(dir, options.backing)?;
    disk.write_all_at(content, 0)?;
    Ok(disk)
}
