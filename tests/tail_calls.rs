//! P9 and P11 of `tail`, counted by the kernel: none on files in memory, on disk one for each window.
#![cfg(target_os = "linux")]

mod ground;

use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::path::Path;

use ground::calls::{Io, only, without_calls};
use ground::mount::Mount;
use ground::{BACKINGS, KIB, MIB, Scratch, child, options};
use spooled::{Pool, SpoolOptions, tail};

const WINDOW: usize = 64 * KIB;
/// For a start and an end that do not fall on a window's edge.
const A_FEW: u64 = 3;

#[test]
fn p9_a_tail_in_memory_is_no_system_call_on_files() {
    let scratch = Scratch::new();
    without_calls(
        "p9_a_tail_in_memory_is_no_system_call_on_files",
        scratch.path(),
        |directory| directory.to_owned(),
        |directory| {
            for backing in BACKINGS {
                drop(tail::channel(&SpoolOptions::new()));
                let (mut writer, mut reader) = tail::channel(&options(&directory, MIB, backing));
                let mut buf = [0; 1000];
                for _ in 0..500 {
                    writer.write_all(&buf).unwrap();
                }
                writer.write_all(b"a line\n").unwrap();
                writer.flush().unwrap();
                let mut clone = reader.clone();
                clone.seek(SeekFrom::Start(499_000)).unwrap();
                clone.read_until(b'\n', &mut vec![]).unwrap();
                assert_eq!(clone.position(), 500_007);
                assert_eq!(reader.read_at(&mut buf, 77_777).unwrap(), 1000);
                reader.read_exact(&mut buf).unwrap();
                assert!(!reader.fill_buf().unwrap().is_empty());
                writer.write_all(&vec![1; MIB - 500_007]).unwrap();
                writer.finish().unwrap();
                assert_eq!(clone.seek(SeekFrom::End(-9)).unwrap(), MIB as u64 - 9);
                let mut all = vec![];
                reader.rewind().unwrap();
                assert_eq!(reader.read_to_end(&mut all).unwrap(), MIB);
            }
        },
    );
}

#[test]
fn p9_small_writes_on_disk_cost_a_write_for_each_window() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let len = 8 * MIB;
    for backing in BACKINGS {
        for (threshold, piece) in [(0, 64), (0, 1000), (0, 4096), (WINDOW, 64), (MIB, 4096), (0, 40_000)] {
            let piece = vec![1; piece];
            let (mut writer, reader) = tail::channel(&options(scratch.path(), threshold, backing));
            let count = len / piece.len();
            let cost = io.cost(|| {
                for _ in 0..count {
                    writer.write_all(&piece).unwrap();
                }
                writer.flush().unwrap();
            });
            let written = (count * piece.len()) as u64;
            // What was in memory goes in as many pieces as it grew by.
            let most = windows(len) + u64::from(threshold.max(1).ilog2());
            assert!(cost.writes <= most, "{cost:?} for {len} bytes by {}, threshold {threshold}", piece.len());
            assert_eq!((cost.reads, cost.bytes_written, reader.published()), (0, written, written), "{cost:?}");
        }
        // Large ones are published as they go, by the large window.
        let (mut writer, _reader) = tail::channel(&options(scratch.path(), 0, backing));
        let piece = vec![1; MIB];
        let cost = io.cost(|| (0..16).for_each(|_| writer.write_all(&piece).unwrap()));
        assert!(cost.writes <= 16 * 4 && cost.reads == 0, "{cost:?} for 16 writes of 1 MiB, {backing:?}");
    }
}

#[test]
fn p9_small_reads_on_disk_cost_a_read_for_each_window() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let len = 8 * MIB;
    type Way = fn(&mut tail::Reader);
    let ways: [Way; 4] = [
        |reader| while reader.read(&mut [0; 512]).unwrap() > 0 {},
        |reader| while reader.read_exact(&mut [0; 512]).is_ok() {},
        |reader| while reader.skip_until(b'\n').unwrap() > 0 {},
        |reader| {
            while let Some(given) = Some(reader.fill_buf().unwrap().len()).filter(|given| *given > 0) {
                reader.consume(given.min(700));
            }
        },
    ];
    for backing in BACKINGS {
        let (mut writer, reader) = tail::channel(&options(scratch.path(), 0, backing));
        let lines = [&[b'.'; 99][..], b"\n"].concat();
        (0..len / lines.len()).for_each(|_| writer.write_all(&lines).unwrap());
        writer.finish().unwrap();
        for (number, way) in ways.into_iter().enumerate() {
            let mut reader = reader.clone();
            let cost = io.cost(|| way(&mut reader));
            assert_eq!(reader.position(), reader.published());
            assert!(cost.reads <= windows(len), "{cost:?}, way {number}, {backing:?}");
            assert_eq!(cost.writes, 0);
        }
        let cost = io.cost(|| {
            let mut large = vec![0; MIB];
            let mut reader = reader.clone();
            while reader.read(&mut large).unwrap() > 0 {}
        });
        assert!(cost.reads <= len as u64 / MIB as u64 + A_FEW, "{cost:?} by 1 MiB");
    }
}

/// One who follows closely reads a window when one was published, and no more often.
#[test]
fn p9_following_closely_costs_a_read_and_a_write_for_each_window() {
    let Some(io) = Io::open() else { return };
    let scratch = Scratch::new();
    let len = 8 * MIB;
    for backing in BACKINGS {
        let (mut writer, mut reader) = tail::channel(&options(scratch.path(), 0, backing));
        let (piece, mut buf) = ([7; 512], [0; 512]);
        let cost = io.cost(|| {
            for _ in 0..len / piece.len() {
                writer.write_all(&piece).unwrap();
                while reader.position() < reader.published() {
                    reader.read_exact(&mut buf).unwrap();
                }
            }
        });
        assert!(cost.writes <= windows(len) && cost.reads <= windows(len), "{cost:?}, {backing:?}");
        assert!(reader.position() >= (len - WINDOW) as u64);
    }
}

#[test]
fn p11_a_warm_tail_opens_makes_and_cuts_nothing() {
    const NAME: &str = "p11_a_warm_tail_opens_makes_and_cuts_nothing";
    let on = |directory: &Path| {
        only(
            &[libc::SYS_pwrite64, libc::SYS_pread64],
            NAME,
            directory,
            |directory| {
                BACKINGS.map(|backing| {
                    [2 * KIB, 128 * KIB, MIB, 16 * MIB].map(|len| {
                        let pool = Pool::builder().dir(directory).build();
                        let mut options = SpoolOptions::new();
                        options.threshold(WINDOW).backing(backing).pool(&pool);
                        life(&options, len);
                        (pool, options, len)
                    })
                })
            },
            |pools| {
                for (pool, options, len) in pools.as_flattened() {
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

/// Written and read in turn, in pieces, by two.
fn life(options: &SpoolOptions, len: usize) {
    let (mut writer, mut first) = tail::channel(options);
    let mut second = first.clone();
    let mut piece = [7; 1024];
    for _ in 0..len / piece.len() {
        writer.write_all(&piece).unwrap();
        while first.position() < first.published() {
            first.read_exact(&mut piece).unwrap();
        }
    }
    writer.finish().unwrap();
    while let Some(read) = Some(second.read(&mut piece).unwrap()).filter(|read| *read > 0) {
        assert!(piece[..read] == [7; 1024][..read]);
    }
    assert_eq!(second.position(), len as u64);
}

fn windows(len: usize) -> u64 {
    len.div_ceil(WINDOW) as u64 + A_FEW
}
