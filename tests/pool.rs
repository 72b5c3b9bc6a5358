//! P6, P8, P11: what a pool allows, what it counts, what it hands on, and that nothing of it shows.

mod ground;

use std::fmt::Debug;
use std::io::{self, ErrorKind, IoSlice, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ground::mapped::{MAPS, bytes_of};
use ground::pool::{at_rest, options, sound, written};
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_holds, assert_same, bytes, file_with};
use spooled::{
    Backing, Limit, LimitError, Overflow, PathError, Pool, PoolBuilder, PoolStats, SpoolOptions, SpooledBytes,
    SpooledData, SpooledTempFile,
};

// Memory.

#[test]
fn p8_short_memory_rolls_early_and_is_never_passed() {
    let scratch = Scratch::new();
    let content = bytes(300 * KIB, 1);
    for memory in [0, 1, 100, 1000, 4 * KIB, 64 * KIB, 65 * KIB, 100 * KIB, 256 * KIB, 400 * KIB] {
        for backing in BACKINGS {
            for piece in [100, 10_000, 300 * KIB] {
                let pool = builder(&scratch).memory(memory).build();
                let mut spool = options(&pool, usize::MAX, backing).build();
                for piece in content.chunks(piece) {
                    assert_eq!(spool.write(piece).unwrap(), piece.len());
                }
                assert!(spool.is_rolled() || memory >= content.len());
                assert_holds(&mut spool, &content);
                let mut seen = Vec::new();
                spool.seek(SeekFrom::Start(5)).unwrap();
                spool.read_to_end(&mut seen).unwrap();
                assert_same(&seen, &content[5..], "by read_to_end");
                spool.write_at(b"!", 150_000).unwrap();
                let mut frozen = spool.freeze().unwrap();
                seen.clear();
                frozen.read_to_end(&mut seen).unwrap();
                assert_same(&seen, &patched(&content, b"!", 150_000), "frozen");
                drop(frozen);
                assert!(sound(&pool).memory_peak <= memory);
                at_rest(&pool);
            }
        }
    }
}

/// While a buffer grows both sizes count, and no more than that.
#[test]
fn p8_half_of_the_memory_is_had_for_sure() {
    let scratch = Scratch::new();
    let content = bytes(500 * KIB, 2);
    for piece in [1000, 70_000, 500 * KIB] {
        for len in [1, 10_000, 500 * KIB] {
            let pool = builder(&scratch).memory(2 * len).build();
            let mut spool = options(&pool, len, Backing::File).build();
            for piece in content[..len].chunks(piece) {
                spool.write_all(piece).unwrap();
            }
            assert!(!spool.is_rolled(), "{len} bytes by {piece} have rolled early: {:?}", pool.stats());
        }
    }
}

#[test]
fn p8_what_is_kept_gives_way_before_anybody_rolls_early() {
    let scratch = Scratch::new();
    let content = bytes(100 * KIB, 3);
    let pool = builder(&scratch).memory(300 * KIB).build();
    let small = options(&pool, 10 * KIB, Backing::File);
    let lived: Vec<_> = (0..30).map(|_| written(&small, &content[..10 * KIB])).collect();
    assert!(lived.iter().filter(|spool| !spool.is_rolled()).count() > 20);
    drop(lived);
    let kept = sound(&pool).memory_retained;
    assert!(kept > 200 * KIB, "only {kept} bytes are kept");
    // Larger than any that is kept, and than the room beside them.
    let spool = written(&options(&pool, 100 * KIB, Backing::File), &content);
    assert!(!spool.is_rolled(), "{:?}", pool.stats());
    drop(spool);
    at_rest(&pool);
}

#[test]
fn p8_memory_that_is_short_with_no_disk_to_go_to_is_refused_whole() {
    let scratch = Scratch::new();
    let content = bytes(100 * KIB, 4);
    for limit in [0, 1000, 50 * KIB] {
        let pool = builder(&scratch).memory(limit).build();
        let mut fails = options(&pool, MIB, Backing::File);
        fails.overflow(Overflow::Fail);
        let mut spool = written(&fails, &content[..limit / 2]);
        spool.seek(SeekFrom::Start(limit as u64 / 4)).unwrap();
        for (name, way) in WAYS {
            let done = way(&mut spool, &content[..limit + 1]);
            assert_refused(done, Limit::PoolMemory, limit as u64, name);
            assert_eq!(spool.position(), limit as u64 / 4);
            assert_holds(&mut spool, &content[..limit / 2]);
        }
        // Somebody else's drop is what it takes.
        if limit > 0 {
            let other = written(&fails, &content[..1]);
            let more = &content[..limit - limit / 2];
            spool.seek(SeekFrom::End(0)).unwrap();
            assert_refused(spool.write(more).map(drop), Limit::PoolMemory, limit as u64, "with another");
            drop(other);
        }
        assert!(!spool.is_rolled());
        // Whoever asks for a file gets one.
        spool.roll().unwrap();
        spool.seek(SeekFrom::Start(0)).unwrap();
        spool.write_all(&content).unwrap();
        assert_holds(&mut spool, &content);
        drop(spool);
        at_rest(&pool);
    }
}

