//! Linux: an extended attribute is the mark, and who is dead is what nobody holds any more.
//!
//! A file's owner has it open for writing, from the call that made it on. The kernel gives a read lease only on a file that
//! nobody has open so, in whatever namespace or container: no lock of ours has to lie on a file that other programs may want
//! to lock. (Of a directory that is seen through an overlay and beneath it as well, each side passes over the other's names.)
//! A directory cannot be open for writing; its owner holds a shared lock on it (`flock`).
//! Both end with the last process that has the descriptor, a child that was forked included, and with `exec`.
//!
//! The mark's value follows from the name, the number of the inode and the time of its birth, so that a copy with its
//! attributes is not ours, nor one restored in place, whose inode may have got the very same number, nor what was renamed
//! over another name of ours. It is set after the name was made. What waits for it is private, empty, and as it was born (the
//! times of its last changes are those of its birth), and a directory may not be searched yet. What is kept is never so; what
//! might be taken for that is an empty, private file that somebody made anew under a name that was ours, and has not touched.
//! Tried and dropped: a bit in the mode of a new file, which is for all to see; a mark from the start, which costs a tenth of
//! what a file does.
//!
//! Nothing is marked, and so nothing swept, where processes of another kernel may work that our kernel cannot tell of
//! (network file systems, FUSE), nor where there are no extended attributes (a tmpfs before Linux 6.6) or no times of birth,
//! nor on Android.

use std::ffi::{CStr, c_int};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RawDir, SeekFrom, StatVfs, Statx, StatxFlags, StatxTimestamp,
    Timespec, Timestamps, UTIME_OMIT, XattrFlags,
};
use rustix::io::Errno;

use super::Reach;
use super::unix::NEW;
use crate::sys::identity::{identity, identity_of};
use crate::sys::magic::{BTRFS, EXT4, F2FS, OVERLAY, TMPFS, XFS, ZFS};
use crate::sys::tree::{self, Removals};

/// The directory's own number, by which names made in it can be told from all others, if what is left in it can be swept.
///
/// # Errors
/// What the system answered: ask again.
pub(crate) fn number(dir: &Path) -> io::Result<Option<u64>> {
    let kind = rustix::fs::statfs(dir)?.f_type as u32;
    // Android may end a process for a call that an older one did not know (`statx`).
    if cfg!(target_os = "android") || !OF_THIS_KERNEL.contains(&kind) {
        return Ok(None);
    }
    match rustix::fs::getxattr(dir, MARK, &mut [0_u8; 0]) {
        Ok(_) | Err(Errno::NODATA) => {
            let found = rustix::fs::statx(CWD, dir, AtFlags::empty(), Made::WANTED)?;
            Ok(Some(number_of(&found, &rustix::fs::statvfs(dir)?, kind)))
        }
        Err(_) => Ok(None),
    }
}

/// What no other directory has: not one with the same inode on another volume, nor one that got the inode later, nor one in a
/// snapshot. Through an overlay and beneath it one directory is two, since who holds what there is known on one side alone; and
/// seems to be born again when something is first made in it.
fn number_of(dir: &Statx, volume: &StatVfs, kind: u32) -> u64 {
    // Elsewhere that is its device's number, which may be another after the next start.
    let volume = if [EXT4, BTRFS, ZFS, TMPFS, OVERLAY].contains(&kind) { volume.f_fsid } else { 0 };
    let birth = if kind == OVERLAY { 0 } else { dir.stx_btime.tv_sec as u64 ^ u64::from(dir.stx_btime.tv_nsec) << 33 };
    dir.stx_ino ^ u64::from(kind) << 32 ^ volume.rotate_left(17) ^ birth.rotate_left(7)
}

/// File systems on which no other kernel's processes work.
const OF_THIS_KERNEL: [u32; 7] = [EXT4, XFS, BTRFS, TMPFS, OVERLAY, F2FS, ZFS];

const MARK: &CStr = c"user.spooled";
/// What no mark is.
const KEPT: &[u8] = b"kept";

/// What is known of a file or a directory of ours.
pub(super) struct Made(Statx);

impl Made {
    const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

    /// # Errors
    /// `NOTSUP` also where no birth is known.
    pub(super) fn look(owned: impl AsFd) -> rustix::io::Result<Self> {
        let found = rustix::fs::statx(owned, c"", AtFlags::EMPTY_PATH, Self::WANTED)?;
        let known = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
        if known { Ok(Self(found)) } else { Err(Errno::NOTSUP) }
    }

