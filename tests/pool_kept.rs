//! P6, P8, P11: which files and buffers a pool keeps, which of them it lends, and what a refusal leaves counted.
//!
//! Files are told apart by their inodes, as `/proc` shows what this process has open.
#![cfg(target_os = "linux")]

mod ground;

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::thread;

use ground::limits::Limited;
use ground::mount::Mount;
use ground::pool::{at_rest, sound, written};
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_holds, assert_names, assert_same, bytes, child};
use ground::{file_with, kernel, names, skipped};
use rustix::process::{Resource, getrlimit};
use spooled::{Backing, Limit, LimitError, Pool, PoolBuilder, SpoolOptions, SpooledTempFile};

// Which is lent, and which goes.

#[test]
fn p11_the_newest_that_is_long_enough_is_lent() {
    let scratch = Scratch::new();
    let pool = builder(&scratch).build();
    let (at_once, later) = (options(&pool, 0), options(&pool, 100 * KIB));
    let lent = |options: &SpoolOptions| {
        let mut spool = options.build();
        spool.write_all(&[7; 100 * KIB]).unwrap();
        spool.write_all(b"!").unwrap();
        spool.into_file().unwrap().metadata().unwrap().ino()
    };

    let [oldest, middle, newest] = keep(&pool, &scratch, [200, 200, 200]);
    assert_eq!([lent(&at_once), lent(&later), lent(&at_once)], [newest, middle, oldest]);
    let [older, newer, short] = keep(&pool, &scratch, [200, 100, 99]);
    assert_eq!([lent(&later), lent(&at_once), lent(&later)], [newer, short, older]);
    let [older, newer] = keep(&pool, &scratch, [1, 1]);
    assert_eq!([lent(&later), lent(&later)], [newer, older], "none is long enough");
    assert_eq!(pool.stats().reused_files, 8);
    at_rest(&pool);
}

/// In a process of its own, where the threads that ask are dealt out in turn.
#[test]
fn p11_what_a_thread_kept_is_lent_to_it_first() {
    const NAME: &str = "p11_what_a_thread_kept_is_lent_to_it_first";
    if child::argument().is_none() {
        return child::run(NAME, "");
    }
    let scratch = Scratch::new();
    let pool = builder(&scratch).build();
    let lent = || {
        let mut spool = options(&pool, 0).build();
        spool.write_all(b"content").unwrap();
        spool.into_file().unwrap().metadata().unwrap().ino()
    };
    let [(own, inode), (first, older), (second, newer)] = [(); 3].map(|()| on_disk(&pool, &scratch, 100));
    drop(own);
    thread::scope(|scope| scope.spawn(move || drop((first, second))).join()).unwrap();
    assert_eq!([lent(), lent(), lent()], [inode, newer, older]);
}

#[test]
fn p8_the_oldest_goes_when_disk_is_short() {
    let scratch = Scratch::new();
    let elsewhere = Scratch::new();
    let pool = builder(&scratch).disk(300 * KIB as u64).build();
    let [_, second, third] = keep(&pool, &scratch, [100, 100, 100]);
    let mut fresh = options(&pool, 0);
    fresh.dir(elsewhere.path());
    let mut spool = fresh.build();
    spool.set_len(1).unwrap();
    assert_eq!(inodes(&scratch), sorted([second, third]), "of three");
    spool.set_len(100 * KIB as u64 + 1).unwrap();
    assert_eq!(inodes(&scratch), [third], "of two");
    // It takes the one that is left, whose own tail is no reason to close it.
    let mut other = options(&pool, 0).build();
    other.set_len(190 * KIB as u64).unwrap();
    assert_eq!(inodes(&scratch), [third]);
    assert_eq!(sound(&pool).reused_files, 1);
    drop((spool, other));
    at_rest(&pool);
}