#[test]
fn p8_memory_refused_is_had_once_somebody_gives_back() {
    let scratch = Scratch::new();
    let content = bytes(100 * KIB, 5);
    type Giving = fn(SpooledTempFile) -> Box<dyn Debug>;
    let giving: [(&str, Giving); 5] = [
        ("drop", |spool| gone(spool)),
        ("into_inner", |spool| Box::new(spool.into_inner().unwrap())),
        ("into_file", |spool| Box::new(spool.into_file().unwrap())),
        ("set_len", |mut spool| {
            spool.set_len(0).unwrap();
            Box::new(spool)
        }),
        ("freeze", |spool| gone(spool.freeze().unwrap().to_bytes().unwrap())),
    ];
    for (name, giving) in giving {
        let pool = builder(&scratch).memory(150 * KIB).build();
        let mut fails = options(&pool, MIB, Backing::File);
        fails.overflow(Overflow::Fail);
        let other = written(&fails, &content);
        let mut spool = written(&fails, &content[..10]);
        spool.rewind().unwrap();
        assert_refused(spool.write(&content).map(drop), Limit::PoolMemory, 150 * KIB as u64, name);
        let left = giving(other);
        spool.write_all(&content).unwrap();
        assert_holds(&mut spool, &content);
        drop((left, spool));
        at_rest(&pool);
    }
}

/// Short of memory it tries the disk; where that fails too, one of the two errors says so, and nothing has changed.
#[test]
fn p8_disk_or_memory_short_of_memory_tries_the_disk() {
    let scratch = Scratch::new();
    let content = bytes(100 * KIB, 6);
    for there in [true, false] {
        let mut builder = builder(&scratch);
        if !there {
            builder.dir(scratch.path().join("missing"));
        }
        let pool = builder.memory(20 * KIB).build();
        let mut either = options(&pool, 64 * KIB, Backing::File);
        either.overflow(Overflow::DiskOrMemory(MIB));
        let mut spool = written(&either, &content[..5000]);
        assert!(!spool.is_rolled());
        let done = spool.write(&content[5000..]);
        if there {
            assert_eq!(done.unwrap(), content.len() - 5000);
            assert!(spool.is_rolled());
            assert_holds(&mut spool, &content);
        } else {
            let error = done.unwrap_err();
            let cause = error.get_ref().unwrap();
            match error.kind() {
                ErrorKind::QuotaExceeded => assert!(cause.is::<LimitError>(), "{error:?}"),
                _ => assert!(cause.downcast_ref::<PathError>().unwrap().path().ends_with("missing"), "{error:?}"),
            }
            assert_eq!((spool.position(), spool.is_rolled()), (5000, false));
            assert_holds(&mut spool, &content[..5000]);
        }
        drop(spool);
        at_rest(&pool);
    }
}

#[test]
fn p8_frozen_memory_counts_until_the_last_view_is_gone() {
    let scratch = Scratch::new();
    let content = bytes(50 * KIB, 7);
    let pool = builder(&scratch).memory(MIB).build();
    let frozen = written(&options(&pool, MIB, Backing::File), &content).freeze().unwrap();
    assert!(!frozen.is_rolled());
    let slice = frozen.slice(100..200);
    let out = |pool: &Pool| sound(pool).memory_used - sound(pool).memory_retained;
    assert!(out(&pool) >= content.len());
    drop(frozen);
    assert!(out(&pool) >= content.len());
    let part = slice.to_bytes().unwrap();
    drop(slice);
    assert!(out(&pool) >= content.len());
    assert_eq!(part, content[100..200]);
    let again = part.slice(10..20);
    drop(part);
    assert!(out(&pool) >= content.len());
    drop(again);
    at_rest(&pool);
}

// Disk.

