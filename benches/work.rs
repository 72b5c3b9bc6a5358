//! The work itself, written once for everybody: what reads, writes and seeks is driven through the standard library's
//! traits, ours and peers alike.

use std::io::{BufRead, Read, Seek, SeekFrom, Write};

/// Bytes that do not repeat, the same in each run.
pub fn content(len: usize) -> Vec<u8> {
    let mut random = XorShift::new();
    let mut bytes: Vec<u8> = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Memory of the caller's, to write from or read into, that lies elsewhere in a page each time.
///
/// On some processors (AMD's Zen 3 is one) a copy of kilobytes takes five times as long, or twenty, where its target lies
/// less than 32 bytes behind its source, modulo a page; so what an allocator happens to give would decide a comparison.
pub struct Piece {
    bytes: Vec<u8>,
    len: usize,
    shift: usize,
}

impl Piece {
    pub fn new(len: usize) -> Self {
        Self { bytes: content(len + 2 * PAGE), len, shift: 0 }
    }

    /// The same bytes only if it is the same turn.
    pub fn turn(&mut self) -> &mut [u8] {
        // Multiples of 16, as allocators give them, each of the 256 in a page once.
        self.shift = (self.shift + 5 * 16) % PAGE;
        let to_page = self.bytes.as_ptr().align_offset(PAGE);
        &mut self.bytes[to_page + self.shift..][..self.len]
    }
}

pub const PAGE: usize = 4096;

/// Writes `piece` until `total` bytes are written.
#[inline]
pub fn write_pieces(sink: &mut impl Write, piece: &[u8], total: usize) {
    for _ in 0..total / piece.len() {
        sink.write_all(piece).expect("written");
    }
}

/// Whether `total` bytes that [`write_pieces`] wrote can be read back.
pub fn assert_pieces(source: &mut (impl Read + Seek), piece: &[u8], total: usize) {
    source.rewind().expect("rewound");
    let mut buf = vec![0; piece.len()];
    for _ in 0..total / piece.len() {
        source.read_exact(&mut buf).expect("read");
        assert!(buf == piece, "what was read is not what was written");
    }
    assert_eq!(source.read(&mut buf).expect("read"), 0, "longer than what was written");
}

/// Reads to the end, a `buf` at a time, and sums up what came.
#[inline]
pub fn read_pieces(source: &mut impl Read, buf: &mut [u8]) -> u64 {
    let mut sum = 0;
    loop {
        match source.read(buf).expect("read") {
            0 => return sum,
            read => sum += glance(&buf[..read]),
        }
    }
}

/// Reads a `buf` at each of `count` places that are multiples of its length, within the first `len` bytes.
#[inline]
pub fn read_at_random(source: &mut (impl Read + Seek), buf: &mut [u8], len: usize, count: usize) -> u64 {
    let mut places = XorShift::new();
    let mut sum = 0;
    for _ in 0..count {
        source.seek(SeekFrom::Start(places.multiple_of(buf.len(), len))).expect("sought");
        let read = source.read(buf).expect("read");
        sum += glance(&buf[..read]);
    }
    sum
}

/// Writes `piece` at each of `count` places that are multiples of its length, within the first `len` bytes.
#[inline]
pub fn write_at_random(sink: &mut (impl Write + Seek), piece: &[u8], len: usize, count: usize) {
    let mut places = XorShift::new();
    for _ in 0..count {
        sink.seek(SeekFrom::Start(places.multiple_of(piece.len(), len))).expect("sought");
        sink.write_all(piece).expect("written");
    }
}

/// Reads lines to the end, and sums them up.
#[inline]
pub fn read_lines(source: &mut impl BufRead, line: &mut Vec<u8>) -> u64 {
    let mut sum = 0;
    loop {
        line.clear();
        match source.read_until(b'\n', line).expect("read") {
            0 => return sum,
            _ => sum += glance(line),
        }
    }
}

/// A sum that costs two loads, and that is another one if a piece is short, missing or of other content.
#[inline]
pub fn glance(piece: &[u8]) -> u64 {
    piece.len() as u64 + u64::from(piece[0]) + 257 * u64::from(piece[piece.len() - 1])
}

/// A fixed sequence of places.
pub struct XorShift(u64);

impl XorShift {
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    #[inline]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A multiple of `size` that is at least `size` below `len`.
    #[inline]
    pub fn multiple_of(&mut self, size: usize, len: usize) -> u64 {
        let slots = (len / size) as u64;
        // The upper half scaled down: no division.
        (((self.next() >> 32) * slots) >> 32) * size as u64
    }
}

pub const KIB: usize = 1 << 10;
pub const MIB: usize = 1 << 20;
pub const GIB: usize = 1 << 30;
