//! A file while it is held, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::thread;

use spooled::{NamedTempFile, TempDir};

use crate::{AT, CONTENT, Ground, assert_left, assert_names, names};

/// Whether one call of a file goes further than the first of several buffers. (Not each of WASI's hosts does.)
const VECTORED: bool = cfg!(not(any(windows, target_family = "wasm")));

#[expect(clippy::disallowed_methods, reason = "nobody reads along")]
#[test]
fn p1_a_named_file_reads_writes_and_seeks_as_a_file_does() {
    let ground = Ground::new();
    let mut file = NamedTempFile::new_in(ground.path()).unwrap();
    let taken = file.write_vectored(&[IoSlice::new(b"blat"), IoSlice::new(b"\nabc\n")]).unwrap();
    assert_eq!(taken, if VECTORED { 9 } else { 4 });
    file.write_all(&b"blat\nabc\n"[taken..]).unwrap();
    writeln!(file, "defg").unwrap();
    file.flush().unwrap();
    assert_eq!(file.stream_position().unwrap(), 14);
    file.rewind().unwrap();
    let lines: Vec<_> = BufReader::new(&file).lines().map(Result::unwrap).collect();
    assert_eq!(lines, ["blat", "abc", "defg"]);
    // The same through a shared reference, which has the same cursor.
    let mut shared = &file;
    assert_eq!(shared.seek(SeekFrom::End(-5)).unwrap(), 9);
    shared.write_all(b"DE").unwrap();
    shared.flush().unwrap();
    assert_eq!(shared.write_vectored(&[IoSlice::new(b"F"), IoSlice::new(b"")]).unwrap(), 1);
    assert_eq!(shared.stream_position().unwrap(), 12);
    let mut rest = Vec::new();
    shared.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"g\n");
    shared.rewind().unwrap();
    let mut text = String::new();
    shared.read_to_string(&mut text).unwrap();
    assert_eq!(text, "blat\nabc\nDEFg\n");
    file.seek(SeekFrom::Start(5)).unwrap();
    let (mut one, mut two) = ([0; 2], [0; 3]);
    let given = file.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).unwrap();
    assert_eq!((&one, given), (b"ab", if VECTORED { 5 } else { 2 }));
    assert_eq!(&two, if VECTORED { b"c\nD" } else { &[0; 3] });
    let mut again = [0; 4];
    (&file).seek(SeekFrom::Start(0)).unwrap();
    assert_eq!((&file).read_vectored(&mut [IoSliceMut::new(&mut again)]).unwrap(), 4);
    assert_eq!(&again, b"blat");
    // And through the file itself.
    assert_eq!(file.as_file_mut().stream_position().unwrap(), 4);
    file.as_file().set_len(2).unwrap();
    text.clear();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "bl");
    rest.clear();
    file.rewind().unwrap();
    file.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"bl");
    assert_eq!(fs::read(file.path()).unwrap(), b"bl");
    assert_eq!(fs::read(&file).unwrap(), b"bl", "by AsRef<Path>");
}

#[test]
fn p1_a_file_that_is_opened_again_has_a_cursor_of_its_own() {
    let ground = Ground::new();
    let file = ground.file();
    let (mut first, mut second) = (file.reopen().unwrap(), file.reopen().unwrap());
    assert_eq!((first.stream_position().unwrap(), second.stream_position().unwrap()), (0, 0));
    first.write_all(b"CONTENT").unwrap();
    let mut seen = [0; 7];
    second.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"CONTENT");
    assert_eq!((&file).stream_position().unwrap(), AT);
    drop(file);
    if cfg!(unix) {
        assert_eq!(names(ground.path()), [""; 0], "others that have it open keep no name");
    }
    first.write_all(b"!").unwrap();
    second.read_exact(&mut seen[..1]).unwrap();
    assert_eq!(seen[0], b'!');
}

/// On Linux and Windows it is the very file, elsewhere none rather than another.
#[cfg(unix)]
#[test]
fn p6_opening_again_never_opens_what_has_taken_over_the_name() {
    const KNOWS_THE_FILE: bool = cfg!(any(target_os = "linux", target_os = "android"));
    let ground = Ground::new();
    fs::write(ground.join("sentinel"), "somebody else's").unwrap();
    let take_over: [fn(&std::path::Path, &std::path::Path); 4] = [
        |name, _| fs::remove_file(name).unwrap(),
        |name, _| fs::rename(name, name.with_extension("away")).unwrap(),
        |name, sentinel| {
            fs::remove_file(name).unwrap();
            fs::hard_link(sentinel, name).unwrap();
        },
        |name, sentinel| {
            fs::remove_file(name).unwrap();
            std::os::unix::fs::symlink(sentinel, name).unwrap();
        },
    ];
    for take_over in take_over {
        let file = ground.file();
        take_over(file.path(), &ground.join("sentinel"));
        match file.reopen() {
            Ok(_) if !KNOWS_THE_FILE => panic!("by its name alone"),
            Ok(mut again) => {
                let mut seen = Vec::new();
                again.read_to_end(&mut seen).unwrap();
                assert_eq!(seen, CONTENT);
                again.rewind().unwrap();
                again.write_all(b"!").unwrap();
                (&file).rewind().unwrap();
                (&file).read_exact(&mut seen[..1]).unwrap();
                assert_eq!(seen[0], b'!');
            }
            Err(error) if KNOWS_THE_FILE => panic!("{error}"),
            Err(_) => {}
        }
        assert_eq!(fs::read(ground.join("sentinel")).unwrap(), b"somebody else's");
    }
}

