//! The walk through a tree that removes it, from the leaves up, without recursion.
//!
//! Invariants: every call is relative to an open directory, and no directory is entered but by a name in its parent, as a
//! directory and on the file system of the root (its subvolumes included); `..` counts only if it leads to the very directory
//! we came from. A directory is asked to go before it is entered: a mount point answers "busy", also one of the same file
//! system.
//!
//! Bounds, whatever the tree: ten descriptors or so, `WAITING` names, and a `Level` for each level of depth. A directory that
//! is full again whenever we leave it is tried `TRIES` times.
//!
//! What cannot be removed is passed over, and the first of it is the error. What is gone already is no error.
//!
//! Knows nothing of the name of the root; the error names the entry relative to it.
//!
//! Tried and dropped: an open listing for each level, which costs a descriptor and 32 KiB for each; going on in a listing at
//! a remembered place, which some file systems lose when entries are removed.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::rc::Rc;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

mod entry;

use super::access::open;
use super::closed::{may_be_mounted_on, open_closed, open_up};
use super::level::{Level, Listed, Subdirectory, above, is_no_directory};
use super::listing::{Buffer, Listing};
use super::removals::Removals;
use crate::sys::identity::{identity, identity_of};

/// Removes all that is in the directory `dir`, which stays.
///
/// `Ok(false)`: no removal is left, the directory is not empty, and nothing was refused.
///
/// # Errors
/// What the system said first of an entry that stays, with its path relative to `dir`; all others were tried.
/// `DirectoryNotEmpty` if entries keep appearing, `CrossesDevices` or `ResourceBusy` where something is mounted.
pub(crate) fn empty(dir: &File, removals: &mut Removals) -> io::Result<bool> {
    // A descriptor of our own has a place of its own in the listing.
    let root = match open(dir.as_fd(), c".") {
        Err(Errno::ACCESS) => open_up(dir.as_fd()).and_then(|()| open(dir.as_fd(), c".")),
        root => root,
    };
    let root = match root {
        Ok(root) => root,
        Err(Errno::NOENT) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let mut walk = Walk::new(root, removals);
    let stop = loop {
        if let Err(stop) = walk.step() {
            break stop;
        }
    };
    match (walk.first, stop) {
        (Some(error), _) | (None, Stop::Failed(error)) => Err(error),
        (None, Stop::Empty) => Ok(true),
        (None, Stop::UsedUp) => Ok(false),
    }
}

struct Walk<'a> {
    removals: &'a mut Removals,
    /// The way from the root, which is the first, to the directory we are in.
    levels: Vec<Level>,
    /// Those of the last level are on top.
    waiting: Vec<Subdirectory>,
    /// Directories that stay, by their numbers, so that listing again does not enter them again.
    left: BTreeSet<u64>,
    /// The error, if there has been one.
    first: Option<io::Error>,
    /// The device of the root, once it mattered.
    device: Option<u64>,
    buffer: Buffer,
    /// How many directories were listed again.
    repeats: u32,
    /// How many entries were looked at.
    visits: usize,
    /// How often the way back was not there.
    losses: u32,
}

/// Why the walk ends.
enum Stop {
    Empty,
    UsedUp,
    Failed(io::Error),
}

impl<'a> Walk<'a> {
    fn new(root: OwnedFd, removals: &'a mut Removals) -> Self {
        let known = Subdirectory { name: c".".into(), number: 0, tries: 0, refused: false };
        Self {
            removals,
            levels: vec![Level::new(root, (0, 0), known, 0)],
            waiting: Vec::new(),
            left: BTreeSet::new(),
            first: None,
            device: None,
            buffer: Buffer::new(),
            repeats: 0,
            visits: 0,
            losses: 0,
        }
    }

    /// Lists the directory we are in, enters one in it, or leaves it.
    fn step(&mut self) -> Result<(), Stop> {
        let is_root = self.levels.len() == 1;
        let level = self.here()?;
        let (from, listed, progress, failed) = (level.waiting_from, level.listed, level.progress, level.failed);
        if self.waiting.len() > from {
            return self.waiting.pop().map_or(Ok(()), |next| self.descend(next));
        }
        match listed {
            Listed::No => self.list(),
            Listed::InPart if progress => self.list_again(),
            Listed::NotEmpty if !failed => self.list_again(),
            _ if is_root => Err(Stop::Empty),
            _ => self.ascend(),
        }
    }

