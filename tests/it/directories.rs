//! P2: where a file can be made it is made, and where it cannot, nothing has happened.

use std::fs;
use std::io::{ErrorKind, IoSlice, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use spooled::{PathError, SpoolOptions, SpooledTempFile};

use crate::fixture::case::{Case, Directory};
use crate::fixture::look::assert_content;
use crate::fixture::{Ground, KIB, assert_same, noise};

#[track_caller]
fn assert_names(error: &std::io::Error, kind: ErrorKind, path: &Path) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error} does not name {}", path.display());
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<PathError>()).unwrap();
    assert_eq!(cause.path(), path);
    assert_eq!(cause.io_error().kind(), kind);
    assert!(cause.io_error().raw_os_error().is_some(), "the system's own number: {cause:?}");
}

/// Each call that has to roll, by name.
type Roll = fn(&mut SpooledTempFile) -> std::io::Result<()>;
const ROLLS: [(&str, Roll); 7] = [
    ("roll", |spool| spool.roll()),
    ("write", |spool| spool.write(noise(70_000, 2)).map(drop)),
    ("write_all", |spool| spool.write_all(noise(70_000, 2))),
    ("write_vectored", |spool| {
        spool.write_vectored(&[IoSlice::new(noise(35_000, 2)), IoSlice::new(noise(35_000, 3))]).map(drop)
    }),
    ("write_at", |spool| spool.write_at(b"far", 80_000).map(drop)),
    ("set_len", |spool| spool.set_len(80_000)),
    ("far write", |spool| {
        let position = spool.position();
        spool.seek(SeekFrom::Start(80_000))?;
        let done = spool.write(b"far").map(drop);
        spool.seek(SeekFrom::Start(position))?;
        done
    }),
];

#[test]
fn p2_a_failed_roll_keeps_content_position_and_length() {
    let ground = Ground::new();
    let content = noise(60 * KIB, 1);
    for case in Case::grid(content.len()).filter(|case| (content.len()..=64 * KIB).contains(&case.threshold)) {
        for (name, roll) in ROLLS {
            for position in [0, 100, content.len() as u64, 62 * KIB as u64] {
                let mut spool = Case { directory: Directory::Missing, ..case }.options(&ground).build();
                spool.write_all(content).unwrap();
                spool.seek(SeekFrom::Start(position)).unwrap();
                for _ in 0..2 {
                    assert_names(&roll(&mut spool).unwrap_err(), ErrorKind::NotFound, &ground.missing());
                    assert_eq!((spool.position(), spool.is_rolled()), (position, false), "after {name}");
                    assert_content(&spool, content, 50 * KIB);
                }
                // Somebody makes the directory: the same call succeeds.
                fs::create_dir(ground.missing()).unwrap();
                roll(&mut spool).unwrap();
                assert!(spool.is_rolled(), "by {name}");
                let mut whole = vec![0; spool.len() as usize + 1];
                let read = spool.read_at(&mut whole, 0).unwrap();
                assert_eq!(read as u64, spool.len());
                let untouched =
                    content.len().min(if name.starts_with("write") { position as usize } else { usize::MAX });
                assert_same(&whole[..untouched], &content[..untouched], name);
                drop(spool);
                ground.remove_missing();
            }
        }
    }
}

/// A file that has no name is there without its directory.
#[cfg(unix)]
#[test]
fn p5_a_directory_can_go_under_a_spool() {
    let ground = Ground::new();
    for case in Case::grid(1000).filter(|case| case.threshold < 1000) {
        let mut spool = Case { directory: Directory::Missing, ..case }.options(&ground).build();
        fs::create_dir(ground.missing()).unwrap();
        spool.write_all(noise(1000, 1)).unwrap();
        assert!(spool.is_rolled());
        fs::remove_dir(ground.missing()).unwrap();
        spool.write_all(noise(100 * KIB, 2)).unwrap();
        assert_content(&spool, &[noise(1000, 1), noise(100 * KIB, 2)].concat(), 70 * KIB);
    }
}

/// Not there, not a directory, and named by too long a name.
#[test]
fn p2_the_error_names_the_directory_whatever_is_wrong_with_it() {
    let ground = Ground::new();
    let file = ground.fresh();
    fs::write(&file, "").unwrap();
    let long = ground.path().join("x".repeat(300));
    for path in [ground.missing(), file.clone(), file.join("below"), long] {
        let kind = fs::write(path.join("file"), "").unwrap_err().kind();
        for case in Case::grid(1000).filter(|case| case.threshold <= 64 * KIB) {
            let mut options = case.options(&ground);
            let mut spool = options.dir(&path).build();
            assert_names(&spool.roll().unwrap_err(), kind, &path);
            assert_names(&spool.set_len(1 << 20).unwrap_err(), kind, &path);
            assert_names(&spooled::tempfile_in(&path).unwrap_err(), kind, &path);
        }
    }
    fs::remove_file(&file).unwrap();
    ground.assert_empty();
}

