//! As many lines as fit into memory: their text as it came, and an index that is sorted in its place.
//!
//! An entry of the index holds the first bytes of its line as a number, so that most comparisons need no text.
//!
//! Invariants: `text[..start]` is in `lines`, `text[start..seen]` has no newline, `text[seen..held]` has not been looked at;
//! `text` and `lines` together never take more than the memory they were given.

use std::io::{self, BufRead, ErrorKind, Read, Write};

pub(crate) struct Chunk {
    text: Vec<u8>,
    start: usize,
    seen: usize,
    held: usize,
    lines: Vec<Line>,
    memory: usize,
    /// How the memory is divided, by how long lines are: `text` grows up to here,
    text_most: usize,
    /// and `lines` to this many.
    lines_most: usize,
}

#[derive(Clone, Copy)]
struct Line {
    key: u64,
    start: u32,
    /// Without the newline.
    len: u32,
}

impl Chunk {
    pub(crate) fn new(memory: usize) -> Self {
        let mut new = Self {
            text: Vec::new(),
            start: 0,
            seen: 0,
            held: 0,
            lines: Vec::new(),
            memory,
            text_most: 0,
            lines_most: 0,
        };
        new.divide(USUAL);
        new
    }

    /// Reads until there is no room for more, or `input` has ended (`true`). The last line gets the newline it may lack.
    pub(crate) fn fill(&mut self, input: &mut impl Read) -> io::Result<bool> {
        while self.index()? && self.grow()? {
            if self.read(input)? == 0 {
                if self.start == self.held {
                    return Ok(true);
                }
                self.text[self.held] = b'\n';
                self.held += 1;
            }
        }
        Ok(false)
    }

    /// Looks for lines, and says whether there was room for all there are.
    fn index(&mut self) -> io::Result<bool> {
        while let Some(len) = through_newline(&self.text[self.seen..self.held]) {
            if self.lines.len() == self.lines.capacity() {
                let more = self.lines.len().max(1024).min(self.lines_most - self.lines.len());
                if more == 0 {
                    return Ok(false);
                }
                self.lines.try_reserve_exact(more)?;
            }
            let end = self.seen + len;
            let line = &self.text[self.start..end - 1];
            // Both fit: `text` is never longer than that.
            self.lines.push(Line { key: key(line), start: self.start as u32, len: line.len() as u32 });
            (self.start, self.seen) = (end, end);
        }
        self.seen = self.held;
        Ok(true)
    }

    /// Sees to it that there is room for a byte at least.
    fn grow(&mut self) -> io::Result<bool> {
        if self.held == self.text.len() {
            self.stretch((2 * self.held).max(READ))?;
        }
        Ok(self.held < self.text.len())
    }

    /// Makes `text` as long as that, or as long as it may be.
    fn stretch(&mut self, len: usize) -> io::Result<()> {
        let len = len.min(self.text_most);
        self.text.try_reserve_exact(len - self.text.len())?;
        self.text.resize(len, 0);
        Ok(())
    }

