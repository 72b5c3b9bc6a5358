//! P2, P4 and P8 with a pool on a disk that is really full: what is kept is of no use there, unless it has its blocks; and
//! whatever fails has taken nothing of the allowance with it.
#![cfg(target_os = "linux")]

mod ground;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use ground::mount::{Mount, small_disk};
use ground::pool::{at_rest, options, written};
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_full, assert_holds, assert_same, bytes};
use spooled::{Pool, SpoolOptions, SpooledTempFile};

/// A kept file may have no blocks, and the disk none to give: then it is closed, and no later spool meets it again.
#[test]
fn p2_a_kept_file_that_the_disk_cannot_fill_is_given_up() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(300 * KIB, 1);
    for backing in BACKINGS {
        let pool = Pool::builder().dir(disk.path()).build();
        let options = options(&pool, 300 * KIB, backing);
        keep_holes(&options, 2);
        disk.fill(100 * KIB);
        let mut spool = written(&options, &content);
        spool.seek(SeekFrom::Start(5)).unwrap();
        for _ in 0..3 {
            assert_full(&spool.roll().unwrap_err(), disk.path());
            assert_full(&spool.set_len(400 * KIB as u64).unwrap_err(), disk.path());
            assert_full(&spool.write_at(b"!", 350 * KIB as u64).unwrap_err(), disk.path());
            assert!(!spool.is_rolled());
            assert_eq!(spool.position(), 5);
            assert_holds(&mut spool, &content);
            let stats = pool.stats();
            assert_eq!((stats.rolled, stats.disk_used), (0, stats.disk_retained), "{stats:?}");
        }
        assert_eq!(pool.stats().disk_retained, 0, "a file of a full disk is lent again");
        assert_eq!(disk.free(), 100 * KIB, "the file that could not be had still takes space");
        disk.resize(4 * MIB);
        spool.roll().unwrap();
        assert_holds(&mut spool, &content);
        drop(spool);
        at_rest(&pool);
        disk.clear(MIB);
    }
    assert_empty(disk.path());
}

#[test]
fn p2_the_next_directory_takes_what_a_kept_file_cannot() {
    let Some(disk) = small_disk() else { return };
    let elsewhere = Scratch::new();
    let content = bytes(300 * KIB, 2);
    for backing in BACKINGS {
        let pool = Pool::builder().dirs([disk.path(), elsewhere.path()]).build();
        let options = options(&pool, 300 * KIB, backing);
        keep_holes(&options, 1);
        disk.fill(100 * KIB);
        for _ in 0..3 {
            let mut spool = written(&options, &content);
            spool.write_all(b"and one more").unwrap();
            assert!(spool.is_rolled());
            assert_holds(&mut spool, &[&content, b"and one more".as_slice()].concat());
            assert_eq!(directory_of(&spool.into_file().unwrap()), elsewhere.path());
        }
        assert_eq!(pool.stats().disk_used, 0);
        at_rest(&pool);
        disk.clear(MIB);
    }
    assert_empty(elsewhere.path());
}

/// What has its blocks needs none.
#[test]
fn p11_a_kept_file_serves_where_the_disk_is_full() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(500 * KIB, 3);
    for backing in BACKINGS {
        let pool = Pool::builder().dir(disk.path()).build();
        let options = options(&pool, 64 * KIB, backing);
        let mut first = written(&options, &content);
        first.flush().unwrap();
        drop(first);
        disk.fill(0);
        for len in [100 * KIB, 500 * KIB, 300 * KIB + 1] {
            let mut spool = written(&options, &content[500 * KIB - len..]);
            spool.flush().unwrap();
            assert_holds(&mut spool, &content[500 * KIB - len..]);
            drop(spool);
        }
        assert_eq!(pool.stats().reused_files, 3);
        at_rest(&pool);
        disk.clear(MIB);
    }
}

#[test]
fn p2_a_window_that_the_disk_refuses_is_kept_and_counted() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        for unwritten in [1, 4000, 30_000] {
            let pool = Pool::builder().dir(disk.path()).disk(2 << 20).memory(2 * MIB).build();
            let options = options(&pool, 0, backing);
            let (mut spool, content) = with_something_unwritten(&options, &disk, unwritten);
            for _ in 0..3 {
                assert_full(&spool.flush().unwrap_err(), disk.path());
                assert_holds(&mut spool, &content);
                let stats = pool.stats();
                assert!(stats.disk_used - stats.disk_retained >= content.len() as u64, "{stats:?}");
            }
            disk.resize(4 * MIB);
            spool.flush().unwrap();
            assert_holds(&mut spool, &content);
            drop(spool);
            at_rest(&pool);
            disk.clear(MIB);

            // Shrinking needs no space, and gives back what was never written.
            let (mut spool, content) = with_something_unwritten(&options, &disk, unwritten);
            spool.set_len(1000).unwrap();
            assert_holds(&mut spool, &content[..1000]);
            assert!(pool.stats().disk_used <= 1000 + 256 * KIB as u64, "{:?}", pool.stats());
            drop(spool);
            at_rest(&pool);
            disk.clear(MIB);

            // Dropped, it is not written, and what it had claimed is free.
            let (spool, _) = with_something_unwritten(&options, &disk, unwritten);
            drop(spool);
            at_rest(&pool);
            disk.clear(MIB);
        }
    }
}