#[test]
fn p5_a_file_that_is_dropped_or_closed_is_gone() {
    let ground = Ground::new();
    let path = ground.file().path().to_owned();
    assert!(!path.exists());
    let file = ground.file();
    let path = file.path().to_owned();
    assert!(path.exists());
    file.close().unwrap();
    assert!(!path.exists());
    // With whatever holds it, also when that ends by a panic.
    if cfg!(not(panic = "unwind")) {
        return;
    }
    let held = thread::spawn({
        let file = ground.file();
        move || -> () { panic!("with {} in hand", file.path().display()) }
    });
    held.join().unwrap_err();
    let kept = std::panic::catch_unwind(|| {
        let _file = ground.file();
        let _dir = TempDir::new_in(ground.path()).unwrap();
        panic!("on the way");
    });
    kept.unwrap_err();
    assert_eq!(names(ground.path()), [""; 0]);
}

/// Where a name can go while the file is open.
#[cfg(unix)]
#[test]
fn p5_closing_says_what_went_wrong_and_dropping_does_not() {
    let ground = Ground::new();
    let gone = || {
        let file = ground.file();
        fs::remove_file(file.path()).unwrap();
        file
    };
    drop(gone());
    let file = gone();
    let path = file.path().to_owned();
    assert_names(&file.close().unwrap_err(), ErrorKind::NotFound, &path);
    // A name that is a directory by now.
    let replaced = || {
        let file = gone();
        fs::create_dir(file.path()).unwrap();
        file
    };
    let file = replaced();
    let path = file.path().to_owned();
    let error = file.close().unwrap_err();
    assert_names(&error, error.kind(), &path);
    fs::remove_dir(path).unwrap();
    let path = replaced().path().to_owned();
    fs::remove_dir(path).unwrap();
}

/// A name that has been renamed away is not followed.
#[test]
fn p5_a_file_that_has_been_renamed_stays() {
    let ground = Ground::new();
    for close in [false, true] {
        let file = ground.file();
        fs::rename(file.path(), ground.join("elsewhere")).unwrap();
        if close {
            let path = file.path().to_owned();
            assert_names(&file.close().unwrap_err(), ErrorKind::NotFound, &path);
        } else {
            drop(file);
        }
        assert_eq!(fs::read(ground.join("elsewhere")).unwrap(), CONTENT);
    }
    assert_eq!(names(ground.path()), ["elsewhere"]);
}

#[test]
fn p5_what_is_kept_stays_under_its_name() {
    let ground = Ground::new();
    let file = ground.file();
    let expected = file.path().to_owned();
    let (file, path) = file.keep().unwrap();
    assert_eq!(path, expected);
    assert_left(file, &path);
    // Nobody who makes another here takes it for what a dead process left.
    drop(ground.file());
    let dir = TempDir::new_in(ground.path()).unwrap();
    let expected = dir.path().to_owned();
    fs::write(dir.path().join("in it"), CONTENT).unwrap();
    let kept = dir.keep();
    assert_eq!(kept, expected);
    drop(TempDir::new_in(ground.path()).unwrap());
    assert_eq!(fs::read(kept.join("in it")).unwrap(), CONTENT);
    assert_eq!(names(ground.path()).len(), 2);
}

/// Where a directory can go while something in it is open.
#[cfg(unix)]
#[test]
fn p5_things_may_be_dropped_in_any_order() {
    let ground = Ground::new();
    // The directory before what is in it.
    let dir = TempDir::new_in(ground.path()).unwrap();
    let (file, below) = (NamedTempFile::new_in(&dir).unwrap(), TempDir::new_in(&dir).unwrap());
    let deep = NamedTempFile::new_in(&below).unwrap();
    let path = deep.path().to_owned();
    drop(dir);
    assert_eq!(names(ground.path()), [""; 0]);
    drop(below);
    drop(file);
    assert_names(&deep.close().unwrap_err(), ErrorKind::NotFound, &path);
    // A field before its neighbour, as they are declared.
    struct Both {
        _dir: TempDir,
        _file: NamedTempFile,
    }
    let dir = TempDir::new_in(ground.path()).unwrap();
    let file = NamedTempFile::new_in(&dir).unwrap();
    drop(Both { _dir: dir, _file: file });
    assert_eq!(names(ground.path()), [""; 0]);
}

/// Though nobody had asked for its path. (On Windows nothing goes while it is open.)
#[test]
#[cfg(not(windows))]
fn p4_to_close_what_went_with_its_directory_is_an_error() {
    let ground = Ground::new();
    let place = ground.join("place");
    fs::create_dir(&place).unwrap();
    let file = NamedTempFile::new_in(&place).unwrap();
    fs::remove_dir_all(&place).unwrap();
    assert_eq!(file.close().unwrap_err().kind(), ErrorKind::NotFound);
}
