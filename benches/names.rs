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
            move || files(dir, 0),
            move || files_of_tempfile(dir, 0),
        ),
        Row::new(
            "names: a file, made, asked for its path and dropped",
            peer,
            None,
            move || paths(dir),
            move || paths_of_tempfile(dir),
        ),
        Row::new(
            "names: a file of 4 KiB, made, written and dropped",
            peer,
            None,
            move || files(dir, 4 * KIB),
            move || files_of_tempfile(dir, 4 * KIB),
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

fn files(dir: &Path, len: usize) -> impl FnMut() -> Sample {
    let scratch = TempDir::new_in(dir).expect("a directory");
    let content = content(len);
    move || {
        timed(COUNT, || {
            for _ in 0..COUNT {
                let mut file = NamedTempFile::new_in(&scratch).expect("made");
                file.write_all(&content).expect("written");
            }
            COUNT as u64
        })
    }
}

fn files_of_tempfile(dir: &Path, len: usize) -> impl FnMut() -> Sample {
    let scratch = tempfile::TempDir::new_in(dir).expect("a directory");
    let content = content(len);
    move || {
        timed(COUNT, || {
            for _ in 0..COUNT {
                let mut file = tempfile::NamedTempFile::new_in(&scratch).expect("made");
                file.write_all(&content).expect("written");
            }
            COUNT as u64
        })
    }
}

/// Whoever has the path may do with the file what he likes: it is marked by then.
fn paths(dir: &Path) -> impl FnMut() -> Sample {
    let scratch = TempDir::new_in(dir).expect("a directory");
    move || {
        timed(COUNT, || {
            for _ in 0..COUNT {
                black_box(NamedTempFile::new_in(&scratch).expect("made").path());
            }
            COUNT as u64
        })
    }
}

fn paths_of_tempfile(dir: &Path) -> impl FnMut() -> Sample {
    let scratch = tempfile::TempDir::new_in(dir).expect("a directory");
    move || {
        timed(COUNT, || {
            for _ in 0..COUNT {
                black_box(tempfile::NamedTempFile::new_in(&scratch).expect("made").path());
            }
            COUNT as u64
        })
    }
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
