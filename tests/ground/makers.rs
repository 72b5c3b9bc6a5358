//! Other processes that make names of every kind, and then are killed, live on, or keep them.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::geteuid;
use spooled::{NamedOptions, NamedTempFile, SpooledTempFile, TempDir};

use super::left::{NOBODY, Other, die, rest, say};
use super::{BACKINGS, MIB, names, options, skipped};

/// In another process.
pub(crate) fn other(argument: &str) {
    let (work, argument) = argument.split_once(' ').unwrap();
    let (umask, argument) = argument.split_once(' ').unwrap();
    let (kinds, directory) = argument.split_once(' ').unwrap();
    let directory = Path::new(directory);
    rustix::process::umask(Mode::from_raw_mode(u32::from_str_radix(umask, 8).unwrap()));
    if work == "keeps" {
        keep_all(directory);
        return rest();
    }
    let mut files = Vec::new();
    let mut directories = Vec::new();
    for kind in kinds.split(',') {
        // Not asked for its path, since it would be touched then.
        let before = if work == "stays" { BTreeSet::new() } else { paths(directory) };
        make(kind, directory, &mut files, &mut directories);
        if work != "stays" {
            paths(directory).difference(&before).for_each(|path| say(path.display()));
        }
    }
    match work {
        "leaves" => rest(),
        "stays" => {
            files.iter().for_each(|file| say(file.path().display()));
            directories.iter().for_each(|directory| say(directory.path().display()));
            rest();
        }
        "holds" => {
            rest();
            // All in place: what was asked for has its name, what was not can be removed.
            let untouched = usize::from(kinds.starts_with("untouched"));
            for file in &files[untouched..] {
                let (here, there) = (file.as_file().metadata().unwrap(), fs::metadata(file.path()).unwrap());
                assert_eq!((here.ino(), here.nlink()), (there.ino(), 1));
            }
            assert!(directories.iter().all(|directory| directory.path().is_dir()));
            rest();
        }
        "forks" => {
            say(format_args!("child {}", forked()));
            rest();
        }
        _ => unreachable!("{work}"),
    }
}

pub(crate) fn make(kind: &str, directory: &Path, files: &mut Vec<NamedTempFile>, directories: &mut Vec<TempDir>) {
    let spool = |threshold, backing| {
        let mut spool = options(directory, threshold, backing).build();
        spool.write_all(CONTENT).unwrap();
        spool.into_named().unwrap()
    };
    match kind {
        "untouched" => files.push(NamedTempFile::new_in(directory).unwrap()),
        "touched" => {
            files.push(NamedTempFile::new_in(directory).unwrap());
            let _ = files.last().unwrap().path();
        }
        "written" => {
            files.push(NamedTempFile::new_in(directory).unwrap());
            files.last_mut().unwrap().write_all(CONTENT).unwrap();
        }
        "mode" => {
            let mut shared = NamedOptions::new();
            files.push(shared.prefix("page-").suffix(".html").mode(0o644).tempfile_in(directory).unwrap());
        }
        "fixed" => files.push(NamedOptions::new().prefix("").mode(0o444).tempfile_in(directory).unwrap()),
        "directory" => directories.push(TempDir::new_in(directory).unwrap()),
        "tree" => {
            directories.push(TempDir::new_in(directory).unwrap());
            tree(directories.last().unwrap().path());
        }
        "open" => directories.push(NamedOptions::new().suffix(".d").mode(0o755).tempdir_in(directory).unwrap()),
        "rolled" => files.push(spool(0, BACKINGS[0])),
        "mapped" => files.push(spool(0, BACKINGS[1])),
        "memory" => files.push(spool(MIB, BACKINGS[0])),
        _ => unreachable!("{kind}"),
    }
}

pub(crate) fn tree(directory: &Path) {
    fs::write(directory.join("file"), CONTENT).unwrap();
    let deep = directory.join("deep");
    fs::create_dir(&deep).unwrap();
    for path in [directory.join("file"), deep.clone()] {
        // Some umasks would keep us out.
        fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    }
    symlink("/", deep.join("a link")).unwrap();
    File::options().write(true).create_new(true).mode(0o400).open(deep.join("read only")).unwrap();
    fs::create_dir(deep.join("deeper")).unwrap();
}

/// A child that has all that this process has, and does nothing with it.
#[expect(unsafe_code, reason = "there is no other way to fork")]
pub(crate) fn forked() -> i32 {
    // SAFETY: the child only sleeps and ends, by system calls alone; it uses nothing that another thread might hold.
    let forked = unsafe { libc::fork() };
    assert!(forked >= 0);
    if forked == 0 {
        std::thread::sleep(Duration::from_secs(120));
        die();
    }
    forked
}

/// What a process that made this was killed with, in that order.
#[track_caller]
pub(crate) fn killed(name: &str, directory: &Path, kinds: &str) -> Vec<PathBuf> {
    let mut other = Other::start(name, format!("leaves 022 {kinds} {}", directory.display()));
    let left: Vec<_> = other.said().into_iter().map(PathBuf::from).collect();
    assert_eq!(left.len(), kinds.split(',').count());
    other.kill();
    left
}