#[test]
fn p8_sixty_four_files_are_kept_and_no_more() {
    let scratch = Scratch::new();
    let most = getrlimit(Resource::Nofile).current.map_or(64, |descriptors| (descriptors / 4).min(64)) as usize;
    let pool = builder(&scratch).build();
    let kept = keep(&pool, &scratch, [1; 70]);
    assert_eq!(inodes(&scratch), sorted(kept[70 - most..].to_vec()), "the newest {most}");
    let stats = sound(&pool);
    assert_eq!((stats.disk_retained, stats.rolled), (most as u64 * KIB as u64, 0));
    at_rest(&pool);
    assert_eq!(inodes(&scratch), [0; 0]);
}

#[test]
fn p5_no_more_than_a_quarter_of_the_descriptors_is_kept() {
    const NAME: &str = "p5_no_more_than_a_quarter_of_the_descriptors_is_kept";
    if child::argument().is_none() {
        return child::run(NAME, "");
    }
    let _limited = Limited::to(Resource::Nofile, 100);
    let scratch = Scratch::new();
    let pool = builder(&scratch).build();
    keep(&pool, &scratch, [1; 40]);
    assert_eq!(inodes(&scratch).len(), 25);
    at_rest(&pool);
}

#[test]
fn p8_sixty_four_buffers_are_kept_and_no_more() {
    let scratch = Scratch::new();
    for limit in [usize::MAX, 10 * MIB] {
        let pool = builder(&scratch).memory(limit).build();
        let options = options(&pool, MIB);
        let spools: Vec<_> = (10_000..10_080).map(|capacity| written(&options, &vec![7; capacity])).collect();
        assert_eq!(sound(&pool).memory_used, (10_000..10_080).sum());
        drop(spools);
        // So many of ten thousand bytes, and each less than a hundred more.
        assert_eq!(sound(&pool).memory_retained / 10_000, 64, "{:?}", pool.stats());
        let spools: Vec<_> = (0..80).map(|_| written(&options, &[7; 10_000])).collect();
        assert_eq!((sound(&pool).memory_retained, sound(&pool).reused_buffers), (0, 64));
        drop(spools);
        assert_eq!(sound(&pool).memory_retained / 10_000, 64, "{:?}", pool.stats());
        at_rest(&pool);
    }
}

/// What comes last is kept: whole up to a quarter of what may be, which the oldest makes room for; else as much as is free.
#[test]
fn p11_a_newer_file_pushes_out_the_oldest_for_a_quarter() {
    let scratch = Scratch::new();
    // How long the last is, what goes for it, and what is left of it.
    for (len, gone, left) in [(1, 1, 1), (99, 1, 99), (100, 1, 100), (101, 1, 100), (350, 1, 100)] {
        let pool = builder(&scratch).retain_disk(400 * KIB as u64).build();
        let kept = keep(&pool, &scratch, [100, 100, 100, 100, len]);
        assert_eq!(inodes(&scratch), sorted(kept[gone..].to_vec()), "for {len} KiB");
        assert_eq!(length(&scratch, kept[4]), left * KIB as u64, "of {len} KiB");
        assert_eq!(sound(&pool).disk_retained, (300 + left) * KIB as u64);
        at_rest(&pool);
    }
    // Where a quarter is free, nothing goes; where it takes two, two go.
    for (lens, gone, left) in [
        ([150, 149, 102], 0, 101),
        ([150, 150, 100], 0, 100),
        ([150, 150, 350], 0, 100),
        ([50, 250, 350], 0, 100),
        ([40, 270, 350], 1, 130),
        ([5, 395, 100], 2, 100),
        ([5, 395, 350], 2, 350),
        ([5, 100, 500], 0, 295),
    ] {
        let pool = builder(&scratch).retain_disk(400 * KIB as u64).build();
        let kept = keep(&pool, &scratch, lens);
        assert_eq!(inodes(&scratch), sorted(kept[gone..].to_vec()), "for the last of {lens:?}");
        assert_eq!(length(&scratch, kept[2]), left * KIB as u64, "of the last of {lens:?}");
        let before: u64 = lens[gone..2].iter().sum();
        assert_eq!(sound(&pool).disk_retained, (before + left) * KIB as u64, "{lens:?}");
        at_rest(&pool);
    }
}

