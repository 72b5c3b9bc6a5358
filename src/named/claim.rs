//! Whose a name is: what a process takes for its own, and what it takes away of those that died before.
//!
//! Nothing lies in the directory but the names themselves: no file says who works there, so none has to be made, locked,
//! kept up to date, or swept in its turn. A name is removed if all of this holds, and each part is looked at while it cannot
//! change, but for the name itself, which is looked at last: who puts something else in its place between that look and the
//! removal, a microsecond later, loses it.
//!
//! - It was made by this crate for this directory, and is called as it was then: the `code` in it says so.
//! - It is marked as owned, by an attribute on the file itself that neither a copy of the file nor another name satisfies
//!   (nor what lies in a snapshot; but a volume that was cloned block by block does); or its owner died between making it and
//!   marking it: then it is empty, and as it was born. On Windows, where a copy satisfies the mark as well, its name tells it
//!   from what was copied.
//! - It is this user's; on Windows, one that this user may delete.
//! - Nobody lives who owns it: no process, in whatever container, has the file open for writing (on Windows: open), or the
//!   directory locked. The kernel knows; it is not asked what process ids it has.
//!
//! What can happen meanwhile:
//!
//! - *Made, but not yet marked*, which a file is until it is first used. It is open for writing by the call that makes it, and
//!   that call has to wait as long as somebody sweeps the file: with its first use its owner looks whether it is still there,
//!   and makes it again if it is not. A directory is locked a moment after it is made, which fails as long as somebody sweeps
//!   it: then its owner makes another. What others change about it until it is marked (an owner, a label, a list of access
//!   that its directory hands down), or its owner who dies between undoing what an umask did and marking it, leaves what no
//!   longer looks as it was born, and stays.
//! - *Two who sweep.* Each removes what the other has not; a directory's lock keeps them apart.
//! - *One who sweeps and is stopped.* Whom it keeps waiting the kernel lets go on after a while (45 seconds): it looks for that
//!   right before it removes something.
//! - *A fork.* The child has the descriptors, and with them what shows that somebody lives, until it too has ended, or runs
//!   another program.
//! - *Kept, persisted.* What is kept loses its mark before it is handed out, and can never look as if it had not been marked
//!   yet: in the tick in which it was made it gets a mark that is nobody's. What is persisted has another name at once, and
//!   loses its mark then; killed in between, it is still not ours, by its name. On Windows it loses the mark before that;
//!   killed in between, it stays.
//! - *Renamed, moved, replaced, restored, by whomever.* Another name, another directory, another inode: each alone makes it
//!   nobody's. What was left stays left rather than that something else goes. (A file that was renamed away when it was
//!   dropped, and is given its old name back, is ours again.)
//! - *A clock that jumps.* No time is compared with now.
//! - *A disk that is full or read-only.* A mark that finds no space leaves a name that nobody sweeps. On a disk that is
//!   read-only nothing is made, and nothing can be swept.
//! - *A mode that keeps its own user from reading it.* Nobody but the superuser sweeps that.
//! - *File systems* that several machines share, or without such attributes: nothing is marked there, and nothing swept.
//!
//! A process looks at a directory once, when it first makes a name there: at `FIRST` entries, some 15 ms; if there are more, at
//! another `FURTHER` with each further name, until it has seen all (on Windows it leaves them). It asks again if the directory
//! has been replaced, which it notices within a second, or forgotten, for others. How much one look removes is bounded as well
//! (on Linux: `sys::owned` has the numbers), and what cannot be removed is passed over.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::code::{self, Codes};
use crate::error::PathError;
use crate::sys::{self, AnonFile, Reach};

/// A directory in which names are made.
pub(super) struct Claim<'a> {
    directory: Cow<'a, Path>,
    /// Its number, if what is left in it can be swept.
    number: Option<u64>,
}

impl<'a> Claim<'a> {
    /// Of what dead processes have left in the directory, removes what it comes across.
    ///
    /// # Errors
    /// The current directory's, if `dir` is relative to it.
    pub(super) fn on(dir: &'a Path) -> io::Result<Self> {
        let directory = if dir.is_absolute() { Cow::Borrowed(dir) } else { Cow::Owned(absolute(dir)?) };
        let number = enter(&directory);
        Ok(Self { directory, number })
    }

    /// Whether what is made here is to be marked.
    pub(super) fn marks(&self) -> bool {
        self.number.is_some()
    }

