//! What becomes of one entry: it is removed, put on the waiting list, or stays, and the error says so.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, FileType};
use rustix::io::{Errno, retry_on_intr};

use super::{Listed, Stop, Subdirectory, TRIES, Walk};
use crate::error::PathError;
use crate::sys::tree::closed::open_up;

impl Walk<'_> {
    /// False if there is no room on the waiting list.
    pub(super) fn visit(&mut self, at: BorrowedFd<'_>, name: &CStr, kind: FileType, number: u64) -> Result<bool, Stop> {
        if name.to_bytes().contains(&b'/') {
            // No kernel should let a file system say so: it would lead elsewhere.
            self.fail(name, Errno::IO)?;
            return Ok(true);
        }
        if kind == FileType::Directory && !self.left.is_empty() && self.left.contains(&number) {
            self.here()?.failed = true;
            return Ok(true);
        }
        self.remove(at, name, kind, number, 0)
    }

    /// Removes `name`, or puts it on the waiting list; false if there is no room.
    ///
    /// What is not known to be something else is asked to go as a directory first: there are systems where removing a
    /// directory as a file does just that.
    fn remove(
        &mut self,
        at: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        number: u64,
        tries: u8,
    ) -> Result<bool, Stop> {
        let mut as_directory = matches!(kind, FileType::Directory | FileType::Unknown);
        let mut refusal = None;
        let mut last = Errno::NOTEMPTY;
        // More than once only if it is opened up first, is not what it seemed to be, or is being exchanged.
        for _ in 0..TRIES {
            if self.removals.left == 0 {
                return Err(Stop::UsedUp);
            }
            let flags = if as_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            last = match retry_on_intr(|| rustix::fs::unlinkat(at, name, flags)) {
                Ok(()) => {
                    self.removals.count_made();
                    self.here()?.progress = true;
                    return Ok(true);
                }
                Err(error) => error,
            };
            match last {
                Errno::NOENT => {
                    self.here()?.progress = true;
                    return Ok(true);
                }
                Errno::ACCESS if self.open_up(at) => {}
                Errno::NOTEMPTY | Errno::EXIST if as_directory => return self.wait(name, number, tries, false),
                Errno::ACCESS | Errno::PERM if as_directory => {
                    let room = self.wait(name, number, 0, true)?;
                    if room {
                        self.leave(name, number, last)?;
                    }
                    return Ok(room);
                }
                Errno::NOTDIR if as_directory => match refusal {
                    Some(error) => {
                        last = error;
                        break;
                    }
                    None => as_directory = false,
                },
                Errno::ISDIR => as_directory = true,
                // Not Linux: a directory, or a refusal.
                Errno::PERM if refusal.is_none() && !cfg!(any(target_os = "linux", target_os = "android")) => {
                    refusal = Some(last);
                    as_directory = true;
                }
                _ => break,
            }
        }
        if as_directory {
            self.leave(name, number, last)?;
        } else {
            self.fail(name, last)?;
        }
        Ok(true)
    }

    pub(super) fn remove_again(
        &mut self,
        at: BorrowedFd<'_>,
        known: &Subdirectory,
        kind: FileType,
    ) -> Result<(), Stop> {
        if !self.remove(at, &known.name, kind, known.number, known.tries + 1)? {
            let level = self.here()?;
            level.listed = Listed::InPart;
            level.progress = true;
        }
        Ok(())
    }

    /// Makes the directory we are in accessible to its owner; true if it became so now.
    #[cold]
    pub(super) fn open_up(&mut self, dir: BorrowedFd<'_>) -> bool {
        match self.levels.last_mut() {
            Some(level) if !level.opened_up => {
                level.opened_up = true;
                open_up(dir).is_ok()
            }
            _ => false,
        }
    }

    /// `name`, in the directory we are in, stays, and is not tried again.
    #[cold]
    pub(super) fn leave(&mut self, name: &CStr, number: u64, error: Errno) -> Result<(), Stop> {
        self.fail(name, error)?;
        self.give_up(number)
    }

    #[cold]
    pub(super) fn give_up(&mut self, number: u64) -> Result<(), Stop> {
        let news = self.left.len() < LEFT && self.left.insert(number);
        let level = self.here()?;
        level.failed = true;
        level.progress |= news;
        Ok(())
    }

    #[cold]
    pub(super) fn fail(&mut self, name: &CStr, error: Errno) -> Result<(), Stop> {
        self.removals.count_refused();
        self.here()?.failed = true;
        if self.first.is_none() {
            self.first = Some(self.named(name, error));
        }
        Ok(())
    }

    /// The error, with the path of `name`, unless that is the root or longer than anybody reads.
    fn named(&self, name: &CStr, error: Errno) -> io::Error {
        let mut path = PathBuf::new();
        let names = self.levels.iter().skip(1).map(|level| &*level.known.name).chain([name]);
        for name in names.filter(|&name| name != c".") {
            if path.as_os_str().len() > LEGIBLE {
                return error.into();
            }
            path.push(OsStr::from_bytes(name.to_bytes()));
        }
        if path.as_os_str().is_empty() { error.into() } else { PathError::at(&path, error.into()) }
    }
}

/// How many directories that stay are remembered.
const LEFT: usize = 1 << 16;
/// How long a path may be to be named in an error, about.
const LEGIBLE: usize = 4096;
