//! Unix: files without a name where the system has them, else unlinked as soon as they are made.
//!
//! `O_TMPFILE` goes without `O_EXCL`, so that the file can be given a name later (`linkat`). Where the system or the
//! file system lacks it, a file is created exclusively under a random name and unlinked at once; a process that is
//! killed between the two calls, some microseconds apart, leaves an empty file of mode 0600.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

#[cfg(any(target_os = "linux", target_os = "android"))]
use super::magic::{EXT4, OVERLAY, RAMFS, TMPFS};

pub(super) type Handle = File;

/// A file in `dir` that never had a name and can be given one, if there is such a thing.
#[doc(alias = "O_TMPFILE")]
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn open_nameless(dir: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match retry_on_intr(|| rustix::fs::openat(CWD, dir, flags, Mode::RUSR | Mode::WUSR)) {
        Ok(file) => Ok(Some(File::from(file))),
        // The first four say, by kernel and file system, that there is no such thing; the last is a sandbox's word.
        // Each may mean something else as well: then making a file with a name fails too, and that error is reported.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL | Errno::PERM) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn open_nameless(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// A file in `dir` that has no name any more.
pub(super) fn open_unlinked(dir: &Path) -> io::Result<File> {
    let (file, path) = create_named(dir)?;
    retry_on_intr(|| rustix::fs::unlink(&path))?;
    Ok(file)
}

/// A new file in `dir` under a name that nobody can guess, mode 0600 at most, no symlink followed.
pub(super) fn create_named(dir: &Path) -> io::Result<(File, PathBuf)> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
    loop {
        let path = dir.join(super::random_name()?);
        match retry_on_intr(|| rustix::fs::openat(CWD, &path, flags, Mode::RUSR | Mode::WUSR)) {
            Ok(file) => return Ok((File::from(file), path)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Mode 0600 exactly, whatever the umask took away when the file was made.
pub(super) fn make_private(file: &File) -> io::Result<()> {
    Ok(retry_on_intr(|| rustix::fs::fchmod(file, Mode::RUSR | Mode::WUSR))?)
}

/// `pread`: one call, whose count may be short.
#[doc(alias = "pread")]
pub(super) fn read_at(file: &Handle, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::pread(file, &mut *buf, offset))?)
}

/// `pread` into memory that is not initialised, from its beginning.
///
/// Where that memory lies less than 32 bytes behind the file's bytes in the page, as all that an allocator maps does, some
/// processors copy it at a fifth of their speed (`rep movsb` on AMD Zen 3). Large pieces are then read elsewhere in it, and
/// moved into place while they are in the cache: half of the time.
pub(super) fn read_spare(file: &Handle, spare: &mut [MaybeUninit<u8>], offset: u64) -> io::Result<usize> {
    let behind = spare.as_ptr().addr().wrapping_sub(offset as usize) % 4096;
    let shift = if (1..32).contains(&behind) && spare.len() >= 2 * MOVED { 64 } else { 0 };
    let most = if shift > 0 { MOVED } else { spare.len() };
    let target = &mut spare[shift..shift + most];
    let read = retry_on_intr(|| rustix::io::pread(file, &mut *target, offset).map(|(read, _)| read.len()))?;
    if shift > 0 {
        spare.copy_within(shift..shift + read, 0);
    }
    Ok(read)
}

/// How much is read and moved at a time: what a cache holds.
const MOVED: usize = 1 << 20;

/// `pwrite`: one call, whose count may be short.
#[doc(alias = "pwrite")]
pub(super) fn write_at(file: &Handle, buf: &[u8], offset: u64) -> io::Result<usize> {
    Ok(retry_on_intr(|| rustix::io::pwrite(file, buf, offset))?)
}

/// `pwritev`: one call, whose count may be short.
#[doc(alias = "pwritev")]
#[cfg(not(any(target_os = "haiku", target_os = "nto", target_os = "redox", target_os = "solaris")))]
pub(super) fn write_vectored_at(file: &Handle, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    let bufs = &bufs[..bufs.len().min(MOST_AT_ONCE)];
    Ok(retry_on_intr(|| rustix::io::pwritev(file, bufs, offset))?)
}

#[cfg(any(target_os = "haiku", target_os = "nto", target_os = "redox", target_os = "solaris"))]
pub(super) fn write_vectored_at(file: &Handle, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
    write_at(file, bufs.iter().find(|buf| !buf.is_empty()).map_or(&[], |buf| &buf[..]), offset)
}

/// What one call takes (`IOV_MAX`).
#[cfg(not(any(target_os = "haiku", target_os = "nto", target_os = "redox", target_os = "solaris")))]
const MOST_AT_ONCE: usize = 1024;

/// Blocks for `from..from + len`, the length left as it is.
#[doc(alias = "fallocate")]
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn set_aside(file: &Handle, from: u64, len: u64) -> io::Result<()> {
    Ok(retry_on_intr(|| rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, from, len))?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn set_aside(_: &Handle, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Takes space for every hole below `len`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn fill_holes(file: &Handle, len: u64) -> io::Result<()> {
    match retry_on_intr(|| rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len)) {
        // A file system that cannot do it has no fixed size either (ramfs), or keeps its blocks elsewhere.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn fill_holes(_: &Handle, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn file_system(file: &Handle) -> super::FileSystem {
    let kind = rustix::fs::fstatfs(file).map(|stat| stat.f_type as u32).unwrap_or(0);
    super::FileSystem { set_aside_pays: kind == EXT4, holes_can_fault: [TMPFS, RAMFS, OVERLAY, 0].contains(&kind) }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn file_system(_: &Handle) -> super::FileSystem {
    super::FileSystem { set_aside_pays: false, holes_can_fault: false }
}

/// Whether files in `dir` live in memory.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn is_ram(dir: &Path) -> bool {
    rustix::fs::statfs(dir).is_ok_and(|stat| [TMPFS, RAMFS].contains(&(stat.f_type as u32)))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn is_ram(_: &Path) -> bool {
    false
}

pub(crate) fn is_writable(dir: &Path) -> bool {
    use rustix::fs::Access;
    rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// What the user named, if anything.
pub(crate) fn told_directory() -> Option<PathBuf> {
    std::env::var_os("TMPDIR").filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "the caller asks whether it is RAM")]
pub(crate) fn temporary_directory() -> PathBuf {
    let usual = std::env::temp_dir();
    // An empty `TMPDIR` is taken there for a path.
    if usual.as_os_str().is_empty() { PathBuf::from("/tmp") } else { usual }
}

/// How long a file of this process may be (`RLIMIT_FSIZE`): a write past it would be a signal.
#[doc(alias = "RLIMIT_FSIZE")]
pub(crate) fn file_size_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// How many files this process may have open (`RLIMIT_NOFILE`).
#[doc(alias = "RLIMIT_NOFILE")]
pub(crate) fn descriptor_limit() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// Whether there is no descriptor left, in this process or in all.
pub(crate) fn no_descriptor_left(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    number == Some(Errno::MFILE.raw_os_error()) || number == Some(Errno::NFILE.raw_os_error())
}

/// Gives a file without a name the name `path`, which nobody may have yet; false if this file cannot be linked there.
#[doc(alias = "linkat")]
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn link(file: &Handle, path: &Path) -> io::Result<bool> {
    use std::os::fd::AsRawFd;
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    match rustix::fs::linkat(CWD, descriptor, CWD, path, rustix::fs::AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => Ok(true),
        // Another file system; one without links; no `/proc`, or none for us. A path that is at fault itself says so
        // again when a file is made beside it, before anything is copied.
        Err(Errno::XDEV | Errno::PERM | Errno::ACCESS | Errno::NOENT | Errno::OPNOTSUPP | Errno::MLINK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn link(_: &Handle, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Renames `from` to `to`, unless somebody has that name.
pub(crate) fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    match rustix::fs::renameat_with(CWD, from, CWD, to, rustix::fs::RenameFlags::NOREPLACE) {
        // An old kernel, or a file system that does not know the flag.
        Err(error) if [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOTSUP].contains(&error) => {}
        done => return Ok(done?),
    }
    super::rename::by_link(from, to)
}
