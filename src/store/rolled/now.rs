//! What can be had of a rolled store without waiting for the disk: the window, and the file as far as the page cache answers.
//!
//! The mapping is left alone here: a look at it may wait too.

use std::io;

use super::Rolled;
use crate::error;
use crate::store::AT_A_TIME;
use crate::store::window::{AtOnce, Medium, at_once};
use crate::sys::{self, within};

impl Rolled {
    /// `buf` is not empty.
    pub(crate) fn write_now(&mut self, buf: &[u8], offset: u64) -> Option<io::Result<usize>> {
        let buf = match self.room(offset) {
            Ok(room) => at_a_time(buf, room),
            Err(limit) => return Some(Err(limit)),
        };
        if offset > self.len || !self.claim_now(offset, buf.len()) {
            return None;
        }
        let fits = self.window.room_at(offset);
        if fits < buf.len() {
            // Whole if it can be: a part only of what is more than the window would take elsewhere too.
            let elsewhere = self.window.holds_at(offset);
            let moves = fits == 0 || elsewhere >= buf.len() || (elsewhere > fits && !self.window.is_dirty());
            if moves && !(self.flush_now() && self.move_now(offset, buf.len())) {
                return None;
            }
        }
        match self.put(buf, offset) {
            0 => None,
            taken => Some(Ok(taken)),
        }
    }

    /// What the window has room for as it lies, if all of it may be written.
    pub(crate) fn write_what_fits(&mut self, buf: &[u8], offset: u64) -> usize {
        let buf = at_a_time(buf, self.room(offset).unwrap_or(0));
        if offset <= self.len && self.claim_now(offset, buf.len()) { self.put(buf, offset) } else { 0 }
    }

    fn put(&mut self, buf: &[u8], offset: u64) -> usize {
        let taken = self.window.put(buf, offset);
        self.len = self.len.max(offset + taken as u64);
        taken
    }

    /// Claims all of `count` bytes at `offset`, if nothing has to go for it: what is refused is refused whole.
    fn claim_now(&mut self, offset: u64, count: usize) -> bool {
        let end = offset + count as u64;
        if end > self.disk.claimed() {
            self.disk.claim_if_free(end);
            self.set_reach();
        }
        end <= self.disk.claimed()
    }

    /// Moves an empty window to `offset`, which is not past the end, for `count` bytes, which are claimed.
    fn move_now(&mut self, offset: u64, count: usize) -> bool {
        let room = self.window.next_room(self.disk.home(), count).max(count as u64);
        self.disk.claim_if_free(self.ceiling.min(offset + room));
        self.set_reach();
        self.window.restart_for(offset, count, self.disk.home())
    }

    pub(crate) fn make_ready(&mut self, offset: u64, count: usize) -> io::Result<()> {
        let count = self.claim(offset, count)?;
        if offset <= self.len && self.window.room_at(offset) >= count {
            return Ok(());
        }
        let before = self.len;
        let moved = self.move_to(offset, count);
        if moved.is_err() {
            self.take_back(before)?;
        }
        if moved? || self.window.restart_small(offset, ANYHOW.min(count), self.disk.home()) {
            return Ok(());
        }
        self.take_back(before)?;
        Err(error::out_of_memory(ANYHOW))
    }

    pub(crate) fn flush_now(&mut self) -> bool {
        while let Some((bytes, offset)) = self.window.dirty() {
            if offset + bytes.len() as u64 > self.disk.claimed() {
                return false;
            }
            let Some(written) = self.disk.write_at_once(bytes, offset) else { return false };
            self.window.cleaned(written);
        }
        true
    }

    pub(in crate::store) fn read_now(&mut self, buf: &mut [u8], offset: u64) -> Option<io::Result<usize>> {
        let count = within(self.len, offset, buf.len().min(AT_A_TIME));
        if let Some(held) = self.window.held(offset, count) {
            return Some(Ok(sys::copy(held, buf)));
        }
        if count == 0 {
            return Some(Ok(0));
        }
        let in_the_way = self.window.moves_for(offset, count) && !self.window.is_met_from(offset, count);
        if in_the_way && !self.flush_now() {
            return None;
        }
        let read = self.window.read(&AtOnce(&self.disk), &mut buf[..count], offset, self.len);
        at_once(read).map(|read| read.map(|()| count))
    }

    pub(in crate::store) fn fill_now(&mut self, offset: u64) -> Option<io::Result<()>> {
        if offset >= self.len || !self.at_hand_now(offset).is_empty() {
            return Some(Ok(()));
        }
        if self.window.moves_to_fill(offset) && !self.flush_now() {
            return None;
        }
        at_once(self.window.fill_at(&AtOnce(&self.disk), offset, self.len).map(drop))
    }

    pub(in crate::store) fn bring(&mut self, offset: u64, count: usize) -> io::Result<()> {
        let count = within(self.len, offset, count.min(AT_A_TIME));
        if count == 0 || self.window.held(offset, count).is_some() {
            return Ok(());
        }
        self.flush_if_possible();
        self.window.bring(&self.disk, offset, count, self.len)
    }

    #[inline]
    pub(in crate::store) fn at_hand_now(&self, offset: u64) -> &[u8] {
        self.window.at_hand(offset, self.len)
    }
}

/// As much of it as is written at a time, where there is `room`.
fn at_a_time(buf: &[u8], room: u64) -> &[u8] {
    &buf[..buf.len().min(AT_A_TIME).min(usize::try_from(room).unwrap_or(usize::MAX))]
}

/// What a window holds where there is no memory for one.
const ANYHOW: usize = 512;
