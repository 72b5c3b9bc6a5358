//! Files and directories with a name.
//!
//! The directory is one of this row's own, as empty as a scratch directory is; its first name, with which comes a look for what
//! was left there, is made before anything is timed.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use spooled::{NamedTempFile, SpoolOptions, TempDir};

use crate::harness::{Row, Sample, timed};
use crate::work::{KIB, MIB, content, write_pieces};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    let peer = "`tempfile` 3";
    vec![
        Row::new(
            "names: a file, made and dropped",
            peer,
            1.1,
            move || files(dir, |_| ()),
            move || files_of_tempfile(dir, |_| ()),
        ),
        Row::new(
            "names: a file, made, asked for its path and dropped",
            peer,
            None,
            move || files(dir, |file| _ = black_box(file.path())),
            move || files_of_tempfile(dir, |file| _ = black_box(file.path())),
        ),
        Row::new(
            "names: a file of 4 KiB, made, written and dropped",
            peer,
            None,
            move || files(dir, written(4 * KIB)),
            move || files_of_tempfile(dir, written(4 * KIB)),
        ),
        Row::new(
            "names: a directory, made and dropped",
            peer,
            1.1,
            move || directories(dir, 0),
            move || directories_of_tempfile(dir, 0),
        ),
        Row::new(
            "names: a directory of 100 files, made and dropped",
            peer,
            None,
            move || directories(dir, 100),
            move || directories_of_tempfile(dir, 100),
        ),
        Row::new(
            "names: `into_named` of 64 MiB on disk",
            "100 µs",
            1.0,
            move || into_named(dir),
            || || Sample::new(Duration::from_micros(100), 1, 64 * MIB as u64),
        ),
    ]
}

const COUNT: usize = 500;

fn files(dir: &Path, used: impl Fn(&mut NamedTempFile)) -> impl FnMut() -> Sample {
    let scratch = TempDir::new_in(dir).expect("a directory");
    move || {
        timed(COUNT, || {
            for _ in 0..COUNT {
                used(&mut NamedTempFile::new_in(&scratch).expect("made"));
            }
            COUNT as u64
        })
    }
}

fn files_of_tempfile(dir: &Path, used: impl Fn(&mut tempfile::NamedTempFile)) -> impl FnMut() -> Sample {
    let scratch = tempfile::TempDir::new_in(dir).expect("a directory");
    move || {
        timed(COUNT, || {
            for _ in 0..COUNT {
                used(&mut tempfile::NamedTempFile::new_in(&scratch).expect("made"));
            }
            COUNT as u64
        })
    }
}

/// Writes so much.
fn written<W: Write>(len: usize) -> impl Fn(&mut W) {
    let content = content(len);
    move |file| file.write_all(&content).expect("written")
}

fn directories(dir: &Path, entries: usize) -> impl FnMut() -> Sample {
    let scratch = TempDir::new_in(dir).expect("a directory");
    move || {
        timed(COUNT, || {
            for _ in 0..COUNT {
                fill(TempDir::new_in(&scratch).expect("made").path(), entries);
            }
            COUNT as u64
        })
    }
}

fn directories_of_tempfile(dir: &Path, entries: usize) -> impl FnMut() -> Sample {
    let scratch = tempfile::TempDir::new_in(dir).expect("a directory");
    move || {
        timed(COUNT, || {
            for _ in 0..COUNT {
                fill(tempfile::TempDir::new_in(&scratch).expect("made").path(), entries);
            }
            COUNT as u64
        })
    }
}

fn fill(dir: &Path, entries: usize) {
    for entry in 0..entries {
        File::create(dir.join(entry.to_string())).expect("made");
    }
}

fn into_named(dir: &Path) -> impl FnMut() -> Sample {
    let scratch = TempDir::new_in(dir).expect("a directory");
    let piece = content(64 * KIB);
    let mut options = SpoolOptions::new();
    options.dir(scratch.path());
    move || {
        let mut spool = options.build();
        write_pieces(&mut spool, &piece, 64 * MIB);
        spool.roll().expect("flushed");
        let start = Instant::now();
        let named = spool.into_named().expect("named");
        let time = start.elapsed();
        let _ = &scratch;
        Sample::new(time, 1, named.path().metadata().expect("there").len())
    }
}
