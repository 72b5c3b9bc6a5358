//! Archives made by Info-ZIP's `zip`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::ground::{KIB, Scratch, SmallDisk, assert_empty, assert_same, bytes, names};
use crate::run::{Program, made, maker};

const ZIP: Program = Program { name: "zip_from_pipe", path: env!("CARGO_BIN_EXE_zip_from_pipe") };

#[test]
fn p1_what_was_packed_comes_out() {
    let Some(packed) = Packed::new() else { return };
    let dir = packed.scratch.path();
    for (how, archive) in packed.archives() {
        for threshold in ["0", "64K", "64M"] {
            ZIP.assert_said(&ZIP.feed(dir, &["--threshold", threshold, "out"], &archive), "");
            packed.assert_is_in(&dir.join("out"), &format!("{how:?} with a threshold of {threshold}"));
            fs::remove_dir_all(dir.join("out")).unwrap();
        }
    }
    assert_eq!(names(dir), ["tree"]);
}

#[test]
fn p1_the_list_is_that_of_what_was_packed() {
    let Some(packed) = Packed::new() else { return };
    for (how, archive) in packed.archives() {
        let output = ZIP.feed(packed.scratch.path(), &["--threshold", "10K"], &archive);
        let list = String::from_utf8(output.stdout).unwrap();
        let mut seen: Vec<_> = list.lines().map(|line| (&line[14..], line[..12].trim().parse().unwrap())).collect();
        seen.retain(|(name, _)| !name.ends_with('/'));
        seen.sort();
        let files = packed.content.iter().filter_map(|(name, content)| Some((name.as_str(), content.as_ref()?.len())));
        assert_eq!(seen, files.collect::<Vec<_>>(), "{how:?}");
    }
}

#[test]
fn p1_zip_writes_and_we_read_with_nobody_in_between() {
    let Some(packed) = Packed::new() else { return };
    let dir = packed.scratch.path();
    let output = ZIP.feed_from(dir, &["out"], &mut packed.zip(&["-qr", "-", "tree"]));
    ZIP.assert_said(&output, "");
    packed.assert_is_in(&dir.join("out"), "from zip itself");
}

#[test]
fn p1_an_archive_without_entries_is_one() {
    let scratch = Scratch::new();
    let dir = scratch.path();
    // zip makes none: it removes an archive that it has emptied.
    let nothing = [&b"PK\x05\x06"[..], &[0; 18]].concat();
    ZIP.assert_said(&ZIP.feed(dir, &[], &nothing), "");
    ZIP.assert_said(&ZIP.feed(dir, &["out"], &nothing), "");
    assert_eq!(names(&dir.join("out")), [""; 0]);
}

#[test]
fn p4_a_truncated_archive_leaves_nothing() {
    let Some(packed) = Packed::new() else { return };
    let dir = packed.scratch.path();
    for (how, archive) in packed.archives() {
        let len = archive.len();
        for kept in [0, 1, 21, 22, 30, KIB, len / 2, len - KIB, len - 22, len - 1] {
            for arguments in [&[][..], &["out"], &["--threshold", "0", "out"]] {
                let output = ZIP.feed(dir, arguments, &archive[..kept]);
                ZIP.assert_failed(&output, "standard input: invalid Zip archive");
                assert_eq!(names(dir), ["tree"], "{how:?}, the first {kept} bytes");
            }
        }
    }
}

#[test]
fn p4_a_byte_that_changed_on_the_way_leaves_nothing() {
    let Some(packed) = Packed::new() else { return };
    let dir = packed.scratch.path();
    let mut archive = made(&mut packed.zip(&["-qr0", "-", "tree"]));
    let random = bytes(300 * KIB, 1);
    let at = archive.windows(64).position(|window| window == &random[1000..1064]).unwrap();
    archive[at] ^= 1;
    for threshold in ["0", "64M"] {
        let output = ZIP.feed(dir, &["--threshold", threshold, "out"], &archive);
        ZIP.assert_failed(&output, "tree/random: Invalid checksum");
        assert_eq!(names(dir), ["tree"]);
    }
}

#[test]
fn p4_a_disk_that_cannot_take_it_is_as_empty_as_before() {
    let Some(packed) = Packed::new() else { return };
    let Some(disk) = SmallDisk::new() else { return };
    let archive = made(&mut packed.zip(&["-qr", "-", "tree"]));
    for threshold in ["0", "64M"] {
        let output = ZIP.feed(disk.path(), &["--threshold", threshold, "out"], &archive);
        ZIP.assert_failed(&output, "No space left on device");
        assert_empty(disk.path());
    }
}

#[test]
fn p4_a_source_that_fails_halfway_leaves_nothing() {
    let Some(packed) = Packed::new() else { return };
    let dir = packed.scratch.path();
    let archive = made(&mut packed.zip(&["-qr", "-", "tree"]));
    for kept in [0, KIB, archive.len() / 2, archive.len()] {
        for threshold in ["0", "64M"] {
            let output = ZIP.feed_and_reset(dir, &["--threshold", threshold, "out"], &archive[..kept]);
            ZIP.assert_failed(&output, "standard input: Connection reset by peer");
            assert_eq!(names(dir), ["tree"]);
        }
    }
    ZIP.assert_refuses_what_is_no_input(dir, &["out"]);
    assert_eq!(names(dir), ["tree"]);
}