    pub(super) fn mode(&self) -> Mode {
        Mode::from_raw_mode(self.0.stx_mode.into())
    }

    pub(super) fn has_no_name(&self) -> bool {
        self.0.stx_nlink == 0
    }

    /// Marks it under that name: whoever finds it there when we are dead may remove it.
    pub(super) fn mark(&self, owned: impl AsFd, path: &Path) -> rustix::io::Result<()> {
        let name = path.file_name().unwrap_or_default().as_bytes();
        rustix::fs::fsetxattr(owned, MARK, &self.mark_of(name), XattrFlags::empty())
    }

    /// FNV-1a of all that a copy, or another name, does not share.
    fn mark_of(&self, name: &[u8]) -> [u8; 8] {
        let birth = self.0.stx_btime;
        let birth = [birth.tv_sec.to_le_bytes(), u64::from(birth.tv_nsec).to_le_bytes()];
        let all = [self.0.stx_ino.to_le_bytes(), birth[0], birth[1]];
        let all = all.as_flattened().iter().chain(name);
        all.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
            .to_le_bytes()
    }

    /// Whether it may be waiting for its mark: it is as it was born, and empty (a directory is removed only if it is).
    fn is_new(&self) -> bool {
        let is_directory = FileType::from_raw_mode(self.0.stx_mode.into()) == FileType::Directory;
        // A directory has it from the one that it was made in.
        let inherited = if is_directory { Mode::SGID } else { Mode::empty() };
        self.is_as_born()
            && self.mode().difference(NEW | inherited).is_empty()
            && (is_directory || self.0.stx_size == 0)
    }

    fn is_as_born(&self) -> bool {
        let Statx { stx_btime, stx_ctime, stx_mtime, .. } = self.0;
        let at_birth = |time: StatxTimestamp| (time.tv_sec, time.tv_nsec) == (stx_btime.tv_sec, stx_btime.tv_nsec);
        at_birth(stx_ctime) && at_birth(stx_mtime)
    }
}

/// Makes the descriptor that of another file. Nobody else may use it meanwhile.
#[cfg(target_os = "linux")]
pub(super) fn replace(file: &File, by: &OwnedFd) -> io::Result<()> {
    use std::mem::ManuallyDrop;
    use std::os::fd::FromRawFd;
    // SAFETY: the descriptor is open as long as `file` is; it is not closed here, and stays `file`'s.
    let mut descriptor = unsafe { ManuallyDrop::new(OwnedFd::from_raw_fd(file.as_raw_fd())) };
    Ok(rustix::io::dup3(by, &mut descriptor, rustix::io::DupFlags::CLOEXEC)?)
}

/// Where nothing is marked, nobody asks.
#[cfg(not(target_os = "linux"))]
pub(super) fn replace(_: &File, _: &OwnedFd) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Marks a file of ours under that name, which it is about to get.
///
/// Where that fails it is used all the same, and nobody will remove it for us.
pub(crate) fn mark(file: &File, path: &Path) {
    let _ = Made::look(file).and_then(|made| as_one_who_may_write(file.as_fd(), || made.mark(file, path)));
}

/// It is not ours any more, and has another name, or none.
pub(crate) fn unmark(owned: impl AsFd) {
    let owned = owned.as_fd();
    let _ = as_one_who_may_write(owned, || rustix::fs::fremovexattr(owned, MARK));
}