#[test]
fn p5_nothing_is_kept_once_the_last_handle_is_gone() {
    let scratch = Scratch::new();
    let content = bytes(100_000, 1);
    for backing in BACKINGS {
        let pool = builder(&scratch).build();
        keep(&pool, &scratch, [1, 1]);
        let mut options = options(&pool, 1000);
        options.backing(backing);
        let [first, second, third] = [0, 1, 2].map(|_| written(&options, &content));
        let frozen = third.freeze().unwrap();
        let clone = pool.clone();
        keep(&pool, &scratch, [1, 1]);
        drop(pool);
        drop(options);
        assert_eq!(inodes(&scratch).len(), 5, "a clone is a handle");
        drop(clone);
        assert_eq!(inodes(&scratch).len(), 3, "what is out");
        // The others still hold what there is of the pool.
        drop(first);
        assert_eq!(inodes(&scratch).len(), 2);
        drop(frozen);
        let mut last = second;
        assert_eq!(inodes(&scratch).len(), 1);
        assert_holds(&mut last, &content);
        last.write_all(&content).unwrap();
        drop(last);
        assert_eq!(inodes(&scratch), [0; 0]);
    }
}

// What is refused takes nothing.

/// Whatever a source did at the quota, it has not let anybody past it.
#[test]
fn p8_after_a_source_at_the_quota_a_write_is_refused_whole() {
    let scratch = Scratch::new();
    let path = scratch.path().join("source");
    for limit in [1, 100, 64 * KIB, 300_000] {
        let content = bytes(limit, 2);
        for (memory, backing) in [usize::MAX, 70 * KIB, 0].into_iter().zip([0, 1, 1]).map(|(m, b)| (m, BACKINGS[b])) {
            for given in [0, 1, limit.min(1000), limit] {
                for (name, source) in SOURCES {
                    for (then, way) in WAYS {
                        let what = format!("{then} after {given} of {limit} by {name}, {memory} of memory");
                        let pool = builder(&scratch).memory(memory).disk(limit as u64).build();
                        let mut options = options(&pool, 0);
                        options.backing(backing);
                        let (before, rest) = content.split_at(limit - given);
                        let mut spool = written(&options, before);
                        source(&mut spool, rest, &path);
                        assert_eq!((spool.len(), spool.position()), (limit as u64, limit as u64), "{what}");
                        spool.flush().unwrap_or_else(|error| panic!("{what}: {error}"));
                        assert_eq!(sound(&pool).disk_used, limit as u64, "{what}");
                        for _ in 0..2 {
                            assert_refused(way(&mut spool), limit as u64, &what);
                            assert_eq!((spool.len(), spool.position()), (limit as u64, limit as u64), "{what}");
                            assert_eq!(sound(&pool).disk_used, limit as u64, "{what}");
                        }
                        spool.flush().unwrap_or_else(|error| panic!("{what}: {error}"));
                        assert_holds(&mut spool, &content);
                        // The byte that a stream gave is kept, as said there, and no other with it.
                        assert_refused(spool.copy_from(&mut b"!!".as_slice()), limit as u64, &what);
                        assert_eq!(spool.len(), limit as u64 + 1, "{what}");
                        assert_eq!(sound(&pool).disk_used, limit as u64, "{what}");
                        assert_refused(spool.flush(), limit as u64, &what);
                        assert_holds(&mut spool, &[content.as_slice(), b"!"].concat());
                        spool.set_len(limit as u64).unwrap();
                        spool.flush().unwrap();
                        assert_eq!(sound(&pool).disk_used, limit as u64, "{what}");
                        drop(spool);
                        at_rest(&pool);
                    }
                }
            }
        }
    }
}

