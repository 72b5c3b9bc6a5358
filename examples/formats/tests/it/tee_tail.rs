//! Downloads: some end well, some do not. What they come to is compared with what `sha256sum` and `wc` say.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::ground::{KIB, MIB, Scratch, SmallDisk, assert_empty, assert_same, bytes, names};
use crate::run::{Program, made};

const TEE: Program = Program { name: "tee_tail", path: env!("CARGO_BIN_EXE_tee_tail") };

#[test]
fn p1_it_is_saved_hashed_and_counted() {
    let scratch = Scratch::new();
    let dir = scratch.path();
    for len in [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 5 * MIB] {
        let input = bytes(len, len as u64);
        for threshold in ["0", "64K", "1G"] {
            let output = TEE.feed(dir, &["--threshold", threshold, "saved"], &input);
            assert_same(&fs::read(dir.join("saved")).unwrap(), &input, &format!("{len} bytes, {threshold}"));
            let hash = String::from_utf8(made(Command::new("sha256sum").arg(dir.join("saved")))).unwrap();
            let lines = made(Command::new("wc").arg("-l").stdin(fs::File::open(dir.join("saved")).unwrap()));
            let lines = String::from_utf8(lines).unwrap();
            TEE.assert_said(&output, &format!("{}, {} lines\n", &hash[..64], lines.trim()));
        }
    }
    assert_eq!(names(dir), ["saved"]);
}

#[test]
fn p5_until_all_has_come_there_is_nothing_new() {
    let scratch = Scratch::new();
    let dir = scratch.path();
    fs::write(dir.join("old"), "old").unwrap();
    for (target, kill) in [("old", true), ("new", true), ("old", false), ("new", false)] {
        let mut child = TEE.command(dir, &[target]).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for part in 0..3 {
            stdin.write_all(&bytes(200 * KIB, part)).unwrap();
            thread::sleep(Duration::from_millis(20));
            assert_eq!(names(dir), ["old"]);
            assert_eq!(fs::read(dir.join("old")).unwrap(), b"old");
        }
        if kill {
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(names(dir), ["old"]);
            assert_eq!(fs::read(dir.join("old")).unwrap(), b"old");
        } else {
            drop(stdin);
            assert!(child.wait_with_output().unwrap().status.success());
            assert_eq!(fs::metadata(dir.join(target)).unwrap().len(), 600 * KIB as u64);
            fs::remove_file(dir.join(target)).unwrap();
            fs::write(dir.join("old"), "old").unwrap();
        }
    }
}

#[test]
fn p4_a_download_that_breaks_off_leaves_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.path();
    fs::write(dir.join("old"), "old").unwrap();
    for len in [0, 1, 100 * KIB, 2 * MIB] {
        for threshold in ["0", "64K", "1G"] {
            for target in ["old", "new"] {
                let output = TEE.feed_and_reset(dir, &["--threshold", threshold, target], &bytes(len, 2));
                TEE.assert_failed(&output, "tee_tail: standard input: Connection reset by peer");
                assert_eq!(names(dir), ["old"]);
            }
        }
    }
    TEE.assert_refuses_what_is_no_input(dir, &["new"]);
    for (target, why) in [("missing/new", "missing: No such file"), ("/dev/null", "nothing can take its place")] {
        TEE.assert_failed(&TEE.feed(dir, &[target], b"input"), why);
    }
    assert_eq!(names(dir), ["old"]);
    assert_eq!(fs::read(dir.join("old")).unwrap(), b"old");
}

#[test]
fn p8_the_limit_is_exact() {
    let scratch = Scratch::new();
    let dir = scratch.path();
    for len in [1, 100 * KIB, 2 * MIB] {
        for threshold in ["0", "64K", "1G"] {
            let limit = (len - 1).to_string();
            let output = TEE.feed(dir, &["--threshold", threshold, "--limit", &limit, "saved"], &bytes(len, 3));
            TEE.assert_failed(&output, &format!("tee_tail: standard input is longer than --limit, {limit} bytes"));
            assert_empty(dir);
            let limit = len.to_string();
            let output = TEE.feed(dir, &["--threshold", threshold, "--limit", &limit, "saved"], &bytes(len, 3));
            assert!(output.status.success());
            fs::remove_file(dir.join("saved")).unwrap();
        }
    }
}

#[test]
fn p4_a_disk_that_cannot_take_it_ends_the_download() {
    let Some(disk) = SmallDisk::new() else { return };
    // It never ends by itself.
    let mut endless = Command::new("yes").stdout(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    let output = TEE.command(disk.path(), &["saved"]).stdin(endless.stdout.take().unwrap()).output().unwrap();
    assert!(started.elapsed() < Duration::from_secs(600));
    TEE.assert_failed(&output, "No space left on device");
    assert_empty(disk.path());
    endless.wait().unwrap();
}
