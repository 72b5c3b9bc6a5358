//! Where the content of a file ends, for its owner and for those who are short of disk.
//!
//! A file that is used again is longer than what its owner has written so far. Three marks say what is whose:
//! below `claim` the owner may write; past the larger of that and `physical` there is no byte of the file, and no block;
//! `charged` is what its pool has been told, and is never less than the other two. What lies between claim and charge is
//! stale, or set aside ahead: it belongs to whoever is short.
//!
//! Invariant: nobody but the owner lowers a claim, and nobody cuts below it. A claim is raised under the lock, before a
//! byte past it is written; so whoever holds the lock may cut what lies past the claim without asking the owner.
//! Knows nothing of files: it is told how to cut one.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::sync::Mutex;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) claim: u64,
    pub(crate) physical: u64,
    pub(crate) charged: u64,
}

impl Marks {
    /// What is charged and not claimed.
    pub(crate) fn stale(&self) -> u64 {
        self.charged - self.claim
    }
}

/// Who counts: told of each change, under the file's lock, before it is made.
pub(crate) trait Accounts: Send + Sync + fmt::Debug {
    /// Whether it may be made. One that asks for nothing is never refused.
    fn change(&self, from: Marks, to: Marks) -> bool;

    /// The file is closed, or has left.
    fn gone(&self, last: Marks);
}

/// The marks of one file. When it is dropped, the file has to be gone.
#[derive(Debug)]
pub(crate) struct Boundary {
    marks: Mutex<Marks>,
    accounts: Arc<dyn Accounts>,
}

impl Boundary {
    /// That of a file without a byte.
    pub(crate) fn new(accounts: Arc<dyn Accounts>) -> Self {
        Self { marks: Mutex::new(Marks::default()), accounts }
    }

    pub(crate) fn claimed(&self) -> u64 {
        self.marks.lock().claim
    }

    /// Raises the claim to `end`, if the accounts agree.
    pub(crate) fn claim(&self, end: u64) -> bool {
        let mut marks = self.marks.lock();
        let from = *marks;
        let to = Marks { claim: from.claim.max(end), charged: from.charged.max(end), ..from };
        let agreed = self.accounts.change(from, to);
        if agreed {
            *marks = to;
        }
        agreed
    }

    /// Lowers the claim to `end`, of a file that its owner has written up to `written`: what is there past it goes stale,
    /// and where no more of that may be, is cut off.
    pub(crate) fn lower(&self, end: u64, written: u64, cut: impl FnOnce(u64) -> io::Result<()>) -> io::Result<()> {
        if self.lower_if_kept(end, written) {
            return Ok(());
        }
        self.cut_to(end, cut)
    }

    /// The same, or not at all.
    pub(crate) fn lower_if_kept(&self, end: u64, written: u64) -> bool {
        let mut marks = self.marks.lock();
        let from = *marks;
        let physical = from.physical.max(written);
        let to = Marks { claim: end, physical, charged: physical.max(end) };
        let agreed = self.accounts.change(from, to);
        if agreed {
            *marks = to;
        }
        agreed
    }

    /// Cuts the file at `end`, and lowers the claim to it.
    pub(crate) fn cut_to(&self, end: u64, cut: impl FnOnce(u64) -> io::Result<()>) -> io::Result<()> {
        let mut marks = self.marks.lock();
        cut(end)?;
        self.settle(&mut marks, Marks { claim: end, physical: end, charged: end });
        Ok(())
    }

    /// Cuts what the owner, who has written up to `written`, would expose by making the file longer; then does that.
    pub(crate) fn expose(
        &self,
        written: u64,
        cut: impl FnOnce(u64) -> io::Result<()>,
        extend: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut marks = self.marks.lock();
        if marks.physical > written {
            cut(written)?;
            let to = Marks { physical: written, charged: marks.claim, ..*marks };
            self.settle(&mut marks, to);
        }
        extend()
    }

    /// Cuts what lies past the claim, and says whether that gave anything back. For those who are short.
    ///
    /// A file that ends before its claim is made so long: what is there has no content, nor is it ever read.
    pub(crate) fn cut_stale(&self, cut: impl FnOnce(u64) -> io::Result<()>) -> bool {
        let mut marks = self.marks.lock();
        if marks.stale() == 0 || (marks.physical > marks.claim && cut(marks.claim).is_err()) {
            return false;
        }
        let Marks { claim, physical, .. } = *marks;
        self.settle(&mut marks, Marks { claim, physical: claim.min(physical), charged: claim });
        true
    }

    /// Sets blocks aside up to `end`, if so much may be retained, for an owner who has written up to `written`. The file's
    /// lock is held meanwhile, so that who is short waits for them. Where that failed, what it did take is cut off.
    pub(crate) fn set_aside(
        &self,
        end: u64,
        written: u64,
        set_aside: impl FnOnce() -> io::Result<()>,
        cut: impl FnOnce(u64) -> io::Result<()>,
    ) -> bool {
        let mut marks = self.marks.lock();
        let from = Marks { physical: marks.physical.max(written), ..*marks };
        let to = Marks { physical: from.physical.max(end), charged: from.charged.max(end), ..from };
        if !self.accounts.change(from, to) {
            return false;
        }
        *marks = to;
        let done = set_aside().is_ok();
        if !done && cut(from.physical).is_ok() {
            self.settle(&mut marks, from);
        }
        done
    }

    pub(crate) fn physical(&self) -> u64 {
        self.marks.lock().physical
    }

    /// A change that gives back, if anything.
    fn settle(&self, marks: &mut Marks, to: Marks) {
        let agreed = self.accounts.change(*marks, to);
        debug_assert!(agreed, "who gives is not refused");
        *marks = to;
    }
}

impl Drop for Boundary {
    fn drop(&mut self) {
        self.accounts.gone(*self.marks.get_mut());
    }
}
