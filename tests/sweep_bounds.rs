//! What a look for leftovers costs: one for each process and directory, bounded, whatever lies there.
#![cfg(target_os = "linux")]

mod ground;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ground::left::{Other, rest, say};
use ground::makers::{CONTENT, killed, nobody, other};
use ground::mount::{Mount, remount};
use ground::{BACKINGS, MIB, Scratch, child, names, options, strace, walk};
use spooled::NamedTempFile;

#[test]
fn p5_a_large_directory_is_swept_bit_by_bit() {
    const NAME: &str = "p5_a_large_directory_is_swept_bit_by_bit";
    const MAKES: usize = 60;
    match child::argument() {
        None => {}
        Some(argument) if argument.starts_with('/') => {
            for at in 0..MAKES {
                NamedTempFile::new_in(&argument).unwrap().close().unwrap();
                walk::mark("/".as_ref(), &format!("made-{at}"));
            }
            return;
        }
        Some(argument) => return other(&argument),
    }
    let Some(mount) = Mount::tmpfs(64 * MIB) else { return };
    let directory = mount.path();
    remount(directory, "nr_inodes=300000");
    // At the beginning, in the middle and at the end, whichever way it is read.
    let mut left = killed(NAME, directory, "written,tree,untouched");
    let foreign = directory.join("foreign");
    fs::write(&foreign, b"").unwrap();
    for at in 0..200_000 {
        if at == 100_000 {
            left.extend(leave(NAME, directory));
        }
        fs::hard_link(&foreign, directory.join(at.to_string())).unwrap();
    }
    left.extend(leave(NAME, directory));

    let log = Scratch::new();
    let log = log.path().join("calls");
    let how = ["--seccomp-bpf", "-e", "trace=getdents64,?stat,?newfstatat,?statx"];
    let Some(output) = strace::traced(&child::command(NAME, directory), &log, &how) else { return };
    child::assert_passed(&output, "the newcomer".as_ref());
    let mut looks = vec![0];
    for line in fs::read_to_string(log).unwrap().lines() {
        if line.contains("getdents64(") {
            *looks.last_mut().unwrap() += 1;
        } else if line.contains("\"/made-") {
            looks.push(0);
        }
    }
    // 32 KiB hold a thousand such short names: 32,768 are to be looked at at first, then 4,096 each time, and
    // what is in a tree besides.
    assert!((30..=60).contains(&looks[0]), "the first look: {looks:?}");
    assert!(looks[1..].iter().all(|calls| *calls <= 20), "further looks: {looks:?}");
    assert_eq!(looks[MAKES - 1], 0, "there is nothing more to look at: {looks:?}");
    let unswept: Vec<_> = left.iter().filter(|path| path.exists()).collect();
    assert!(unswept.is_empty(), "{unswept:?}");
    assert_eq!(fs::read_dir(directory).unwrap().count(), 200_001);
}

/// Like [`killed`], where looking at all that is there takes too long.
#[track_caller]
fn leave(name: &str, directory: &Path) -> Vec<PathBuf> {
    let mut other = Other::start(name, format!("stays 022 written,tree {}", directory.display()));
    let left = other.said().into_iter().map(PathBuf::from).collect();
    other.kill();
    left
}

/// A tree that holds more than one look may remove goes with the names that follow.
#[test]
fn p5_a_large_tree_is_swept_bit_by_bit() {
    const NAME: &str = "p5_a_large_tree_is_swept_bit_by_bit";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let Some(mount) = Mount::tmpfs(64 * MIB) else { return };
    let directory = mount.path();
    remount(directory, "nr_inodes=300000");
    let left = killed(NAME, directory, "tree,written");
    let foreign = directory.join("foreign");
    fs::write(&foreign, b"").unwrap();
    for at in 0..20_000 {
        fs::hard_link(&foreign, left[0].join(at.to_string())).unwrap();
    }
    let makes = || NamedTempFile::new_in(directory).unwrap().close().unwrap();
    makes();
    let removed = 20_000 - fs::read_dir(&left[0]).unwrap().count();
    assert!((1..=8_192).contains(&removed), "one look removed {removed}");
    (0..20).for_each(|_| makes());
    assert_eq!(names(directory), ["foreign"]);
}

/// A tree in which more has to stay than one look may try does not keep it from what lies behind, nor is it tried again.
#[test]
fn p5_what_cannot_be_removed_holds_nobody_up() {
    const NAME: &str = "p5_what_cannot_be_removed_holds_nobody_up";
    match child::argument() {
        None => {}
        Some(argument) if argument.starts_with('/') => {
            for at in 0..4 {
                NamedTempFile::new_in(&argument).unwrap().close().unwrap();
                walk::mark("/".as_ref(), &format!("made-{at}"));
            }
            say("done");
            return rest();
        }
        Some(argument) => return other(&argument),
    }
    let Some(mount) = Mount::tmpfs(64 * MIB) else { return };
    let directory = mount.path();
    remount(directory, "nr_inodes=300000");
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
    // On both sides of it, whichever way it is read.
    let Some(mut leaves) = nobody(NAME, format!("leaves 022 written,directory,touched {}", directory.display())) else {
        return;
    };
    let left: Vec<_> = leaves.said().into_iter().map(PathBuf::from).collect();
    leaves.kill();
    let stays = left[1].join("stays");
    fs::create_dir(&stays).unwrap();
    let foreign = directory.join("foreign");
    fs::write(&foreign, b"").unwrap();
    for at in 0..10_000 {
        fs::hard_link(&foreign, stays.join(at.to_string())).unwrap();
    }
    let Some(other) = nobody(NAME, directory.display().to_string()) else { return };
    other.ends();
    assert!(!left[0].exists() && !left[2].exists(), "what lies beside it is there");
    assert_eq!(fs::read_dir(&stays).unwrap().count(), 10_000);
}

/// Who makes no names does not look for any.
#[test]
fn p5_whoever_makes_no_names_does_not_look() {
    const NAME: &str = "p5_whoever_makes_no_names_does_not_look";
    if let Some(argument) = child::argument() {
        let Some(directory) = argument.strip_prefix("no ") else {
            drop(NamedTempFile::new_in(&argument).unwrap());
            return;
        };
        let directory = Path::new(directory);
        for backing in BACKINGS {
            for threshold in [0, 4, MIB] {
                let made = || {
                    let mut spool = options(directory, threshold, backing).build();
                    spool.write_all(CONTENT).unwrap();
                    spool
                };
                made().roll().unwrap();
                drop(made().into_file().unwrap());
                drop(made().freeze().unwrap());
                drop(made().persist(directory.join(format!("{backing:?}-{threshold}"))).unwrap());
            }
        }
        return drop(spooled::tempfile_in(directory).unwrap());
    }
    let (scratch, logs) = (Scratch::new(), Scratch::new());
    let looks = |argument: &str, log: &str| {
        let log = logs.path().join(log);
        let child = child::command(NAME, format!("{argument}{}", scratch.path().display()));
        let output = strace::traced(&child, &log, &["--seccomp-bpf", "-e", "trace=getdents64"])?;
        child::assert_passed(&output, argument.as_ref());
        Some(fs::read_to_string(log).unwrap().matches("getdents64(").count())
    };
    let Some(without) = looks("no ", "without") else { return };
    assert_eq!((without, looks("", "with").unwrap() > 0), (0, true));
}
