//! What a name looks like, and where it lies.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::thread;

use spooled::{NamedOptions, NamedTempFile, TempDir};

use crate::{CHILD, Ground, alone, assert_names, assert_whole, middle, names};

#[test]
fn p6_a_name_lies_in_its_directory_between_prefix_and_suffix() {
    let ground = Ground::new();
    for (prefix, suffix) in [("", ""), ("a", ""), ("", "b"), ("a", "b"), ("aa", ".txt"), ("..", ".."), ("ä b", "ö")] {
        let mut options = NamedOptions::new();
        options.prefix(prefix).suffix(suffix);
        let file = options.tempfile_in(ground.path()).unwrap();
        let dir = options.tempdir_in(ground.path()).unwrap();
        assert!(file.path().is_file() && dir.path().is_dir());
        for path in [file.path(), dir.path()] {
            assert_eq!(path.parent(), Some(ground.path()));
            let middle = middle(path, prefix, suffix);
            assert!(middle.len() >= 16 && middle.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{middle}");
            assert_eq!(middle, middle.to_lowercase(), "not every file system tells upper case from lower");
        }
    }
    assert_eq!(names(ground.path()), [""; 0]);
}

#[test]
fn p6_without_options_a_name_is_hidden_and_says_whose_it_is() {
    let ground = Ground::new();
    let file = NamedTempFile::new_in(ground.path()).unwrap();
    let dir = TempDir::new_in(ground.path()).unwrap();
    let both = [NamedOptions::default(), NamedOptions::new()].map(|options| options.tempfile_in(&ground.0).unwrap());
    for path in [file.path(), dir.path(), both[0].path(), both[1].path()] {
        middle(path, ".spooled-", "");
    }
}

/// 80 bits are 16 digits of 32; a place that never changed, or counted up, would show in so many.
#[test]
fn p6_no_two_names_of_ten_thousand_are_alike_and_every_digit_varies() {
    let ground = Ground::new();
    let mut options = NamedOptions::new();
    options.prefix("").suffix("");
    let names: BTreeSet<String> =
        (0..10_000).map(|_| middle(options.tempfile_in(ground.path()).unwrap().path(), "", "").to_owned()).collect();
    assert_eq!(names.len(), 10_000);
    let len = names.first().unwrap().len();
    assert!(len >= 16);
    for at in 0..len {
        let mut counts = [0_u32; 128];
        names.iter().for_each(|name| counts[usize::from(name.as_bytes()[at])] += 1);
        let (used, most) = (counts.iter().filter(|count| **count > 0).count(), *counts.iter().max().unwrap());
        // By chance each of 32 comes about 312 times, and never 500 times.
        assert!(used >= 32 && most < 500, "{used} characters at {at}, one of them {most} times");
    }
    // Nor does one place repeat another.
    for (one, other) in (0..len).flat_map(|one| (0..one).map(move |other| (one, other))) {
        let same = names.iter().filter(|name| name.as_bytes()[one] == name.as_bytes()[other]).count();
        assert!(same < 1000, "the places {other} and {one} are alike in {same} names");
    }
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn p6_threads_that_make_names_in_one_directory_at_once_never_meet() {
    let ground = Ground::new();
    let all = thread::scope(|scope| {
        let makers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..100).map(|_| (ground.file(), TempDir::new_in(ground.path()).unwrap())).collect::<Vec<_>>()
                })
            })
            .collect();
        makers.into_iter().flat_map(|maker| maker.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(names(ground.path()).len(), 1600);
    for (file, dir) in &all {
        assert_whole(file);
        assert!(dir.path().is_dir());
    }
    // And drop them at once.
    thread::scope(|scope| {
        let mut all = all.into_iter();
        while let Some(one) = all.next() {
            let some: Vec<_> = std::iter::once(one).chain(all.by_ref().take(99)).collect();
            scope.spawn(move || drop(some));
        }
    });
    assert_eq!(names(ground.path()), [""; 0]);
}

#[test]
fn p6_a_name_that_would_lie_elsewhere_or_cannot_be_is_refused() {
    let ground = Ground::new();
    fs::create_dir(ground.join("in")).unwrap();
    let long = "x".repeat(300);
    let separator = std::path::MAIN_SEPARATOR.to_string();
    for part in ["/", "in/", "../", "/etc/", &separator, "nul\0", &long] {
        for options in [NamedOptions::new().prefix(part), NamedOptions::new().suffix(part)] {
            let refusals = [
                options.tempfile_in(ground.path()).map(drop).unwrap_err(),
                options.tempdir_in(ground.path()).map(drop).unwrap_err(),
            ];
            for error in refusals {
                let kind = if part.len() < 300 { ErrorKind::InvalidInput } else { error.kind() };
                assert_names(&error, kind, ground.path());
            }
        }
    }
    assert_eq!(names(ground.path()), ["in"]);
    assert_eq!(names(&ground.join("in")), [""; 0]);
}

#[cfg(unix)]
#[test]
fn p6_a_part_of_a_name_need_not_be_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let ground = Ground::new();
    let options = &mut NamedOptions::new();
    options.prefix(OsStr::from_bytes(b"\xff\xfe-")).suffix(OsStr::from_bytes(b"\x80"));
    // Some file systems want text.
    let file = match options.tempfile_in(ground.path()) {
        Err(error) if cfg!(target_vendor = "apple") => return assert_names(&error, error.kind(), ground.path()),
        made => made.unwrap(),
    };
    let dir = options.tempdir_in(ground.path()).unwrap();
    for path in [file.path(), dir.path()] {
        let name = path.file_name().unwrap().as_bytes();
        assert!(name.starts_with(b"\xff\xfe-") && name.ends_with(b"\x80"), "{name:?}");
        assert!(path.exists());
    }
    drop((file, dir));
    assert_eq!(fs::read_dir(ground.path()).unwrap().count(), 0);
}