#[test]
fn p8_exactly_the_limit_fits_and_one_byte_more_is_refused_whole() {
    let scratch = Scratch::new();
    for limit in [0, 1, 1000, 64 * KIB, 100_001, 3 * MIB] {
        let content = bytes(limit + 1, 8);
        for backing in BACKINGS {
            // In memory before, or on disk, or nowhere yet.
            for before in [0, limit / 3, limit] {
                for threshold in [0, before] {
                    let pool = builder(&scratch).disk(limit as u64).build();
                    let options = options(&pool, threshold, backing);
                    let mut spool = written(&options, &content[..before]);
                    for (name, way) in WAYS {
                        // One that rolls, and one that does not, meet the same limit.
                        let done = way(&mut spool, &content[before..]);
                        assert_refused(done, Limit::PoolDisk, limit as u64, name);
                        assert_eq!(spool.position(), before as u64, "{name}");
                        assert_holds(&mut spool, &content[..before]);
                    }
                    assert_eq!(spool.write(&content[before..limit]).unwrap(), limit - before);
                    assert_holds(&mut spool, &content[..limit]);
                    spool.flush().unwrap();
                    if limit > threshold {
                        assert_eq!(sound(&pool).disk_used, limit as u64);
                        assert_refused(spool.write(b"!").map(drop), Limit::PoolDisk, limit as u64, "one more");
                    }
                    // Over what is there it goes on.
                    spool.rewind().unwrap();
                    spool.write_all(&content[1..]).unwrap();
                    assert_holds(&mut spool, &content[1..]);
                    drop(spool);
                    at_rest(&pool);
                }
            }
        }
    }
}

#[test]
fn p8_holes_count() {
    let scratch = Scratch::new();
    for backing in BACKINGS {
        let pool = builder(&scratch).disk(MIB as u64).build();
        let mut spool = options(&pool, 10, backing).build();
        spool.set_len(MIB as u64).unwrap();
        assert!(spool.is_rolled());
        assert_eq!(sound(&pool).disk_used, MIB as u64);
        let mut other = written(&options(&pool, 10, backing), b"12345");
        assert_refused(other.set_len(11), Limit::PoolDisk, MIB as u64, "beside a hole");
        assert_refused(other.write_at(b"!", 100).map(drop), Limit::PoolDisk, MIB as u64, "beside a hole");
        spool.set_len(MIB as u64 - 101).unwrap();
        other.write_at(b"!", 100).unwrap();
        assert_holds(&mut other, &[b"12345".as_slice(), &[0; 95], b"!"].concat());
        assert_refused(spool.set_len(MIB as u64 - 100), Limit::PoolDisk, MIB as u64, "grown again");
        drop((spool, other));
        at_rest(&pool);
    }
}