    fn list_again(&mut self) -> Result<(), Stop> {
        self.repeats += 1;
        if self.repeats <= REPEATS {
            return self.list();
        }
        self.here()?.listed = Listed::Whole;
        self.fail(c".", Errno::NOTEMPTY)
    }

    /// Goes through the names once: removes what can be removed at once, and puts the subdirectories that are not empty on
    /// the waiting list.
    fn list(&mut self) -> Result<(), Stop> {
        let is_root = self.levels.len() == 1;
        let level = self.here()?;
        let again = level.listed != Listed::No;
        level.listed = Listed::Whole;
        level.progress = false;
        let Some(dir) = level.dir.clone() else { return self.lost() };
        let mut buffer = std::mem::take(&mut self.buffer);
        let (mut seen, mut room) = (false, true);
        let mut listing = match Listing::new(dir.as_fd(), again, &mut buffer) {
            Err(Errno::ACCESS) if self.open_up(dir.as_fd()) => Listing::new(dir.as_fd(), again, &mut buffer),
            listing => listing,
        };
        while room {
            self.visits += 1;
            if self.visits % VISITS == 0 && !self.is_in_place() {
                drop(listing);
                self.buffer = buffer;
                return self.lost();
            }
            let entry = match &mut listing {
                Ok(listing) => listing.next(|name, kind, number| {
                    if [c".", c".."].contains(&name) {
                        return Ok(true);
                    }
                    seen = true;
                    self.visit(dir.as_fd(), name, kind, number)
                }),
                Err(error) => Some(Err(*error)),
            };
            match entry {
                None => break,
                Some(Ok(has_room)) => room = has_room?,
                Some(Err(error)) => {
                    self.fail(c".", error)?;
                    break;
                }
            }
        }
        drop(listing);
        self.buffer = buffer;
        let level = self.here()?;
        if !room {
            level.listed = Listed::InPart;
        } else if is_root && seen {
            // Every other directory is asked to go, and says so if it is not empty.
            level.listed = Listed::NotEmpty;
            level.known.tries += 1;
            if level.known.tries > TRIES {
                return self.fail(c".", Errno::NOTEMPTY);
            }
        }
        Ok(())
    }

    /// Whether the directory we are in is still where it was: in the one above it, and so on, as far as can be told.
    fn is_in_place(&self) -> bool {
        let Some(dir) = self.levels.last().and_then(|level| level.dir.as_deref()) else { return false };
        let mut up = String::with_capacity(ABOVE * "../".len());
        self.levels.iter().rev().skip(1).take(ABOVE).all(|above| {
            up.push_str("../");
            let expected = match &above.dir {
                Some(above) => identity(above.as_fd()),
                None => Ok(above.identity),
            };
            let found = rustix::fs::statat(dir, &up, AtFlags::empty());
            expected.ok().zip(found.ok()).is_none_or(|(expected, found)| expected == identity_of(&found))
        })
    }

    /// Puts a subdirectory on the waiting list; false if there is no room.
    fn wait(&mut self, name: &CStr, number: u64, tries: u8, refused: bool) -> Result<bool, Stop> {
        if tries > TRIES {
            self.leave(name, number, Errno::NOTEMPTY)?;
            return Ok(true);
        }
        let from = self.here()?.waiting_from;
        // Half of what is left, so that levels below have some; and always one, so that there is a way on.
        let room = WAITING.saturating_sub(from) / 2;
        if self.waiting.len() >= from + room.max(1) {
            return Ok(false);
        }
        self.waiting.push(Subdirectory { name: name.to_owned(), number, tries, refused });
        Ok(true)
    }