/// It is not ours any more, under the name that it has.
pub(crate) fn keep(owned: impl AsFd) -> io::Result<()> {
    let owned = owned.as_fd();
    if let Some(made) = Made::look(owned).ok().filter(Made::is_as_born) {
        // On a clock that ticks slowly: without a mark it might look as if it were waiting for one, also when it is emptied in
        // the same tick. A mark that is nobody's tells.
        let mark = || rustix::fs::fsetxattr(owned, MARK, KEPT, XattrFlags::empty());
        if as_one_who_may_write(owned, mark).is_ok() {
            return Ok(());
        }
        let modified = made.0.stx_mtime;
        let last_modification = Timespec { tv_sec: modified.tv_sec, tv_nsec: i64::from(modified.tv_nsec ^ 1) };
        let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        rustix::fs::futimens(owned, &Timestamps { last_access, last_modification })?;
    }
    match as_one_who_may_write(owned, || rustix::fs::fremovexattr(owned, MARK)) {
        // It was not marked.
        Ok(()) | Err(Errno::NODATA) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A mark is changed by who may write to what it is on, however that was opened: an owner who has taken that from himself has
/// it back for as long as this takes.
fn as_one_who_may_write(owned: BorrowedFd<'_>, change: impl Fn() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    match change() {
        Err(Errno::ACCESS) => {
            let mode = Mode::from_raw_mode(rustix::fs::fstat(owned)?.st_mode);
            rustix::fs::fchmod(owned, mode | Mode::RUSR | Mode::WUSR)?;
            let changed = change();
            let _ = rustix::fs::fchmod(owned, mode);
            changed
        }
        changed => changed,
    }
}

/// It is to be another's, under the name that `rename` gives it.
///
/// The mark goes last: who is killed between the two leaves a file that is not ours, by its name.
pub(crate) fn let_go(owned: &File, marked: bool, rename: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    rename()?;
    if marked {
        unmark(owned);
    }
    Ok(())
}

/// Removes from the directory `dir`, whose number that is, what processes that died have left of names that are ours.
///
/// Gives where the next look should begin, if this one did not reach the end. What fails is left.
pub(crate) fn sweep(dir: &Path, number: u64, reach: Reach, is_ours: impl Fn(&[u8]) -> bool) -> Option<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = match rustix::fs::openat(CWD, dir, flags, Mode::empty()) {
        Err(error) if is_no_descriptor(error) => return Some(reach.from),
        dir => dir.ok()?,
    };
    let kind = rustix::fs::fstatfs(&dir).ok()?.f_type as u32;
    let found = rustix::fs::statx(&dir, c"", AtFlags::EMPTY_PATH, Made::WANTED).ok()?;
    if number_of(&found, &rustix::fs::fstatvfs(&dir).ok()?, kind) != number {
        return None;
    }
    if reach.from > 0 {
        rustix::fs::seek(&dir, SeekFrom::Start(reach.from)).ok()?;
    }
    let mut entries = Vec::with_capacity(32 << 10);
    let mut entries = RawDir::new(&dir, entries.spare_capacity_mut());
    let (mut from, mut looked_at, mut removals) = (reach.from, 0, Removals::at_most(REMOVALS));
    while looked_at < reach.most {
        let entry = entries.next()?.ok()?;
        looked_at += 1;
        let before = removals.made;
        if is_ours(entry.file_name().to_bytes()) {
            looked_at += A_NAME_OF_OURS;
            if sweep_one(&dir, entry.file_name(), &mut removals).is_err_and(is_no_descriptor) {
                return Some(from);
            }
        }
        let next = entry.next_entry_cookie();
        if removals.left == 0 {
            // Of a tree there may be more.
            return Some(if removals.made > before { from } else { next });
        }
        from = next;
    }
    Some(from)
}

/// Then a later look may do better.
fn is_no_descriptor(error: Errno) -> bool {
    [Errno::MFILE, Errno::NFILE].contains(&error)
}

/// On a disk that is at rest some tens of milliseconds for files, some hundreds for directories: but whatever a few hundred
/// processes have left goes with the next name.
const REMOVALS: usize = 8_192;
/// To learn whether somebody holds it takes longer than to pass over another.
const A_NAME_OF_OURS: usize = 3;

fn sweep_one(dir: &OwnedFd, name: &CStr, removals: &mut Removals) -> rustix::io::Result<()> {
    let look = || rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
    let seen = look()?;
    if seen.st_uid != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let kind = FileType::from_raw_mode(seen.st_mode);
    let (flags, remove) = match kind {
        FileType::RegularFile => (OFlags::NONBLOCK, AtFlags::empty()),
        FileType::Directory => (OFlags::DIRECTORY, AtFlags::REMOVEDIR),
        _ => return Ok(()),
    };
    // No access time: that is for its owner alone. In a namespace that knows neither us nor others we have one number.
    let flags = flags | OFlags::RDONLY | OFlags::NOATIME | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let left = File::from(rustix::fs::openat(dir, name, flags, Mode::empty())?);
    if identity(&left)? != identity_of(&seen) {
        return Ok(());
    }
    let is_held = || kind == FileType::Directory || is_leased(left.as_fd());
    let mut remove = || {
        let ours = match marked(&left, name)? {
            Marked::Ours if kind == FileType::Directory => match tree::empty(&left, removals) {
                Err(error) => match Errno::from_io_error(&error).filter(|error| is_no_descriptor(*error)) {
                    Some(error) => return Err(error),
                    None => false,
                },
                Ok(emptied) => emptied,
            },
            Marked::Ours | Marked::NotYet => true,
            Marked::NotOurs => false,
        };
        // By now its name might be somebody else's, and for one who sleeps the kernel does not hold it for ever.
        if ours && identity_of(&seen) == identity_of(&look()?) && is_held() {
            rustix::fs::unlinkat(dir, name, remove)?;
            removals.count_made();
        }
        Ok(())
    };
    if kind == FileType::Directory {
        rustix::fs::flock(&left, FlockOperation::NonBlockingLockExclusive)?;
        let removed = remove();
        // A child that another thread has just forked has it open until it runs its program, and must not keep the next look out.
        let _ = rustix::fs::flock(&left, FlockOperation::Unlock);
        return removed;
    }
    // Who opens what was kept should not have to wait.
    if matches!(marked(&left, name)?, Marked::NotOurs) {
        return Ok(());
    }
    // Whoever has just made it waits until we are done, and then sees whether it is still there.
    leased(left.as_fd(), Lease::OfWriters, remove).unwrap_or(Ok(()))
}

