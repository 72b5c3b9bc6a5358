//! What is different on Windows: files that are there by name while they are open, handles with a cursor that every read moves,
//! mappings that hold on to their file, and others who have a file open when it is to be renamed.
#![cfg(windows)]

mod ground;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use ground::pool::{at_rest, written};
use ground::{BACKINGS, KIB, MIB, Scratch, assert_empty, assert_holds, assert_names, assert_same, bytes, child};
use ground::{names, numbers, options};
use spooled::{Backing, Pool, SpooledTempFile};

const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_WRITE: u32 = 2;

/// The handle's cursor moves with each read by position; no call here goes by it.
#[test]
fn p1_reads_and_writes_by_position_go_by_no_cursor() {
    let scratch = Scratch::new();
    for backing in BACKINGS {
        let mut content = bytes(300 * KIB, 1);
        let mut spool = written(&options(scratch.path(), 0, backing), &content);
        spool.seek(SeekFrom::Start(1000)).unwrap();
        for offset in numbers(290 * KIB as u64, 7).take(100).map(|offset| offset as usize) {
            let mut seen = [0; 500];
            assert_eq!(spool.read_at(&mut seen, offset as u64).unwrap(), 500);
            assert_same(&seen, &content[offset..offset + 500], "by read_at");
            let piece = bytes(700, offset as u64);
            assert_eq!(spool.write_at(&piece, offset as u64 / 2).unwrap(), 700);
            content[offset / 2..][..700].copy_from_slice(&piece);
            assert_eq!(spool.position(), 1000);
        }
        let mut next = [0; 100];
        spool.read_exact(&mut next).unwrap();
        assert_same(&next, &content[1000..1100], "by read");
        spool.write_all(&[7; 100]).unwrap();
        content[1100..1200].fill(7);
        assert_holds(&mut spool, &content);
    }
}

/// All of them read through one handle.
#[test]
fn p1_frozen_clones_on_threads_do_not_disturb_each_other() {
    let scratch = Scratch::new();
    let content = bytes(MIB, 2);
    for backing in BACKINGS {
        let frozen = written(&options(scratch.path(), 0, backing), &content).freeze().unwrap();
        let all_begin = Barrier::new(6);
        thread::scope(|scope| {
            for own in 0..6 {
                let (mut clone, content, all_begin) = (frozen.clone(), &content, &all_begin);
                scope.spawn(move || {
                    all_begin.wait();
                    for at in numbers(MIB as u64 - 5000, own + 1).take(200).map(|at| at as usize) {
                        let mut seen = [0; 5000];
                        assert_eq!(clone.read_at(&mut seen, at as u64).unwrap(), 5000);
                        assert_same(&seen, &content[at..at + 5000], "by read_at");
                        clone.seek(SeekFrom::Start(at as u64)).unwrap();
                        clone.read_exact(&mut seen[..100]).unwrap();
                        assert_same(&seen[..100], &content[at..at + 100], "by read");
                    }
                });
            }
        });
    }
    assert_empty(scratch.path());
}

#[test]
fn p1_a_file_that_leaves_has_its_cursor_where_the_spools_was() {
    let scratch = Scratch::new();
    let content = bytes(200 * KIB, 3);
    for backing in BACKINGS {
        for position in [0, 1, 70_000, 200 * KIB as u64, 300 * KIB as u64] {
            let mut spool = written(&options(scratch.path(), 0, backing), &content);
            spool.read_at(&mut [0; 100], 150_000).unwrap();
            spool.seek(SeekFrom::Start(position)).unwrap();
            spool.read_at(&mut [0; 100], 50_000).unwrap();
            let mut file = spool.into_file().unwrap();
            assert_eq!(file.stream_position().unwrap(), position);
            let mut rest = vec![];
            file.read_to_end(&mut rest).unwrap();
            assert_same(&rest, content.get(position as usize..).unwrap_or_default(), "from there on");
        }
    }
    assert_empty(scratch.path());
}