#[test]
fn p8_disk_refused_is_had_once_somebody_gives_back() {
    const LIMIT: usize = 200 * KIB;
    let scratch = Scratch::new();
    let content = bytes(150 * KIB, 9);
    let target = scratch.path().join("target");
    type Giving = fn(SpooledTempFile, &Path) -> Box<dyn Debug>;
    let giving: [(&str, Giving); 7] = [
        ("drop", |spool, _| gone(spool)),
        ("into_file", |spool, _| Box::new(spool.into_file().unwrap())),
        ("into_inner", |spool, _| Box::new(spool.into_inner().unwrap())),
        ("persist", |spool, target| Box::new(spool.persist(target).unwrap())),
        ("freeze", |spool, _| gone(spool.freeze().unwrap())),
        ("to_bytes", |spool, _| gone(bytes_of(&spool.freeze().unwrap()))),
        ("set_len", |mut spool, _| {
            spool.set_len(50 * KIB as u64).unwrap();
            Box::new(spool)
        }),
    ];
    for backing in BACKINGS {
        for retain in [0, 1 << 30] {
            for (name, giving) in giving {
                let pool = builder(&scratch).disk(LIMIT as u64).retain_disk(retain).build();
                let options = options(&pool, 100 * KIB, backing);
                let other = written(&options, &content);
                let mut spool = written(&options, &content[..100 * KIB]);
                assert!(other.is_rolled() && !spool.is_rolled());
                for _ in 0..2 {
                    let more = &content[100 * KIB..];
                    assert_refused(spool.write(more).map(drop), Limit::PoolDisk, LIMIT as u64, name);
                    assert_refused(spool.roll(), Limit::PoolDisk, LIMIT as u64, name);
                    assert!(!spool.is_rolled());
                    assert_holds(&mut spool, &content[..100 * KIB]);
                }
                // What has left is still there, and counts no more.
                let left = giving(other, &target);
                spool.write_all(&content[100 * KIB..]).unwrap();
                assert_holds(&mut spool, &content);
                drop((left, spool));
                at_rest(&pool);
            }
        }
    }
    std::fs::remove_file(target).unwrap();
    assert_empty(scratch.path());
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn p8_views_of_a_file_count_until_the_last_is_gone() {
    const LEN: usize = 100 * KIB;
    let scratch = Scratch::new();
    let content = bytes(LEN, 10);
    for backing in BACKINGS {
        let pool = builder(&scratch).disk(LEN as u64 + 10).build();
        let options = options(&pool, 0, backing);
        let frozen = written(&options, &content).freeze().unwrap();
        let mut other = written(&options, b"1234567890");
        let mut refused = |what: &str| {
            assert_refused(other.write(b"!").map(drop), Limit::PoolDisk, LEN as u64 + 10, what);
            assert_eq!(sound(&pool).rolled, 2, "{what}");
        };
        refused("frozen");
        let clone = frozen.clone();
        drop(frozen);
        refused("a clone");
        let bytes = clone.slice(50..).to_bytes().unwrap();
        drop(clone);
        refused("bytes");
        let part = bytes.slice(1000..1010);
        drop(bytes);
        refused("a part of them");
        assert_eq!(part, content[1050..1060]);
        drop(part);
        other.write_all(&content[..LEN]).unwrap();
        assert_holds(&mut other, &[b"1234567890", content.as_slice()].concat());
        drop(other);
        at_rest(&pool);
    }
}

/// Kept files make room, and then the stale tail of a file that is out does, under the feet of its owner.
#[test]
fn p8_what_is_kept_and_what_is_stale_makes_room() {
    const LIMIT: usize = MIB;
    let scratch = Scratch::new();
    let content = bytes(LIMIT, 11);
    for backing in BACKINGS {
        let pool = builder(&scratch).disk(LIMIT as u64).build();
        let options = options(&pool, 100, backing);
        // Kept alone: ten files of a tenth, and then all of it for one.
        let lived: Vec<_> = (0..10).map(|_| written(&options, &content[..LIMIT / 10])).collect();
        drop(lived);
        assert!(sound(&pool).disk_retained > LIMIT as u64 / 2);
        let mut all = written(&options, &content);
        assert_holds(&mut all, &content);
        drop(all);

        // The whole limit is one kept file, which a short spool takes. But for what its window may claim, what it leaves
        // is there for others.
        let mut short = written(&options, &content[..1000]);
        let mut long = written(&options, &content[..LIMIT - 1000 - 256 * KIB]);
        sound(&pool);
        assert_holds(&mut short, &content[..1000]);
        assert_holds(&mut long, &content[..LIMIT - 1000 - 256 * KIB]);
        // Where the tail was can be grown into again, and is not what it was.
        short.seek(SeekFrom::Start(1500)).unwrap();
        let mut expected = [&content[..1000], &[0; 500]].concat();
        for piece in content.chunks(10_000) {
            match short.write(piece) {
                Ok(taken) => expected.extend_from_slice(&piece[..taken]),
                refused => {
                    assert_refused(refused, Limit::PoolDisk, LIMIT as u64, "short");
                    break;
                }
            }
            sound(&pool);
        }
        assert!((200 * KIB..=257 * KIB).contains(&expected.len()), "{} bytes", expected.len());
        assert_holds(&mut short, &expected);
        assert_holds(&mut long, &content[..LIMIT - 1000 - 256 * KIB]);
        drop(long);
        short.write_all(&content[..600_000]).unwrap();
        assert_holds(&mut short, &[&expected, &content[..600_000]].concat());
        drop(short);
        at_rest(&pool);
    }
}

#[test]
fn p8_copy_from_at_the_quota_keeps_all_that_it_pulled() {
    let scratch = Scratch::new();
    let path = scratch.path().join("source");
    for (limit, memory) in [100, 64 * KIB, 300_000].into_iter().flat_map(|limit| [(limit, usize::MAX), (limit, 0)]) {
        let content = bytes(limit * 2, 12);
        for backing in BACKINGS {
            for threshold in [0, limit / 2] {
                for from_file in [false, true] {
                    let pool = builder(&scratch).disk(limit as u64 + 5).memory(memory).build();
                    let options = options(&pool, threshold, backing);
                    let mut other = written(&options, b"12345");
                    other.roll().unwrap();
                    // A window of its own could claim more.
                    let other = other.freeze().unwrap();
                    let mut spool = options.build();
                    let mut file = file_with(&path, &content);
                    let mut slice = content.as_slice();
                    let mut pulled = 0;
                    for _ in 0..2 {
                        let done = if from_file { spool.copy_from(&mut file) } else { spool.copy_from(&mut slice) };
                        let what =
                            format!("{limit}, {memory} of memory, {backing:?}, {threshold}, {from_file}: {spool:?}");
                        assert_refused(done, Limit::PoolDisk, limit as u64 + 5, &what);
                        pulled = match from_file {
                            true => file.stream_position().unwrap() as usize,
                            false => content.len() - slice.len(),
                        };
                        assert!((limit..=limit + 1).contains(&pulled), "{pulled} of {limit}");
                        assert_eq!((spool.len(), spool.position()), (pulled as u64, pulled as u64));
                        assert_holds(&mut spool, &content[..pulled]);
                    }
                    assert_eq!(spool.flush().is_ok(), pulled == limit, "{pulled} bytes of {limit}");
                    drop(other);
                    spool.flush().unwrap();
                    assert_holds(&mut spool, &content[..pulled]);
                    drop(spool);
                    at_rest(&pool);
                }
            }
        }
    }
}

/// A kept buffer may be larger than the threshold, and a copy takes as much as it is given room for.
#[test]
fn p3_a_copy_rolls_at_the_threshold_out_of_a_warm_pool() {
    let scratch = Scratch::new();
    let content = bytes(300 * KIB, 21);
    for threshold in [0, 2, 1000, 64 * KIB, 100 * KIB] {
        let pool = builder(&scratch).build();
        drop(written(&options(&pool, MIB, Backing::File), &content[..200 * KIB]));
        let options = options(&pool, threshold, Backing::File);
        for len in [threshold, threshold + 1, 300 * KIB] {
            let mut spool = options.build();
            spool.copy_from(&mut &content[..len]).unwrap();
            assert_eq!(spool.is_rolled(), len > threshold, "{len} bytes with a threshold of {threshold}");
            assert_holds(&mut spool, &content[..len]);
        }
        at_rest(&pool);
    }
}

#[cfg(panic = "unwind")]
#[test]
fn p8_a_panicking_source_gives_everything_back() {
    struct Panics(usize);
    impl Read for Panics {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                std::panic::resume_unwind(Box::new("the source panics"));
            }
            let count = buf.len().min(self.0);
            buf[..count].fill(7);
            self.0 -= count;
            Ok(count)
        }
    }
    let scratch = Scratch::new();
    for threshold in [0, 1000, MIB] {
        for len in [0, 10, 100_000, 300_000] {
            let pool = builder(&scratch).memory(2 * MIB).disk(2 * MIB as u64).build();
            let mut spool = written(&options(&pool, threshold, Backing::File), b"before");
            catch_unwind(AssertUnwindSafe(|| spool.copy_from(&mut Panics(len)))).unwrap_err();
            sound(&pool);
            assert_holds(&mut spool, &[b"before".as_slice(), &vec![7; len]].concat());
            spool.write_all(b"after").unwrap();
            drop(spool);
            at_rest(&pool);
        }
    }
}