/// A place that no file can have is refused by the file system, after the pool has allowed it.
#[test]
fn p8_what_the_file_system_refuses_is_not_counted() {
    const FAR: u64 = 1 << 62;
    let scratch = Scratch::new();
    let content = bytes(100 * KIB, 3);
    type Way = fn(&mut SpooledTempFile) -> io::Result<()>;
    let ways: [(&str, Way); 4] = [
        ("write_at", |spool| spool.write_at(b"!", FAR).map(drop)),
        ("a large write_at", |spool| spool.write_at(&[7; 300 * KIB], FAR).map(drop)),
        ("write_vectored", |spool| {
            spool.seek(SeekFrom::Start(FAR)).unwrap();
            spool.write_vectored(&[IoSlice::new(b"!"), IoSlice::new(b"!")]).map(drop)
        }),
        ("set_len", |spool| spool.set_len(FAR)),
    ];
    for limit in [u64::MAX, 1 << 63] {
        for (name, way) in ways {
            for warm in [false, true] {
                let pool = builder(&scratch).disk(limit).build();
                if warm {
                    keep(&pool, &scratch, [200]);
                }
                let mut spool = options(&pool, 0).build();
                spool.write_all(&content).unwrap();
                assert_eq!(sound(&pool).disk_used, if warm { 200 } else { 100 } * KIB as u64);
                for _ in 0..2 {
                    let error = way(&mut spool).expect_err(name);
                    assert_names(&error, ErrorKind::FileTooLarge, scratch.path());
                    // What was stale had to go before it could be tried.
                    let stats = sound(&pool);
                    assert_eq!((stats.disk_used, stats.disk_retained), (100 * KIB as u64, 0), "{name}, warm: {warm}");
                    assert_holds(&mut spool, &content);
                }
                drop(spool);
                at_rest(&pool);
            }
        }
    }
}

#[test]
fn p8_a_length_that_is_exactly_the_quota_can_be_written_and_no_byte_more() {
    let scratch = Scratch::new();
    for limit in [1, 1000, 64 * KIB, 300_000] {
        let content = bytes(limit, 4);
        for backing in BACKINGS {
            for warm in [false, true] {
                let pool = builder(&scratch).disk(limit as u64).build();
                if warm {
                    drop(written(&options(&pool, 0), &content));
                }
                let mut options = options(&pool, 0);
                options.backing(backing);
                let mut spool = options.build();
                for (len, fits) in [(limit / 2, true), (limit + 1, false), (limit, true), (limit + 1, false)] {
                    match spool.set_len(len as u64) {
                        refused if !fits => assert_refused(refused, limit as u64, "longer than the quota"),
                        done => done.unwrap(),
                    }
                }
                assert_holds(&mut spool, &vec![0; limit]);
                assert_eq!(sound(&pool).disk_used, limit as u64);
                assert_eq!(spool.write(&content).unwrap(), limit);
                assert_refused(spool.write(b"!"), limit as u64, "one byte more");
                assert_holds(&mut spool, &content);
                spool.set_len(limit as u64 - 1).unwrap();
                spool.seek(SeekFrom::End(0)).unwrap();
                assert_refused(spool.write(b"!!"), limit as u64, "two where one is free");
                assert_eq!(spool.write(b"!").unwrap(), 1);
                assert_refused(spool.write(b"!"), limit as u64, "one byte more");
                assert_holds(&mut spool, &[&content[..limit - 1], b"!"].concat());
                assert_eq!(sound(&pool).disk_used, limit as u64);
                drop(spool);
                at_rest(&pool);
            }
        }
    }
}

#[test]
fn p8_memory_that_shrinks_never_passes_the_limit() {
    let scratch = Scratch::new();
    for (room, fits) in [(0, false), (999, false), (1000, true), (50_000, true)] {
        let pool = builder(&scratch).memory(100_000 + room).build();
        let mut spool = written(&options(&pool, MIB), &bytes(100_000, 5));
        spool.set_len(50_001).unwrap();
        assert_eq!(sound(&pool).memory_used, 100_000, "little would be gained");
        spool.set_len(1000).unwrap();
        let stats = sound(&pool);
        assert_eq!(stats.memory_used, if fits { 1000 } else { 100_000 }, "with {room} bytes free");
        assert!(stats.memory_peak <= 100_000 + room, "{stats:?}");
        assert!(!spool.is_rolled());
        assert_holds(&mut spool, &bytes(1000, 5));
        spool.set_len(0).unwrap();
        let stats = sound(&pool);
        assert_eq!(stats.memory_used, stats.memory_retained);
        drop(spool);
        at_rest(&pool);
    }
}