#[test]
fn p8_the_limit_is_exact() {
    let Some(packed) = Packed::new() else { return };
    let dir = packed.scratch.path();
    let archive = made(&mut packed.zip(&["-qr", "-", "tree"]));
    for threshold in ["0", "64M"] {
        let limit = (archive.len() - 1).to_string();
        let output = ZIP.feed(dir, &["--threshold", threshold, "--limit", &limit, "out"], &archive);
        ZIP.assert_failed(&output, &format!("standard input is longer than --limit, {limit} bytes"));
        assert_eq!(names(dir), ["tree"]);
        let limit = archive.len().to_string();
        let output = ZIP.feed(dir, &["--threshold", threshold, "--limit", &limit, "out"], &archive);
        ZIP.assert_said(&output, "");
        fs::remove_dir_all(dir.join("out")).unwrap();
    }
}

#[test]
fn p6_nothing_is_written_outside_the_directory() {
    let Some(packed) = Packed::new() else { return };
    let dir = packed.scratch.path();
    fs::create_dir(dir.join("elsewhere")).unwrap();
    symlink("/etc/passwd", dir.join("tree/deep/link")).unwrap();
    fs::write(dir.join("victim"), "ours").unwrap();
    // zip does not write links to a pipe.
    made(&mut packed.zip(&["-qry", "links.zip", "tree"]));
    let links = fs::read(dir.join("links.zip")).unwrap();
    let outside = made(packed.zip(&["-qr", "-", "../victim", "../tree"]).current_dir(dir.join("elsewhere")));
    fs::write(dir.join("victim"), "kept").unwrap();
    let before = names(dir);
    for (archive, why) in
        [(links, "tree/deep/link: a link is not extracted"), (outside, "../victim: it would lie outside")]
    {
        ZIP.assert_failed(&ZIP.feed(dir, &["out"], &archive), why);
        assert_eq!(names(dir), before);
        assert_eq!(fs::read(dir.join("victim")).unwrap(), b"kept");
    }
}

#[test]
fn p6_a_directory_that_is_there_stays_as_it_is() {
    let Some(packed) = Packed::new() else { return };
    let dir = packed.scratch.path();
    let archive = made(&mut packed.zip(&["-qr", "-", "tree"]));
    for directory in ["tree", "tree/empty"] {
        ZIP.assert_failed(&ZIP.feed(dir, &[directory], &archive), &format!("{directory}: File exists"));
    }
    ZIP.assert_failed(&ZIP.feed(dir, &["missing/out"], &archive), "missing/out: No such file");
    packed.assert_is_in(dir, "after that");
}

/// Files to pack, of all kinds that zip treats in different ways, and many for many threads.
struct Packed {
    scratch: Scratch,
    /// By name; a directory has no content.
    content: BTreeMap<String, Option<Vec<u8>>>,
}

impl Packed {
    #[track_caller]
    fn new() -> Option<Packed> {
        maker("zip", &["-v"])?;
        let scratch = Scratch::new();
        let tree = scratch.path().join("tree");
        fs::create_dir_all(tree.join("deep/er/still")).unwrap();
        fs::create_dir_all(tree.join("nothing in it")).unwrap();
        fs::write(tree.join("empty"), "").unwrap();
        fs::write(tree.join("random"), bytes(300 * KIB, 1)).unwrap();
        fs::write(tree.join("deep/zeros"), vec![0; 1000 * KIB]).unwrap();
        fs::write(tree.join("deep/er/blåbær"), "syltetøy\n".repeat(20_000)).unwrap();
        for n in 0..100 {
            fs::write(tree.join(format!("deep/er/still/{n}")), bytes(100 * n, n as u64)).unwrap();
        }
        let content = content(scratch.path());
        Some(Packed { scratch, content })
    }

    fn zip(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("zip");
        command.current_dir(self.scratch.path()).args(arguments);
        command
    }

    /// To a pipe, in which zip cannot go back: sizes come behind the content. And to a file.
    fn archives(&self) -> Vec<(&'static [&'static str], Vec<u8>)> {
        const WAYS: [&[&str]; 5] =
            [&["-qr", "-"], &["-qr9", "-"], &["-qr0", "-"], &["-qr", "a.zip"], &["-qrD", "a.zip"]];
        let pack = |how: &'static [&'static str]| {
            let mut archive = made(&mut self.zip(&[how, &["tree"]].concat()));
            let path = self.scratch.path().join("a.zip");
            if path.exists() {
                archive = fs::read(&path).unwrap();
                fs::remove_file(path).unwrap();
            }
            (how, archive)
        };
        WAYS.map(pack).into()
    }

    #[track_caller]
    fn assert_is_in(&self, dir: &Path, what: &str) {
        let seen = content(dir);
        for (name, expected) in &self.content {
            match (expected, seen.get(name)) {
                (Some(expected), Some(Some(seen))) => assert_same(seen, expected, &format!("{name}, {what}")),
                (None, Some(None)) => {}
                // Without entries for directories nobody knows of this one.
                (None, None) if what.contains("-qrD") && name.ends_with("nothing in it") => {}
                _ => panic!("{name}, {what}"),
            }
        }
        assert!(seen.keys().all(|name| self.content.contains_key(name)), "{:?}, {what}", seen.keys());
    }
}

/// All that is in a directory, by its name from there.
fn content(dir: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut to_see = vec![dir.to_owned()];
    while let Some(path) = to_see.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            let content = path.is_file().then(|| fs::read(&path).unwrap());
            if content.is_none() {
                to_see.push(path);
            }
            all.insert(name, content);
        }
    }
    all
}
