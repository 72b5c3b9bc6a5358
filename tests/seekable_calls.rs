//! P9 and P11 of `SeekableReader`, counted by the kernel: none in memory, on disk one write for each window and no read.
#![cfg(target_os = "linux")]

mod ground;

use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::path::Path;

use ground::calls::{Io, only, without_calls};
use ground::mount::Mount;
use ground::{BACKINGS, KIB, MIB, Scratch, child, options};
use spooled::{Backing, Pool, SeekableReader, SpoolOptions};

const WINDOW: usize = 64 * KIB;
/// For a start and an end that do not fall on a window's edge.
const A_FEW: u64 = 3;

#[test]
fn p9_seeking_in_memory_is_no_system_call_on_files() {
    let scratch = Scratch::new();
    without_calls(
        "p9_seeking_in_memory_is_no_system_call_on_files",
        scratch.path(),
        |directory| directory.to_owned(),
        |directory| {
            for backing in BACKINGS {
                drop(SeekableReader::new(io::empty()));
                let options = options(&directory, MIB, backing);
                let mut reader = SeekableReader::with_options(Pieces::new(MIB, 1000), &options);
                let mut buf = [0; 100];
                reader.read_exact(&mut buf).unwrap();
                reader.seek(SeekFrom::Start(300_000)).unwrap();
                reader.read_exact(&mut buf).unwrap();
                assert!(reader.pulled() <= 300_100 + 16 * KIB as u64);
                reader.seek(SeekFrom::Current(100_000)).unwrap();
                reader.fill_buf().unwrap();
                reader.read_until(b'\n', &mut vec![]).unwrap();
                assert_eq!(reader.seek(SeekFrom::End(-9)).unwrap(), MIB as u64 - 9);
                reader.rewind().unwrap();
                let mut all = vec![];
                assert_eq!(reader.read_to_end(&mut all).unwrap(), MIB);
                let (_, spool) = reader.into_parts();
                assert!(!spool.is_rolled());
            }
        },
    );
}

/// What comes is read from the window that it is written from.
#[test]
fn p9_reading_on_disk_in_sequence_costs_a_write_for_each_window_and_no_read() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let len = 8 * MIB;
    for backing in BACKINGS {
        for threshold in [0, WINDOW, MIB] {
            for (piece, ask) in [(usize::MAX, 512), (1000, 512), (40_000, 10_000), (64, 64), (usize::MAX, 100_000)] {
                let options = options(scratch.path(), threshold, backing);
                let mut reader = SeekableReader::with_options(Pieces::new(len, piece), &options);
                let mut buf = vec![0; ask];
                let mut seen = 0;
                let cost = io.cost(|| {
                    while let Some(read) = Some(reader.read(&mut buf).unwrap()).filter(|read| *read > 0) {
                        assert_eq!(buf[..read], vec![7; read]);
                        seen += read;
                    }
                });
                assert_eq!((seen, reader.pulled()), (len, len as u64));
                let what = format!("{cost:?}, by {ask} of {piece}, threshold {threshold}, {backing:?}");
                assert_eq!(cost.reads, 0, "{what}");
                assert!(cost.writes <= windows(len), "{what}");
                assert!(cost.bytes_written <= len as u64, "{what}");
            }
        }
    }
}

/// By lines, by `fill_buf`, by `read_exact` and by `read_to_end` as well.
#[test]
fn p9_each_way_of_reading_on_disk_in_sequence_costs_no_read() {
    type Way = fn(&mut SeekableReader<Pieces>);
    let ways: [Way; 4] = [
        |reader| while reader.skip_until(b'\n').unwrap() > 0 {},
        |reader| {
            while let Some(given) = Some(reader.fill_buf().unwrap().len()).filter(|given| *given > 0) {
                reader.consume(given.min(700));
            }
        },
        |reader| while reader.read_exact(&mut [0; 1 << 10]).is_ok() {},
        |reader| assert_eq!(reader.read_to_end(&mut vec![]).unwrap(), 4 * MIB),
    ];
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let len = 4 * MIB;
    for backing in BACKINGS {
        for (number, way) in ways.into_iter().enumerate() {
            for piece in [1000, usize::MAX] {
                let options = options(scratch.path(), 0, backing);
                let mut reader = SeekableReader::with_options(Pieces::new(len, piece), &options);
                let cost = io.cost(|| way(&mut reader));
                assert_eq!(reader.pulled(), len as u64);
                assert_eq!(cost.reads, 0, "{cost:?}, way {number} by {piece}, {backing:?}");
                assert!(cost.writes <= windows(len), "{cost:?}, way {number} by {piece}, {backing:?}");
            }
        }
    }
}

#[test]
fn p11_a_warm_reader_opens_makes_and_cuts_nothing() {
    let on = |directory: &Path| {
        only(
            &[libc::SYS_pwrite64, libc::SYS_pread64],
            "p11_a_warm_reader_opens_makes_and_cuts_nothing",
            directory,
            |directory| {
                [2 * KIB, 128 * KIB, MIB, 16 * MIB].map(|len| {
                    let pool = Pool::builder().dir(directory).build();
                    let mut options = SpoolOptions::new();
                    options.threshold(WINDOW).backing(Backing::File).pool(&pool);
                    life(&options, len);
                    (pool, options, len)
                })
            },
            |pools| {
                for (pool, options, len) in pools {
                    life(options, *len);
                    life(options, *len);
                    assert_eq!(pool.stats().reused_files, if *len > WINDOW { 2 } else { 0 });
                }
            },
        );
    };
    let scratch = Scratch::new();
    on(scratch.path());
    if child::argument().is_some() {
        return;
    }
    let mounts = [Mount::tmpfs(64 * MIB), Mount::on_a_loop_device("ext4", 64 << 20)];
    mounts.into_iter().flatten().for_each(|mount| on(mount.path()));
}

/// Read in pieces, and once more from the middle.
fn life(options: &SpoolOptions, len: usize) {
    let mut reader = SeekableReader::with_options(Pieces::new(len, usize::MAX), options);
    let mut buf = [0; 8 * KIB];
    while let Some(read) = Some(reader.read(&mut buf).unwrap()).filter(|read| *read > 0) {
        assert!(buf[..read] == [7; 8 * KIB][..read]);
    }
    reader.seek(SeekFrom::Start(len as u64 / 2)).unwrap();
    reader.read_exact(&mut buf[..1 << 10]).unwrap();
}

/// A source of so many bytes, in pieces of that size.
struct Pieces {
    left: usize,
    piece: usize,
}

impl Pieces {
    fn new(len: usize, piece: usize) -> Self {
        Pieces { left: len, piece }
    }
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = buf.len().min(self.piece).min(self.left);
        buf[..count].fill(7);
        self.left -= count;
        Ok(count)
    }
}

fn windows(len: usize) -> u64 {
    len.div_ceil(WINDOW) as u64 + A_FEW
}
