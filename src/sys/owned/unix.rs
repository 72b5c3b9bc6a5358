//! Unix: made exclusively, under no umask's rule. A directory is removed by what was made, not by what has its name now; a file
//! by its name.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RawMode};
use rustix::io::{Errno, retry_on_intr};

use super::system::{self, Made};
use super::{Seen, taken_over};
use crate::error::PathError;
use crate::sys::identity::{identity, identity_of};
use crate::sys::tree::{self, Removals};

/// At most this is the mode of what waits for its mark: no directory that somebody else made may not be searched.
pub(super) const NEW: Mode = Mode::RUSR.union(Mode::WUSR);

/// A new file at `path`, of mode 0600 at most, and not marked, until [`finish_file`].
pub(crate) fn create_file(path: &Path, _: bool) -> io::Result<File> {
    create(path).map(File::from)
}

fn create(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| rustix::fs::openat(CWD, path, flags, NEW))?)
}

/// Exactly that mode, marked under that name if that is asked for and can be done.
///
/// What somebody swept away in the moment in which it was made is made again, if nobody has seen it yet.
pub(crate) fn finish_file(file: &File, path: &Path, mode: u32, marked: bool, seen: Seen) -> io::Result<()> {
    let mut made = if marked { Made::look(file).ok() } else { None };
    if seen == Seen::ByNobody && made.as_ref().is_some_and(Made::has_no_name) {
        system::replace(file, &create(path)?)?;
        made = Made::look(file).ok();
    }
    Ok(finish(file, path, mode, made)?)
}

fn finish(owned: &File, path: &Path, mode: u32, made: Option<Made>) -> rustix::io::Result<()> {
    let mut has = match &made {
        Some(made) => made.mode(),
        None => Mode::from_raw_mode(rustix::fs::fstat(owned)?.st_mode as RawMode),
    };
    if let Some(made) = made {
        if made.mark(owned, path) == Err(Errno::ACCESS) && has != NEW {
            // The umask took away what it takes to mark it.
            retry_on_intr(|| rustix::fs::fchmod(owned, NEW))?;
            has = NEW;
            let _ = made.mark(owned, path);
        }
    }
    let wanted = Mode::from_raw_mode(mode as RawMode);
    if has != wanted {
        retry_on_intr(|| rustix::fs::fchmod(owned, wanted))?;
    }
    Ok(())
}

/// The file once more, with a cursor of its own, whatever has its name now.
///
/// # Errors
/// `NotFound` where the system opens by name alone, and the name is another's.
pub(crate) fn reopen(file: &File, path: &Path) -> io::Result<File> {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        let same = File::options().read(true).write(true).open(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if !same.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return same;
        }
    }
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let again = File::from(retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?);
    if identity(file)? == identity(&again)? { Ok(again) } else { Err(taken_over()) }
}

/// Copies all that is in the file, whatever moves its cursor meanwhile; gives how much that was.
pub(crate) fn copy_all(file: &File, path: &Path, mut to: &File) -> io::Result<u64> {
    match reopen(file, path) {
        // Its mode forbids that: more slowly, then.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
        again => return io::copy(&mut again?, &mut to),
    }
    let (mut buf, mut offset) = (vec![0; 64 << 10], 0);
    loop {
        let read = match file.read_at(&mut buf, offset) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            return Ok(offset);
        }
        to.write_all(&buf[..read])?;
        offset += read as u64;
    }
}

/// Gives a copy the mode of what it is a copy of, and its owner and group.
///
/// Where it cannot have those, nobody gets a right by that: whoever else owns it does not run it as its own, nor may another
/// group do what the one might.
pub(crate) fn take_after(copy: &File, of: &Metadata) -> io::Result<()> {
    let own = copy.metadata()?;
    let (mut user, mut group) = (own.uid() == of.uid(), own.gid() == of.gid());
    if !(user && group) && fchown(copy, Some(of.uid()), Some(of.gid())).is_ok() {
        (user, group) = (true, true);
    }
    group = group || fchown(copy, None, Some(of.gid())).is_ok();
    let mut mode = of.mode() & 0o7777;
    if !user {
        mode &= !0o4000;
    }
    if !group {
        mode &= !0o2070 | (mode & 0o007) << 3;
    }
    copy.set_permissions(Permissions::from_mode(mode))
}

/// How many names the file has, of which that is one.
///
/// # Errors
/// `NotFound` if it is not.
pub(crate) fn names(file: &File, path: &Path) -> io::Result<u64> {
    let named = fs::symlink_metadata(path)?;
    if identity(file)? == (named.dev(), named.ino()) { Ok(named.nlink()) } else { Err(taken_over()) }
}

/// Closes the file and takes its name away, and says what went wrong with that.
///
/// What nobody has seen may have been swept in the moment in which it was made, which is no error.
pub(crate) fn close_and_remove(file: File, path: &Path, seen: Seen) -> io::Result<()> {
    // While it is open, nobody who sweeps can be faster.
    let removed = fs::remove_file(path);
    drop(file);
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound && seen == Seen::ByNobody => {
            if path.parent().is_some_and(Path::is_dir) { Ok(()) } else { Err(error) }
        }
        removed => removed,
    }
}

