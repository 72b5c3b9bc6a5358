//! The same work on each kind of file system that the kernel can mount: they differ in `O_TMPFILE`, in holes, in blocks
//! set aside ahead, in what a mapping of them may do.
#![cfg(target_os = "linux")]

mod ground;

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ground::mount::Mount;
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_holds, assert_same, bytes, names, numbers, options};
use spooled::{Backing, Pool, SpoolOptions, SpooledData, SpooledTempFile, tempfile_in};

#[test]
fn p1_one_content_where_the_build_is() {
    let scratch = Scratch::new();
    all_of_it(scratch.path());
}

#[test]
fn p1_one_content_on_ext4() {
    on(Mount::on_a_loop_device("ext4", 64 << 20));
}

#[test]
fn p1_one_content_on_xfs() {
    on(Mount::on_a_loop_device("xfs", 300 << 20));
}

#[test]
fn p1_one_content_on_btrfs() {
    on(Mount::on_a_loop_device("btrfs", 256 << 20));
}

#[test]
fn p1_one_content_on_tmpfs() {
    on(Mount::tmpfs(64 * MIB));
}

#[test]
fn p1_one_content_on_ramfs() {
    on(Mount::ramfs());
}

#[test]
fn p1_one_content_on_an_overlay_over_tmpfs() {
    on(Mount::tmpfs(64 * MIB).and_then(Mount::overlay));
}

#[test]
fn p1_one_content_on_an_overlay_over_ext4() {
    on(Mount::on_a_loop_device("ext4", 64 << 20).and_then(Mount::overlay));
}

#[test]
fn p1_one_content_on_an_overlay_over_xfs() {
    on(Mount::on_a_loop_device("xfs", 300 << 20).and_then(Mount::overlay));
}

#[track_caller]
fn on(mount: Option<Mount>) {
    if let Some(mount) = mount {
        let directory = mount.path().join("spools");
        fs::create_dir(&directory).unwrap();
        all_of_it(&directory);
    }
}

fn all_of_it(directory: &Path) {
    for backing in BACKINGS {
        for threshold in [0, 1000, 64 * KIB] {
            writes_and_reads(directory, threshold, backing);
            leaves(directory, threshold, backing);
            persists(directory, threshold, backing);
        }
        has_holes(directory, backing);
        grows_large(directory, backing);
        copies(directory, backing);
        is_handed_on(directory, backing);
        fills_a_quota(directory, backing);
    }
    assert_empty(directory);
}

fn writes_and_reads(directory: &Path, threshold: usize, backing: Backing) {
    let mut spool = options(directory, threshold, backing).build();
    let content = bytes(300_000, 1);
    for piece in content.chunks(777) {
        spool.write_all(piece).unwrap();
    }
    assert!(spool.is_rolled());
    assert_holds(&mut spool, &content);

    // Writing in places, and reading right behind.
    let mut model = content;
    for (count, offset) in numbers(290_000, 2).take(200).enumerate() {
        let piece = bytes(1 + count * 40, offset);
        let end = (offset as usize + piece.len()).min(model.len());
        let piece = &piece[..end - offset as usize];
        spool.seek(SeekFrom::Start(offset)).unwrap();
        spool.write_all(piece).unwrap();
        model[offset as usize..end].copy_from_slice(piece);
        let mut around = vec![0; 500];
        let from = (offset / 2) as usize;
        assert_eq!(spool.read_at(&mut around, from as u64).unwrap(), 500);
        assert_same(&around, &model[from..from + 500], "by read_at");
        let from = offset.saturating_sub(100);
        spool.seek(SeekFrom::Start(from)).unwrap();
        spool.read_exact(&mut around).unwrap();
        assert_same(&around, &model[from as usize..from as usize + 500], "by read");
    }
    assert_holds(&mut spool, &model);
    match (backing, spool.as_slice()) {
        (Backing::Mmap, slice) => assert_same(slice.unwrap(), &model, "as a slice"),
        (Backing::File, slice) => assert_eq!(slice.unwrap_err().kind(), io::ErrorKind::Unsupported),
    }

    spool.set_len(100_001).unwrap();
    model.truncate(100_001);
    assert_holds(&mut spool, &model);
    spool.set_len(200_000).unwrap();
    model.resize(200_000, 0);
    assert_holds(&mut spool, &model);
    spool.set_len(0).unwrap();
    assert_holds(&mut spool, &[]);
}

