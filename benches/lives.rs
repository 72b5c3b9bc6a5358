//! Whole lives: made, written in pieces of 8 KiB, rewound, read back in pieces of 8 KiB, dropped; all of it timed.

use std::hint::black_box;
use std::io::{Read, Seek, Write};
use std::path::Path;

use spooled::SpooledTempFile;

use crate::harness::{Row, Sample, timed};
use crate::work::{KIB, MIB, Piece, assert_pieces, read_pieces, write_pieces};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    [(128 * KIB, "128 KiB", 0.85), (MIB, "1 MiB", 0.6), (16 * MIB, "16 MiB", 0.5)]
        .map(|(len, size, bar)| {
            Row::new(
                format!("lives: {size}"),
                "`tempfile` 3",
                bar,
                move || life(move || SpooledTempFile::new_in(THRESHOLD, dir), len),
                move || life(move || tempfile::spooled_tempfile_in(THRESHOLD, dir), len),
            )
        })
        .into()
}

pub fn life<S: Read + Write + Seek>(make: impl Fn() -> S, len: usize) -> impl FnMut() -> Sample {
    let (mut piece, mut buf, mut once) = (Piece::new(8 * KIB), Piece::new(8 * KIB), make());
    let first = piece.turn();
    write_pieces(&mut once, first, len);
    assert_pieces(&mut once, first, len);
    move || {
        let (piece, buf) = (piece.turn(), buf.turn());
        timed(1, || {
            let mut spool = make();
            write_pieces(&mut spool, piece, len);
            spool.rewind().expect("rewound");
            black_box(read_pieces(&mut spool, buf));
            // What is read is another sum each turn.
            spool.stream_position().expect("position")
        })
    }
}

const THRESHOLD: usize = 64 * KIB;