pub(crate) fn remove_name(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// A directory of ours.
#[derive(Debug)]
pub(crate) struct OwnedDir {
    /// What shows that we live, where it is marked.
    held: Option<File>,
    /// Which one it is, as far as that is known.
    inode: Option<(u64, u64)>,
}

impl OwnedDir {
    /// A new directory at `path`, of exactly that mode; if it is to be marked, held as long as it is ours.
    ///
    /// # Errors
    /// `AlreadyExists` also where it was gone, or another's, before it was ours: who asks takes another name.
    pub(crate) fn create(path: &Path, mode: u32, marked: bool) -> io::Result<OwnedDir> {
        rustix::fs::mkdirat(CWD, path, if marked { NEW } else { Mode::RWXU })?;
        let hold = || {
            let held = open_directory(path)?;
            if marked {
                // Whoever sweeps holds the lock, and removes it.
                rustix::fs::flock(&held, FlockOperation::NonBlockingLockShared)?;
            }
            let made = rustix::fs::fstat(&held)?;
            // Elsewhere everything may belong to somebody else.
            if marked && (made.st_nlink == 0 || made.st_uid != rustix::process::geteuid().as_raw()) {
                return Err(Errno::EXIST);
            }
            finish(&held, path, mode, if marked { Made::look(&held).ok() } else { None })?;
            Ok((held, identity_of(&made)))
        };
        match hold() {
            Ok((held, inode)) => Ok(OwnedDir { held: marked.then_some(held), inode: Some(inode) }),
            Err(error @ (Errno::MFILE | Errno::NFILE)) if !marked => {
                let made = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
                if Mode::from_raw_mode(made.st_mode as RawMode) != Mode::from_raw_mode(mode as RawMode) {
                    // It takes a descriptor to give it another.
                    let _ = fs::remove_dir(path);
                    return Err(error.into());
                }
                Ok(OwnedDir { held: None, inode: Some(identity_of(&made)) })
            }
            Err(error) => {
                let _ = fs::remove_dir(path);
                match error {
                    // Somebody swept it away, or put something else there.
                    Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::WOULDBLOCK => Err(Errno::EXIST.into()),
                    error => Err(error.into()),
                }
            }
        }
    }

    /// It is not ours any more.
    pub(crate) fn keep(self) {
        if let Some(held) = self.held {
            if super::keep(&held).is_err() {
                // As long as we live, at least, nobody can take it for what a dead process left.
                std::mem::forget(held);
            }
        }
    }

    /// Removes it with all that is in it, if it still has that name.
    ///
    /// # Errors
    /// The first, when all that can be removed is; `NotFound` if the name is another's.
    pub(crate) fn remove(self, path: &Path) -> io::Result<()> {
        let removed = self.remove_if_there(path);
        if let (Err(error), Some(held)) = (&removed, &self.held) {
            if error.kind() == ErrorKind::NotFound {
                // Who has moved it away may bring it back.
                super::unmark(held);
            }
        }
        removed
    }

    fn remove_if_there(&self, path: &Path) -> io::Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(taken_over()) };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | PATH_ONLY;
        let parent = match rustix::fs::openat(CWD, parent, flags, Mode::empty()) {
            Err(none @ (Errno::MFILE | Errno::NFILE)) => {
                let removed = self.remove_by_path(path);
                let is_full =
                    |error: &io::Error| matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists);
                return if removed.as_ref().is_err_and(is_full) { Err(none.into()) } else { removed };
            }
            parent => parent?,
        };
        let named = identity_of(&rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?);
        if self.inode.is_some_and(|made| made != named) {
            return Err(taken_over());
        }
        let opened;
        let held = match &self.held {
            Some(held) => held,
            None => {
                // By now its name might be another's all the same.
                opened = open_directory(path)?;
                &opened
            }
        };
        if identity(held)? != named {
            return Err(taken_over());
        }
        let remove = || rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR);
        for _ in 0..ROUNDS {
            let removed = remove();
            if removed.is_ok() {
                return Ok(());
            }
            // Also if it has to stay: what is in it need not.
            tree::empty(held, &mut Removals::unlimited()).map_err(|error| PathError::within(path, error))?;
            if !matches!(removed, Err(Errno::NOTEMPTY | Errno::EXIST)) {
                break;
            }
        }
        Ok(remove()?)
    }

    /// Where there is no descriptor to be had; it has to be empty.
    #[cold]
    fn remove_by_path(&self, path: &Path) -> io::Result<()> {
        let named = identity_of(&rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?);
        if self.inode.is_some_and(|made| made != named) {
            return Err(taken_over());
        }
        fs::remove_dir(path)
    }
}

/// Others may be putting things there.
const ROUNDS: usize = 16;

/// Also where an umask took away what it takes to open it.
fn open_directory(path: &Path) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Mode::empty())).map(File::from);
    match open() {
        Err(Errno::ACCESS) => {
            unlock(path)?;
            open()
        }
        done => done,
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn unlock(path: &Path) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    rustix::fs::chmod(format!("/proc/self/fd/{}", found.as_raw_fd()), NEW)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn unlock(path: &Path) -> rustix::io::Result<()> {
    rustix::fs::chmodat(CWD, path, NEW, AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const PATH_ONLY: OFlags = OFlags::PATH;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PATH_ONLY: OFlags = OFlags::RDONLY;