// Names.

#[test]
fn p4_a_persist_that_a_directory_refuses_leaves_the_file_to_be_linked() {
    let scratch = Scratch::new();
    let (directory, target) = (scratch.path().join("directory"), scratch.path().join("target"));
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("there"), "before").unwrap();
    let content = bytes(100_000, 6);
    for pooled in [false, true] {
        let pool = builder(&scratch).build();
        let mut options = SpoolOptions::new();
        match pooled {
            true => options.pool(&pool),
            false => options.dir(scratch.path()),
        };
        let mut spool = written(options.threshold(0), &content);
        let before = inodes(&scratch);
        for _ in 0..2 {
            let (error, same) = spool.persist(&directory).unwrap_err().into_parts();
            assert_names(&error, ErrorKind::IsADirectory, &directory);
            spool = same;
        }
        fs::write(&target, "was here").unwrap();
        let file = spool.persist(&target).unwrap();
        assert_eq!([file.metadata().unwrap().ino()], before[..], "it was copied, not linked");
        drop(file);
        assert_same(&fs::read(&target).unwrap(), &content, "persisted");
        at_rest(&pool);
    }
    assert_eq!(names(&directory), ["there"]);
    assert_eq!(names(scratch.path()), ["directory", "target"]);
}

/// Somebody may have opened it by the name that it had for a moment.
#[test]
fn p7_a_file_that_had_a_name_is_lent_to_nobody() {
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    let content = bytes(100_000, 7);
    let pool = builder(&scratch).build();
    let had_a_name = |pool: &Pool| {
        fs::write(&target, "was here").unwrap();
        let spool = written(&options(pool, 0), &content);
        let (error, mut spool) = spool.persist(&target).unwrap_err().into_parts();
        assert_names(&error, ErrorKind::PermissionDenied, &target);
        assert_holds(&mut spool, &content);
        spool
    };
    let refuses = thread::scope(|scope| {
        let work = || {
            let mut refused = kernel::refuse(libc::SYS_renameat, libc::EPERM);
            refused &= kernel::refuse(libc::SYS_renameat2, libc::EPERM);
            #[cfg(target_arch = "x86_64")]
            {
                refused &= kernel::refuse(libc::SYS_rename, libc::EPERM);
            }
            if !refused {
                return false;
            }
            let spool = had_a_name(&pool);
            let [inode] = inodes(&scratch)[..] else { panic!("one file is out") };
            drop(spool);
            assert_eq!(sound(&pool).disk_retained, 0, "it is kept");
            assert_eq!(inodes(&scratch), [0; 0]);
            // A view of it keeps it no more than the spool.
            drop(had_a_name(&pool).freeze().unwrap().clone());
            assert_eq!(sound(&pool).disk_retained, 0, "it is kept");

            // It can be had all the same, as another file.
            let spool = had_a_name(&pool);
            let before = inodes(&scratch);
            fs::remove_file(&target).unwrap();
            let file = spool.persist(&target).unwrap();
            assert!(!before.contains(&file.metadata().unwrap().ino()), "{inode} had a name");
            assert_same(&fs::read(&target).unwrap(), &content, "persisted");
            drop(file);
            assert_eq!((sound(&pool).disk_retained, sound(&pool).reused_files), (0, 0));
            true
        };
        scope.spawn(work).join().unwrap()
    });
    if !refuses {
        return skipped("the kernel takes no filter");
    }
    at_rest(&pool);
    fs::remove_file(&target).unwrap();
    assert_empty(scratch.path());
}

// Blocks set aside ahead.

