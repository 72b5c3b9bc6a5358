//! Large pieces in and out: what the kernel can move itself, and what need not be moved at all.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::Path;
use std::thread::{self, JoinHandle};

use spooled::{Backing, SpooledTempFile};

use crate::harness::{Row, Sample, timed};
use crate::peers::{file, ours};
use crate::work::{GIB, KIB, MIB, assert_pieces, content, glance, write_pieces};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    vec![
        Row::new(
            "copies: `copy_from` a file of 256 MiB, and drop",
            "`io::copy` of `File` to `File`",
            1.05,
            || {
                let mut once = ours::rolled(dir, Backing::File);
                once.copy_from(&mut source(dir)).expect("copied");
                assert_pieces(&mut once, &content(MIB), LEN);
                file_to(source(dir), || ours::rolled(dir, Backing::File), |file, spool| spool.copy_from(file))
            },
            || file_to(source(dir), || file::new(dir), io::copy),
        ),
        Row::new(
            "copies: `copy_to` a file of 256 MiB, and drop",
            "`io::copy` of `File` to `File`",
            1.05,
            || {
                let mut once = file::new(dir);
                spooled_source(dir).copy_to(&mut once).expect("copied");
                assert_pieces(&mut once, &content(MIB), LEN);
                file_to(spooled_source(dir), || file::new(dir), SpooledTempFile::copy_to)
            },
            || file_to(source(dir), || file::new(dir), io::copy),
        ),
        Row::new(
            "copies: `copy_to` a pipe, 256 MiB",
            "`io::copy` from a `BufReader` of the file",
            0.3,
            || to_pipe(spooled_source(dir), SpooledTempFile::copy_to),
            || to_pipe(BufReader::new(source(dir)), io::copy),
        ),
        Row::new(
            "copies: 2 GiB on disk to one `Bytes`",
            "`File::read_to_end`",
            0.001,
            || to_bytes(dir),
            || {
                let mut file = file::new(dir);
                write_pieces(&mut file, &content(MIB), 2 * GIB);
                read_to_end(file)
            },
        )
        .rounds(5),
    ]
}

fn source(dir: &Path) -> File {
    let mut file = file::new(dir);
    write_pieces(&mut file, &content(MIB), LEN);
    file.rewind().expect("rewound");
    file
}

fn spooled_source(dir: &Path) -> SpooledTempFile {
    let mut spool = ours::rolled(dir, Backing::File);
    write_pieces(&mut spool, &content(MIB), LEN);
    spool.rewind().expect("rewound");
    spool
}

/// Making what is copied into is not timed; dropping it is.
fn file_to<S: Seek, D>(
    mut source: S,
    make: impl Fn() -> D,
    copy: impl Fn(&mut S, &mut D) -> io::Result<u64>,
) -> impl FnMut() -> Sample {
    move || {
        source.rewind().expect("rewound");
        let mut sink = make();
        timed(1, || {
            let copied = copy(&mut source, &mut sink).expect("copied");
            drop(sink);
            copied
        })
    }
}

/// Somebody at the other end reads and throws away.
///
/// Nobody pins the two ends to processors, as no program does. Where the scheduler lets each have one of its own, the peer,
/// whose buffer is of 8 KiB, takes half of its usual time, and the ratio is twice the usual one.
fn to_pipe<S: Seek>(
    mut source: S,
    copy: impl Fn(&mut S, &mut io::PipeWriter) -> io::Result<u64>,
) -> impl FnMut() -> Sample {
    move || {
        source.rewind().expect("rewound");
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let other_end = drain(reader);
        timed(1, || {
            let copied = copy(&mut source, &mut writer).expect("copied");
            drop(writer);
            assert_eq!(other_end.join().expect("joined"), copied);
            copied
        })
    }
}

fn drain(mut reader: io::PipeReader) -> JoinHandle<u64> {
    thread::spawn(move || {
        let mut buf = vec![0; 64 * KIB];
        let mut drained = 0;
        loop {
            match reader.read(&mut buf).expect("read") {
                0 => return drained,
                read => drained += read as u64,
            }
        }
    })
}

/// A fresh file each time, since a mapping is made only once; making and filling it is not timed.
fn to_bytes(dir: &Path) -> impl FnMut() -> Sample {
    let piece = content(MIB);
    move || {
        let mut spool = ours::rolled(dir, Backing::File);
        write_pieces(&mut spool, &piece, 2 * GIB);
        spool.flush().expect("flushed");
        let mut bytes = bytes::Bytes::new();
        let sample = timed(1, || {
            bytes = spool.freeze().expect("frozen").to_bytes().expect("mapped");
            glance(&bytes)
        });
        assert!(bytes.chunks(MIB).all(|back| back == piece));
        sample
    }
}

fn read_to_end(mut file: File) -> impl FnMut() -> Sample {
    move || {
        file.rewind().expect("rewound");
        let mut all = Vec::new();
        timed(1, || {
            file.read_to_end(&mut all).expect("read");
            glance(&all)
        })
    }
}

const LEN: usize = 256 * MIB;