fn leaves(directory: &Path, threshold: usize, backing: Backing) {
    let content = bytes(150_000, 3);
    let made = || {
        let mut spool = options(directory, threshold, backing).build();
        spool.write_all(&content).unwrap();
        spool.seek(SeekFrom::Start(4321)).unwrap();
        spool
    };
    let mut file = made().into_file().unwrap();
    assert_file(&mut file, 0, 4321, &content);
    match made().into_inner().unwrap() {
        SpooledData::OnDisk(mut file) => assert_file(&mut file, 0, 4321, &content),
        SpooledData::InMemory(_) => panic!("not rolled"),
    }

    let mut frozen = made().freeze().unwrap();
    assert_eq!((frozen.len(), frozen.position(), frozen.is_rolled()), (150_000, 0, true));
    let whole = frozen.to_bytes().unwrap();
    assert_same(&whole, &content, "to_bytes");
    assert_same(&frozen.slice(50_000..50_100).to_bytes().unwrap(), &content[50_000..50_100], "a slice");
    let mut clone = frozen.clone();
    clone.seek(SeekFrom::Start(149_990)).unwrap();
    let mut seen = Vec::new();
    clone.read_to_end(&mut seen).unwrap();
    assert_same(&seen, &content[149_990..], "a clone");
    seen.clear();
    frozen.read_to_end(&mut seen).unwrap();
    assert_same(&seen, &content, "frozen");
    let chunks: Vec<_> = frozen.chunks(10_007).map(Result::unwrap).collect();
    assert_same(&chunks.concat(), &content, "by chunks");
    // Content outlives whatever it came from.
    drop((frozen, clone, chunks));
    assert_same(&whole, &content, "bytes that are left");

    let mut file = tempfile_in(directory).unwrap();
    file.write_all(b"as any file").unwrap();
    let position = 11;
    assert_file(&mut file, 0, position, b"as any file");
    assert_empty(directory);
}

fn persists(directory: &Path, threshold: usize, backing: Backing) {
    let target = directory.join("target");
    let content = bytes(150_000, 4);
    let short = b"short".as_slice();
    for content in [content.as_slice(), short] {
        let made = || {
            let mut spool = options(directory, threshold, backing).build();
            spool.write_all(content).unwrap();
            spool.seek(SeekFrom::Start(3)).unwrap();
            spool
        };
        // A new name, the same name again, and a name that is taken.
        drop(made().persist_noclobber(&target).unwrap());
        assert_same(&fs::read(&target).unwrap(), content, "persisted");
        fs::write(&target, b"somebody else's").unwrap();
        let (error, mut spool) = made().persist_noclobber(&target).unwrap_err().into_parts();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(spool.position(), 3);
        assert_holds(&mut spool, content);
        assert_eq!(fs::read(&target).unwrap(), b"somebody else's");
        let mut file = spool.persist(&target).unwrap();
        assert_file(&mut file, 1, 3, content);
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(b"and on").unwrap();
        assert_same(&fs::read(&target).unwrap(), &[content, b"and on"].concat(), "persisted, and written to");
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(names(directory), ["target"]);
        fs::remove_file(&target).unwrap();
    }
    // To another file system than its own, most likely.
    let elsewhere = Scratch::new();
    let target = elsewhere.path().join("target");
    let mut spool = options(directory, threshold, backing).build();
    spool.write_all(&content).unwrap();
    let mut file = spool.persist(&target).unwrap();
    assert_file(&mut file, 1, 150_000, &content);
    assert_same(&fs::read(&target).unwrap(), &content, "persisted elsewhere");
    assert_eq!(names(elsewhere.path()), ["target"]);
}

