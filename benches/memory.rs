//! Before the rollover: making and dropping, writing and reading in memory. Making and dropping count everywhere.

use std::hint::black_box;
use std::io::{Cursor, Read, Seek, Write};
use std::path::Path;

use spooled::SpoolOptions;

use crate::harness::{Row, Sample, timed};
use crate::peers::bytes_mut::Bare;
use crate::peers::{ours, tempfile3};
use crate::work::{KIB, MIB, Piece, assert_pieces, content, read_pieces, write_pieces};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    let mut rows = vec![
        Row::new(
            "memory: make and drop, nothing written",
            TEMPFILE,
            3.5,
            || make(|| ours::in_memory(black_box(THRESHOLD))),
            || make(|| tempfile3::in_memory(black_box(THRESHOLD))),
        ),
        Row::new(
            "memory: make and drop, with options",
            TEMPFILE,
            3.5,
            || {
                let mut options = SpoolOptions::new();
                options.threshold(black_box(MIB)).max_len(black_box(1 << 30));
                make(move || options.build())
            },
            || make(|| tempfile3::in_memory(black_box(THRESHOLD))),
        ),
        Row::new(
            "memory: make and drop, with options and a directory",
            TEMPFILE,
            None,
            move || {
                let mut options = SpoolOptions::new();
                options.threshold(black_box(MIB)).dir(dir);
                make(move || options.build())
            },
            || make(|| tempfile3::in_memory(black_box(THRESHOLD))),
        ),
        Row::new(
            "memory: a body of 2 KiB in 4 writes, read back",
            TEMPFILE,
            0.95,
            || body(|| ours::in_memory(THRESHOLD)),
            || body(|| tempfile3::in_memory(THRESHOLD)),
        ),
    ];
    rows.extend([(1, 0.55), (8, 0.6), (64, 0.75), (4 * KIB, 1.06)].map(|(size, bar)| {
        Row::new(
            format!("memory: writes of {size} B"),
            TEMPFILE,
            bar,
            move || {
                let (mut piece, mut spool) = (Piece::new(size), ours::in_memory(MIB));
                let piece = piece.turn();
                write_pieces(&mut spool, piece, MIB);
                assert!(!spool.is_rolled());
                assert_pieces(&mut spool, piece, MIB);
                writes(|| ours::in_memory(MIB), size, MIB)
            },
            move || writes(|| tempfile3::in_memory(MIB), size, MIB),
        )
    }));
    rows.extend([(1, 1.35), (64, 1.4), (4 * KIB, 1.1)].map(|(size, bar)| {
        Row::new(
            format!("memory: writes of {size} B"),
            BARE,
            bar,
            move || writes(|| ours::in_memory(MIB), size, MIB),
            move || writes(Bare::new, size, MIB),
        )
    }));
    rows.extend([(8, 1.2), (64, 1.3), (4 * KIB, 1.1)].map(|(size, bar)| {
        Row::new(
            format!("memory: reads of {size} B"),
            "`Cursor<Vec<u8>>`",
            bar,
            move || {
                let mut spool = ours::in_memory(MIB);
                spool.write_all(&content(MIB)).expect("written");
                reads(spool, size)
            },
            move || reads(Cursor::new(content(MIB)), size),
        )
    }));
    rows.push(Row::new(
        "memory: 64 MiB in writes of 64 KiB",
        BARE,
        0.4,
        || writes(|| ours::in_memory(usize::MAX), 64 * KIB, 64 * MIB),
        || writes(Bare::new, 64 * KIB, 64 * MIB),
    ));
    rows
}

fn make<S>(make: impl Fn() -> S) -> impl FnMut() -> Sample {
    const COUNT: usize = 100_000;
    move || {
        timed(COUNT, || {
            for _ in 0..COUNT {
                // By reference: it has to be in memory, and nobody has to copy it there.
                black_box(&make());
            }
            COUNT as u64
        })
    }
}

pub fn body<S: Read + Write + Seek>(make: impl Fn() -> S) -> impl FnMut() -> Sample {
    const COUNT: usize = 1000;
    let quarters: Vec<Vec<u8>> = content(2 * KIB).chunks(512).map(Vec::from).collect();
    move || {
        timed(COUNT, || {
            let mut back = [0; 2 * KIB];
            for _ in 0..COUNT {
                let mut spool = make();
                quarters.iter().for_each(|quarter| spool.write_all(quarter).expect("written"));
                spool.rewind().expect("rewound");
                spool.read_exact(black_box(&mut back)).expect("read");
            }
            assert!(back.chunks(512).eq(&quarters));
            COUNT as u64
        })
    }
}

pub fn writes<W: Write>(make: impl Fn() -> W, size: usize, total: usize) -> impl FnMut() -> Sample {
    let mut piece = Piece::new(size);
    move || {
        let piece = piece.turn();
        timed(total / size, || {
            let mut sink = make();
            write_pieces(&mut sink, piece, total);
            black_box(&sink);
            total as u64
        })
    }
}

fn reads(mut source: impl Read + Seek, size: usize) -> impl FnMut() -> Sample {
    let mut buf = Piece::new(size);
    move || {
        let buf = buf.turn();
        timed(MIB / size, || {
            source.rewind().expect("rewound");
            read_pieces(&mut source, buf)
        })
    }
}

const TEMPFILE: &str = "`tempfile` 3";
const BARE: &str = "bare `BytesMut`";
const THRESHOLD: usize = 64 * KIB;
