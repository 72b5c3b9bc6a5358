//! What may be held in memory, and the buffers that are kept to be used again.
//!
//! A buffer is charged from before it is made until after it is freed; one that is kept is charged too, and gives way
//! before anybody is refused. Invariants: what is kept never passes what may be retained, nor is it more than is charged.
//!
//! The kept ones lie on shelves, one for each few threads, so that threads do not meet: a shelf reserves what it once
//! kept, and goes on without asking anybody until another is short of that.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::BytesMut;

use super::threads::{SHELVES, own_shelf};
use crate::gauge::Gauge;
use crate::sync::Mutex;

#[derive(Debug)]
pub(crate) struct Buffers {
    shelves: [Shelf; SHELVES],
    charged: Gauge,
    /// What the shelves have reserved.
    reserved: Gauge,
    /// Held by who makes room, so that nobody is refused while another is giving back.
    room: Mutex<()>,
}

/// A buffer at rest: memory, empty, and what it is charged.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) bytes: BytesMut,
    pub(super) charge: usize,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shelf {
    list: Mutex<List>,
    /// As in the list, for who does not lock it.
    kept: AtomicUsize,
    reused: AtomicU64,
}

#[derive(Debug, Default)]
struct List {
    /// The newest last.
    buffers: Vec<Kept>,
    kept: usize,
    reserved: usize,
    closed: bool,
}

impl Buffers {
    pub(super) fn new(limit: usize, retain: usize) -> Self {
        Self {
            shelves: Default::default(),
            charged: Gauge::new(limit as u64),
            reserved: Gauge::new(retain as u64),
            room: Mutex::new(()),
        }
    }

    /// A kept buffer of at least `need` bytes and at most `most`: the smallest of the first shelf that has one.
    pub(super) fn take(&self, need: usize, most: usize) -> Option<Kept> {
        let own = own_shelf();
        (0..SHELVES).find_map(|next| self.shelves[(own + next) % SHELVES].take(need, most))
    }

    /// Keeps a buffer, or frees it.
    pub(super) fn put(&self, bytes: BytesMut, charge: usize) {
        let mut kept = Kept { bytes, charge };
        kept.bytes.clear();
        // What was given up in front comes back.
        let whole = kept.bytes.try_reclaim(charge);
        debug_assert!(whole && kept.bytes.capacity() == charge);
        if let Err(kept) = self.shelves[own_shelf()].put(kept) {
            self.put_slowly(kept);
        }
    }

    /// Where the shelf is full, or what it reserved.
    #[cold]
    fn put_slowly(&self, mut kept: Kept) {
        // Without a limit nobody is ever short.
        let _one = (self.charged.limit() != u64::MAX).then(|| self.room.lock());
        while kept.charge as u64 <= self.reserved.limit() {
            let own = own_shelf();
            for next in 0..SHELVES {
                match self.shelves[(own + next) % SHELVES].put_reserving(kept, &self.reserved) {
                    Ok(()) => return,
                    Err(back) => kept = back,
                }
            }
            if !self.release_reserved() && !self.free_one() {
                break;
            }
        }
        self.free(kept);
    }

    /// Takes `bytes` of what may be held, before they are; what is kept goes for that.
    pub(crate) fn charge(&self, bytes: usize) -> bool {
        self.charged.take(bytes as u64) || self.make_room(bytes as u64)
    }

    /// The same, if nothing has to go for it.
    pub(super) fn charge_if_free(&self, bytes: usize) -> bool {
        self.charged.take(bytes as u64)
    }

    #[cold]
    fn make_room(&self, bytes: u64) -> bool {
        if bytes > self.charged.limit() {
            return false;
        }
        let _one = self.room.lock();
        loop {
            if self.charged.take(bytes) {
                return true;
            }
            let in_use = self.charged.used().saturating_sub(self.kept() as u64);
            let in_vain = in_use.saturating_add(bytes) > self.charged.limit();
            if in_vain || !self.free_one() {
                return self.charged.take(bytes);
            }
        }
    }

    /// Gives back what was charged, after it is freed.
    pub(crate) fn give(&self, bytes: usize) {
        self.charged.give(bytes as u64);
    }