fn has_holes(directory: &Path, backing: Backing) {
    let mut spool = options(directory, 1000, backing).build();
    spool.write_all(b"before").unwrap();
    spool.seek(SeekFrom::Start(5 << 20)).unwrap();
    spool.write_all(b"behind").unwrap();
    spool.set_len(6 << 20).unwrap();
    let mut model = vec![0; 6 << 20];
    model[..6].copy_from_slice(b"before");
    model[5 << 20..][..6].copy_from_slice(b"behind");
    assert_holds(&mut spool, &model);
    let piece = bytes(100_000, 5);
    spool.write_at(&piece, 3_000_000).unwrap();
    model[3_000_000..3_100_000].copy_from_slice(&piece);
    assert_holds(&mut spool, &model);
    if backing == Backing::Mmap {
        assert_same(spool.as_slice().unwrap(), &model, "as a slice");
        spool.set_len(7 << 20).unwrap();
        model.resize(7 << 20, 0);
        assert_same(spool.as_slice().unwrap(), &model, "as a slice, grown");
        spool.set_len(2 << 20).unwrap();
        spool.set_len(7 << 20).unwrap();
        model[2 << 20..].fill(0);
        assert_same(spool.as_slice().unwrap(), &model, "as a slice, cut and grown");
    }
    let frozen = spool.freeze().unwrap();
    assert_same(&frozen.to_bytes().unwrap(), &model, "frozen");

    // What no file can hold is refused at once, and takes nothing.
    let mut spool = options(directory, 0, backing).build();
    spool.write_all(b"before").unwrap();
    assert_eq!(spool.write_at(b"!", i64::MAX as u64).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_holds(&mut spool, b"before");
    if let Err(error) = spool.write_at(b"!", i64::MAX as u64 - 1) {
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error:?}");
        assert_holds(&mut spool, b"before");
    }
}

/// Past the size from which blocks are set aside ahead, and out again: what is left has none.
fn grows_large(directory: &Path, backing: Backing) {
    let content = bytes(5 * MIB + 123, 6);
    for piece in [64 * KIB, 1000, 2 * MIB] {
        let mut spool = options(directory, 64 * KIB, backing).build();
        for piece in content.chunks(piece) {
            spool.write_all(piece).unwrap();
        }
        assert_holds(&mut spool, &content);
        let mut file = spool.into_file().unwrap();
        assert_file(&mut file, 0, content.len() as u64, &content);
        // Only ext4 sets blocks aside because it is told to; xfs does so by itself, until the file is closed.
        if rustix::fs::fstatfs(&file).unwrap().f_type as u32 != EXT4 {
            continue;
        }
        file.sync_all().unwrap();
        let taken = file.metadata().unwrap().blocks() * 512;
        assert!(taken <= content.len() as u64 + 256 * KIB as u64, "{taken} bytes are taken for {}", content.len());
    }
}

fn copies(directory: &Path, backing: Backing) {
    let content = bytes(3 * MIB + 17, 7);
    let path = directory.join("source");
    fs::write(&path, &content).unwrap();
    for threshold in [0, 64 * KIB, 4 * MIB] {
        let mut spool = options(directory, threshold, backing).build();
        let mut source = File::open(&path).unwrap();
        spool.write_all(b"first").unwrap();
        assert_eq!(spool.copy_from(&mut source).unwrap(), content.len() as u64);
        spool.write_all(b"last").unwrap();
        let all = [b"first", content.as_slice(), b"last"].concat();
        assert_holds(&mut spool, &all);
        let out = directory.join("out");
        let mut sink = File::create_new(&out).unwrap();
        spool.seek(SeekFrom::Start(2)).unwrap();
        assert_eq!(spool.copy_to(&mut sink).unwrap(), all.len() as u64 - 2);
        assert_eq!(spool.position(), all.len() as u64);
        assert_same(&fs::read(&out).unwrap(), &all[2..], "copied to a file");
        assert_eq!(spool.fill_buf().unwrap(), b"");
        fs::remove_file(&out).unwrap();
    }
    fs::remove_file(&path).unwrap();
}

