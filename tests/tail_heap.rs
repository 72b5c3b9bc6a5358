//! P3 of `tail`: a reader that falls behind costs nothing, however much it is, and holds nobody up.

mod heap;

use std::io::{Read, Write};
use std::path::Path;

use heap::measured;
use spooled::{Backing, Pool, SpoolOptions, tail};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const WINDOW: usize = 64 * KIB;
/// What a window may grow to in long sequential work.
const LARGE_WINDOW: usize = 256 * KIB;
/// Paths, options, and the bookkeeping of the file and of what is shared.
const SLACK: usize = 8 * KIB;
const BACKINGS: [Backing; 2] = [Backing::File, Backing::Mmap];

#[test]
fn p3_a_reader_that_stopped_costs_no_more_than_its_window() {
    for backing in BACKINGS {
        for threshold in [0, 1000, 64 * KIB, MIB] {
            for piece in [1000, 100_000] {
                let piece = vec![7; piece];
                let mut out = None;
                let usage = measured(|| {
                    let (mut writer, mut reader) = tail::channel(&options(threshold, backing));
                    writer.write_all(&piece).unwrap();
                    writer.flush().unwrap();
                    // One byte, and never again while so much is written.
                    reader.read_exact(&mut [0]).unwrap();
                    for _ in 0..64 * MIB / piece.len() {
                        writer.write_all(&piece).unwrap();
                    }
                    out = Some((writer, reader));
                });
                let most = threshold + LARGE_WINDOW + WINDOW + SLACK;
                let what = format!("{usage:?}, {most} allowed; threshold {threshold}, {backing:?}");
                assert!(usage.peak <= most as isize, "{what}");
                assert!(usage.left <= (LARGE_WINDOW + WINDOW + SLACK) as isize, "{what}");
                let (writer, mut reader) = out.unwrap();
                writer.finish().unwrap();
                let mut buf = vec![0; MIB];
                let mut seen = 1;
                while let Some(read) = Some(reader.read(&mut buf).unwrap()).filter(|read| *read > 0) {
                    seen += read;
                }
                assert_eq!(seen, (64 * MIB / piece.len() + 1) * piece.len());
            }
        }
    }
}

/// In memory the content is there once, however many read it, and never passes the threshold.
#[test]
fn p3_content_in_memory_is_there_once() {
    for threshold in [1000, 64 * KIB, 100_001, MIB, 16 * MIB] {
        for piece in [1, 777, 100_000] {
            if threshold / piece > 2 * MIB {
                continue;
            }
            let piece = vec![7; piece];
            let mut out = None;
            let usage = measured(|| {
                let (mut writer, reader) = tail::channel(&options(threshold, Backing::File));
                let mut left = threshold;
                while left > 0 {
                    let taken = writer.write(&piece[..piece.len().min(left)]).unwrap();
                    left -= taken;
                }
                writer.flush().unwrap();
                assert_eq!(reader.published(), threshold as u64);
                out = Some((writer, vec![reader]));
            });
            let most = threshold + SLACK;
            assert!(usage.peak <= most as isize, "{usage:?} at {threshold} by {}", piece.len());
            let (_writer, mut readers) = out.unwrap();
            readers.reserve(1000);
            let usage = measured(|| {
                for _ in 0..1000 {
                    let clone = readers[0].clone();
                    readers.push(clone);
                }
            });
            assert!(usage.peak <= 1000 * KIB as isize, "{usage:?} for a thousand readers that have not begun");
        }
    }
}

#[test]
fn p3_a_tail_on_disk_that_follows_closely_holds_two_windows() {
    for backing in BACKINGS {
        for (piece, ask) in [(100, 100), (1000, 5000), (64 * KIB, 1000), (100_000, 300_000)] {
            let (piece, mut buf) = (vec![7; piece], vec![0; ask]);
            let usage = measured(|| {
                let (mut writer, mut reader) = tail::channel(&options(0, backing));
                let mut at = 0;
                for _ in 0..4 * MIB / piece.len() {
                    writer.write_all(&piece).unwrap();
                    while at < reader.published() {
                        at += reader.read(&mut buf).unwrap() as u64;
                    }
                }
                writer.finish().unwrap();
                while reader.read(&mut buf).unwrap() > 0 {}
            });
            let most = 2 * LARGE_WINDOW + SLACK;
            assert!(usage.peak <= most as isize && usage.left == 0, "{usage:?} by {} and {ask}", piece.len());
        }
    }
}

/// The memory of a pool goes where there is some: a tail with none works all the same, and gives back what it had.
#[test]
fn p8_a_tail_of_a_pool_holds_no_more_than_the_pool_allows() {
    for memory in [0, 1, 10_000, 70 * KIB] {
        let pool = Pool::builder().memory(memory).dir(env!("CARGO_TARGET_TMPDIR")).build();
        let usage = measured(|| {
            let (mut writer, mut reader) = tail::channel(SpoolOptions::new().threshold(MIB).pool(&pool));
            for _ in 0..MIB / 1024 {
                writer.write_all(&[7; 1024]).unwrap();
            }
            writer.flush().unwrap();
            let mut buf = [0; 100];
            reader.read_exact(&mut buf).unwrap();
            reader.clone().read_exact(&mut buf).unwrap();
        });
        assert!(usage.peak <= (memory + SLACK) as isize, "{usage:?} of {memory}");
        pool.trim();
        let stats = pool.stats();
        assert_eq!((stats.memory_used, stats.disk_used), (0, 0), "{stats:?}");
    }
}

fn options(threshold: usize, backing: Backing) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.threshold(threshold).backing(backing).dir(Path::new(env!("CARGO_TARGET_TMPDIR")));
    options
}
