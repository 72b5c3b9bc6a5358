//! A process that is killed at any moment leaves nothing behind.
#![cfg(target_os = "linux")]

mod ground;

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use ground::{BACKINGS, KIB, Scratch, assert_empty, bytes, child, kernel, names, options, skipped};
use spooled::tempfile_in;

#[test]
fn p5_sixty_kills_leave_an_empty_directory() {
    const NAME: &str = "p5_sixty_kills_leave_an_empty_directory";
    if let Some(directory) = child::argument() {
        ready();
        lives(Path::new(&directory));
    }
    let scratch = Scratch::new();
    if names_appear_in(scratch.path()) {
        return skipped("the file system has no files without a name");
    }
    for moment in moments(60) {
        kill_after(moment, NAME, scratch.path());
        assert_empty(scratch.path());
    }
}

/// Where there is no `O_TMPFILE`, the gap between making a file and removing its name is all there is: what is left then
/// is empty, and nobody else's to read.
#[test]
fn p5_kills_without_nameless_files_leave_at_most_empty_ones() {
    const NAME: &str = "p5_kills_without_nameless_files_leave_at_most_empty_ones";
    if let Some(directory) = child::argument() {
        if !kernel::refuse_nameless_files(libc::EOPNOTSUPP) {
            return skipped("the kernel takes no filter");
        }
        ready();
        lives(Path::new(&directory));
    }
    let scratch = Scratch::new();
    for moment in moments(20) {
        if !kill_after(moment, NAME, scratch.path()) {
            return;
        }
        for name in names(scratch.path()) {
            let metadata = fs::metadata(scratch.path().join(&name)).unwrap();
            assert_eq!((metadata.len(), metadata.mode() & 0o177), (0, 0), "{name}");
            fs::remove_file(scratch.path().join(&name)).unwrap();
        }
    }
}

/// Whoever looks at the target, at whatever moment its writer dies, sees the old content or the new. Beside it there may
/// be one whole file, nobody else's to read: the one that was about to take its place.
#[test]
fn p4_kills_in_persist_leave_the_target_whole() {
    const NAME: &str = "p4_kills_in_persist_leave_the_target_whole";
    if let Some(directory) = child::argument() {
        let directory = Path::new(&directory);
        ready();
        for seed in 0.. {
            let mut spool = options(directory, if seed % 2 == 0 { 0 } else { 512 * KIB }, BACKINGS[0]).build();
            spool.write_all(&bytes(200_000, seed % 7)).unwrap();
            drop(spool.persist(directory.join("target")).unwrap());
        }
    }
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    let with_names = names_appear_in(scratch.path());
    let whole: Vec<_> = (0..7).map(|seed| bytes(200_000, seed)).collect();
    // On a machine that is busy with something else no child may come to its work by then.
    let later = (1..=30).map(|step| Duration::from_millis(step * step * 5));
    for (nth, moment) in moments(20).chain(later).enumerate() {
        if nth >= 20 && target.exists() {
            break;
        }
        kill_after(moment, NAME, scratch.path());
        let mut beside = names(scratch.path());
        beside.retain(|name| name != "target");
        assert!(beside.len() <= 1, "{beside:?}");
        for left in beside.iter().map(|name| scratch.path().join(name)) {
            assert_eq!(fs::metadata(&left).unwrap().mode() & 0o7777, 0o600);
            assert!(with_names || whole.contains(&fs::read(&left).unwrap()), "{left:?} is neither old nor new");
            fs::remove_file(left).unwrap();
        }
        match fs::read(&target) {
            Ok(seen) => assert!(whole.contains(&seen), "a target of {} bytes is neither old nor new", seen.len()),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        }
    }
    assert!(target.exists(), "no child ever came to its work");
}

/// Spools of every kind, one after the other, until somebody ends it.
fn lives(directory: &Path) -> ! {
    let content = bytes(300_000, 1);
    for round in 0.. {
        for backing in BACKINGS {
            let mut spool = options(directory, [0, 1000, 100_000][round % 3], backing).build();
            for piece in content[..1000 + round * 7919 % 299_000].chunks(1 + round * 613 % 70_000) {
                spool.write_all(piece).unwrap();
            }
            spool.roll().unwrap();
            spool.seek(SeekFrom::Start(10)).unwrap();
            spool.write_all(b"anew").unwrap();
            let mut seen = Vec::new();
            spool.read_to_end(&mut seen).unwrap();
            match round % 5 {
                0 => spool.set_len(1 << 20).unwrap(),
                1 => drop(spool.into_file().unwrap()),
                2 => drop(spool.freeze().unwrap().to_bytes().unwrap()),
                3 => drop(tempfile_in(directory).unwrap()),
                _ => {}
            }
        }
    }
    unreachable!()
}

/// From at once to some milliseconds, in uneven steps.
fn moments(count: u64) -> impl Iterator<Item = Duration> {
    (0..count).map(|step| Duration::from_micros(step * step * 7 % 20_011))
}

/// Kills a child that long after it began; false if it ended by itself, with success.
#[track_caller]
fn kill_after(moment: Duration, name: &str, directory: &Path) -> bool {
    let mut running = child::command(name, directory).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = has_begun(&mut running);
    if began {
        thread::sleep(moment);
        // By SIGKILL.
        running.kill().unwrap();
    }
    let output = running.wait_with_output().unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    let killed = output.status.signal() == Some(libc::SIGKILL);
    assert!(killed || (!began && output.status.success()), "{}: {complained}", output.status);
    killed
}

fn has_begun(child: &mut Child) -> bool {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    lines.map_while(Result::ok).any(|line| line.contains(READY))
}

fn ready() {
    println!("{READY}");
}

const READY: &str = "ready to be killed";

/// Whether a file there has a name at first: then nothing can be promised.
fn names_appear_in(directory: &Path) -> bool {
    let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR;
    rustix::fs::open(directory, flags, rustix::fs::Mode::RUSR).is_err()
}
