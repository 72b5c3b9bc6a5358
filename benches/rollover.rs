//! The rollover itself: memory that is full becomes a file, and the file is dropped.
//!
//! Filling the memory is timed on neither side. The spool has to free its memory as well; the peer keeps its own.

use std::io::Write;
use std::path::Path;

use spooled::SpoolOptions;

use crate::harness::{Row, Sample, timed};
use crate::peers::file;
use crate::work::{KIB, MIB, assert_pieces, content, write_pieces};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    [(1, 1.15), (64, 0.8)]
        .map(|(mebibytes, bar)| {
            Row::new(
                format!("rollover: roll and drop {mebibytes} MiB"),
                "`write_all` into a fresh file, and drop",
                bar,
                move || roll(dir, mebibytes * MIB),
                move || write(dir, mebibytes * MIB),
            )
        })
        .into()
}

fn roll(dir: &Path, len: usize) -> impl FnMut() -> Sample {
    let piece = content(64 * KIB);
    let mut options = SpoolOptions::new();
    options.threshold(len).dir(dir);
    let full = move |piece: &[u8]| {
        let mut spool = options.build();
        write_pieces(&mut spool, piece, len);
        assert!(!spool.is_rolled() && spool.len() == len as u64);
        spool
    };
    let mut once = full(&piece);
    once.roll().expect("rolled");
    assert_pieces(&mut once, &piece, len);
    move || {
        let mut spool = full(&piece);
        timed(1, || {
            spool.roll().expect("rolled");
            assert!(spool.is_rolled());
            spool.len()
        })
    }
}

fn write(dir: &Path, len: usize) -> impl FnMut() -> Sample {
    let piece = content(64 * KIB);
    move || {
        let mut bytes = Vec::with_capacity(len);
        write_pieces(&mut bytes, &piece, len);
        timed(1, || {
            let mut file = file::new(dir);
            file.write_all(&bytes).expect("written");
            bytes.len() as u64
        })
    }
}