    /// The same directory, in which nothing is marked, nor anything that is made now swept.
    pub(super) fn unmarked(&self) -> Claim<'_> {
        Claim { directory: Cow::Borrowed(&self.directory), number: None }
    }

    /// What `make` makes under a name that nobody has, and that name's path.
    ///
    /// # Errors
    /// What `make` answered, naming the directory; `InvalidInput` where the name would lie in another one.
    pub(super) fn make<T>(
        &self,
        prefix: impl AsRef<OsStr>,
        suffix: impl AsRef<OsStr>,
        mut make: impl FnMut(&Path) -> io::Result<T>,
    ) -> io::Result<(PathBuf, T)> {
        let (prefix, suffix) = (prefix.as_ref(), suffix.as_ref());
        let mut made = || {
            for part in [prefix, suffix] {
                if part.as_encoded_bytes().iter().any(|byte| leads_elsewhere(char::from(*byte))) {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "a name's part leads elsewhere"));
                }
            }
            for _ in 0..ATTEMPTS {
                let path = self.path(prefix, suffix)?;
                match make(&path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    made => return Ok((path, made?)),
                }
            }
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "somebody takes each name before us"))
        };
        made().map_err(|error| PathError::at(&self.directory, error))
    }

    /// Links a file that has no name to that one; false if it cannot be linked.
    pub(super) fn link(&self, file: &AnonFile, path: &Path) -> io::Result<bool> {
        if self.marks() {
            // Before it has the name: so none is ever seen without.
            sys::mark(file.as_file(), path);
        }
        file.link(path)
    }

    fn path(&self, prefix: &OsStr, suffix: &OsStr) -> io::Result<PathBuf> {
        let (before, after) = (prefix.as_encoded_bytes(), suffix.as_encoded_bytes());
        let code = known().lock().codes.next(self.number, before, after)?;
        let directory = self.directory.as_os_str();
        let mut path = OsString::with_capacity(directory.len() + 1 + prefix.len() + code.as_str().len() + suffix.len());
        path.push(directory);
        if !directory.as_encoded_bytes().last().is_some_and(|last| std::path::is_separator(char::from(*last))) {
            path.push(std::path::MAIN_SEPARATOR_STR);
        }
        path.push(prefix);
        path.push(code.as_str());
        path.push(suffix);
        Ok(path.into())
    }
}

/// A relative directory, resolved; on Windows there are some that are relative to the current one of another drive.
fn absolute(dir: &Path) -> io::Result<PathBuf> {
    let absolute = if cfg!(windows) && !dir.as_os_str().is_empty() {
        std::path::absolute(dir)
    } else {
        std::env::current_dir().map(|current| current.join(dir))
    };
    absolute.map_err(|error| PathError::at(dir, error))
}

/// To another directory, or on Windows to a stream of a file that has another name.
fn leads_elsewhere(part: char) -> bool {
    std::path::is_separator(part) || (cfg!(windows) && part == ':')
}

/// Nobody can guess a name: the first is free, but for one who was swept or disturbed.
const ATTEMPTS: usize = 64;

/// The directory's number, and once for each process a look at what was left in it.
fn enter(dir: &Path) -> Option<u64> {
    let now = Instant::now();
    let is_current = |place: &&mut Place| now.duration_since(place.asked) < CURRENT;
    let current = {
        let Known { places, codes } = &mut *known().lock();
        if codes.is_new_process() {
            places.clear();
        }
        places.get_mut(dir).filter(is_current).map(|place| (place.number, place.due.take()))
    };
    // Whoever has taken a look upon itself does it: others need not wait.
    let (number, due) = current.unwrap_or_else(|| ask(dir, now));
    if let (Some(number), Some(reach)) = (number, due) {
        let from = sys::sweep(dir, number, reach, |name| code::is_in(name, number));
        let places = &mut known().lock().places;
        let same = places.get_mut(dir).filter(|place| place.number == Some(number));
        if let (Some(from), Some(place)) = (from, same) {
            place.due = Some(Reach { from, most: FURTHER });
        }
    }
    number
}

/// The directory's number, and what of it is to be looked at.
fn ask(dir: &Path, now: Instant) -> (Option<u64>, Option<Reach>) {
    // A directory that cannot be asked may be another by the time that it can.
    let Ok(number) = sys::number(dir) else { return (None, None) };
    let places = &mut known().lock().places;
    let due = match places.get_mut(dir) {
        Some(place) if place.number == number => place.due.take(),
        _ => Some(Reach { from: 0, most: FIRST }),
    };
    if places.len() >= PLACES && !places.contains_key(dir) {
        if let Some(any) = places.keys().next().cloned() {
            places.remove(&any);
        }
    }
    places.insert(dir.to_owned(), Place { number, asked: now, due: None });
    (number, due)
}

fn known() -> &'static Mutex<Known> {
    static KNOWN: OnceLock<Mutex<Known>> = OnceLock::new();
    KNOWN.get_or_init(Mutex::default)
}

/// What a process knows. Held for moments, and never during a look at a directory.
#[derive(Default)]
struct Known {
    places: HashMap<PathBuf, Place>,
    codes: Codes,
}

/// What is known of a directory.
struct Place {
    number: Option<u64>,
    asked: Instant,
    /// What has still to be looked at.
    due: Option<Reach>,
}

/// How long a directory is taken for the one that had that path.
const CURRENT: Duration = Duration::from_secs(1);
/// How many entries are looked at at first, and with each further name.
const FIRST: usize = 32_768;
const FURTHER: usize = 4_096;
/// How many directories are remembered.
const PLACES: usize = 1_024;