/// A file system that is nearly full gives some of the blocks that are asked for, and then says no.
#[test]
fn p8_blocks_that_were_set_aside_in_vain_are_given_back() {
    for pooled in [true, false] {
        for room in [3 * MIB, 5 * MIB + 100 * KIB] {
            let Some(disk) = Mount::on_a_loop_device("ext4", 24 << 20) else { return };
            let filler = fill(disk.path(), room);
            let pool = Pool::builder().dir(disk.path()).build();
            let mut options = SpoolOptions::new();
            match pooled {
                true => options.pool(&pool),
                false => options.dir(disk.path()),
            };
            let content = bytes(room - 300 * KIB, 8);
            let mut spool = options.threshold(0).build();
            for (at, piece) in content.chunks(64 * KIB).enumerate() {
                spool.write_all(piece).unwrap();
                let charged = if pooled { sound(&pool).disk_used } else { 5 * MIB as u64 };
                let blocks = blocks(disk.path());
                assert!(blocks <= charged + METADATA, "{blocks} bytes of blocks, {charged} counted, after {at} pieces");
            }
            spool.flush().unwrap();
            let len = content.len() as u64;
            let blocks_now = blocks(disk.path());
            assert!(blocks_now <= len + METADATA, "{blocks_now} bytes of blocks for {len}");
            assert_holds(&mut spool, &content);
            let mut file = spool.into_file().unwrap();
            let metadata = file.metadata().unwrap();
            assert_eq!(metadata.len(), len);
            assert!(metadata.blocks() * 512 <= len + METADATA, "{} blocks for {len} bytes", metadata.blocks());
            let mut seen = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut seen).unwrap();
            assert_same(&seen, &content, "as a file");
            drop((file, filler));
            at_rest(&pool);
        }
    }
}

/// What somebody short of disk has cut off a file, a later life on it asks for again.
#[test]
fn p11_a_file_that_was_cut_sets_blocks_aside_anew() {
    let Some(disk) = Mount::on_a_loop_device("ext4", 64 << 20) else { return };
    let pool = Pool::builder().dir(disk.path()).build();
    let content = bytes(2 * MIB + 200 * KIB, 9);
    let write = |mut spool: SpooledTempFile| {
        content.chunks(64 * KIB).for_each(|piece| spool.write_all(piece).unwrap());
        spool.flush().unwrap();
        spool
    };
    let large = || write(options(&pool, 0).build());
    let set_aside = || blocks(disk.path()).saturating_sub(content.len() as u64);
    let spool = large();
    assert!(set_aside() > MIB as u64, "{} bytes", set_aside());
    drop(spool);
    let mut short = options(&pool, 0).build();
    short.set_len(1000).unwrap();
    pool.trim();
    assert_eq!(sound(&pool).disk_used, 1000);
    assert!(blocks(disk.path()) <= METADATA);
    drop(short);
    let mut spool = large();
    assert_eq!(sound(&pool).reused_files, 2);
    assert!(set_aside() > MIB as u64, "{} bytes", set_aside());
    assert_holds(&mut spool, &content);
    spool.set_len(0).unwrap();
    spool.rewind().unwrap();
    let spool = write(spool);
    assert!(set_aside() > MIB as u64, "{} bytes", set_aside());
    // Nobody who has the file pays for them.
    let file = spool.into_file().unwrap();
    assert!(set_aside() <= METADATA, "{} bytes", set_aside());
    assert_eq!(file.metadata().unwrap().len(), content.len() as u64);
    drop(file);
    at_rest(&pool);
}

/// A file's own blocks for where its others are, and the end of its last one.
const METADATA: u64 = 32 * KIB as u64;

/// Takes up all but `room` bytes, of what only the superuser may take too.
fn fill(path: &Path, room: usize) -> File {
    let name = path.join("filler");
    let mut filler = File::create_new(&name).unwrap();
    fs::remove_file(&name).unwrap();
    let full = io::copy(&mut io::repeat(1), &mut filler).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull, "{full:?}");
    let len = filler.metadata().unwrap().len();
    filler.sync_all().unwrap();
    rustix::fs::ftruncate(&filler, len - room as u64).unwrap();
    filler
}

// Sources that end, one way or another, after `rest`.

