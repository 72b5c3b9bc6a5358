//! After the rollover: writing and reading a file that the page cache holds.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use spooled::{Backing, SpooledTempFile};

use crate::harness::{Row, Sample, timed};
use crate::machine;
use crate::peers::{file, ours, tempfile3};
use crate::work::{
    KIB, MIB, Piece, XorShift, assert_pieces, content, glance, read_at_random, read_lines, read_pieces,
    write_at_random, write_pieces,
};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    [writing(dir), in_sequence(dir), at_random(dir), all_at_once(dir)].into_iter().flatten().collect()
}

/// Making the file is not timed; handing all of it to the system is, and dropping it.
fn writing(dir: &Path) -> Vec<Row<'_>> {
    let small = [(64, 0.04), (512, 0.18), (4 * KIB, 0.35)].map(|(size, bar)| {
        Row::new(
            format!("disk: 16 MiB in writes of {size} B"),
            "`tempfile` 3",
            bar,
            move || writes(move || ours::rolled(dir, Backing::File), size, 16 * MIB),
            move || writes(move || tempfile3::rolled(dir), size, 16 * MIB),
        )
    });
    let bar = if machine::file_system(dir) == "ext4" { 0.85 } else { 1.05 };
    let large = [64 * KIB, MIB].map(|size| {
        Row::new(
            format!("disk: 256 MiB in writes of {} KiB", size / KIB),
            "raw `File`",
            bar,
            move || writes(move || ours::rolled(dir, Backing::File), size, 256 * MIB),
            move || writes(move || file::new(dir), size, 256 * MIB),
        )
    });
    small.into_iter().chain(large).collect()
}

fn in_sequence(dir: &Path) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (backing, bar) in [(Backing::File, 1.05), (Backing::Mmap, 0.65)] {
        rows.push(Row::new(
            format!("disk: sequential reads of 64 B, {backing:?}"),
            "`BufReader` of 64 KiB",
            bar,
            move || reads(ours::filled(dir, backing, &content(LEN)), 64),
            move || reads(buffered(dir, &content(LEN)), 64),
        ));
    }
    for (size, backing, bar) in [
        (4 * KIB, Backing::File, 0.65),
        (4 * KIB, Backing::Mmap, 0.55),
        (64 * KIB, Backing::File, 1.1),
        (64 * KIB, Backing::Mmap, 0.95),
        (MIB, Backing::File, 1.1),
        (MIB, Backing::Mmap, 1.1),
    ] {
        rows.push(Row::new(
            format!("disk: sequential reads of {} KiB, {backing:?}", size / KIB),
            "raw `File`",
            bar,
            move || reads(ours::filled(dir, backing, &content(LEN)), size),
            move || reads(file::filled(dir, &content(LEN)), size),
        ));
    }
    for (backing, bar) in [(Backing::File, Some(1.2)), (Backing::Mmap, None)] {
        rows.push(Row::new(
            format!("disk: 200,000 lines of 80 B with `read_until`, {backing:?}"),
            "`BufReader` of 64 KiB",
            bar,
            move || reads_of_lines(ours::filled(dir, backing, &lines())),
            move || reads_of_lines(buffered(dir, &lines())),
        ));
    }
    rows
}

fn at_random(dir: &Path) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (size, backing, bar) in [
        (64, Backing::File, 0.98),
        (64, Backing::Mmap, 0.1),
        (4 * KIB, Backing::File, 1.02),
        (4 * KIB, Backing::Mmap, 0.55),
    ] {
        rows.push(Row::new(
            format!("disk: random reads of {size} B, {backing:?}"),
            "raw `File`, seek and read",
            bar,
            move || random_reads(ours::filled(dir, backing, &content(LEN)), size),
            move || random_reads(file::filled(dir, &content(LEN)), size),
        ));
    }
    rows.push(Row::new(
        "disk: random writes of 64 B",
        "raw `File`, seek and write",
        0.8,
        || random_writes(ours::filled(dir, Backing::File, &content(LEN))),
        || random_writes(file::filled(dir, &content(LEN))),
    ));
    rows.push(Row::new(
        "disk: append 20 B and `read_at` 20 B elsewhere, in turn",
        // The cheapest way there is: its cursor stays at the end, so that it need not seek.
        "raw `File`, write and `read_at`",
        0.6,
        || appends_and_reads(ours::filled(dir, Backing::File, &content(LEN))),
        || appends_and_reads(file::filled(dir, &content(LEN))),
    ));
    rows
}

fn all_at_once(dir: &Path) -> Vec<Row<'_>> {
    vec![Row::new(
        "disk: `read_to_end` of 64 MiB",
        "`File::read_to_end`",
        0.35,
        || read_to_end(ours::filled(dir, Backing::File, &content(LEN))),
        || read_to_end(file::filled(dir, &content(LEN))),
    )]
}