/// A mapped file cannot be cut (error 1224): so the mapping goes first.
#[test]
fn p7_what_is_mapped_can_be_cut_and_grow() {
    let scratch = Scratch::new();
    let content = bytes(300 * KIB, 4);
    let pool = Pool::builder().dir(scratch.path()).build();
    let mut pooled = options(scratch.path(), 0, Backing::Mmap);
    pooled.pool(&pool);
    for options in [options(scratch.path(), 0, Backing::Mmap), pooled] {
        let mut spool = written(&options, &content);
        assert_same(spool.as_slice().unwrap(), &content, "through the mapping");
        spool.set_len(100_000).unwrap();
        assert_same(spool.as_slice().unwrap(), &content[..100_000], "after a cut");
        spool.set_len(200_000).unwrap();
        assert_same(spool.as_slice().unwrap(), &[&content[..100_000], &[0; 100_000]].concat(), "after it grew");
        spool.seek(SeekFrom::End(0)).unwrap();
        spool.write_all(&content).unwrap();
        spool.set_len(0).unwrap();
        assert_same(spool.as_slice().unwrap(), b"", "after all was cut");
        spool.rewind().unwrap();
        spool.write_all(&content).unwrap();
        let mut file = spool.into_file().unwrap();
        assert_eq!(file.metadata().unwrap().len(), 300 * KIB as u64);
        let mut seen = vec![];
        file.rewind().unwrap();
        file.read_to_end(&mut seen).unwrap();
        assert_same(&seen, &content, "as a file");
    }
    at_rest(&pool);
    assert_empty(scratch.path());
}

/// What is stale behind a mapping stays, counted, until that goes; who is short of disk is refused meanwhile.
#[test]
fn p8_what_is_stale_behind_a_mapping_waits_for_it() {
    let scratch = Scratch::new();
    let content = bytes(300 * KIB, 7);
    for backing in BACKINGS {
        let pool = Pool::builder().disk(300 * KIB as u64).dir(scratch.path()).build();
        let options = ground::pool::options(&pool, 0, backing);
        drop(written(&options, &content));
        let frozen = written(&options, &content[..50 * KIB]).freeze().unwrap();
        let figures = |pool: &Pool| (pool.stats().disk_used, pool.stats().disk_retained);
        assert_eq!(figures(&pool), (300 * KIB as u64, 250 * KIB as u64));
        let mapped = frozen.to_bytes().unwrap();
        pool.trim();
        assert_eq!(figures(&pool), (300 * KIB as u64, 250 * KIB as u64));
        let refused = options.build().write(&content[..KIB]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::QuotaExceeded);
        drop(frozen);
        assert_same(&mapped, &content[..50 * KIB], "through the mapping");
        drop(mapped);
        drop(written(&options, &content));
        // Nobody has mapped this one.
        let frozen = written(&ground::pool::options(&pool, 0, Backing::File), &content[..50 * KIB]).freeze().unwrap();
        pool.trim();
        assert_eq!(figures(&pool), (50 * KIB as u64, 0));
        drop(frozen);
        at_rest(&pool);
    }
    assert_empty(scratch.path());
}

/// What the end of a content leaves stale, and nobody may retain, is cut off though it was mapped: frozen content counted with
/// all that its spool had claimed ahead of it.
#[test]
fn p8_a_mapping_goes_where_its_owner_has_to_cut() {
    let scratch = Scratch::new();
    let content = bytes(100 * KIB, 8);
    let pool = Pool::builder().dir(scratch.path()).retain_disk(100 * KIB as u64).build();
    let options = ground::pool::options(&pool, 0, Backing::Mmap);
    drop(written(&options, &content));
    let mut spool = written(&options, &content[..1000]);
    assert_same(spool.as_slice().unwrap(), &content[..1000], "through the mapping");
    // All that may be retained is, in another's file.
    let [one, other] = [&content[..], &content[..90 * KIB]].map(|content| written(&options, content));
    drop((one, other));
    let frozen = spool.freeze().unwrap();
    let stats = pool.stats();
    assert_eq!(stats.disk_used - stats.disk_retained, 1000, "{stats:?}");
    assert_same(&frozen.to_bytes().unwrap(), &content[..1000], "frozen");
    drop(frozen);
    at_rest(&pool);
    assert_empty(scratch.path());
}

