//! Heap, counted: how much of it the work of a thread holds, and how often it asks.

mod heap;

use std::fs::{self, File};
use std::io::{self, BufRead, IoSlice, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use heap::{NOTHING, Usage, measured};
use spooled::{
    Backing, Overflow, Pool, PoolBuilder, SpoolOptions, SpooledBytes, SpooledData, SpooledTempFile, spooled_tempfile,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const WINDOW: usize = 64 * KIB;
/// What a window may grow to in long sequential work.
const LARGE_WINDOW: usize = 256 * KIB;
/// Paths, options, the mapping's and the file's own bookkeeping.
const SLACK: usize = 4 * KIB;

const THRESHOLDS: [usize; 5] = [0, KIB, 64 * KIB, MIB, 16 * MIB];
const BACKINGS: [Backing; 2] = [Backing::File, Backing::Mmap];

#[test]
fn p9_making_and_dropping_a_spool_allocates_nothing() {
    let mut options = SpoolOptions::new();
    options.threshold(1 << 20).dir(directory()).max_len(1 << 30).backing(Backing::Mmap).overflow(Overflow::Fail);
    let usage = measured(|| {
        drop(SpooledTempFile::new(0));
        drop(SpooledTempFile::new(usize::MAX));
        drop(spooled_tempfile(64 * KIB));
        drop(SpoolOptions::new().build());
        drop(SpoolOptions::new().threshold(9).max_len(10).build());
        drop(options.build());
        drop(options.clone().build());
    });
    assert_eq!(usage, Usage { calls: 0, peak: 0, left: 0 });
    // Looking at one does not either.
    let usage = measured(|| {
        let mut spool = options.build();
        assert_eq!((spool.len(), spool.position(), spool.is_empty(), spool.is_rolled()), (0, 0, true, false));
        assert_eq!(spool.read(&mut [0; 9]).unwrap(), 0);
        assert_eq!(spool.fill_buf().unwrap(), b"");
        assert_eq!(spool.seek(SeekFrom::Start(1 << 40)).unwrap(), 1 << 40);
        assert_eq!(spool.write(b"").unwrap(), 0);
        spool.rewind().unwrap();
        spool.flush().unwrap();
        spool.set_len(0).unwrap();
        assert_eq!(spool.as_slice().unwrap(), b"");
    });
    assert_eq!(usage, Usage { calls: 0, peak: 0, left: 0 });
}

#[test]
fn p9_memory_in_and_memory_out_is_no_copy() {
    let vec = vec![7; 100_000];
    let usage = measured(|| {
        let mut spool = SpooledTempFile::from(vec);
        assert_eq!((spool.len(), spool.position()), (100_000, 0));
        spool.write_all(b"over").unwrap();
        let SpooledData::InMemory(cursor) = spool.into_inner().unwrap() else { panic!("rolled") };
        assert_eq!(cursor.position(), 4);
        assert_eq!(cursor.get_ref()[..6], *b"over\x07\x07");
        let frozen = SpooledTempFile::from(cursor.into_inner()).freeze().unwrap();
        let whole = frozen.to_bytes().unwrap();
        assert_eq!(whole.len(), 100_000);
        drop(frozen.slice(10..20).to_bytes().unwrap());
        drop(SpooledBytes::from(whole));
    });
    // The bookkeeping of shared bytes at most.
    assert!(usage.peak <= SLACK as isize, "{usage:?}");
}

#[test]
fn p3_one_huge_write_is_held_within_threshold_and_window() {
    for threshold in THRESHOLDS {
        let content = vec![1; threshold + 2 * MIB];
        within(threshold, WINDOW, |spool| spool.write_all(&content).unwrap());
        within(threshold, WINDOW, |spool| {
            spool.write_all(&content[..threshold]).unwrap();
            spool.write_all(&content[threshold..]).unwrap();
        });
        within(threshold, WINDOW, |spool| spool.write_all(&content[..threshold + 1]).unwrap());
    }
}

#[test]
fn p3_small_writes_are_held_within_threshold_and_window() {
    for threshold in THRESHOLDS {
        // Byte by byte, but for the middle of a very long way.
        within(threshold, WINDOW, |spool| {
            let first = threshold.min(200_000);
            (0..first).for_each(|_| spool.write_all(b"1").unwrap());
            (first..threshold).step_by(64).for_each(|_| spool.write_all(&[2; 64]).unwrap());
            (0..200_000).for_each(|_| spool.write_all(b"3").unwrap());
        });
        within(threshold, LARGE_WINDOW, |spool| {
            (0..threshold + 4 * MIB).step_by(1000).for_each(|_| spool.write_all(&[4; 1000]).unwrap());
        });
        within(threshold, LARGE_WINDOW, |spool| {
            (0..threshold + 4 * MIB).step_by(40_000).for_each(|_| spool.write_all(&[5; 40_000]).unwrap());
        });
    }
}

#[test]
fn p3_writes_from_many_places_are_held_within_threshold_and_window() {
    let pieces: Vec<_> = (1..40).map(|count| vec![6; count * 700]).collect();
    let pieces: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let len: usize = pieces.iter().map(|piece| piece.len()).sum();
    for threshold in THRESHOLDS {
        within(threshold, LARGE_WINDOW, |spool| {
            while spool.len() <= (threshold + MIB) as u64 {
                assert_eq!(spool.write_vectored(&pieces).unwrap(), len);
            }
        });
    }
}

#[test]
fn p3_memory_in_place_of_a_disk_is_held_within_its_own_limit() {
    for (threshold, most) in [(0, 100_000), (KIB, 64 * KIB), (64 * KIB, MIB + 1)] {
        let mut options = SpoolOptions::new();
        options.threshold(threshold).dir(directory().join("missing")).overflow(Overflow::DiskOrMemory(most));
        for piece in [1000, 100_000, 3 * MIB] {
            let content = vec![7; piece];
            let mut kept = None;
            let usage = measured(|| {
                let mut spool = options.build();
                while spool.write(&content).is_ok() {}
                kept = Some(spool);
            });
            // And what was said of the missing directory, each time.
            assert!(usage.peak <= (most + SLACK) as isize, "{usage:?} for {most}");
            assert_eq!(usage.left, most as isize);
            assert_eq!(kept.unwrap().len(), most as u64);
        }
    }
}

#[test]
fn p3_a_far_hole_is_no_memory() {
    for threshold in THRESHOLDS {
        within(threshold, WINDOW, |spool| {
            spool.seek(SeekFrom::Start(1 << 30)).unwrap();
            spool.write_all(b"far").unwrap();
            assert!(spool.is_rolled());
        });
        within(threshold, WINDOW, |spool| {
            spool.write_all(b"near").unwrap();
            assert_eq!(spool.write_at(b"far", 1 << 30).unwrap(), 3);
        });
        within(threshold, WINDOW, |spool| {
            spool.set_len(1 << 30).unwrap();
            assert!(spool.is_rolled());
            spool.set_len(1 << 20).unwrap();
            spool.set_len(1 << 25).unwrap();
            spool.write_all(b"near").unwrap();
        });
        within(threshold, WINDOW, |spool| {
            spool.set_len(threshold as u64).unwrap();
            assert!(!spool.is_rolled());
            spool.roll().unwrap();
        });
    }
}

#[test]
fn p3_copy_from_is_held_within_threshold_and_window() {
    let path = directory().join(format!("allocations-source-{}", process()));
    for threshold in THRESHOLDS {
        let len = threshold as u64 + 5 * MIB as u64;
        within(threshold, LARGE_WINDOW, |spool| {
            assert_eq!(spool.copy_from(&mut io::repeat(6).take(len)).unwrap(), len);
        });
        // A source that gives little at a time.
        within(threshold, LARGE_WINDOW, |spool| {
            assert_eq!(spool.copy_from(&mut Trickle(len)).unwrap(), len);
        });
        let mut source = sparse(&path, len);
        within(threshold, LARGE_WINDOW, |spool| {
            source.rewind().unwrap();
            assert_eq!(spool.copy_from(&mut source).unwrap(), len);
        });
        within(threshold, LARGE_WINDOW, |spool| {
            source.rewind().unwrap();
            spool.write_all(b"before").unwrap();
            assert_eq!(spool.copy_from(&mut source).unwrap(), len);
        });
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn p3_reading_is_held_within_a_window() {
    for threshold in [0, 64 * KIB] {
        let small = &mut [0; 100][..];
        let (mut medium, mut large) = (vec![0; 10_000], vec![0; MIB]);
        let mut all = Vec::with_capacity(5 * MIB);
        reads(threshold, |spool| while spool.read(small).unwrap() > 0 {});
        reads(threshold, |spool| while spool.read(&mut medium).unwrap() > 0 {});
        reads(threshold, |spool| while spool.read(&mut large).unwrap() > 0 {});
        reads(threshold, |spool| {
            for step in 0..1000 {
                spool.seek(SeekFrom::Start(step * 104_729 % (4 << 20))).unwrap();
                spool.read_exact(small).unwrap();
                assert_eq!(spool.read_at(small, step * 7919 % (4 << 20)).unwrap(), 100);
            }
        });
        reads(threshold, |spool| {
            while let Some(count) = Some(spool.fill_buf().unwrap().len()).filter(|count| *count > 0) {
                spool.consume(count);
            }
        });
        reads(threshold, |spool| {
            all.clear();
            assert_eq!(spool.read_to_end(&mut all).unwrap(), 4 * MIB + 99);
        });
        reads(threshold, |spool| assert_eq!(spool.copy_to(&mut io::sink()).unwrap(), 4 * MIB as u64 + 99));
        let mut sink = spooled::tempfile_in(directory()).unwrap();
        reads(threshold, |spool| assert_eq!(spool.copy_to(&mut sink).unwrap(), 4 * MIB as u64 + 99));
        reads(threshold, |spool| {
            // The trait's own form, which knows less.
            let trickle: &mut dyn Write = &mut io::sink();
            assert_eq!(io::copy(spool, &mut Wrapped(trickle)).unwrap(), 4 * MIB as u64 + 99);
        });
    }
}

#[test]
fn p3_leaving_is_held_within_threshold_and_window() {
    let path = |of: &str| directory().join(format!("allocations-target-{}-{of}", process()));
    // What is remembered of a directory in which something gets a name is there from the first time on.
    drop(SpooledTempFile::new(0).persist(path("first")).unwrap());
    fs::remove_file(path("first")).unwrap();
    for threshold in THRESHOLDS {
        for backing in BACKINGS {
            for len in [threshold.saturating_sub(1), threshold, threshold + 1, threshold + 3 * MIB] {
                let content = vec![8; len];
                let options = options(threshold, backing);
                let leave = |window: usize, way: &dyn Fn(SpooledTempFile)| {
                    let usage = measured(|| {
                        let mut spool = options.build();
                        spool.write_all(&content).unwrap();
                        spool.rewind().unwrap();
                        way(spool);
                    });
                    assert!(usage.peak <= (threshold + window + SLACK) as isize, "{usage:?} for {len} at {threshold}");
                    assert_eq!(usage.left, 0);
                };
                leave(WINDOW, &|spool| drop(spool.into_file().unwrap()));
                leave(WINDOW, &|spool| match spool.into_inner().unwrap() {
                    SpooledData::InMemory(cursor) => assert!(cursor.get_ref().capacity() <= threshold),
                    SpooledData::OnDisk(_) => assert!(len > threshold),
                });
                leave(LARGE_WINDOW, &|spool| {
                    let mut frozen = spool.freeze().unwrap();
                    let mut buf = [0; 500];
                    while frozen.read(&mut buf).unwrap() > 0 {}
                    let whole = match frozen.to_bytes() {
                        // Nothing is mapped there.
                        Err(_) if cfg!(target_family = "wasm") => return,
                        whole => whole.unwrap(),
                    };
                    assert_eq!(whole.len(), len);
                    drop(frozen);
                    assert!(whole.iter().step_by(4096).all(|byte| *byte == 8));
                });
                leave(WINDOW, &|spool| {
                    let frozen = spool.freeze().unwrap();
                    for chunk in frozen.chunks(WINDOW) {
                        assert!(!chunk.unwrap().is_empty());
                    }
                });
                let path = path(&format!("{len}-{backing:?}"));
                leave(WINDOW, &|spool| {
                    drop(spool.persist(&path).unwrap());
                    fs::remove_file(&path).unwrap();
                });
            }
        }
    }
}

#[test]
fn p3_memory_reaches_the_threshold_and_never_passes_it() {
    for threshold in [1, 1000, 4096, 64 * KIB, 100_001, MIB, 16 * MIB + 1] {
        for piece in [1, 777, 4096, 100_000] {
            if threshold / piece > 2 * MIB {
                continue;
            }
            let bytes = vec![9; piece];
            let options = options(threshold, Backing::File);
            let mut spool = None;
            let usage = measured(|| {
                let mut filling = options.build();
                let mut left = threshold;
                while left > 0 {
                    left -= filling.write(&bytes[..piece.min(left)]).unwrap();
                }
                spool = Some(filling);
            });
            assert_eq!(usage.left, threshold as isize, "at {threshold} by {piece}");
            // While it grows, what the `bytes` crate needs to hand a buffer over: three words.
            assert!(usage.peak <= threshold as isize + 32, "{usage:?} at {threshold} by {piece}");
            let spool = spool.unwrap();
            assert!(!spool.is_rolled());
            let SpooledData::InMemory(cursor) = spool.into_inner().unwrap() else { panic!("rolled at the threshold") };
            assert_eq!((cursor.get_ref().len(), cursor.get_ref().capacity()), (threshold, threshold));
        }
    }
}

#[test]
fn p3_a_vec_grows_past_its_capacity_into_a_file() {
    for capacity in [1000, 64 * KIB, 100_000, MIB] {
        let mut vec = Vec::with_capacity(capacity);
        vec.resize(capacity - 10, 1);
        let capacity = vec.capacity();
        let threshold = capacity.max(64 * KIB);
        let usage = measured(move || {
            let mut spool = SpooledTempFile::from(vec);
            spool.seek(SeekFrom::End(0)).unwrap();
            (0..threshold + 100_000).step_by(100).for_each(|_| spool.write_all(&[2; 100]).unwrap());
            assert!(spool.is_rolled());
        });
        // What was there before is not counted.
        let most = (threshold - capacity) + WINDOW + SLACK;
        assert!(usage.peak <= most as isize, "{usage:?} for a capacity of {capacity}");
    }
}

#[test]
fn p3_a_refused_rollover_costs_no_memory() {
    let missing = directory().join("missing");
    for overflow in [Overflow::Disk, Overflow::Fail] {
        let mut options = SpoolOptions::new();
        options.threshold(100_000).dir(&missing).overflow(overflow);
        let usage = measured(|| {
            let mut spool = options.build();
            for _ in 0..1000 {
                let _ = spool.write(&[1; 777]);
                let _ = spool.write_at(&[1; 100_001], 9);
                let _ = spool.copy_from(&mut io::repeat(1).take(1_000));
                let _ = spool.set_len(1 << 30);
            }
            assert!(!spool.is_rolled());
        });
        assert!(usage.peak <= (100_000 + WINDOW + SLACK) as isize, "{usage:?}");
    }
}

#[test]
fn p3_memory_that_cannot_be_had_is_an_error() {
    for content in [b"".as_slice(), b"content"] {
        let mut spool = SpooledTempFile::new(usize::MAX);
        spool.write_all(content).unwrap();
        let far = 1_u64 << if usize::BITS > 32 { 50 } else { 31 };
        spool.seek(SeekFrom::Start(far)).unwrap();
        assert_eq!(spool.write(b"!").unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        assert_eq!(spool.write_at(b"!", far).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        assert_eq!(spool.set_len(far).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        let mut source = b"pulled".as_slice();
        assert_eq!(spool.copy_from(&mut source).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        assert_eq!((spool.len(), spool.position(), spool.is_rolled()), (content.len() as u64, far, false));
        assert_eq!(spool.as_slice().unwrap(), content);
        spool.seek(SeekFrom::End(0)).unwrap();
        spool.write_all(b" and more").unwrap();
        assert_eq!(spool.as_slice().unwrap(), [content, b" and more"].concat());
    }
}

#[test]
fn p9_two_gibibytes_on_disk_become_bytes_without_heap() {
    if usize::BITS < 64 {
        return;
    }
    for backing in BACKINGS {
        let mut spool = options(0, backing).build();
        spool.write_all(b"first").unwrap();
        spool.set_len(2 << 30).unwrap();
        spool.seek(SeekFrom::End(-4)).unwrap();
        spool.write_all(b"last").unwrap();
        let usage = measured(|| {
            let frozen = spool.freeze().unwrap();
            let whole = frozen.to_bytes().unwrap();
            assert_eq!(whole.len(), 2 << 30);
            assert_eq!((&whole[..5], &whole[(2 << 30) - 4..]), (&b"first"[..], &b"last"[..]));
            let part = frozen.slice(1 << 30..).to_bytes().unwrap();
            drop((frozen, whole));
            assert_eq!(part.len(), 1 << 30);
            assert_eq!(part[part.len() - 4..], *b"last");
        });
        assert!(usage.peak <= SLACK as isize, "{usage:?}");
    }
}

#[test]
fn p11_making_a_spool_from_a_pool_allocates_nothing() {
    let pool = pool().memory(MIB).disk(1 << 30).build();
    let mut options = SpoolOptions::new();
    options.threshold(64 * KIB).max_len(1 << 30).pool(&pool);
    for _ in ["from a new pool", "from a warm one"] {
        let usage = measured(|| {
            drop(options.build());
            drop(options.clone().build());
            let mut spool = options.build();
            assert_eq!(spool.read(&mut [0; 9]).unwrap(), 0);
            assert_eq!(spool.seek(SeekFrom::Start(1 << 40)).unwrap(), 1 << 40);
            assert_eq!(spool.write(b"").unwrap(), 0);
            spool.set_len(0).unwrap();
            drop(spool);
        });
        assert_eq!(usage, NOTHING);
        life(&options, 128 * KIB);
    }
}

#[test]
fn p11_a_warm_life_allocates_nothing() {
    for backing in BACKINGS {
        for threshold in [0, 64 * KIB, MIB] {
            for len in LIVES {
                let pool = pool().build();
                let mut options = options_of(&pool, threshold, backing);
                life(&options, len);
                for _ in 0..3 {
                    let usage = measured(|| life(&options, len));
                    assert_eq!(usage, NOTHING, "{len} bytes at {threshold}, {backing:?}");
                }
                // From options of its own.
                options.max_len(1 << 30);
                assert_eq!(measured(|| life(&options, len)), NOTHING, "{len} bytes at {threshold}, {backing:?}");
                let reused = pool.stats();
                let (buffers, files) = (reused.reused_buffers > 0, reused.reused_files > 0);
                assert_eq!((buffers, files), (true, len > threshold), "{reused:?}");
            }
        }
    }
}

#[test]
fn p11_a_warm_life_within_limits_allocates_nothing() {
    for backing in BACKINGS {
        for len in LIVES {
            let pool = pool().memory(MIB).disk(16 << 20).build();
            let options = options_of(&pool, 64 * KIB, backing);
            life(&options, len);
            assert_eq!(measured(|| life(&options, len)), NOTHING, "{len} bytes, {backing:?}");
        }
    }
}

#[test]
fn p11_a_shorter_life_after_a_longer_one_allocates_nothing() {
    for backing in BACKINGS {
        let pool = pool().build();
        let options = options_of(&pool, 64 * KIB, backing);
        life(&options, 16 * MIB);
        for len in LIVES.into_iter().rev() {
            assert_eq!(measured(|| life(&options, len)), NOTHING, "{len} bytes, {backing:?}");
        }
    }
}

#[test]
fn p11_many_warm_lives_at_once_allocate_nothing() {
    for backing in BACKINGS {
        let pool = pool().build();
        let options = options_of(&pool, 64 * KIB, backing);
        let mut spools = Vec::with_capacity(20);
        let mut all = |len: usize| {
            spools.extend((0..20).map(|_| options.build()));
            for _ in 0..len / PIECE.len() {
                spools.iter_mut().for_each(|spool| spool.write_all(&PIECE).unwrap());
            }
            spools.iter_mut().for_each(|spool| read_back(spool, len));
            spools.clear();
        };
        all(MIB);
        assert_eq!(measured(|| all(MIB)), NOTHING, "{backing:?}");
        assert_eq!(measured(|| all(16 * KIB)), NOTHING, "{backing:?}");
    }
}

#[test]
fn p11_looking_at_a_pool_allocates_nothing() {
    let pool = pool().build();
    let options = options_of(&pool, 0, Backing::File);
    for out in [0, 1, 100] {
        let spools: Vec<_> = (0..out)
            .map(|_| {
                let mut spool = options.build();
                spool.write_all(b"out").unwrap();
                spool
            })
            .collect();
        let usage = measured(|| {
            let stats = pool.stats();
            assert_eq!((stats.spools, stats.rolled), (out, out));
        });
        assert_eq!(usage, NOTHING);
        drop(spools);
    }
}

/// Whether shrinking finds room for both the old and the new, or none.
#[test]
fn p8_memory_that_shrinks_holds_no_more_than_is_counted() {
    for (room, left) in [(0, MIB), (999, MIB), (1000, 1000), (MIB, 1000)] {
        let pool = pool().memory(MIB + room).build();
        let options = options_of(&pool, usize::MAX, Backing::File);
        let mut spool = None;
        let usage = measured(|| {
            let spool = spool.insert(options.build());
            spool.set_len(MIB as u64).unwrap();
            spool.set_len(1000).unwrap();
        });
        let stats = pool.stats();
        assert_eq!(stats.memory_used, left, "with {room} bytes free");
        assert!(usage.left <= (left + SLACK) as isize, "{usage:?} for {stats:?}");
        assert!(usage.peak <= (stats.memory_peak + SLACK) as isize, "{usage:?} for {stats:?}");
        assert!(stats.memory_peak <= MIB + room, "{stats:?}");
    }
}

/// Somebody else may be out, and hold what there is of the pool.
#[test]
fn p5_no_buffer_is_kept_once_the_last_handle_is_gone() {
    let pool = pool().build();
    let options = options_of(&pool, usize::MAX, Backing::File);
    let mut spools = [0, 1, 2].map(|_| options.build());
    spools.iter_mut().for_each(|spool| spool.set_len(MIB as u64).unwrap());
    let [first, second, kept] = spools;
    drop(kept);
    let usage = measured(|| drop((pool, options)));
    assert!(usage.left <= -(MIB as isize), "{usage:?} for what was kept");
    let usage = measured(|| drop(first));
    assert!(usage.left <= -(MIB as isize), "{usage:?} for what comes back");
    drop(second);
}

/// What is remembered of files that are gone does not grow with their number.
#[test]
fn p11_ten_thousand_files_that_are_not_kept_leave_nothing() {
    for (retain, own) in [(0, false), (0, true), (1 << 30, true)] {
        let pool = pool().retain_disk(retain).build();
        let mut options = options_of(&pool, 0, Backing::File);
        if own {
            options.dir(directory());
        }
        let usage = measured(|| {
            for _ in 0..10_000 {
                options.build().set_len(1).unwrap();
            }
        });
        assert!(usage.left <= SLACK as isize && usage.peak <= 2 * SLACK as isize, "{usage:?}, {retain}, {own}");
        let stats = pool.stats();
        assert_eq!((stats.disk_used, stats.reused_files, stats.rolled), (0, 0, 0), "{stats:?}");
    }
}

/// As many as before there were pools.
#[test]
fn p9_a_life_without_a_pool_allocates_its_buffers_and_little_else() {
    for backing in BACKINGS {
        let options = options(64 * KIB, backing);
        // A path is made anew for Windows, piece by piece, and for WASI.
        let on_disk = if cfg!(any(windows, target_family = "wasm")) { 20 } else { 12 };
        for (len, most) in [(2 * KIB, 1), (128 * KIB, on_disk), (MIB, on_disk)] {
            life(&options, len);
            let usage = measured(|| life(&options, len));
            assert!(usage.calls <= most && usage.left == 0, "{usage:?} for {len} bytes, {backing:?}");
        }
    }
}

/// Made, written and read back in pieces, dropped.
fn life(options: &SpoolOptions, len: usize) {
    let mut spool = options.build();
    for start in (0..len).step_by(PIECE.len()) {
        spool.write_all(&PIECE[..PIECE.len().min(len - start)]).unwrap();
    }
    read_back(&mut spool, len);
}

fn read_back(spool: &mut SpooledTempFile, len: usize) {
    let mut buf = [0; PIECE.len()];
    spool.rewind().unwrap();
    let mut seen = 0;
    while let Some(count) = Some(spool.read(&mut buf).unwrap()).filter(|count| *count > 0) {
        assert!(buf[..count] == PIECE[..count]);
        seen += count;
    }
    assert_eq!(seen, len);
}

/// Does `work` on a new spool of each backing, and looks at what the heap held meanwhile, and holds afterwards.
#[track_caller]
fn within(threshold: usize, window: usize, mut work: impl FnMut(&mut SpooledTempFile)) {
    for backing in BACKINGS {
        let options = options(threshold, backing);
        let mut worked = None;
        let usage = measured(|| {
            let mut spool = options.build();
            work(&mut spool);
            worked = Some(spool);
        });
        let most = threshold + window + SLACK;
        assert!(usage.peak <= most as isize, "{usage:?}, {most} allowed; threshold {threshold}, {backing:?}");
        let spool = worked.unwrap();
        assert!(spool.is_rolled());
        let most = window + SLACK;
        assert!(
            usage.left <= most as isize,
            "{usage:?}, {most} allowed once rolled; threshold {threshold}, {backing:?}"
        );
        // And nothing when it is gone.
        assert_eq!(measured(|| drop(spool)).left, -usage.left);
    }
}

/// Looks at what the heap holds while a rolled spool of some megabytes is read.
#[track_caller]
fn reads(threshold: usize, mut work: impl FnMut(&mut SpooledTempFile)) {
    for backing in BACKINGS {
        let mut spool = options(threshold, backing).build();
        spool.write_all(&vec![7; 4 * MIB + 99]).unwrap();
        spool.rewind().unwrap();
        let usage = measured(|| {
            work(&mut spool);
            drop(spool);
        });
        assert!(usage.peak <= (LARGE_WINDOW + SLACK) as isize, "{usage:?}, {backing:?}");
    }
}

fn options(threshold: usize, backing: Backing) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.threshold(threshold).dir(directory()).backing(backing);
    options
}

/// A pool of files in the same place.
fn pool() -> PoolBuilder {
    let mut builder = Pool::builder();
    builder.dir(directory());
    builder
}

fn options_of(pool: &Pool, threshold: usize, backing: Backing) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.threshold(threshold).backing(backing).pool(pool);
    options
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Under WASI there is no such number.
fn process() -> u32 {
    if cfg!(target_family = "wasm") { 0 } else { std::process::id() }
}

/// A piece of a life.
static PIECE: [u8; 8 * KIB] = {
    let mut piece = [0; 8 * KIB];
    let mut at = 0;
    while at < piece.len() {
        piece[at] = (at % 251) as u8;
        at += 1;
    }
    piece
};
const LIVES: [usize; 5] = [2 * KIB, 64 * KIB, 128 * KIB, MIB, 16 * MIB];

/// A reader of that many bytes, in pieces of uneven size.
struct Trickle(u64);

impl Read for Trickle {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = (1 + self.0 % 3001).min(self.0) as usize;
        let count = buf.len().min(most);
        buf[..count].fill(3);
        self.0 -= count as u64;
        Ok(count)
    }
}

/// A sink that the standard library has no shorter way to.
struct Wrapped<'a>(&'a mut dyn Write);

impl Write for Wrapped<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A file of that length with nothing in it.
fn sparse(path: &Path, len: u64) -> File {
    let mut file = File::create(path).unwrap();
    file.seek(SeekFrom::Start(len - 1)).unwrap();
    file.write_all(b"\0").unwrap();
    File::open(path).unwrap()
}