    fn descend(&mut self, next: Subdirectory) -> Result<(), Stop> {
        let Some(here) = self.here()?.dir.clone() else { return self.lost() };
        let (dir, identity) = match self.enter(here.as_fd(), &next) {
            Ok(entered) => entered,
            Err(Errno::NOENT) => {
                self.here()?.progress = true;
                return Ok(());
            }
            Err(_) if next.refused => return Ok(()),
            // It is something else by now.
            Err(error) if is_no_directory(error) => {
                return self.remove_again(here.as_fd(), &next, FileType::Unknown);
            }
            Err(error) => return self.leave(&next.name, next.number, error),
        };
        if self.levels.len() > DEPTH {
            return self.leave(&next.name, next.number, Errno::NAMETOOLONG);
        }
        self.levels.push(Level::new(dir, identity, next, self.waiting.len()));
        if let Some(far) = (self.levels.len() - 1).checked_sub(KEPT).filter(|&far| far > 0) {
            self.levels[far].dir = None;
        }
        Ok(())
    }

    /// Opens a subdirectory, if it is on the file system of the root.
    fn enter(&mut self, at: BorrowedFd<'_>, next: &Subdirectory) -> rustix::io::Result<(OwnedFd, (u64, u64))> {
        let device = match (self.device, self.levels.first().and_then(|root| root.dir.as_deref())) {
            (None, Some(root)) => identity(root.as_fd())?.0,
            (device, _) => device.unwrap_or_default(),
        };
        self.device = Some(device);
        let attempt = || match open(at, &next.name) {
            Err(Errno::ACCESS) if !next.refused => open_closed(at, &next.name, device),
            dir => dir,
        };
        let dir = match attempt() {
            Err(Errno::MFILE | Errno::NFILE) if self.let_go() => attempt(),
            dir => dir,
        }?;
        let found = identity(dir.as_fd())?;
        // A subvolume has a device of its own, and nothing need be mounted there.
        let elsewhere = found.0 != device;
        if (elsewhere || next.refused) && may_be_mounted_on(dir.as_fd(), elsewhere) {
            return Err(Errno::XDEV);
        }
        Ok((dir, found))
    }

    /// Goes back to the parent, and removes the directory we were in.
    fn ascend(&mut self) -> Result<(), Stop> {
        let Some(left) = self.levels.pop() else { return Ok(()) };
        let parent = self.here()?;
        let above = match (&parent.dir, &left.dir) {
            (Some(dir), _) => Rc::clone(dir),
            (None, Some(below)) => match above(below.as_fd(), parent.identity) {
                Some(dir) => Rc::new(dir),
                None => return self.lost(),
            },
            (None, None) => return self.lost(),
        };
        parent.dir = Some(Rc::clone(&above));
        if left.failed || left.known.refused {
            return self.give_up(left.known.number);
        }
        self.remove_again(above.as_fd(), &left.known, FileType::Directory)
    }

    /// Starts again at the root: a directory was moved, or removed with us in it.
    #[cold]
    fn lost(&mut self) -> Result<(), Stop> {
        self.losses += 1;
        if self.losses > LOSSES {
            let error = "directories were moved about while they were removed";
            return Err(Stop::Failed(io::Error::new(io::ErrorKind::ResourceBusy, error)));
        }
        self.levels.truncate(1);
        self.waiting.clear();
        let root = self.here()?;
        root.listed = Listed::InPart;
        root.progress = true;
        Ok(())
    }

    /// Closes what is kept of the way back; true if that was anything.
    #[cold]
    fn let_go(&mut self) -> bool {
        let last = self.levels.len() - 1;
        let between = self.levels.get_mut(1..last).unwrap_or_default();
        between.iter_mut().rev().take(KEPT).filter_map(|level| level.dir.take()).count() > 0
    }

    fn here(&mut self) -> Result<&mut Level, Stop> {
        // The root is never left.
        self.levels.last_mut().ok_or(Stop::Empty)
    }
}

/// How many subdirectories wait at most, but for one a level.
const WAITING: usize = 4096;
/// How many directories above the one we are in stay open.
const KEPT: usize = 8;
/// How often a directory is entered that others fill meanwhile.
const TRIES: u8 = 16;
/// After so many entries we look whether somebody has moved the directory we are in out of the tree, or one of so many above
/// it: what is in there is not ours to remove.
const VISITS: usize = 256;
const ABOVE: usize = 32;
/// How often directories are listed again, in all.
const REPEATS: u32 = 1 << 20;
/// How often a walk begins anew.
const LOSSES: u32 = 16;
/// How deep a tree may be.
const DEPTH: usize = 1 << 18;
#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