    /// Frees one kept buffer, the oldest of the fullest shelf, or of any.
    fn free_one(&self) -> bool {
        let fullest = self.shelves.iter().max_by_key(|shelf| shelf.kept.load(Ordering::Relaxed));
        let oldest = fullest.into_iter().chain(&self.shelves).find_map(|shelf| shelf.take_oldest(&self.reserved));
        oldest.map(|kept| self.free(kept)).is_some()
    }

    fn free(&self, kept: Kept) {
        drop(kept.bytes);
        self.give(kept.charge);
    }

    /// What shelves have reserved and do not use, for others. Whether that was anything.
    fn release_reserved(&self) -> bool {
        let mut any = false;
        for shelf in &self.shelves {
            let mut list = shelf.list.lock();
            let idle = list.reserved - list.kept;
            list.reserved = list.kept;
            self.reserved.give(idle as u64);
            any |= idle > 0;
        }
        any
    }

    pub(super) fn trim(&self) {
        let _one = self.room.lock();
        for shelf in &self.shelves {
            while let Some(kept) = shelf.take_oldest(&self.reserved) {
                self.free(kept);
            }
        }
    }

    /// Keeps nothing from now on.
    pub(super) fn close(&self) {
        self.shelves.iter().for_each(|shelf| shelf.list.lock().closed = true);
        self.trim();
    }

    pub(crate) fn limit(&self) -> u64 {
        self.charged.limit()
    }

    pub(super) fn charged(&self) -> &Gauge {
        &self.charged
    }

    /// One that moves from shelf to shelf during the look may be seen twice: but what may be kept is never passed.
    pub(super) fn kept(&self) -> usize {
        let seen: usize = self.shelves.iter().map(|shelf| shelf.kept.load(Ordering::Acquire)).sum();
        seen.min(usize::try_from(self.reserved.limit()).unwrap_or(usize::MAX))
    }

    pub(super) fn reused(&self) -> u64 {
        self.shelves.iter().map(|shelf| shelf.reused.load(Ordering::Relaxed)).sum()
    }
}

impl Shelf {
    fn take(&self, need: usize, most: usize) -> Option<Kept> {
        // No lock where there is nothing.
        if self.kept.load(Ordering::Relaxed) < need.max(1) {
            return None;
        }
        let mut list = self.list.lock();
        let mut best: Option<(usize, usize)> = None;
        for (at, kept) in list.buffers.iter().enumerate().rev() {
            let capacity = kept.bytes.capacity();
            if (need..=most).contains(&capacity) && best.is_none_or(|(_, least)| capacity < least) {
                best = Some((at, capacity));
                if capacity / 2 <= need {
                    break;
                }
            }
        }
        let kept = list.buffers.remove(best?.0);
        list.kept -= kept.charge;
        self.kept.store(list.kept, Ordering::Release);
        self.reused.store(self.reused.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        Some(kept)
    }

    /// Keeps it, if that needs nothing from anybody.
    fn put(&self, kept: Kept) -> Result<(), Kept> {
        let mut list = self.list.lock();
        if list.closed || list.buffers.len() == EACH || list.kept + kept.charge > list.reserved {
            return Err(kept);
        }
        self.push(&mut list, kept);
        Ok(())
    }

    fn put_reserving(&self, kept: Kept, reserved: &Gauge) -> Result<(), Kept> {
        let mut list = self.list.lock();
        let more = (list.kept + kept.charge).saturating_sub(list.reserved);
        if list.closed || list.buffers.len() == EACH || !reserved.take(more as u64) {
            return Err(kept);
        }
        list.reserved += more;
        self.push(&mut list, kept);
        Ok(())
    }

    fn push(&self, list: &mut List, kept: Kept) {
        list.kept += kept.charge;
        list.buffers.push(kept);
        self.kept.store(list.kept, Ordering::Release);
    }

    /// The oldest, with what is reserved for it.
    fn take_oldest(&self, reserved: &Gauge) -> Option<Kept> {
        let mut list = self.list.lock();
        if list.buffers.is_empty() {
            return None;
        }
        let kept = list.buffers.remove(0);
        list.kept -= kept.charge;
        list.reserved -= kept.charge;
        self.kept.store(list.kept, Ordering::Release);
        reserved.give(kept.charge as u64);
        Some(kept)
    }
}

/// How many buffers one may have: 64 in all.
const EACH: usize = 8;
