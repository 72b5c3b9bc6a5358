//! What may be on disk, and the files that are kept to be used again.
//!
//! Invariants: no moment at which files are longer, in all, than is charged, nor is more charged than is allowed; what is
//! retained never passes what may be.
//! Who is short takes, one at a time: the kept files, oldest first; then the stale tails of files that are out.
//! Locks in this order: room, list, a file's own. No list's is held across a system call, and a file's own only while it
//! is cut, or blocks are set aside for it. Nothing here holds the pool, so what is kept makes no cycle.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::threads::own_shelf;
use crate::gauge::Gauge;
use crate::sync::Mutex;
use crate::sys::{Accounts, AnonFile, Boundary, Marks, Tail};

#[derive(Debug)]
pub(crate) struct Files {
    account: Arc<Account>,
    kept: Mutex<List>,
    /// As in the list, for who does not lock it.
    kept_now: Line<AtomicUsize>,
    most: usize,
    /// All that are charged, for who is short.
    tails: Mutex<Vec<Tail>>,
    /// Held by who makes room, or closes a file, so that nobody is refused while another is giving back. So it is held
    /// while files are closed and cut; nobody waits for it but those who are short, or close one themselves.
    room: Mutex<()>,
    reused: AtomicU64,
    /// As in the list, for who does not lock it.
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct List {
    /// The newest last.
    files: Vec<Kept>,
    closed: bool,
}

#[derive(Debug)]
struct Kept {
    len: u64,
    /// Of the thread that kept it: the same thread finds more of it in its cache than others do.
    shelf: usize,
    file: Resting,
}

/// A file at rest, in whatever its last owner held it: an allocation that the next one need not make.
pub(crate) type Resting = Box<dyn Any + Send + Sync>;

#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

#[derive(Debug)]
struct Account {
    charged: Gauge,
    /// What is charged and not claimed: what is kept, and what is stale, or set aside ahead, in files that are out.
    retained: Gauge,
    /// The rest, as one figure, so that who is short can tell at a look whether all that is retained would be enough.
    claimed: Line<AtomicU64>,
    files: Line<AtomicUsize>,
}

impl Account {
    fn new(limit: u64, retain: u64) -> Self {
        Self {
            charged: Gauge::new(limit),
            retained: Gauge::new(retain),
            claimed: Line(AtomicU64::new(0)),
            files: Line(AtomicUsize::new(0)),
        }
    }
}

impl Accounts for Account {
    fn change(&self, from: Marks, to: Marks) -> bool {
        if to.charged > from.charged && !self.charged.take(to.charged - from.charged) {
            return false;
        }
        if to.stale() > from.stale() && !self.retained.take(to.stale() - from.stale()) {
            self.charged.give(to.charged.saturating_sub(from.charged));
            return false;
        }
        // Wraps where it falls.
        self.claimed.0.fetch_add(to.claim.wrapping_sub(from.claim), Ordering::Relaxed);
        self.retained.give(from.stale().saturating_sub(to.stale()));
        self.charged.give(from.charged.saturating_sub(to.charged));
        true
    }

