//! What a tool writes to once it has all of it: nobody sees a part, and the input may have come from there.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use spooled::SpooledTempFile;

use super::about;

/// What the content goes to once there is all of it.
pub(crate) enum Target {
    Stdout,
    /// A pipe, a terminal, a device: written into, since nothing can take its place.
    Special(PathBuf),
    Existing {
        path: PathBuf,
        metadata: Metadata,
    },
    New {
        path: PathBuf,
    },
}

impl Target {
    /// Finds out as much as can be known before there is any content, so that who cannot be served need not wait.
    pub(crate) fn find(file: Option<&Path>) -> io::Result<Target> {
        let Some(file) = file else { return Ok(Target::Stdout) };
        let target = match fs::metadata(file) {
            Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
            Ok(metadata) if rights::is_stdout(&metadata) => Ok(Target::Stdout),
            Ok(metadata) if !metadata.is_file() => Ok(Target::Special(file.to_owned())),
            Ok(metadata) => rights::may_write(file)
                .and_then(|()| fs::canonicalize(file))
                .map(|path| Target::Existing { path, metadata }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Target::New { path: end_of_links(file) }),
            Err(error) => Err(error),
        };
        let target = target.map_err(about(file.display()))?;
        if let Some(dir) = target.directory() {
            // Made and dropped: now we know that the directory takes a file.
            spooled::tempfile_in(dir).map_err(about(dir.display()))?;
        }
        Ok(target)
    }

    /// Where a file has to be that can become the target without being copied.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Target::Stdout | Target::Special(_) => None,
            Target::Existing { path, .. } | Target::New { path } => Some(directory_of(path)),
        }
    }

    /// Makes the content what the target's name stands for. One that nothing can take the place of is not asked.
    pub(crate) fn become_file(&self, content: SpooledTempFile) -> io::Result<()> {
        match self {
            Target::Stdout | Target::Special(_) => unreachable!("it is written into"),
            Target::Existing { path, metadata } => replace(path, metadata, content).map_err(about(path.display())),
            Target::New { path } => content
                .persist(path)
                .map_err(io::Error::from)
                .and_then(|file| rights::widen_as_usual(&file))
                .map_err(about(path.display())),
        }
    }
}

/// Gives the content a name beside `path`, then the mode and the owner that `path` has, then its name.
///
/// `persist` alone would do the first and the last in one call, and for a moment the new content would stand there
/// with a mode of 0600.
fn replace(path: &Path, old: &Metadata, mut spool: SpooledTempFile) -> io::Result<()> {
    let mut count = 0;
    let (file, beside) = loop {
        let beside = directory_of(path).join(format!(".spooled-example-{}-{count}", std::process::id()));
        match spool.persist_noclobber(&beside) {
            Ok(file) => break (file, beside),
            Err(failed) if failed.error().kind() == ErrorKind::AlreadyExists => spool = failed.into_spool(),
            Err(failed) => return Err(failed.into()),
        }
        count += 1;
    };
    rights::take_over(&file, old).and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

/// What `path` names, if it is a symlink to something that is not there yet.
fn end_of_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    while let Ok(next) = fs::read_link(&path) {
        path = directory_of(&path).join(next);
    }
    path
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
mod rights {
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, fchown};
    use std::path::Path;

    use rustix::fs::{Access, Mode};

    /// Asks, and does not open: a program that runs can be replaced, though not be opened for writing.
    pub(crate) fn may_write(path: &Path) -> io::Result<()> {
        Ok(rustix::fs::access(path, Access::WRITE_OK)?)
    }

    pub(crate) fn take_over(file: &File, old: &Metadata) -> io::Result<()> {
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            fchown(file, Some(old.uid()), Some(old.gid()))?;
        }
        // Last, since a change of owner takes some bits of the mode away.
        file.set_permissions(old.permissions())
    }

    /// From 0600 to what a file has that any other tool makes.
    pub(crate) fn widen_as_usual(file: &File) -> io::Result<()> {
        // It can be asked only by setting it.
        let umask = rustix::process::umask(Mode::empty());
        rustix::process::umask(umask);
        Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(0o666).difference(umask))?)
    }

    pub(crate) fn is_stdout(metadata: &Metadata) -> bool {
        let stdout = io::stdout().as_fd().try_clone_to_owned().and_then(|stdout| File::from(stdout).metadata());
        stdout.is_ok_and(|stdout| (stdout.dev(), stdout.ino()) == (metadata.dev(), metadata.ino()))
    }
}

#[cfg(not(unix))]
mod rights {
    use std::fs::{self, Metadata};
    use std::io;
    use std::path::Path;

    pub(crate) fn may_write(path: &Path) -> io::Result<()> {
        if fs::metadata(path)?.permissions().readonly() { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    pub(crate) fn take_over(file: &File, old: &Metadata) -> io::Result<()> {
        file.set_permissions(old.permissions())
    }

    pub(crate) fn widen_as_usual(_: &File) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn is_stdout(_: &Metadata) -> bool {
        false
    }
}