/// There by name while it lives, for nobody else, and gone with its last handle.
#[test]
fn p5_p6_a_file_is_nobody_elses_and_goes_when_it_is_closed() {
    let scratch = Scratch::new();
    for backing in BACKINGS {
        let mut spool = written(&options(scratch.path(), 0, backing), &bytes(100 * KIB, 5));
        let [name] = &names(scratch.path())[..] else { panic!("one file") };
        let path = scratch.path().join(name);
        assert!(name.starts_with(".spooled-"), "{name}");
        assert!(File::open(&path).is_err() && fs::rename(&path, scratch.path().join("mine")).is_err());
        assert!(fs::remove_file(&path).is_err());
        if backing == Backing::Mmap {
            spool.as_slice().unwrap();
        }
        let frozen = spool.freeze().unwrap();
        let bytes = frozen.to_bytes().unwrap();
        drop(frozen);
        assert_eq!(names(scratch.path()).len(), 1, "a view of it lives");
        drop(bytes);
        assert_empty(scratch.path());
    }
    drop(spooled::tempfile_in(scratch.path()).unwrap());
    assert_empty(scratch.path());
}

#[test]
fn p5_a_process_that_ends_in_any_way_leaves_nothing() {
    const NAME: &str = "p5_a_process_that_ends_in_any_way_leaves_nothing";
    if let Some(argument) = child::argument() {
        let (how, dir) = argument.split_once(' ').unwrap();
        die(how, Path::new(dir));
    }
    let scratch = Scratch::new();
    for how in ["exit", "abort", "kill"] {
        let argument = format!("{how} {}", scratch.path().display());
        let mut child = child::command(NAME, argument).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("ready")), "the child for {how} has come to nothing");
        if how == "kill" {
            assert_eq!(names(scratch.path()).len(), 4);
            child.kill().unwrap();
        }
        assert!(!child.wait().unwrap().success(), "{how}");
        within_a_second(|| names(scratch.path()).is_empty());
        assert_empty(scratch.path());
    }
}

/// Two spools, mapped and not, a file that a pool keeps, and one that has left, are there when it ends.
fn die(how: &str, dir: &Path) -> ! {
    let content = bytes(100 * KIB, 6);
    let mut alive = BACKINGS.map(|backing| written(&options(dir, 0, backing), &content));
    alive[1].as_slice().unwrap();
    let pool = Pool::builder().dir(dir).build();
    drop(written(&ground::pool::options(&pool, 0, Backing::File), &content));
    let _file = written(&options(dir, 0, Backing::File), &content).into_file().unwrap();
    println!("\nready");
    match how {
        "exit" => std::process::exit(3),
        "abort" => std::process::abort(),
        _ => loop {
            thread::park();
        },
    }
}

#[test]
fn p11_a_pool_lends_its_files_again() {
    let scratch = Scratch::new();
    for backing in BACKINGS {
        let pool = Pool::builder().dir(scratch.path()).build();
        let options = ground::pool::options(&pool, 0, backing);
        for round in 0..20 {
            let content = bytes(200 * KIB - round * 3000, round as u64);
            let mut spool = written(&options, &content);
            if backing == Backing::Mmap {
                assert_same(spool.as_slice().unwrap(), &content, "through the mapping");
            }
            spool.set_len(100_000 - round as u64).unwrap();
            spool.set_len(150_000).unwrap();
            let expected = [&content[..100_000 - round], &vec![0; 50_000 + round]].concat();
            assert_holds(&mut spool, &expected);
            assert_eq!(names(scratch.path()).len(), 1);
        }
        assert_eq!(pool.stats().reused_files, 19);
        at_rest(&pool);
        assert_empty(scratch.path());
    }
}

/// In memory and on disk.
fn spools(scratch: &Scratch) -> Vec<SpooledTempFile> {
    let content = bytes(1000, 7);
    let cases = [(usize::MAX, Backing::File), (0, Backing::File), (0, Backing::Mmap)];
    cases.map(|(threshold, backing)| written(&options(scratch.path(), threshold, backing), &content)).into()
}