enum Marked {
    Ours,
    /// Its owner died before it could mark it.
    NotYet,
    NotOurs,
}

fn marked(left: &File, name: &CStr) -> rustix::io::Result<Marked> {
    let made = Made::look(left)?;
    let mut value = [0; 9];
    Ok(match rustix::fs::fgetxattr(left, MARK, &mut value[..]) {
        Ok(len) if value[..len] == made.mark_of(name.to_bytes()) => Marked::Ours,
        Err(Errno::NODATA) if made.is_new() => Marked::NotYet,
        Ok(_) | Err(Errno::NODATA) => Marked::NotOurs,
        Err(error) => return Err(error),
    })
}

/// Cuts off blocks behind the file's end, unless somebody else has the file open, who may be writing there.
#[expect(clippy::disallowed_methods, reason = "nobody looks at it but by its one descriptor")]
pub(crate) fn cut_behind(file: &File) {
    let _ = leased(file.as_fd(), Lease::OfAll, || file.metadata().and_then(|metadata| file.set_len(metadata.len())));
}

/// Who must not have a file open, nor open it, while it is leased.
#[derive(Clone, Copy)]
enum Lease {
    /// We have it open for reading.
    OfWriters = 0,
    OfAll = 1,
}

/// Does something while it is leased; `None` if somebody has it open, or that cannot be told.
///
/// Should somebody want to open it meanwhile, the kernel lets that wait for a while (45 seconds, if nobody has changed that)
/// and tells us by a signal: by `SIGURG`, which does nothing, in place of `SIGIO`, which would end the process.
fn leased<T>(file: BorrowedFd<'_>, lease: Lease, work: impl FnOnce() -> T) -> Option<T> {
    if !KNOWS_LEASES || fcntl_int(file, F_SETSIG, SIGURG) != 0 {
        return None;
    }
    let done = (fcntl_int(file, F_SETLEASE, lease as c_int) == 0).then(work);
    fcntl_int(file, F_SETLEASE, F_UNLCK);
    fcntl_int(file, F_SETSIG, 0);
    done
}

/// Whether it still is, and nobody waits.
fn is_leased(file: BorrowedFd<'_>) -> bool {
    fcntl_int(file, F_GETLEASE, 0) == Lease::OfWriters as c_int
}

/// For commands that take an integer, or nothing.
fn fcntl_int(file: BorrowedFd<'_>, command: c_int, argument: c_int) -> c_int {
    unsafe extern "C" {
        fn fcntl(file: c_int, command: c_int, ...) -> c_int;
    }
    debug_assert!([F_SETSIG, F_SETLEASE, F_GETLEASE].contains(&command));
    // SAFETY: the C library's own `fcntl`; the descriptor is open, and none of these commands takes a pointer.
    unsafe { fcntl(file.as_raw_fd(), command, argument) }
}

/// The numbers below are those of most processors; a few have their own.
const KNOWS_LEASES: bool = cfg!(any(
    target_arch = "x86",
    target_arch = "x86_64",
    target_arch = "arm",
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "powerpc64",
    target_arch = "s390x",
    target_arch = "loongarch64"
));
const F_SETSIG: c_int = 10;
const F_SETLEASE: c_int = 1024;
const F_GETLEASE: c_int = 1025;
const F_UNLCK: c_int = 2;
const SIGURG: c_int = 23;