#[test]
fn p4_what_a_full_disk_refuses_to_convert_is_given_back_and_counted() {
    let Some(disk) = small_disk() else { return };
    for backing in BACKINGS {
        let pool = Pool::builder().dir(disk.path()).disk(2 << 20).build();
        let options = options(&pool, 0, backing);
        let (spool, content) = with_something_unwritten(&options, &disk, 30_000);
        let counted = |pool: &Pool| {
            let stats = pool.stats();
            assert_eq!((stats.spools, stats.rolled), (1, 1), "{stats:?}");
            assert!(stats.disk_used - stats.disk_retained >= content.len() as u64, "{stats:?}");
        };
        let (error, spool) = spool.freeze().unwrap_err().into_parts();
        assert_full(&error, disk.path());
        counted(&pool);
        let (error, spool) = spool.into_file().unwrap_err().into_parts();
        assert_full(&error, disk.path());
        counted(&pool);
        let (error, spool) = spool.persist(disk.path().join("target")).unwrap_err().into_parts();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        counted(&pool);
        let (error, mut spool) = spool.into_inner().unwrap_err().into_parts();
        assert_full(&error, disk.path());
        counted(&pool);
        assert_holds(&mut spool, &content);
        disk.resize(4 * MIB);
        let mut file = spool.into_file().unwrap();
        at_rest(&pool);
        let mut seen = vec![];
        file.rewind().unwrap();
        file.read_to_end(&mut seen).unwrap();
        assert_same(&seen, &content, "as a file");
        drop(file);
        disk.clear(MIB);
    }
    assert_empty(disk.path());
}

#[test]
fn p4_a_copy_onto_a_full_disk_keeps_and_counts_all_that_it_pulled() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(3 * MIB, 4);
    for backing in BACKINGS {
        for memory in [usize::MAX, 0] {
            for threshold in [0, 64 * KIB, 300 * KIB] {
                disk.fill(700 * KIB);
                let pool = Pool::builder().dir(disk.path()).disk(4 << 20).memory(memory).build();
                let mut spool = options(&pool, threshold, backing).build();
                let mut source = content.as_slice();
                for _ in 0..2 {
                    assert_full(&spool.copy_from(&mut source).unwrap_err(), disk.path());
                    let pulled = content.len() - source.len();
                    assert_eq!((spool.len(), spool.position()), (pulled as u64, pulled as u64));
                    assert_holds(&mut spool, &content[..pulled]);
                }
                disk.resize(8 * MIB);
                spool.copy_from(&mut source).unwrap();
                assert_holds(&mut spool, &content);
                drop(spool);
                at_rest(&pool);
                disk.clear(MIB);
            }
        }
    }
}

/// A file that is refused at every turn, and a quota beside it: whichever is met, the allowance is what it was.
#[test]
fn p8_what_a_full_disk_refused_is_not_counted() {
    let Some(disk) = small_disk() else { return };
    let content = bytes(400 * KIB, 5);
    for backing in BACKINGS {
        let pool = Pool::builder().dir(disk.path()).disk(500 * KIB as u64).build();
        let options = options(&pool, 1000, backing);
        disk.fill(48 * KIB);
        for _ in 0..20 {
            let mut spool = options.build();
            let mut taken = 0;
            let error = loop {
                match spool.write(&content[taken..]) {
                    Ok(count) => taken += count,
                    Err(error) => break error,
                }
            };
            assert_full(&error, disk.path());
            assert_holds(&mut spool, &content[..taken]);
        }
        let stats = pool.stats();
        assert_eq!((stats.disk_used, stats.rolled), (stats.disk_retained, 0), "{stats:?}");
        disk.resize(4 * MIB);
        let mut spool = written(&options, &content);
        assert_holds(&mut spool, &content);
        drop(spool);
        at_rest(&pool);
        disk.clear(MIB);
    }
}

/// Leaves files in the pool that are as long as any, and have no blocks.
fn keep_holes(options: &SpoolOptions, count: usize) {
    let spools: Vec<_> = (0..count)
        .map(|_| {
            let mut spool = options.build();
            spool.set_len(700 * KIB as u64).unwrap();
            spool
        })
        .collect();
    drop(spools);
}

/// A rolled spool on a disk that is now full, the last `unwritten` bytes of which the disk does not have; its cursor is
/// at the end.
#[track_caller]
fn with_something_unwritten(options: &SpoolOptions, disk: &Mount, unwritten: usize) -> (SpooledTempFile, Vec<u8>) {
    // To the end of a page, so that one byte more needs another.
    let content = bytes(400 * KIB + unwritten, 6);
    let (written_before, rest) = content.split_at(400 * KIB);
    let mut spool = written(options, written_before);
    spool.flush().unwrap();
    disk.fill(0);
    assert_eq!(spool.write(rest).unwrap(), unwritten, "a window takes it");
    assert_full(&spool.flush().unwrap_err(), disk.path());
    (spool, content)
}

fn directory_of(file: &File) -> PathBuf {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    link.parent().map(Path::to_owned).unwrap()
}