type Source = fn(&mut SpooledTempFile, rest: &[u8], path: &Path);
const SOURCES: [(&str, Source); 4] = [
    ("one that ends", |spool, mut rest, _| assert!(spool.copy_from(&mut rest).is_ok())),
    ("a file that ends", |spool, rest, path| assert!(spool.copy_from(&mut file_with(path, rest)).is_ok())),
    ("one that fails", |spool, rest, _| {
        let error = spool.copy_from(&mut Then(rest, || Err(ErrorKind::ConnectionReset.into()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error:?}");
    }),
    ("one that panics", |spool, rest, _| {
        let mut source = Then(rest, || resume_unwind(Box::new("the source panics")));
        catch_unwind(AssertUnwindSafe(|| spool.copy_from(&mut source))).unwrap_err();
    }),
];

/// Some bytes, and what comes then.
struct Then<'a>(&'a [u8], fn() -> io::Result<usize>);

impl Read for Then<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { self.1() } else { self.0.read(buf) }
    }
}

type Way = fn(&mut SpooledTempFile) -> io::Result<()>;
const WAYS: [(&str, Way); 5] = [
    ("write", |spool| spool.write(b"!").map(drop)),
    ("write_at", |spool| spool.write_at(b"!", spool.len()).map(drop)),
    ("write_vectored", |spool| spool.write_vectored(&[IoSlice::new(b""), IoSlice::new(b"!")]).map(drop)),
    ("a large write", |spool| spool.write(&[7; 300 * KIB]).map(drop)),
    ("set_len", |spool| spool.set_len(spool.len() + 1)),
];

// What is open.

/// Keeps new files of so many KiB, the first of them first: their inodes.
#[track_caller]
fn keep<const N: usize>(pool: &Pool, scratch: &Scratch, lens: [u64; N]) -> [u64; N] {
    let spools = lens.map(|len| on_disk(pool, scratch, len * KIB as u64));
    spools.map(|(spool, inode)| {
        drop(spool);
        inode
    })
}

/// A spool on disk that claims exactly `len` bytes of a new file, and the file's inode.
#[track_caller]
fn on_disk(pool: &Pool, scratch: &Scratch, len: u64) -> (SpooledTempFile, u64) {
    let before = inodes(scratch);
    let mut spool = options(pool, 0).build();
    spool.set_len(len).unwrap();
    let new: Vec<_> = inodes(scratch).into_iter().filter(|inode| !before.contains(inode)).collect();
    let [inode] = new[..] else { panic!("new are {new:?}") };
    (spool, inode)
}

/// The files that this process has open in a directory.
fn open_in(directory: &Path) -> Vec<fs::Metadata> {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    // What other tests have open comes and goes.
    let here = descriptors.filter(|path| fs::read_link(path).is_ok_and(|link| link.starts_with(directory)));
    here.filter_map(|path| fs::metadata(path).ok()).collect()
}

fn inodes(scratch: &Scratch) -> Vec<u64> {
    sorted(open_in(scratch.path()).iter().map(MetadataExt::ino).collect::<Vec<_>>())
}

#[track_caller]
fn length(scratch: &Scratch, inode: u64) -> u64 {
    open_in(scratch.path()).iter().find(|file| file.ino() == inode).expect("it is closed").len()
}

/// How many bytes of blocks the one file has that is open beside the filler.
#[track_caller]
fn blocks(directory: &Path) -> u64 {
    let files = open_in(directory);
    files.iter().map(|file| file.blocks() * 512).min().expect("none is open")
}

fn sorted(inodes: impl Into<Vec<u64>>) -> Vec<u64> {
    let mut inodes = inodes.into();
    inodes.sort_unstable();
    inodes
}

fn builder(scratch: &Scratch) -> PoolBuilder {
    let mut builder = Pool::builder();
    builder.dir(scratch.path());
    builder
}

fn options(pool: &Pool, threshold: usize) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.pool(pool).threshold(threshold).backing(Backing::File);
    options
}

#[track_caller]
fn assert_refused<T: Debug>(done: io::Result<T>, limit: u64, what: &str) {
    let error = done.expect_err(what);
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{what}: {error:?}");
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<LimitError>()).expect("a limit");
    assert_eq!((cause.which(), cause.limit()), (Limit::PoolDisk, limit), "{what}");
}