fn writes<W: Read + Write + Seek>(make: impl Fn() -> W, size: usize, total: usize) -> impl FnMut() -> Sample {
    let (mut piece, mut once) = (Piece::new(size), make());
    let first = piece.turn();
    write_pieces(&mut once, first, total);
    assert_pieces(&mut once, first, total);
    move || {
        let mut sink = make();
        let piece = piece.turn();
        timed(total / size, || {
            write_pieces(&mut sink, piece, total);
            sink.flush().expect("flushed");
            let end = sink.stream_position().expect("position");
            drop(sink);
            end
        })
    }
}

fn reads(mut source: impl Read + Seek, size: usize) -> impl FnMut() -> Sample {
    let mut buf = Piece::new(size);
    move || {
        let buf = buf.turn();
        timed(LEN / size, || {
            source.rewind().expect("rewound");
            read_pieces(&mut source, buf)
        })
    }
}

fn reads_of_lines(mut source: impl BufRead + Seek) -> impl FnMut() -> Sample {
    let mut line = Vec::new();
    move || {
        timed(LINES, || {
            source.rewind().expect("rewound");
            read_lines(&mut source, &mut line)
        })
    }
}

fn random_reads(mut source: impl Read + Seek, size: usize) -> impl FnMut() -> Sample {
    const COUNT: usize = 20_000;
    let mut buf = Piece::new(size);
    move || {
        let buf = buf.turn();
        timed(COUNT, || read_at_random(&mut source, buf, LEN, COUNT))
    }
}

fn random_writes(mut sink: impl Read + Write + Seek) -> impl FnMut() -> Sample {
    const COUNT: usize = 20_000;
    let mut turn = 0u8;
    move || {
        turn = turn.wrapping_add(1);
        let sample = timed(COUNT, || {
            write_at_random(&mut sink, &[turn; 64], LEN, COUNT);
            sink.flush().expect("flushed");
            COUNT as u64
        });
        let mut back = [0; 64];
        sink.seek(SeekFrom::Start(XorShift::new().multiple_of(64, LEN))).expect("sought");
        sink.read_exact(&mut back).expect("read");
        assert_eq!(back, [turn; 64]);
        sample
    }
}

/// The log and its index: what was appended long ago is looked up while more is appended.
trait Log: Write + Seek {
    fn look_up(&self, buf: &mut [u8], offset: u64) -> usize;
    fn cut(&mut self, len: u64);
}

impl Log for SpooledTempFile {
    fn look_up(&self, buf: &mut [u8], offset: u64) -> usize {
        self.read_at(buf, offset).expect("read")
    }

    fn cut(&mut self, len: u64) {
        self.set_len(len).expect("cut");
    }
}

impl Log for File {
    fn look_up(&self, buf: &mut [u8], offset: u64) -> usize {
        std::os::unix::fs::FileExt::read_at(self, buf, offset).expect("read")
    }

    fn cut(&mut self, len: u64) {
        rustix::fs::ftruncate(&*self, len).expect("cut");
    }
}

fn appends_and_reads(mut log: impl Log) -> impl FnMut() -> Sample {
    const COUNT: usize = 50_000;
    let (record, mut buf) = ([0x5a; 20], [0; 20]);
    move || {
        log.cut(LEN as u64);
        let end = log.seek(SeekFrom::End(0)).expect("sought");
        assert_eq!(end, LEN as u64);
        timed(COUNT, || {
            let (mut places, mut sum) = (XorShift::new(), 0);
            for _ in 0..COUNT {
                log.write_all(&record).expect("written");
                let read = log.look_up(&mut buf, places.multiple_of(20, LEN));
                sum += glance(&buf[..read]);
            }
            log.flush().expect("flushed");
            sum + log.stream_position().expect("position")
        })
    }
}

fn read_to_end(mut source: impl Read + Seek) -> impl FnMut() -> Sample {
    move || {
        source.rewind().expect("rewound");
        timed(1, || {
            let mut all = Vec::new();
            source.read_to_end(&mut all).expect("read");
            glance(&all)
        })
    }
}

fn buffered(dir: &Path, content: &[u8]) -> BufReader<File> {
    BufReader::with_capacity(64 * KIB, file::filled(dir, content))
}

fn lines() -> Vec<u8> {
    let mut lines = content(LINES * 80);
    for line in lines.chunks_mut(80) {
        line.iter_mut().for_each(|byte| *byte = b' ' + (*byte & 63));
        line[79] = b'\n';
    }
    lines
}

const LEN: usize = 64 * MIB;
const LINES: usize = 200_000;