/// A file with a past goes to the next spool, which grows into it by each way there is; the past is never seen.
fn is_handed_on(directory: &Path, backing: Backing) {
    static PAST: [u8; 700_000] = [0xf5; 700_000];
    // No byte of the past is one of these.
    let content: Vec<u8> = bytes(300_000, 8).into_iter().map(|byte| byte & 0x7f).collect();
    let pool = Pool::builder().dir(directory).build();
    let mut options = SpoolOptions::new();
    options.pool(&pool).threshold(1000).backing(backing);
    type Way = fn(&mut SpooledTempFile, &mut Vec<u8>);
    let ways: [Way; 5] = [
        |_, _| {},
        |spool, model| {
            spool.set_len(500_000).unwrap();
            model.resize(500_000, 0);
        },
        |spool, model| {
            spool.set_len(100).unwrap();
            spool.write_at(b"far", 400_000).unwrap();
            model.truncate(100);
            model.resize(400_000, 0);
            model.extend_from_slice(b"far");
        },
        |spool, model| {
            spool.set_len(3 << 20).unwrap();
            model.resize(3 << 20, 0);
        },
        |spool, model| {
            spool.seek(SeekFrom::End(5000)).unwrap();
            spool.copy_from(&mut &[1; 1000][..]).unwrap();
            model.resize(model.len() + 5000, 0);
            model.resize(model.len() + 1000, 1);
        },
    ];
    let ends: [fn(SpooledTempFile, &[u8]); 3] = [
        |spool, model| {
            let frozen = spool.freeze().unwrap();
            let chunks: Vec<_> = frozen.chunks(100_000).map(Result::unwrap).collect();
            assert_same(&chunks.concat(), model, "by chunks");
            assert_same(&frozen.to_bytes().unwrap(), model, "frozen");
        },
        |spool, model| {
            let position = spool.position();
            assert_file(&mut spool.into_file().unwrap(), 0, position, model);
        },
        |spool, _| drop(spool),
    ];
    let mut lives = 0;
    for len in [2000, 65_536, 300_000] {
        for way in ways {
            for end in ends {
                let mut past = options.build();
                past.write_all(&PAST).unwrap();
                past.flush().unwrap();
                drop(past);
                let before = pool.stats().reused_files;
                let mut model = content[..len].to_vec();
                let mut spool = options.build();
                spool.write_all(&model).unwrap();
                assert_eq!(pool.stats().reused_files, before + 1, "{:?}", pool.stats());
                let mut edge = vec![1; 10_000];
                assert_eq!(spool.read_at(&mut edge, len as u64 - 1).unwrap(), 1);
                way(&mut spool, &mut model);
                assert_holds(&mut spool, &model);
                if backing == Backing::Mmap {
                    assert_same(spool.as_slice().unwrap(), &model, "as a slice");
                }
                end(spool, &model);
                lives += 1;
            }
        }
    }
    assert!(pool.stats().reused_files >= lives);
    assert_at_rest(&pool);
}

/// Exactly the limit fits, also where blocks are set aside ahead; again, and again by others.
fn fills_a_quota(directory: &Path, backing: Backing) {
    let content = bytes(5 * MIB + 123, 9);
    let limit = content.len() as u64;
    let pool = Pool::builder().dir(directory).disk(limit).build();
    let mut options = SpoolOptions::new();
    options.pool(&pool).threshold(1000).backing(backing);
    for piece in [64 * KIB, 1000, 2 * MIB] {
        let mut spool = options.build();
        for piece in content.chunks(piece) {
            spool.write_all(piece).unwrap();
        }
        spool.flush().unwrap();
        assert_holds(&mut spool, &content);
        assert_eq!(spool.write(b"!").unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
        assert_eq!(pool.stats().disk_used, limit);
    }
    let mut halves = [0, 1].map(|_| options.build());
    for piece in content[..content.len() / 2 - 256 * KIB].chunks(10_000) {
        halves.iter_mut().for_each(|half| half.write_all(piece).unwrap());
    }
    for half in &mut halves {
        assert_holds(half, &content[..content.len() / 2 - 256 * KIB]);
    }
    drop(halves);
    assert_at_rest(&pool);
}

#[track_caller]
fn assert_at_rest(pool: &Pool) {
    let stats = pool.stats();
    assert_eq!((stats.memory_used, stats.disk_used), (stats.memory_retained, stats.disk_retained), "{stats:?}");
    pool.trim();
    let stats = pool.stats();
    assert_eq!((stats.memory_used, stats.disk_used, stats.spools, stats.rolled), (0, 0, 0, 0), "{stats:?}");
}

#[track_caller]
fn assert_file(file: &mut File, names: u64, position: u64, content: &[u8]) {
    assert_eq!(file.stream_position().unwrap(), position);
    let metadata = file.metadata().unwrap();
    assert_eq!((metadata.mode() & 0o7777, metadata.nlink()), (0o600, names));
    let mut seen = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut seen).unwrap();
    assert_same(&seen, content, "as a file");
    file.seek(SeekFrom::Start(position)).unwrap();
}

const EXT4: u32 = 0xef53;