// What is handed on.

/// A file and buffers full of one byte go to the next spool, which never writes it; whatever that does, it never meets it.
#[test]
fn p6_nothing_of_the_last_one_shows_in_the_next() {
    static PAST: [u8; 400 * KIB] = [0xa5; 400 * KIB];
    type Way = fn(&mut SpooledTempFile, &mut Vec<u8>);
    let ways: [(&str, Way); 9] = [
        ("far write", |spool, model| {
            spool.seek(SeekFrom::Start(200_000)).unwrap();
            spool.write_all(b"far").unwrap();
            *model = patched(model, b"far", 200_000);
        }),
        ("far write_at", |spool, model| {
            spool.write_at(b"far", 300_001).unwrap();
            *model = patched(model, b"far", 300_001);
        }),
        ("near write_at", |spool, model| {
            let at = model.len() + 10;
            spool.write_at(b"near", at as u64).unwrap();
            *model = patched(model, b"near", at);
        }),
        ("grown", |spool, model| {
            spool.set_len(399 * KIB as u64).unwrap();
            model.resize(399 * KIB, 0);
        }),
        ("grown past it", |spool, model| {
            spool.set_len(600 * KIB as u64).unwrap();
            model.resize(600 * KIB, 0);
        }),
        ("cut and grown", |spool, model| {
            spool.set_len(10).unwrap();
            spool.set_len(100_000).unwrap();
            model.truncate(10);
            model.resize(100_000, 0);
        }),
        ("copied", |spool, model| {
            spool.seek(SeekFrom::End(7)).unwrap();
            spool.copy_from(&mut &[1; 100_000][..]).unwrap();
            model.resize(model.len() + 7, 0);
            model.resize(model.len() + 100_000, 1);
        }),
        ("at the edge of a page", |spool, model| {
            spool.set_len(8192).unwrap();
            spool.write_at(b"!", 8191).unwrap();
            model.resize(8192, 0);
            model[8191] = b'!';
        }),
        ("left as it was", |_, _| {}),
    ];
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    for backing in BACKINGS {
        for (name, way) in ways {
            for len in [1, 5000, 70_000, 150_000] {
                for end in 0..4 {
                    let pool = builder(&scratch).build();
                    let options = options(&pool, 500, backing);
                    drop([written(&options, &PAST), written(&options, &PAST)].map(|mut spool| spool.roll()));
                    let mut model = bytes(len, 13);
                    model.iter_mut().for_each(|byte| *byte &= 0x7f);
                    let mut spool = written(&options, &model);
                    spool.roll().unwrap();
                    way(&mut spool, &mut model);
                    assert!(pool.stats().reused_files > 0, "nothing was handed on: {:?}", pool.stats());
                    let mut around = vec![1; 500_000];
                    for at in [0, len.saturating_sub(100), len + 1, 8000, 190_000] {
                        let read = spool.read_at(&mut around, at as u64).unwrap();
                        let at = at.min(model.len());
                        assert_same(&around[..read], &model[at..model.len().min(at + 500_000)], name);
                    }
                    assert_holds(&mut spool, &model);
                    if backing == Backing::Mmap && MAPS {
                        assert_same(spool.as_slice().unwrap(), &model, name);
                    }
                    match end {
                        0 => {
                            let frozen = spool.freeze().unwrap();
                            assert_same(&bytes_of(&frozen), &model, name);
                            let chunks: Vec<_> = frozen.chunks(50_000).map(Result::unwrap).collect();
                            assert_same(&chunks.concat(), &model, name);
                        }
                        1 => assert_file(spool.into_file().unwrap(), &model),
                        2 => match spool.into_inner().unwrap() {
                            SpooledData::OnDisk(file) => assert_file(file, &model),
                            SpooledData::InMemory(_) => panic!("not rolled"),
                        },
                        _ => {
                            assert_file(spool.persist(&target).unwrap(), &model);
                            assert_same(&std::fs::read(&target).unwrap(), &model, name);
                            std::fs::remove_file(&target).unwrap();
                        }
                    }
                    at_rest(&pool);
                }
            }
        }
    }
}

