//! Reading what cannot seek as if it could, and reading what is still being written.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;
use std::thread;

use spooled::{SeekableReader, SpoolOptions, tail};

use crate::harness::{Row, Sample, timed};
use crate::peers::file;
use crate::work::{KIB, MIB, Piece, content, glance, write_pieces};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    let mut rows = vec![];
    for (piece, name) in [(64, "64 B"), (4 * KIB, "4 KiB"), (64 * KIB, "64 KiB")] {
        rows.push(Row::new(
            format!("views: 128 MiB through `SeekableReader` in pieces of {name}, and drop"),
            "a `BufReader` beside a `BufWriter`, 64 KiB each",
            0.95,
            move || pulled(dir, piece),
            move || buffered(dir, piece),
        ));
    }
    let places = [("on disk", 64 * KIB, [1.3, 1.25]), ("in memory", usize::MAX, [0.5, 0.5])];
    for (place, threshold, bars) in places {
        for ((piece, name), bar) in [(512, "512 B"), (64 * KIB, "64 KiB")].into_iter().zip(bars) {
            rows.push(Row::new(
                format!("views: a tail {place} and four readers, 256 MiB in pieces of {name}"),
                "written to a file, then read by four",
                bar,
                move || followed(dir, threshold, piece),
                move || one_after_the_other(dir, piece),
            ));
        }
    }
    rows
}

const PULLED: usize = 128 * MIB;
const FOLLOWED: usize = 256 * MIB;
const READERS: usize = 4;

/// A source that is a file, since every program has one; it is in the cache.
fn source(dir: &Path) -> File {
    let mut file = file::new(dir);
    write_pieces(&mut file, &content(MIB), PULLED);
    file
}

fn pulled(dir: &Path, piece: usize) -> impl FnMut() -> Sample {
    let (mut source, mut buf) = (source(dir), Piece::new(piece));
    let mut options = SpoolOptions::new();
    options.dir(dir);
    move || {
        source.rewind().expect("rewound");
        let buf = buf.turn();
        timed(1, || {
            let mut reader = SeekableReader::with_options(&source, &options);
            (0..PULLED / piece).map(|_| read_one(&mut reader, buf)).sum()
        })
    }
}

fn buffered(dir: &Path, piece: usize) -> impl FnMut() -> Sample {
    let (mut source, mut buf) = (source(dir), Piece::new(piece));
    move || {
        source.rewind().expect("rewound");
        let buf = buf.turn();
        timed(1, || {
            let mut reader = BufReader::with_capacity(64 * KIB, &source);
            let mut kept = BufWriter::with_capacity(64 * KIB, file::new(dir));
            let copied = |_| {
                let sum = read_one(&mut reader, buf);
                kept.write_all(buf).expect("written");
                sum
            };
            let sum = (0..PULLED / piece).map(copied).sum();
            kept.flush().expect("flushed");
            sum
        })
    }
}

fn followed(dir: &Path, threshold: usize, piece: usize) -> impl FnMut() -> Sample {
    let mut options = SpoolOptions::new();
    options.dir(dir).threshold(threshold);
    let piece = content(piece);
    move || {
        timed(1, || {
            let (mut writer, reader) = tail::channel(&options);
            thread::scope(|scope| {
                let readers = [(); READERS].map(|()| {
                    let reader = reader.clone();
                    scope.spawn(|| read_all(reader, piece.len()))
                });
                write_pieces(&mut writer, &piece, FOLLOWED);
                writer.finish().expect("finished");
                readers.map(|reader| reader.join().expect("alive")).iter().sum()
            })
        })
    }
}

fn one_after_the_other(dir: &Path, piece: usize) -> impl FnMut() -> Sample {
    let piece = content(piece);
    move || {
        timed(1, || {
            let mut writer = BufWriter::with_capacity(64 * KIB, file::new(dir));
            write_pieces(&mut writer, &piece, FOLLOWED);
            let file = writer.into_inner().expect("flushed");
            thread::scope(|scope| {
                let readers = [(); READERS].map(|()| {
                    let reader = BufReader::with_capacity(64 * KIB, file::At::start(&file));
                    scope.spawn(|| read_all(reader, piece.len()))
                });
                readers.map(|reader| reader.join().expect("alive")).iter().sum()
            })
        })
    }
}

fn read_all(mut reader: impl Read, piece: usize) -> u64 {
    let mut buf = vec![0; piece];
    (0..FOLLOWED / piece).map(|_| read_one(&mut reader, &mut buf)).sum()
}

fn read_one(reader: &mut impl Read, buf: &mut [u8]) -> u64 {
    reader.read_exact(buf).expect("read");
    glance(buf)
}