    fn gone(&self, last: Marks) {
        self.claimed.0.fetch_sub(last.claim, Ordering::Relaxed);
        self.retained.give(last.stale());
        self.charged.give(last.charged);
        self.files.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Files {
    pub(super) fn new(limit: u64, retain: u64, most: usize) -> Self {
        Self {
            account: Arc::new(Account::new(limit, retain)),
            kept: Mutex::new(List::default()),
            kept_now: Line(AtomicUsize::new(0)),
            most: if retain == 0 { 0 } else { most },
            tails: Mutex::new(Vec::new()),
            room: Mutex::new(()),
            reused: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// A kept file: the newest of this thread's that is `len` bytes long, or else the newest that is, or else the newest.
    pub(crate) fn take(&self, len: u64) -> Option<Resting> {
        if self.kept_now.0.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut list = self.kept.lock();
        let (own, files) = (own_shelf(), &list.files);
        let at = files.iter().rposition(|kept| kept.len >= len && kept.shelf == own);
        let at = at.or_else(|| files.iter().rposition(|kept| kept.len >= len)).or(files.len().checked_sub(1))?;
        let kept = list.files.remove(at);
        self.kept_now.0.store(list.files.len(), Ordering::Relaxed);
        self.reused.store(self.reused.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        Some(kept.file)
    }

    /// Makes all of a file stale so that it can be kept, or says that it cannot.
    ///
    /// It takes what is free of what may be retained; to keep a quarter of that it pushes out the oldest; what is longer, it
    /// is cut to.
    pub(crate) fn retire(&self, file: &mut AnonFile) -> bool {
        if self.most == 0 || self.closed.load(Ordering::Relaxed) || !file.was_never_named() {
            return false;
        }
        let retained = &self.account.retained;
        let share = file.claimed().min(retained.limit() / 4);
        while !file.retire() {
            let room = retained.limit().saturating_sub(retained.used());
            if room >= file.claimed() || (room < share && self.close_oldest()) {
                continue;
            }
            if room == 0 || file.truncate(room.min(file.len())).is_err() {
                return false;
            }
        }
        true
    }

    /// Whether one of `len` bytes would be kept as it is, with nothing to be closed or cut for it.
    #[cfg(feature = "tokio")]
    pub(crate) fn has_room_to_keep(&self, len: u64) -> bool {
        let retained = &self.account.retained;
        self.kept_now.0.load(Ordering::Relaxed) < self.most
            && !self.closed.load(Ordering::Relaxed)
            && retained.limit().saturating_sub(retained.used()) >= len
    }

    /// Keeps a file that was [retired](Self::retire), which may push out the oldest; or closes it, if nothing is kept any
    /// more.
    pub(crate) fn keep(&self, len: u64, file: Resting) {
        loop {
            let mut list = self.kept.lock();
            if list.closed {
                break;
            }
            if list.files.len() < self.most {
                list.files.push(Kept { len, shelf: own_shelf(), file });
                self.kept_now.0.store(list.files.len(), Ordering::Relaxed);
                return;
            }
            drop(list);
            self.close_oldest();
        }
    }

    /// The accounts of a file that is about to be made, with `len` bytes of it claimed; if there is room.
    pub(crate) fn open(&self, len: u64) -> Option<Boundary> {
        self.account.files.0.fetch_add(1, Ordering::Relaxed);
        let boundary = Boundary::new(Arc::clone(&self.account) as Arc<dyn Accounts>);
        (boundary.claim(len) || self.make_room(len, || boundary.claim(len))).then_some(boundary)
    }

    /// From now on its tail may be cut by who is short.
    pub(crate) fn enter(&self, file: &AnonFile) {
        let mut tails = self.tails.lock();
        if tails.len() == tails.capacity() {
            tails.retain(|tail| !tail.is_gone());
            let more = tails.len().max(16);
            tails.reserve(more);
        }
        tails.push(file.tail());
    }

    /// Tries `attempt`, which asks for `more` bytes of disk, again and again while more room can be made.
    #[cold]
    pub(crate) fn make_room(&self, more: u64, mut attempt: impl FnMut() -> bool) -> bool {
        let _one = self.room.lock();
        loop {
            if attempt() {
                return true;
            }
            if more > self.unclaimed() || !(self.close_oldest_in_room() || self.cut_tails_in_room()) {
                // Somebody may have given back just now.
                return attempt();
            }
        }
    }

    /// Closes a file that is not kept. Who is short waits for it.
    pub(crate) fn close_one(&self, file: Resting) {
        let _one = self.room.lock();
        drop(file);
    }

    /// Lets go of all that is retained, for a disk that is full: whether that was anything.
    pub(crate) fn give_way(&self) -> bool {
        let _one = self.room.lock();
        self.close_kept_in_room() | self.cut_tails_in_room()
    }

    /// How much more may be claimed, if all that is retained goes.
    pub(crate) fn unclaimed(&self) -> u64 {
        self.account.charged.limit().saturating_sub(self.account.claimed.0.load(Ordering::Relaxed))
    }

    /// Closes all that are kept.
    pub(crate) fn close_kept(&self) {
        let _one = self.room.lock();
        self.close_kept_in_room();
    }

    /// Keeps nothing from now on.
    pub(super) fn close(&self) {
        self.kept.lock().closed = true;
        self.closed.store(true, Ordering::Relaxed);
        self.close_kept();
    }

    /// Until nobody is using a tail.
    pub(crate) fn wait_for_others(&self) {
        drop(self.room.lock());
    }

    fn close_kept_in_room(&self) -> bool {
        let mut any = false;
        while self.close_oldest_in_room() {
            any = true;
        }
        any
    }

    /// Whether that gave anything back.
    fn cut_tails_in_room(&self) -> bool {
        let tails = self.tails.lock().clone();
        tails.iter().fold(false, |any, tail| tail.cut() | any)
    }

    fn close_oldest(&self) -> bool {
        let _one = self.room.lock();
        self.close_oldest_in_room()
    }

    fn close_oldest_in_room(&self) -> bool {
        let oldest = {
            let mut list = self.kept.lock();
            let oldest = if list.files.is_empty() { None } else { Some(list.files.remove(0)) };
            self.kept_now.0.store(list.files.len(), Ordering::Relaxed);
            oldest
        };
        // Closed outside the list's lock.
        oldest.is_some()
    }

    pub(crate) fn limit(&self) -> u64 {
        self.account.charged.limit()
    }

    pub(super) fn charged(&self) -> &Gauge {
        &self.account.charged
    }

    pub(super) fn retained(&self) -> u64 {
        self.account.retained.used()
    }

    /// How many files are out.
    pub(super) fn out(&self) -> usize {
        let all = self.account.files.0.load(Ordering::Relaxed);
        all.saturating_sub(self.kept_now.0.load(Ordering::Relaxed))
    }

    pub(super) fn reused(&self) -> u64 {
        self.reused.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// A file as far as its marks are concerned.
    struct File {
        boundary: Boundary,
        bytes: Mutex<Vec<u8>>,
    }

    impl File {
        fn new(account: &std::sync::Arc<Account>) -> Self {
            account.files.0.fetch_add(1, Ordering::Relaxed);
            let boundary = Boundary::new(std::sync::Arc::clone(account) as std::sync::Arc<dyn Accounts>);
            Self { boundary, bytes: Mutex::new(Vec::new()) }
        }

        /// Of `len` bytes that a life left behind.
        fn with_past(account: &std::sync::Arc<Account>, len: usize) -> Self {
            let file = Self::new(account);
            assert!(file.boundary.claim(len as u64));
            file.bytes.lock().resize(len, PAST);
            assert!(file.boundary.lower_if_kept(0, len as u64));
            file
        }

        fn set_len(&self, len: u64) -> std::io::Result<()> {
            self.bytes.lock().resize(len as usize, 0);
            Ok(())
        }

        fn write(&self, byte: u8, at: usize) {
            let mut bytes = self.bytes.lock();
            if bytes.len() <= at {
                bytes.resize(at + 1, 0);
            }
            bytes[at] = byte;
        }
    }

    const PAST: u8 = 0xa5;

    /// P6, P8: while its owner claims and writes, somebody who is short cuts what is stale; no byte that was written is
    /// lost, the files are never longer than what is charged, and that never passes the limit.
    #[test]
    fn p8_a_cut_never_takes_what_is_claimed() {
        loom::model(|| {
            let account = std::sync::Arc::new(Account::new(4, 4));
            let (kept, fresh) = (Arc::new(File::with_past(&account, 4)), Arc::new(File::new(&account)));
            let owner = {
                let file = Arc::clone(&kept);
                thread::spawn(move || {
                    for at in 0..2 {
                        assert!(file.boundary.claim(at + 1), "what was stale, or was given back");
                        file.write(1, at as usize);
                    }
                })
            };
            // Short of two bytes, of which all are stale now.
            let mut taken = fresh.boundary.claim(2);
            if !taken {
                kept.boundary.cut_stale(|len| kept.set_len(len));
                taken = fresh.boundary.claim(2);
            }
            if taken {
                (0..2).for_each(|at| fresh.write(2, at));
            }
            assert!(account.charged.used() <= 4);
            owner.join().unwrap();
            assert!(taken, "two of four bytes are claimed by another at most");
            assert_eq!(kept.bytes.lock()[..2], [1, 1]);
            assert_eq!(fresh.bytes.lock()[..], [2, 2]);
            let long = (kept.bytes.lock().len() + fresh.bytes.lock().len()) as u64;
            assert!(long <= account.charged.used() && account.charged.used() <= 4);
            assert_eq!(account.charged.used() - account.retained.used(), 4);
        });
    }

    /// P6: what its owner exposes is zeros, while somebody else cuts.
    #[test]
    fn p6_what_is_exposed_is_zeros() {
        loom::model(|| {
            let account = std::sync::Arc::new(Account::new(8, 8));
            let file = Arc::new(File::with_past(&account, 4));
            let owner = {
                let file = Arc::clone(&file);
                thread::spawn(move || {
                    assert!(file.boundary.claim(3));
                    file.write(1, 0);
                    file.boundary.expose(1, |len| file.set_len(len), || file.set_len(3)).unwrap();
                })
            };
            file.boundary.cut_stale(|len| file.set_len(len));
            owner.join().unwrap();
            assert_eq!(file.bytes.lock()[..3], [1, 0, 0]);
            assert!(file.bytes.lock().len() as u64 <= account.charged.used());
        });
    }
}