/// Options are plain data: what was said last holds, for as many as are made.
#[test]
fn p1_options_can_be_used_again_changed_and_copied() {
    let ground = Ground::new();
    let mut options = NamedOptions::new();
    options.prefix("first").prefix(String::from("then")).suffix(Path::new(".a"));
    let copy = options.clone();
    options.suffix(".b");
    let made = [&options, &copy, &options].map(|options| options.tempfile_in(&ground.0).unwrap());
    for (file, suffix) in made.iter().zip([".b", ".a", ".b"]) {
        middle(file.path(), "then", suffix);
    }
    assert!(format!("{options:?}").contains("then"), "{options:?}");
}

#[test]
fn p2_where_nothing_can_be_made_the_error_names_the_directory() {
    let ground = Ground::new();
    fs::write(ground.join("file"), "").unwrap();
    let in_a_file = if cfg!(windows) { ErrorKind::NotFound } else { ErrorKind::NotADirectory };
    for (dir, kind) in [("missing", ErrorKind::NotFound), ("file", in_a_file), ("file/below", in_a_file)] {
        let dir = ground.join(dir);
        let errors = [
            NamedTempFile::new_in(&dir).map(drop).unwrap_err(),
            TempDir::new_in(&dir).map(drop).unwrap_err(),
            NamedOptions::new().tempfile_in(&dir).map(drop).unwrap_err(),
            NamedOptions::new().tempdir_in(&dir).map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_names(&error, kind, &dir);
        }
    }
    assert_eq!(names(ground.path()), ["file"]);
}

/// In a process of its own, as the current directory is the whole process's.
#[cfg(not(target_family = "wasm"))]
#[test]
fn p1_a_relative_directory_is_the_one_it_was_when_the_name_was_made() {
    const NAME: &str = "name::p1_a_relative_directory_is_the_one_it_was_when_the_name_was_made";
    if !alone(NAME, |command| command) {
        return;
    }
    let ground = Ground::new();
    for dir in ["one", "one/below", "other", "other/below"] {
        fs::create_dir(ground.join(dir)).unwrap();
    }
    std::env::set_current_dir(ground.join("one")).unwrap();
    let mut options = NamedOptions::new();
    options.prefix("p");
    let files = [
        NamedTempFile::new_in(".").unwrap(),
        NamedTempFile::new_in("below").unwrap(),
        NamedTempFile::new_in("").unwrap(),
        options.tempfile_in("../one/below").unwrap(),
    ];
    let dirs = [TempDir::new_in(".").unwrap(), options.tempdir_in("below").unwrap()];
    let kept = [NamedTempFile::new_in(".").unwrap().keep().unwrap().1, TempDir::new_in("below").unwrap().keep()];
    let leaves = NamedTempFile::new_in(".").unwrap();
    std::env::set_current_dir(ground.join("other")).unwrap();
    for path in files.iter().map(NamedTempFile::path).chain(dirs.iter().map(TempDir::path)) {
        assert!(path.is_absolute() && path.exists(), "{}", path.display());
    }
    assert!(kept.iter().all(|path| path.is_absolute() && path.exists()));
    files[1].reopen().unwrap();
    // Where it is to go is told now.
    leaves.persist("below/here").unwrap();
    assert!(ground.join("other/below/here").is_file());
    let [a, b, c, d] = files;
    drop((a, b));
    c.close().unwrap();
    d.close().unwrap();
    let [a, b] = dirs;
    drop(a);
    b.close().unwrap();
    fs::remove_file(&kept[0]).unwrap();
    fs::remove_dir(&kept[1]).unwrap();
    assert_eq!((names(&ground.join("one")), names(&ground.join("one/below"))), (vec!["below".into()], vec![]));
    std::env::set_current_dir(env!("CARGO_TARGET_TMPDIR")).unwrap();
}

/// A current directory that is not there any more has no name to be resolved by.
#[cfg(target_os = "linux")]
#[test]
fn p2_a_relative_directory_of_one_that_is_gone_is_an_error() {
    const NAME: &str = "name::p2_a_relative_directory_of_one_that_is_gone_is_an_error";
    if !alone(NAME, |command| command) {
        return;
    }
    let ground = Ground::new();
    let gone = TempDir::new_in(ground.path()).unwrap();
    std::env::set_current_dir(gone.path()).unwrap();
    // Somebody who stands in it keeps nobody from removing it.
    gone.close().unwrap();
    assert_eq!(NamedTempFile::new_in(".").map(drop).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(TempDir::new_in("below").map(drop).unwrap_err().kind(), ErrorKind::NotFound);
    NamedTempFile::new_in(ground.path()).unwrap().close().unwrap();
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn p1_the_default_directory_is_the_one_that_spools_use() {
    const NAME: &str = "name::p1_the_default_directory_is_the_one_that_spools_use";
    let variable = if cfg!(windows) { "TMP" } else { "TMPDIR" };
    if let Some(expected) = std::env::var_os(CHILD).filter(|expected| expected != "1") {
        let expected = Path::new(&expected);
        let (file, dir) = (NamedTempFile::new().unwrap(), TempDir::new().unwrap());
        let by_options = (NamedOptions::new().tempfile().unwrap(), NamedOptions::new().tempdir().unwrap());
        for path in [file.path(), dir.path(), by_options.0.path(), by_options.1.path()] {
            assert_eq!(path.parent(), Some(expected));
        }
        return;
    }
    let ground = Ground::new();
    let tells = |command: &mut Command| {
        command.env(variable, ground.path()).env(CHILD, ground.path());
    };
    alone(NAME, |command| {
        tells(command);
        command
    });
    assert_eq!(names(ground.path()), [""; 0]);
}
