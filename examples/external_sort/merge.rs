//! Many sorted runs become one: each is read through a piece of memory, and a tournament says whose line is next.
//!
//! A line that its piece cannot hold is compared where it lies, and written as it is read.

use std::cmp::Ordering;
use std::io::{self, Write};

use spooled::SpooledBytes;

use crate::chunk::{key, through_newline};
use crate::common::progress::Progress;

/// Writes the lines of all `runs`, each of which ends with a newline, in order.
pub(crate) fn merge(
    runs: Vec<SpooledBytes>,
    memory: &mut [u8],
    output: &mut impl Write,
    progress: Option<&Progress>,
) -> io::Result<()> {
    let piece = (memory.len() / runs.len()).min(PIECE);
    let sources = runs.into_iter().zip(memory.chunks_exact_mut(piece));
    let sources: io::Result<Vec<_>> = sources.map(|(run, memory)| Source::new(run, memory)).collect();
    let mut tournament = Tournament::new(sources?)?;
    let mut unsaid = 0;
    while let Some(first) = tournament.first() {
        unsaid += first.write(output)?;
        tournament.replay()?;
        if unsaid > SAID_EACH {
            progress.inspect(|progress| progress.passed(unsaid));
            unsaid = 0;
        }
    }
    Ok(())
}

/// A tree of losers: each inner node remembers who lost there, so that a new line of the winner's has to be compared with
/// those only that lie on its way to the root.
struct Tournament<'a> {
    sources: Vec<Source<'a>>,
    /// From index 1 on; the children of `n` are `2 * n` and the one behind, and the sources follow the last of them.
    losers: Vec<usize>,
    winner: usize,
}

impl<'a> Tournament<'a> {
    fn new(sources: Vec<Source<'a>>) -> io::Result<Self> {
        let count = sources.len();
        let mut winners: Vec<_> = (0..2 * count).map(|node| node.saturating_sub(count)).collect();
        let mut losers = vec![0; count];
        for node in (1..count).rev() {
            let (left, right) = (winners[2 * node], winners[2 * node + 1]);
            let right_wins = sources[right].is_before(&sources[left])?;
            (winners[node], losers[node]) = if right_wins { (right, left) } else { (left, right) };
        }
        let winner = winners[1];
        Ok(Self { sources, losers, winner })
    }

    /// The source whose line is the first of all, unless all have ended.
    fn first(&mut self) -> Option<&mut Source<'a>> {
        Some(&mut self.sources[self.winner]).filter(|source| !source.ended)
    }

    /// Finds the first again, now that it has moved to its next line.
    #[inline]
    fn replay(&mut self) -> io::Result<()> {
        let mut node = (self.winner + self.sources.len()) / 2;
        while node > 0 {
            let loser = &mut self.losers[node];
            if self.sources[*loser].is_before(&self.sources[self.winner])? {
                std::mem::swap(loser, &mut self.winner);
            }
            node /= 2;
        }
        Ok(())
    }
}

/// A run, and the line it has come to.
struct Source<'a> {
    key: u64,
    ended: bool,
    /// Where the line begins in `memory`.
    start: usize,
    /// Its length, newline included; 0 if `memory` does not hold all of it, though it begins with it.
    len: usize,
    memory: &'a mut [u8],
    /// How much of `memory` holds something.
    held: usize,
    run: SpooledBytes,
    /// How much of the run has been read.
    read: u64,
}

impl<'a> Source<'a> {
    fn new(run: SpooledBytes, memory: &'a mut [u8]) -> io::Result<Self> {
        let mut new = Self { key: 0, ended: false, start: 0, len: 0, memory, held: 0, run, read: 0 };
        new.look()?;
        Ok(new)
    }

    #[inline]
    fn is_before(&self, other: &Self) -> io::Result<bool> {
        if self.key != other.key { Ok(self.key < other.key) } else { self.is_before_in_full(other) }
    }

    fn is_before_in_full(&self, other: &Self) -> io::Result<bool> {
        if self.ended || other.ended {
            return Ok(other.ended);
        }
        if self.len > 0 && other.len > 0 {
            return Ok(self.line() < other.line());
        }
        self.compare_piece_by_piece(other).map(Ordering::is_lt)
    }

    #[cold]
    fn compare_piece_by_piece(&self, other: &Self) -> io::Result<Ordering> {
        let (mut ours, mut theirs) = ([0; 4096], [0; 4096]);
        let mut done = 0;
        loop {
            let (ours, theirs) = (self.line_at(done, &mut ours)?, other.line_at(done, &mut theirs)?);
            let both = ours.len().min(theirs.len());
            match ours[..both].cmp(&theirs[..both]) {
                Ordering::Equal if both > 0 => done += both as u64,
                // At least one of them has ended.
                Ordering::Equal => return Ok(ours.len().cmp(&theirs.len())),
                different => return Ok(different),
            }
        }
    }

    /// What the line goes on with `done` bytes from its start, as much as fits; nothing only at its end.
    fn line_at<'b>(&self, done: u64, into: &'b mut [u8]) -> io::Result<&'b [u8]> {
        let line = self.read - (self.held - self.start) as u64;
        let read = self.run.read_at(into, line + done)?;
        let into = &into[..read];
        Ok(through_newline(into).map_or(into, |len| &into[..len - 1]))
    }

    #[inline]
    fn line(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len - 1]
    }

    /// Writes the line, and moves to the next. Returns how many bytes it had.
    #[inline]
    fn write(&mut self, output: &mut impl Write) -> io::Result<usize> {
        if self.len == 0 {
            return self.write_as_it_is_read(output);
        }
        output.write_all(&self.memory[self.start..self.start + self.len])?;
        let written = self.len;
        self.start += self.len;
        self.look()?;
        Ok(written)
    }

    #[cold]
    fn write_as_it_is_read(&mut self, output: &mut impl Write) -> io::Result<usize> {
        let mut written = 0;
        loop {
            let held = &self.memory[self.start..self.held];
            let end = through_newline(held);
            let len = end.unwrap_or(held.len());
            output.write_all(&held[..len])?;
            written += len;
            self.start += len;
            if end.is_some() {
                self.look()?;
                return Ok(written);
            }
            self.refill()?;
        }
    }

    /// Finds out how far the line goes that begins at `start`.
    #[inline]
    fn look(&mut self) -> io::Result<()> {
        match through_newline(&self.memory[self.start..self.held]) {
            Some(len) => self.len = len,
            None => {
                self.refill()?;
                self.len = through_newline(&self.memory[..self.held]).unwrap_or(0);
                self.ended = self.held == 0;
            }
        }
        let len = if self.len > 0 { self.len - 1 } else { self.held - self.start };
        self.key = if self.ended { u64::MAX } else { key(&self.memory[self.start..self.start + len]) };
        Ok(())
    }

    /// Moves what is held to the front, and reads on behind it.
    #[cold]
    fn refill(&mut self) -> io::Result<()> {
        self.memory.copy_within(self.start..self.held, 0);
        self.held -= self.start;
        self.start = 0;
        let read = self.run.read_at(&mut self.memory[self.held..], self.read)?;
        self.held += read;
        self.read += read as u64;
        Ok(())
    }
}

/// How much of a run is read at once, at most.
const PIECE: usize = 256 << 10;
const SAID_EACH: usize = 1 << 20;