#[test]
fn p4_persist_replaces_what_is_there_and_persist_noclobber_does_not() {
    let (scratch, elsewhere) = (Scratch::new(), Scratch::new());
    let path = scratch.path().join("kept");
    for mut spool in spools(&elsewhere) {
        fs::write(&path, "was here first").unwrap();
        spool.seek(SeekFrom::Start(10)).unwrap();
        let failed = spool.persist_noclobber(&path).unwrap_err();
        assert_names(failed.error(), ErrorKind::AlreadyExists, &path);
        assert_eq!(fs::read(&path).unwrap(), b"was here first");
        let mut file = failed.into_spool().persist(&path).unwrap();
        assert_eq!(file.stream_position().unwrap(), 10);
        assert_same(&fs::read(&path).unwrap(), &bytes(1000, 7), "at the path");
        drop(file);
        assert_eq!(names(scratch.path()), ["kept"]);
        fs::remove_file(&path).unwrap();
        let spool = spools(&elsewhere).pop().unwrap();
        drop(spool.persist_noclobber(&path).unwrap());
        assert_same(&fs::read(&path).unwrap(), &bytes(1000, 7), "at the path");
    }
}

/// What cannot be replaced is not waited for, and stays.
#[test]
fn p4_what_is_read_only_stays_and_the_spool_comes_back() {
    let (scratch, elsewhere) = (Scratch::new(), Scratch::new());
    let path = scratch.path().join("kept");
    fs::write(&path, "was here first").unwrap();
    set_readonly(&path, true);
    for spool in spools(&elsewhere) {
        match spool.persist(&path) {
            Err(failed) => {
                assert_names(failed.error(), ErrorKind::PermissionDenied, &path);
                assert_holds(&mut failed.into_spool(), &bytes(1000, 7));
                assert_eq!(fs::read(&path).unwrap(), b"was here first");
            }
            // Wine replaces it all the same.
            Ok(_) => assert_same(&fs::read(&path).unwrap(), &bytes(1000, 7), "at the path"),
        }
        assert_eq!(names(scratch.path()), ["kept"]);
    }
    set_readonly(&path, false);
}

#[allow(
    clippy::permissions_set_readonly_false,
    reason = "there it is an attribute of the file, and nobody's permission"
)]
fn set_readonly(path: &Path, readonly: bool) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    permissions.set_readonly(readonly);
    fs::set_permissions(path, permissions).unwrap();
}

/// Somebody looks at what is to be replaced, as a scanner does, and is gone in a moment: nobody notices.
#[test]
fn p4_who_has_the_target_open_for_a_moment_is_waited_for() {
    let (scratch, elsewhere) = (Scratch::new(), Scratch::new());
    let path = scratch.path().join("kept");
    for spool in spools(&elsewhere) {
        fs::write(&path, "was here first").unwrap();
        let held = without_sharing_delete(&path);
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(50));
                drop(held);
            });
            drop(spool.persist(&path).unwrap());
        });
        assert_same(&fs::read(&path).unwrap(), &bytes(1000, 7), "at the path");
        assert_eq!(names(scratch.path()), ["kept"]);
    }
}

/// Who keeps it open is waited for in vain, and not for long; then all is as it was.
#[test]
fn p4_who_keeps_the_target_open_is_an_error_soon() {
    let (scratch, elsewhere) = (Scratch::new(), Scratch::new());
    let path = scratch.path().join("kept");
    fs::write(&path, "was here first").unwrap();
    let held = without_sharing_delete(&path);
    for spool in spools(&elsewhere) {
        let began = Instant::now();
        let failed = spool.persist(&path).unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        ground::assert_names_path(failed.error(), &path);
        let mut spool = failed.into_spool();
        assert_holds(&mut spool, &bytes(1000, 7));
    }
    assert_eq!(fs::read(&path).unwrap(), b"was here first");
    assert_eq!(names(scratch.path()), ["kept"]);
    drop(held);
    drop(spools(&elsewhere).pop().unwrap().persist(&path).unwrap());
    assert_same(&fs::read(&path).unwrap(), &bytes(1000, 7), "at the path");
}

fn without_sharing_delete(path: &Path) -> File {
    OpenOptions::new().read(true).share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE).open(path).unwrap()
}

#[track_caller]
fn within_a_second(done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() && began.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(10));
    }
}