    fn read(&mut self, input: &mut impl Read) -> io::Result<usize> {
        // What is read behind the last line that finds room must leave some for other work.
        let most = READ.min(self.text_most / 4);
        let end = self.text.len().min(self.held + most);
        loop {
            match input.read(&mut self.text[self.held..end]) {
                Ok(read) => {
                    self.held += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn has_lines(&self) -> bool {
        !self.lines.is_empty()
    }

    pub(crate) fn sort(&mut self) {
        let Self { text, lines, .. } = self;
        let common = common_len(text, lines);
        if common > 0 {
            // Keys that tell nothing apart: those of what comes behind it do.
            for line in lines.iter_mut() {
                line.key = key(&line.of(text)[common..]);
            }
        }
        // Lines that are equal are the same bytes, so nobody can see in which order they come.
        lines.sort_unstable_by(|a, b| a.key.cmp(&b.key).then_with(|| a.of(text).cmp(b.of(text))));
    }

    /// Writes all lines, and lets go of them.
    pub(crate) fn write(&mut self, output: &mut impl Write) -> io::Result<()> {
        for line in &self.lines {
            let start = line.start as usize;
            output.write_all(&self.text[start..start + line.len as usize + 1])?;
        }
        let average = self.start / self.lines.len().max(1);
        let used = self.start + self.lines.len() * size_of::<Line>();
        self.lines.clear();
        self.forget(self.start);
        if used < self.memory / 8 * 7 && !self.is_stuck() {
            self.divide(average);
        }
        Ok(())
    }

    /// Whether the line that has not ended yet is better written by [`pour`](Self::pour).
    pub(crate) fn is_stuck(&self) -> bool {
        self.held - self.start > self.text_most / 2
    }

    /// Writes the line that has not ended yet, and the rest of it as it comes. There are no other lines.
    pub(crate) fn pour(&mut self, input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
        loop {
            if let Some(len) = through_newline(&self.text[self.seen..self.held]) {
                let end = self.seen + len;
                output.write_all(&self.text[..end])?;
                self.forget(end);
                return Ok(());
            }
            output.write_all(&self.text[..self.held])?;
            self.forget(self.held);
            if self.read(input)? == 0 {
                return output.write_all(b"\n");
            }
        }
    }

    /// Memory for other work: a quarter of all there is, at least, unless this is stuck.
    pub(crate) fn spare(&mut self) -> io::Result<&mut [u8]> {
        self.stretch(self.text_most)?;
        Ok(&mut self.text[self.held..])
    }

    /// Moves what lies behind `end` to the front; none of it is a line yet.
    fn forget(&mut self, end: usize) {
        self.text.copy_within(end..self.held, 0);
        self.held -= end;
        self.seen = self.seen.max(end) - end;
        self.start = 0;
    }

    /// Divides the memory for lines of `average` bytes, and gives back what is now too much.
    ///
    /// Half of it is for text, however short the lines are: `spare` is what runs are read into.
    fn divide(&mut self, average: usize) {
        let entry = size_of::<Line>();
        let average = average.max(entry);
        self.lines_most = (self.memory / average.saturating_add(entry)).max(1);
        self.text_most = (self.memory - self.lines_most * entry).min(u32::MAX as usize);
        self.text.truncate(self.text_most);
        self.text.shrink_to_fit();
        self.lines.shrink_to(self.lines_most);
    }

    /// How many bytes are held.
    pub(crate) fn memory(&self) -> usize {
        self.text.capacity() + self.lines.capacity() * size_of::<Line>()
    }
}

impl Line {
    fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.start as usize..][..self.len as usize]
    }
}

/// How many bytes all lines begin with that are the same.
fn common_len(text: &[u8], lines: &[Line]) -> usize {
    let Some((first, others)) = lines.split_first() else { return 0 };
    let mut common = first.of(text);
    for line in others {
        let len = common.iter().zip(line.of(text)).take_while(|(a, b)| a == b).count();
        common = &common[..len];
        if common.is_empty() {
            break;
        }
    }
    common.len()
}

/// The first bytes of a line as a number. Lines with different keys are in the order of these.
#[inline]
pub(crate) fn key(line: &[u8]) -> u64 {
    match line.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut padded = [0; 8];
            padded[..line.len()].copy_from_slice(line);
            u64::from_be_bytes(padded)
        }
    }
}

/// How far it is to behind the first newline.
#[inline]
pub(crate) fn through_newline(text: &[u8]) -> Option<usize> {
    // The way to the `memchr` that the standard library has.
    let len = (&mut &*text).skip_until(b'\n').unwrap_or_default();
    (text[..len].last() == Some(&b'\n')).then_some(len)
}

/// How much is read at once: while it is looked at, it is in a near cache.
const READ: usize = 256 << 10;
/// How long lines are taken to be until there have been some.
const USUAL: usize = 48;
