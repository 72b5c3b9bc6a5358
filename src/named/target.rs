//! A path that is to get content: atomic there, and what was there stays whole if anything fails.
//!
//! A file that never had a name is linked to one. Nobody can link over an existing name, so replacing goes by way of a
//! name that nobody can guess, beside the path, and a rename. Where linking is not possible (content in memory, another
//! file system, a file that was unlinked, no `/proc`) the content is written anew in the target's directory: into another
//! file without a name, or if there is no such thing, under a name beside the path; so what a killed process can
//! leave there is at most one whole file, or where there is no `O_TMPFILE`, a part of one. That name is claimed as any other
//! is, and what is left under it swept: by its owner, which the copy of another user's file has been given to by then.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::claim::Claim;
use super::code;
use super::options::{FILE, PREFIX};
use crate::error::{Limit, LimitError, PathError};
use crate::sys::{self, AnonFile, Seen};

/// Where content is to get its name.
pub(crate) struct Target<'a> {
    path: &'a Path,
    directory: &'a Path,
    existing: Existing,
}

/// What happens to what is there.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Existing {
    Replace,
    Keep,
}

/// What would end the process in the middle is an error before.
pub(super) fn require_file_size(len: u64) -> io::Result<()> {
    let most = sys::file_size_limit();
    if len > most { Err(LimitError::too_large(Limit::FileSize, most)) } else { Ok(()) }
}

impl<'a> Target<'a> {
    pub(crate) fn new(path: &'a Path, existing: Existing) -> io::Result<Self> {
        if path.file_name().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
        }
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        Ok(Self { path, directory, existing })
    }

    /// Links a file without a name to the path, unless it cannot be linked (`false`): it lies on another file system, say.
    ///
    /// Then a copy shows whether that is an error at all.
    pub(crate) fn link(&self, file: &AnonFile) -> io::Result<bool> {
        if self.looks_like_ours() {
            // An empty file of this moment, under a name that was ours, would look as if it had just been made.
            let _ = sys::keep(file.as_file());
        }
        match file.link(self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.existing == Existing::Replace => {
                // A file is linked once: not for what cannot be replaced.
                if fs::symlink_metadata(self.path).is_ok_and(|there| there.is_dir()) {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                let claim = self.claim()?;
                let marked = claim.marks();
                let linked = claim.make(PREFIX, "", |beside| claim.link(file, beside)).map_err(|error| self.at(error));
                let named = linked.and_then(|(beside, linked)| {
                    Ok(linked && self.take_over(file.as_file(), &beside, marked).map(|()| true)?)
                });
                if marked && !matches!(named, Ok(true)) {
                    sys::unmark(file.as_file());
                }
                named
            }
            done => done,
        }
    }

    /// A new file of `len` bytes with this name, which `write` fills.
    pub(crate) fn write_anew(&self, len: u64, write: impl Fn(&File) -> io::Result<()>) -> io::Result<File> {
        require_file_size(len)?;
        if let Some(mut nameless) = AnonFile::create_nameless(self.directory).map_err(|error| self.at(error))? {
            nameless.make_private()?;
            write(nameless.as_file_to_write())?;
            if self.link(&nameless)? {
                return Ok(nameless.into_file(|| ()));
            }
        }
        let claim = self.claim()?;
        let made = claim.make(PREFIX, "", |path| sys::create_file(path, claim.marks()));
        let (beside, file) = made.map_err(|error| self.at(error))?;
        if let Err(error) =
            sys::finish_file(&file, &beside, FILE, claim.marks(), Seen::ByNobody).and_then(|()| write(&file))
        {
            let _ = sys::remove_name(&beside);
            return Err(error);
        }
        self.take_over(&file, &beside, claim.marks())?;
        Ok(file)
    }

    /// Whether the path is that name, by whatever way it leads there. (But for another mount, which is another file system.)
    pub(crate) fn is_the_name(&self, own: &Path) -> bool {
        let same =
            |one: Option<&OsStr>, two: Option<&OsStr>| one.zip(two).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
        let directories = || {
            let own = own.parent().and_then(|directory| fs::canonicalize(directory).ok());
            Some((own?, fs::canonicalize(self.directory).ok()?))
        };
        same(own.file_name(), self.path.file_name()) && directories().is_none_or(|(own, target)| own == target)
    }

    /// Renames a file of ours to the path, where it is ours no more.
    pub(crate) fn give(&self, file: &File, from: &Path, marked: bool) -> io::Result<()> {
        let like_ours = self.looks_like_ours();
        sys::let_go(file, marked && !like_ours, || match self.existing {
            Existing::Replace => sys::rename_replacing(from, self.path),
            Existing::Keep => sys::rename_without_replacing(from, self.path),
        })?;
        if like_ours {
            let _ = sys::keep(file);
        }
        Ok(())
    }

    /// The path may be that of a file that was kept.
    fn looks_like_ours(&self) -> bool {
        self.path.file_name().is_some_and(|name| code::looks_like_one(name.as_encoded_bytes()))
    }

    fn claim(&self) -> io::Result<Claim<'a>> {
        Claim::on(self.directory).map_err(|error| self.at(error))
    }

    /// It is the path that was asked for, and not its directory.
    fn at(&self, error: io::Error) -> io::Error {
        PathError::instead(self.path, error)
    }

    /// Renames a file beside the path to it, or takes its name away.
    fn take_over(&self, file: &File, beside: &Path, marked: bool) -> io::Result<()> {
        let renamed = self.give(file, beside, marked);
        if renamed.is_err() {
            let _ = sys::remove_name(beside);
        }
        renamed
    }
}