#[track_caller]
pub(crate) fn nobody(name: &str, argument: String) -> Option<Other> {
    if !geteuid().is_root() {
        skipped("there is no other user to be");
        return None;
    }
    let other = Other::start_as(NOBODY, name, argument);
    if other.is_none() {
        skipped("another user may not run this binary where it is");
    }
    other
}

pub(crate) fn told(other: &mut Other) -> BTreeSet<PathBuf> {
    other.said().into_iter().map(PathBuf::from).collect()
}

#[track_caller]
pub(crate) fn paths(directory: &Path) -> BTreeSet<PathBuf> {
    names(directory).into_iter().map(|name| directory.join(name)).collect()
}

pub(crate) const CONTENT: &[u8] = b"what was written";
/// All that can be done with a name to have it stay: said, in the end.
pub(crate) fn keep_all(directory: &Path) {
    let made = || NamedTempFile::new_in(directory).unwrap();
    let written = || {
        let mut file = made();
        file.write_all(CONTENT).unwrap();
        file
    };
    for round in 0..10 {
        let stays = |path: &Path| {
            assert!(path.exists());
            say(path.display());
        };
        let kept = |file: NamedTempFile| {
            let (_, path) = file.keep().unwrap();
            path
        };
        stays(&kept(made()));
        stays(&kept(written()));
        let (file, path) = written().keep().unwrap();
        rustix::fs::ftruncate(&file, 0).unwrap();
        stays(&path);
        let (mut file, path) = made().keep().unwrap();
        file.write_all(CONTENT).unwrap();
        stays(&path);
        // As an editor saves: with content, and with none.
        for (content, mode) in [(CONTENT, 0o600), (b"", 0o644)] {
            let path = kept(written());
            let beside = directory.join("beside");
            let mut new = File::options().write(true).create_new(true).mode(mode).open(&beside).unwrap();
            new.write_all(content).unwrap();
            fs::rename(&beside, &path).unwrap();
            stays(&path);
        }
        // By one of ours, of each kind.
        let path = kept(written());
        drop(made().persist(&path).unwrap());
        stays(&path);
        let path = kept(made());
        drop(written().persist(&path).unwrap());
        stays(&path);
        for content in [CONTENT, b""] {
            for threshold in [0, MIB] {
                let path = kept(written());
                let mut spool = options(directory, threshold, BACKINGS[round % 2]).build();
                spool.write_all(content).unwrap();
                drop(spool.persist(&path).unwrap());
                stays(&path);
                let mut spool = options(directory, threshold, BACKINGS[round % 2]).build();
                spool.write_all(content).unwrap();
                stays(&kept(spool.into_named().unwrap()));
            }
        }
        // Under its own name.
        for file in [made(), written(), SpooledTempFile::from(b"".to_vec()).into_named().unwrap()] {
            let path = file.path().to_owned();
            if path.parent() == Some(directory) {
                drop(file.persist(&path).unwrap());
                stays(&path);
            }
        }
        // Under others, empty and not.
        let path = directory.join(format!("persisted-{round}"));
        drop(made().persist(&path).unwrap());
        stays(&path);
        let path = directory.join(format!("anew-{round}"));
        drop(written().persist_noclobber(&path).unwrap());
        stays(&path);
        // Under the name of one that is ours no more, which is free again.
        let file = made();
        let path = file.path().to_owned();
        file.close().unwrap();
        drop(made().persist_noclobber(&path).unwrap());
        stays(&path);
        for threshold in [0, MIB] {
            let path = kept(made());
            fs::remove_file(&path).unwrap();
            let spool = options(directory, threshold, BACKINGS[round % 2]).build();
            drop(spool.persist_noclobber(&path).unwrap());
            stays(&path);
        }

        stays(&TempDir::new_in(directory).unwrap().keep());
        let full = TempDir::new_in(directory).unwrap();
        tree(full.path());
        stays(&full.keep());
        let emptied = TempDir::new_in(directory).unwrap();
        tree(emptied.path());
        let emptied = emptied.keep();
        fs::remove_dir_all(emptied.join("deep")).unwrap();
        fs::remove_file(emptied.join("file")).unwrap();
        stays(&emptied);
        // In the place of one that was kept, another of the same name.
        let replaced = TempDir::new_in(directory).unwrap().keep();
        fs::remove_dir(&replaced).unwrap();
        rustix::fs::mkdir(&replaced, Mode::RWXU).unwrap();
        stays(&replaced);

        let mut shared = NamedOptions::new();
        shared.prefix("kept-").suffix(".html").mode(0o644);
        stays(&kept(shared.tempfile_in(directory).unwrap()));
        shared.mode(0o400);
        stays(&kept(shared.tempfile_in(directory).unwrap()));
        shared.mode(0o500);
        stays(&shared.tempdir_in(directory).unwrap().keep());
    }
}
