//! What killed processes leave, and what of it stays.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::windows::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{MARK, about};
use crate::{NamedOptions, NamedTempFile, SpoolOptions, TempDir};

#[test]
fn a_mark_comes_with_the_file_and_goes_when_it_is_kept() {
    let place = TempDir::new().unwrap();
    let file = NamedTempFile::new_in(&place).unwrap();
    assert!(is_marked(file.path()));
    let (_, path) = file.keep().unwrap();
    assert!(!is_marked(&path));
    let file = NamedTempFile::new_in(&place).unwrap();
    let path = place.path().join("persisted");
    file.persist(&path).unwrap();
    assert!(!is_marked(&path));
}

#[test]
fn a_mark_comes_back_where_a_rename_fails() {
    let place = TempDir::new().unwrap();
    let file = NamedTempFile::new_in(&place).unwrap();
    let failed = file.persist(place.path().join("no").join("such")).unwrap_err();
    assert!(is_marked(failed.file.path()));
    let failed = failed.file.persist_noclobber(place.path()).unwrap_err();
    assert!(is_marked(failed.file.path()));
}

#[test]
fn a_spool_that_gets_a_name_is_marked() {
    let place = TempDir::new().unwrap();
    let mut spool = SpoolOptions::new().dir(place.path()).threshold(0).build();
    spool.write_all(b"mine").unwrap();
    let named = spool.into_named().unwrap();
    assert!(is_marked(named.path()));
    assert_eq!(fs::read(named.path()).unwrap(), b"mine");
}

#[test]
fn what_a_killed_process_leaves_is_swept_by_the_next() {
    let place = TempDir::new().unwrap();
    for kind in ["file", "page", "read-only", "empty"] {
        let killed = Worker::start(place.path(), kind).killed();
        assert!(killed.exists() && is_marked(&killed), "{kind}");
        let next = Worker::start(place.path(), "file");
        assert!(!killed.exists(), "{kind}");
        assert_eq!(fs::read(&next.path).unwrap(), b"mine");
    }
}

#[test]
fn what_a_living_process_has_stays() {
    let place = TempDir::new().unwrap();
    let living: Vec<_> = ["file", "page", "read-only", "empty"].map(|kind| Worker::start(place.path(), kind)).into();
    for worker in &living {
        Worker::start(place.path(), "file");
        assert!(worker.path.exists());
    }
}

#[test]
fn what_anybody_still_has_open_stays() {
    let place = TempDir::new().unwrap();
    let left = Worker::start(place.path(), "file");
    let reader = File::open(&left.path).unwrap();
    let left = left.killed();
    Worker::start(place.path(), "file");
    assert_eq!(fs::read(&left).unwrap(), b"mine");
    drop(reader);
    Worker::start(place.path(), "file");
    assert!(!left.exists());
}

#[test]
fn what_is_not_ours_any_more_stays() {
    let place = TempDir::new().unwrap();
    let left = Worker::start(place.path(), "file").killed();
    let name = left.file_name().unwrap().to_str().unwrap();
    let elsewhere = place.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let copies = [
        place.path().join(format!("{name} - Copy")),
        place.path().join(format!("Copy of {name}")),
        place.path().join(name.replace(".spooled-", "")),
        elsewhere.join(name),
    ];
    for copy in &copies {
        fs::copy(&left, copy).unwrap();
        set_marked(copy, true);
    }
    let kept = Worker::start(place.path(), "kept").killed();
    let persisted = Worker::start(place.path(), "persisted").killed();
    assert!(!left.exists());
    let left = Worker::start(place.path(), "file").killed();
    set_marked(&left, false);
    Worker::start(place.path(), "file");
    Worker::start(&elsewhere, "file");
    for stays in copies.iter().chain([&kept, &persisted, &left]) {
        assert_eq!(fs::read(stays).unwrap(), b"mine", "{}", stays.display());
    }
}

#[test]
fn what_is_no_file_stays() {
    let place = TempDir::new().unwrap();
    let left = Worker::start(place.path(), "file").killed();
    fs::remove_file(&left).unwrap();
    fs::create_dir(&left).unwrap();
    set_marked(&left, true);
    Worker::start(place.path(), "file");
    assert!(left.is_dir());
}

#[test]
fn directories_stay() {
    let place = TempDir::new().unwrap();
    let left = Worker::start(place.path(), "directory").killed();
    Worker::start(place.path(), "directory");
    assert!(left.is_dir());
}

/// A process that makes a name and holds it; killed when this is dropped.
struct Worker {
    child: Child,
    path: PathBuf,
}

impl Worker {
    fn start(place: &Path, kind: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["sys::owned::system::tests::works", "--exact", "--nocapture", "--test-threads=1"])
            .envs([(PLACE, place.as_os_str()), (KIND, kind.as_ref())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let path = said.find_map(|line| Some(line.split_once("made ")?.1.into())).unwrap();
        Self { child, path }
    }

    fn killed(mut self) -> PathBuf {
        self.kill();
        std::mem::take(&mut self.path)
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a worker does.
#[test]
fn works() {
    let (Some(place), Ok(kind)) = (env::var_os(PLACE), env::var(KIND)) else { return };
    if kind == "directory" {
        let dir = TempDir::new_in(&place).unwrap();
        waits(dir.path());
    }
    let mut options = NamedOptions::new();
    if kind == "page" {
        options.prefix("a page ").suffix(".html");
    }
    let mut file = options.tempfile_in(&place).unwrap();
    if kind != "empty" {
        file.write_all(b"mine").unwrap();
    }
    match kind.as_str() {
        "kept" => waits(&file.keep().unwrap().1),
        "persisted" => {
            let path = Path::new(&place).join("persisted");
            file.persist(&path).unwrap();
            waits(&path);
        }
        "read-only" => {
            let mut permissions = file.as_file().metadata().unwrap().permissions();
            permissions.set_readonly(true);
            file.as_file().set_permissions(permissions).unwrap();
            waits(file.path());
        }
        _ => waits(file.path()),
    }
}

fn waits(made: &Path) {
    println!("made {}", made.display());
    // Until it is killed, or who started it has ended.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}

fn is_marked(path: &Path) -> bool {
    fs::metadata(path).unwrap().file_attributes() & MARK != 0
}

/// Given to it, or taken away.
fn set_marked(path: &Path, marked: bool) {
    let file = about::open_to_change(path).unwrap();
    about::change_attributes(&file, |had| if marked { had | MARK } else { had & !MARK }).unwrap();
    assert_eq!(is_marked(path), marked);
}

const PLACE: &str = "SPOOLED_TEST_PLACE";
const KIND: &str = "SPOOLED_TEST_KIND";