/// A file may go to the next only when the last view is gone: else what that shows would change.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p6_a_file_is_not_handed_on_while_a_view_of_it_lives() {
    let scratch = Scratch::new();
    let content = bytes(200_000, 14);
    for backing in BACKINGS {
        let pool = builder(&scratch).build();
        let options = options(&pool, 0, backing);
        let frozen = written(&options, &content).freeze().unwrap();
        let whole = frozen.to_bytes().unwrap();
        let overwrites = |what: &str, views: &[&[u8]], frozen: Option<&SpooledBytes>| {
            let lived: Vec<_> = (0..5).map(|_| written(&options, &[9; 300_000])).collect();
            drop(lived);
            for view in views {
                assert_same(view, &content, what);
            }
            if let Some(frozen) = frozen {
                let mut seen = vec![0; content.len()];
                assert_eq!(frozen.read_at(&mut seen, 0).unwrap(), content.len());
                assert_same(&seen, &content, what);
            }
        };
        overwrites("all of them", &[&whole], Some(&frozen));
        drop(whole);
        overwrites("frozen", &[], Some(&frozen));
        let whole = frozen.to_bytes().unwrap();
        drop(frozen);
        overwrites("bytes", &[&whole], None);
        pool.trim();
        assert_same(&whole, &content, "after trim");
        drop(whole);
        at_rest(&pool);
    }
}

#[test]
fn p11_what_is_given_back_is_handed_on() {
    let scratch = Scratch::new();
    let content = bytes(150 * KIB, 15);
    let pool = builder(&scratch).build();
    let options = options(&pool, 64 * KIB, Backing::File);
    let in_pieces = |content: &[u8]| {
        let mut spool = options.build();
        content.chunks(8 * KIB).for_each(|piece| spool.write_all(piece).unwrap());
        spool
    };
    drop(in_pieces(&content));
    let first = sound(&pool);
    assert_eq!((first.reused_files, first.spools, first.rolled), (0, 0, 0));
    assert!(first.disk_retained > 0 && first.memory_retained > 0, "{first:?}");
    for round in 1..10 {
        let mut spool = in_pieces(&content[round..]);
        assert_eq!((sound(&pool).spools, sound(&pool).rolled), (1, 1));
        assert_holds(&mut spool, &content[round..]);
        drop(spool);
        let stats = sound(&pool);
        assert_eq!(stats.reused_files, round as u64, "{stats:?}");
        assert!(stats.reused_buffers >= round as u64, "{stats:?}");
        assert_eq!(stats.disk_peak, first.disk_peak, "no second file was made");
    }
    at_rest(&pool);
    assert_eq!(pool.stats().reused_files, 9, "what was counted stays counted");
}

