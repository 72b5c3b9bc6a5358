//! Stand-in.
use std::fs::File;
use std::io;
pub(crate) fn empty(dir: &File, entries: &mut usize) -> io::Result<bool> {
    let _ = (dir, entries);
    Ok(true)
}
