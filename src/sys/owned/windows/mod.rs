//! Windows: an attribute is the mark, and who is dead is what nobody has open any more.
//!
//! A named file is shared for reading, writing and deleting, so that other programs can open it, also by the path, and
//! it can be renamed and removed while it is held. It is not deleted on close, as files without a use for their name are:
//! a program that does not share deletion could not open it then, and it could not be kept.
//!
//! The mark is `FILE_ATTRIBUTE_TEMPORARY`. It comes with the file in one call, so that no file is ever seen without; its
//! other meaning, that the content need not go to the disk soon, is right for as long as the file is ours. What is kept or
//! persisted loses it, before the rename: there are programs that pass over files that have it. Who is killed between the
//! two leaves a file that nobody sweeps.
//!
//! Who lives has the file open, and an open that shares nothing then fails: the system answers for every process, and for
//! every session and container of the machine. Other users' files are for the access lists to protect: who may not delete
//! a file does not sweep it. The attribute says nothing of which file it was given to, so that a copy keeps it: only its
//! name tells a copy from what was copied, unless it comes back under the very name, in the very directory.
//!
//! Nothing is marked, and so nothing swept, on volumes that are not the machine's own: over a network the share modes
//! hold as well, but a connection that was lost gives them up while the owner lives.
//!
//! A directory cannot have the attribute, and a handle on it that shows that its owner lives would keep the directories
//! above it from being renamed: none is held, and no directory is swept.

mod about;
mod dir;
mod removal;
mod sweep;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{FILE_ATTRIBUTE_SYSTEM, FILE_ATTRIBUTE_TEMPORARY};

use self::about::Identity;
use super::{Seen, taken_over};
pub(crate) use dir::OwnedDir;
pub(crate) use removal::{close_and_remove, remove_name};
pub(crate) use sweep::sweep;

/// What a file of ours has, and what is kept has not.
///
/// In the crate's own tests it is one that Wine keeps, too.
const MARK: u32 = if cfg!(test) { FILE_ATTRIBUTE_SYSTEM } else { FILE_ATTRIBUTE_TEMPORARY };

/// The directory's own number, by which names made in it can be told from all others, if what is left in it can be swept.
///
/// # Errors
/// What the system answered: ask again.
pub(crate) fn number(dir: &Path) -> io::Result<Option<u64>> {
    let dir = about::open_target(dir)?;
    if !about::is_local(&dir) {
        return Ok(None);
    }
    Ok(Some(about::identity(&dir)?.number).filter(|number| *number != 0))
}

/// A new file at `path`, marked if that is asked for.
#[doc(alias = "CREATE_NEW")]
pub(crate) fn create_file(path: &Path, marked: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create_new(true).read(true).write(true);
    if marked {
        options.attributes(MARK);
    }
    options.open(path)
}

/// Nothing to do: there are no modes, and the mark came with the file.
pub(crate) fn finish_file(_: &File, _: &Path, _: u32, _: bool, _: Seen) -> io::Result<()> {
    Ok(())
}

/// Nothing to do: a file that is deleted on close gets no name, and so is nobody's to sweep.
pub(crate) fn mark(_: &File, _: &Path) {}

/// It is to be another's, under the name that it has.
pub(crate) fn keep(owned: &File) -> io::Result<()> {
    about::change_attributes(owned, |attributes| attributes & !MARK)
}

/// It is not ours any more.
pub(crate) fn unmark(owned: &File) {
    let _ = keep(owned);
}

/// Nothing to do: no blocks are set aside.
pub(crate) fn cut_behind(_: &File) {}

/// It is to be another's, under the name that `rename` gives it.
pub(crate) fn let_go(owned: &File, _: bool, rename: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let was_marked = about::attributes(owned)? & MARK != 0;
    if was_marked {
        keep(owned)?;
    }
    let renamed = rename();
    if renamed.is_err() && was_marked {
        let _ = about::change_attributes(owned, |attributes| attributes | MARK);
    }
    renamed
}

/// The file once more, with a cursor of its own, whatever has its name now.
pub(crate) fn reopen(file: &File, _: &Path) -> io::Result<File> {
    about::reopen(file)
}

/// How many names the file has, of which that is one; any others are passed over.
///
/// # Errors
/// `NotFound` if it is not.
pub(crate) fn names(file: &File, path: &Path) -> io::Result<u64> {
    require(about::identity(file)?, path).map(|()| 1)
}

fn require(made: Identity, path: &Path) -> io::Result<()> {
    if about::identity(&about::open(path)?)? == made { Ok(()) } else { Err(taken_over()) }
}