#[test]
fn p8_no_more_is_kept_than_was_said() {
    let scratch = Scratch::new();
    let content = bytes(100 * KIB, 16);
    for (memory, disk) in [(0, 0), (0, 1 << 30), (64 * MIB, 0), (1000, 1000), (70 * KIB, 150_000), (300 * KIB, 350_000)]
    {
        let pool = builder(&scratch).retain_memory(memory).retain_disk(disk).build();
        let held = |stats: &PoolStats| stats.memory_retained <= memory && stats.disk_retained <= disk;
        for round in 0..20 {
            let lens = (0..6).map(|spool| 1 + (round * 7919 + spool * 30_011) % content.len());
            let spools: Vec<_> =
                lens.map(|len| written(&options(&pool, 20 * KIB, BACKINGS[len % 2]), &content[..len])).collect();
            for spool in spools {
                assert!(held(&sound(&pool)), "{:?}", pool.stats());
                drop(spool);
            }
            assert!(held(&sound(&pool)), "{:?}", pool.stats());
        }
        let stats = pool.stats();
        assert!(disk == 1000 || (stats.reused_files > 0) == (disk > 0), "{stats:?}");
        assert!(memory == 1000 || (stats.reused_buffers > 0) == (memory > 0), "{stats:?}");
        at_rest(&pool);
    }
}

#[test]
fn p8_a_trim_leaves_nothing_and_takes_nothing_that_is_out() {
    let scratch = Scratch::new();
    let content = bytes(150 * KIB, 17);
    for backing in BACKINGS {
        let pool = builder(&scratch).build();
        let options = options(&pool, 64 * KIB, backing);
        let mut spools: Vec<_> = (0..5).map(|_| written(&options, &content)).collect();
        let frozen = spools.pop().unwrap().freeze().unwrap();
        spools.truncate(2);
        // Shorter than what it takes, so that something of its file is stale.
        let mut short = written(&options, &content[..70 * KIB]);
        pool.trim();
        let stats = sound(&pool);
        assert_eq!((stats.memory_retained, stats.disk_retained), (0, 0), "{stats:?}");
        assert_holds(&mut short, &content[..70 * KIB]);
        short.seek(SeekFrom::Start(100 * KIB as u64)).unwrap();
        short.write_all(b"on").unwrap();
        assert_holds(&mut short, &patched(&content[..70 * KIB], b"on", 100 * KIB));
        for spool in &mut spools {
            assert_holds(spool, &content);
        }
        assert_same(&bytes_of(&frozen), &content, "frozen");
        drop((spools, frozen, short));
        at_rest(&pool);
    }
}

/// Its file counts in the pool, lies where the spool said, and is nobody's after it.
#[test]
fn p8_a_directory_of_its_own_counts_and_is_not_handed_on() {
    let (scratch, own) = (Scratch::new(), Scratch::new());
    let content = bytes(100_000, 18);
    let pool = builder(&scratch).disk(150_000).build();
    let mut apart = options(&pool, 0, Backing::File);
    apart.dir(own.path());
    let mut spool = written(&apart, &content);
    let stats = sound(&pool);
    assert_eq!((stats.rolled, stats.spools), (1, 1));
    assert!(stats.disk_used - stats.disk_retained >= 100_000, "{stats:?}");
    assert_refused(spool.write(&content).map(drop), Limit::PoolDisk, 150_000, "its own");
    assert_lies_in(&spool.into_file().unwrap(), own.path());
    assert_eq!(sound(&pool).disk_used, 0);
    drop(written(&apart, &content));
    let stats = sound(&pool);
    assert_eq!((stats.disk_used, stats.disk_retained, stats.reused_files), (0, 0, 0), "{stats:?}");
    // Nor does it take what is kept for others.
    drop(written(&options(&pool, 0, Backing::File), &content));
    let spool = written(&apart, &content[..100]);
    assert_eq!(sound(&pool).reused_files, 0);
    assert_lies_in(&spool.into_file().unwrap(), own.path());
    // A directory that fails is the one that the spool named.
    apart.dir(own.path().join("missing"));
    let error = apart.build().write(b"!").unwrap_err();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<PathError>()).unwrap();
    assert_eq!(cause.path(), own.path().join("missing"));
    at_rest(&pool);
}

#[test]
fn p1_spools_outlive_their_pool() {
    let scratch = Scratch::new();
    let content = bytes(150 * KIB, 19);
    for backing in BACKINGS {
        let pool = builder(&scratch).disk(400 * KIB as u64).memory(400 * KIB).build();
        let mut options = options(&pool, 64 * KIB, backing);
        drop(written(&options, &content));
        let mut rolled = written(&options, &content);
        let mut in_memory = written(&options, &content[..1000]);
        let frozen = written(&options, &content[..100 * KIB]).freeze().unwrap();
        options = SpoolOptions::new();
        drop(pool);
        rolled.write_all(b"on").unwrap();
        assert_holds(&mut rolled, &[&content, b"on".as_slice()].concat());
        assert_holds(&mut in_memory, &content[..1000]);
        in_memory.seek(SeekFrom::End(0)).unwrap();
        in_memory.write_all(&content[1000..70 * KIB]).unwrap();
        assert!(in_memory.is_rolled());
        assert_holds(&mut in_memory, &content[..70 * KIB]);
        // What they may have ends where it did.
        assert_refused(in_memory.set_len(400 * KIB as u64), Limit::PoolDisk, 400 * KIB as u64, "without a pool");
        drop(rolled);
        in_memory.set_len(200 * KIB as u64).unwrap();
        let whole = bytes_of(&frozen);
        drop(frozen);
        assert_same(&whole, &content[..100 * KIB], "bytes");
        drop(options);
    }
}

