//! The runs that there are, and what is done so that they never become too many.
//!
//! `WIDTH` runs of one kind are merged into one of the next kind while there is still input, so what is open at one time is
//! a few times that, however long the input is.

use std::io::{self, Read, Write};

use spooled::{Pool, SpoolOptions, SpooledBytes, SpooledTempFile};

use crate::chunk::Chunk;
use crate::common::progress::Progress;
use crate::merge::merge;

pub(crate) struct Sorter {
    chunk: Chunk,
    /// Older ones have been merged at least as often as younger ones.
    runs: Vec<Run>,
    /// How many runs may be merged at once.
    width: usize,
    pool: Pool,
    options: SpoolOptions,
    stats: Stats,
}

struct Run {
    content: SpooledBytes,
    /// How often it has been merged.
    merged: usize,
}

/// What there was to do.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stats {
    /// Runs that came from the input.
    pub(crate) runs: usize,
    /// The most files at one time.
    pub(crate) rolled: usize,
    /// Bytes written to runs.
    pub(crate) spilled: u64,
    /// The most bytes of memory at one time.
    pub(crate) memory: usize,
}

impl Sorter {
    /// Uses `memory` bytes, and what `pool` gives to the one spool that is being written.
    pub(crate) fn new(pool: Pool, memory: usize) -> Self {
        let mut options = SpoolOptions::new();
        options.threshold(0).pool(&pool);
        let width = (memory / 4 / LEAST_PIECE).clamp(2, WIDEST);
        Self { chunk: Chunk::new(memory), runs: Vec::new(), width, pool, options, stats: Stats::default() }
    }

    /// Reads all there is, and leaves it in runs, or if it fits, in memory.
    pub(crate) fn read(&mut self, input: &mut impl Read) -> io::Result<()> {
        while !self.chunk.fill(input)? {
            if self.chunk.has_lines() {
                self.spill()?;
            }
            if self.chunk.is_stuck() {
                let mut spool = self.options.build();
                self.chunk.pour(input, &mut spool)?;
                self.keep(spool)?;
            }
            while self.is_merge_due() {
                self.merge_youngest(self.width)?;
            }
        }
        if self.runs.is_empty() {
            return Ok(());
        }
        if self.chunk.has_lines() {
            self.spill()?;
        }
        while self.runs.len() > self.width {
            self.merge_youngest(self.width.min(self.runs.len() + 1 - self.width))?;
        }
        Ok(())
    }

    /// Writes all that has been read, in order.
    pub(crate) fn write(&mut self, output: &mut impl Write) -> io::Result<()> {
        self.note();
        if self.runs.is_empty() {
            self.chunk.sort();
            return self.chunk.write(output);
        }
        let runs: Vec<_> = self.runs.drain(..).map(|run| run.content).collect();
        let progress = Progress::new("merged", Some(runs.iter().map(SpooledBytes::len).sum()));
        merge(runs, self.chunk.spare()?, output, Some(&progress))
    }

    fn spill(&mut self) -> io::Result<()> {
        self.note();
        let mut spool = self.options.build();
        self.chunk.sort();
        self.chunk.write(&mut spool)?;
        self.keep(spool)
    }

    fn keep(&mut self, spool: SpooledTempFile) -> io::Result<()> {
        self.stats.runs += 1;
        self.freeze(spool).map(|content| self.runs.push(Run { content, merged: 0 }))
    }

    fn is_merge_due(&self) -> bool {
        let Some(last) = self.runs.last() else { return false };
        let alike = self.runs.iter().rev().take_while(|run| run.merged == last.merged);
        alike.count() >= self.width
    }

    /// Makes one run of the `count` youngest, which are the shortest.
    fn merge_youngest(&mut self, count: usize) -> io::Result<()> {
        let from = self.runs.len() - count;
        let runs = self.runs[from..].iter().map(|run| run.content.clone()).collect();
        let merged = self.runs[from].merged + 1;
        let mut spool = self.options.build();
        merge(runs, self.chunk.spare()?, &mut spool, None)?;
        let content = self.freeze(spool)?;
        self.runs.truncate(from);
        self.runs.push(Run { content, merged });
        Ok(())
    }

    fn freeze(&mut self, spool: SpooledTempFile) -> io::Result<SpooledBytes> {
        let content = spool.freeze()?;
        self.stats.spilled += content.len();
        self.note();
        Ok(content)
    }

    fn note(&mut self) {
        let pool = self.pool.stats();
        self.stats.rolled = self.stats.rolled.max(pool.rolled);
        self.stats.memory = self.stats.memory.max(self.chunk.memory() + pool.memory_peak);
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stats
    }
}

/// How many runs are merged at once, at most: each is an open file, and there are some systems where 256 are all there may be.
const WIDEST: usize = 64;
/// The least of a run that is worth a system call.
const LEAST_PIECE: usize = 4 << 10;