#[test]
fn p2_directories_are_tried_in_order() {
    let ground = Ground::new();
    let missing: Vec<PathBuf> = ["a", "b", "c"].map(|name| ground.path().join(name)).to_vec();
    for case in Case::grid(1000).filter(|case| case.threshold < 1000) {
        let mut options = case.options(&ground);
        options.dirs(&missing);
        let mut spool = options.build();
        // None takes it: the first one's error.
        assert_names(&spool.write_all(noise(1000, 1)).unwrap_err(), ErrorKind::NotFound, &missing[0]);
        assert!(spool.is_empty());
        // The last one appears, and takes it.
        fs::create_dir(&missing[2]).unwrap();
        spool.write_all(noise(1000, 1)).unwrap();
        assert!(spool.is_rolled());
        assert_content(&spool, noise(1000, 1), 300);
        assert!(in_directory(&spool.into_file().unwrap(), &missing[2]));
        // The second one appears, and comes before the last.
        fs::create_dir(&missing[1]).unwrap();
        let mut spool = options.build();
        spool.write_all(noise(1000, 1)).unwrap();
        assert!(in_directory(&spool.into_file().unwrap(), &missing[1]));
        // One directory takes the place of all.
        let mut spool = options.dir(&missing[0]).build();
        assert_names(&spool.roll().unwrap_err(), ErrorKind::NotFound, &missing[0]);
        drop(spool);
        ground.let_go_of_kept_files();
        missing[1..].iter().for_each(|dir| fs::remove_dir(dir).unwrap());
    }
}

/// Whether the file has no name, and lies there: Linux tells.
#[cfg(target_os = "linux")]
fn in_directory(file: &fs::File, directory: &Path) -> bool {
    use std::os::fd::AsRawFd;
    let link = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    link.starts_with(directory) && !link.exists()
}

#[cfg(not(target_os = "linux"))]
fn in_directory(_: &fs::File, _: &Path) -> bool {
    true
}

/// An empty list, and no list, are the default directory.
#[test]
fn p2_no_directories_are_the_default_one() {
    let mut spool = SpoolOptions::new().threshold(0).dirs(Vec::<PathBuf>::new()).build();
    spool.write_all(b"somewhere").unwrap();
    assert!(in_directory(&spool.into_file().unwrap(), &spooled::default_directory()));
    assert!(in_directory(&spooled::tempfile().unwrap(), &spooled::default_directory()));
}

/// `std::env::temp_dir` takes an empty `TMPDIR` for a path, and spools then went to wherever the process stood.
#[test]
fn p5_an_empty_tmpdir_names_nothing() {
    const NAME: &str = "directories::p5_an_empty_tmpdir_names_nothing";
    if std::env::var_os("SPOOLED_CHILD").is_some() {
        assert_eq!(spooled::default_directory(), Path::new(std::env::var_os("SPOOLED_CHILD").unwrap().as_os_str()));
        return;
    }
    let told = |tmpdir: &str, expected: &Path| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args([NAME, "--exact", "--nocapture"]).env("TMPDIR", tmpdir).env("SPOOLED_CHILD", expected);
        assert!(child.output().unwrap().status.success(), "TMPDIR={tmpdir:?}");
    };
    if cfg!(target_os = "linux") {
        told("/nowhere", Path::new("/nowhere"));
        told(
            "",
            if fs::exists("/tmp").unwrap() && !is_ram("/tmp") { Path::new("/tmp") } else { Path::new("/var/tmp") },
        );
    }
}

fn is_ram(path: &str) -> bool {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    mounts.lines().any(|line| line.starts_with("tmpfs ") && line.split(' ').nth(1) == Some(path))
}

/// Before the rollover, a directory is nothing but a name.
#[test]
fn p2_building_asks_nothing_of_a_directory() {
    let ground = Ground::new();
    for case in Case::grid(1000).filter(|case| case.threshold >= 1000) {
        let mut spool = Case { directory: Directory::Missing, ..case }.options(&ground).build();
        spool.write_all(noise(1000, 1)).unwrap();
        spool.flush().unwrap();
        spool.set_len(10).unwrap();
        assert_content(&spool, &noise(1000, 1)[..10], 300);
    }
}

/// `copy_from` meets a missing directory: what was pulled is kept, and the same call goes on once there is one.
#[test]
fn p2_copy_from_goes_on_where_it_stopped() {
    let ground = Ground::new();
    let content = noise(200 * KIB, 1);
    for case in Case::grid(100 * KIB).filter(|case| case.threshold < content.len()) {
        for position in [0, 10] {
            let mut spool = Case { directory: Directory::Missing, ..case }.options(&ground).build();
            if case.threshold >= 20 {
                spool.write_all(&[9; 20]).unwrap();
            }
            let position = position.min(spool.len());
            let before = position as usize;
            spool.seek(SeekFrom::Start(position)).unwrap();
            let mut source = content;
            for _ in 0..3 {
                assert_names(&spool.copy_from(&mut source).unwrap_err(), ErrorKind::NotFound, &ground.missing());
                let kept = spool.position() - position;
                assert_eq!(kept as usize + source.len(), content.len(), "source and spool are everything");
            }
            fs::create_dir(ground.missing()).unwrap();
            let left = source.len() as u64;
            assert_eq!(spool.copy_from(&mut source).unwrap(), left);
            assert_content(&spool, &[&vec![9; before][..], content].concat(), 70 * KIB);
            drop(spool);
            ground.remove_missing();
        }
    }
}