#[test]
fn p8_counts_are_of_one_pool() {
    let scratch = Scratch::new();
    let content = bytes(100 * KIB, 20);
    let (one, two) = (builder(&scratch).disk(100 * KIB as u64).build(), builder(&scratch).disk(50).build());
    let spool = written(&options(&one, 0, Backing::File), &content);
    let copy = one.clone();
    assert_eq!((copy.stats().rolled, two.stats().rolled), (1, 0));
    let stats = two.stats();
    assert_eq!((stats.disk_used, stats.memory_used, stats.spools), (0, 0, 0));
    let mut other = written(&options(&two, 0, Backing::File), &content[..50]);
    assert_refused(other.write(b"!").map(drop), Limit::PoolDisk, 50, "the second pool");
    drop((spool, other));
    at_rest(&one);
    at_rest(&two);
}

#[test]
fn p8_an_untouched_spool_takes_nothing() {
    let pool = Pool::builder().memory(0).disk(0).build();
    let options = options(&pool, 1000, Backing::File);
    let spools: Vec<_> = (0..100).map(|_| options.build()).collect();
    let stats = sound(&pool);
    assert_eq!((stats.spools, stats.rolled, stats.memory_used, stats.disk_used), (100, 0, 0, 0));
    assert_eq!((stats.memory_peak, stats.disk_peak), (0, 0));
    drop(spools);
    at_rest(&pool);
}

#[test]
fn p8_without_a_word_there_is_no_limit() {
    let stats = Pool::builder().build().stats();
    assert_eq!((stats.memory_limit, stats.disk_limit), (usize::MAX, u64::MAX));
}

/// Nothing is left of it.
fn gone<T>(_: T) -> Box<dyn Debug> {
    Box::new(())
}

/// Each way to put all of `piece` at the end of what is there.
type Way = fn(&mut SpooledTempFile, &[u8]) -> io::Result<()>;
const WAYS: [(&str, Way); 6] = [
    ("write", |spool, piece| spool.write(piece).map(drop)),
    ("write_all", |spool, piece| spool.write_all(piece)),
    ("write_vectored", |spool, piece| {
        let (front, back) = piece.split_at(piece.len() / 2);
        spool.write_vectored(&[IoSlice::new(front), IoSlice::new(back)]).map(drop)
    }),
    ("write_at", |spool, piece| spool.write_at(piece, spool.len()).map(drop)),
    ("write_at, far", |spool, piece| spool.write_at(b"!", spool.len() + piece.len() as u64 - 1).map(drop)),
    ("set_len", |spool, piece| spool.set_len(spool.len() + piece.len() as u64)),
];

fn builder(scratch: &Scratch) -> PoolBuilder {
    let mut builder = Pool::builder();
    builder.dir(scratch.path());
    builder
}

#[track_caller]
fn assert_refused<T: Debug>(done: io::Result<T>, which: Limit, limit: u64, what: &str) {
    let error = done.expect_err(what);
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{what}: {error:?}");
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<LimitError>()).expect("a limit");
    assert_eq!((cause.which(), cause.limit()), (which, limit), "{what}");
}

/// A file of a spool that has left: its length is the content's, and nobody else may read it.
#[track_caller]
fn assert_file(mut file: std::fs::File, content: &[u8]) {
    let metadata = file.metadata().unwrap();
    assert_eq!(metadata.len(), content.len() as u64);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&metadata) & 0o7777, 0o600);
    let mut seen = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut seen).unwrap();
    assert_same(&seen, content, "as a file");
}

/// Where a file without a name lies, as the kernel has it.
#[cfg(target_os = "linux")]
#[track_caller]
fn assert_lies_in(file: &std::fs::File, directory: &Path) {
    use std::os::fd::AsRawFd;
    let link = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    assert_eq!(link.parent(), Some(directory));
}

/// Where it has a name, that is seen there.
#[cfg(not(target_os = "linux"))]
#[track_caller]
fn assert_lies_in(_: &std::fs::File, directory: &Path) {
    assert_eq!(ground::names(directory).len(), usize::from(cfg!(windows)));
}

/// `piece` put over `content` at `offset`, and zeros in between.
fn patched(content: &[u8], piece: &[u8], offset: usize) -> Vec<u8> {
    let mut patched = content.to_vec();
    patched.resize(content.len().max(offset + piece.len()), 0);
    patched[offset..offset + piece.len()].copy_from_slice(piece);
    patched
}
