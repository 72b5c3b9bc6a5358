//! Directories that are not what they were, or are like another; processes that are not what they were; a sweep without what it
//! takes.
#![cfg(target_os = "linux")]

mod ground;

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ground::left::{Other, Paths, die, rest};
use ground::limits::Limited;
use ground::makers::{killed, other};
use ground::mount::Mount;
use ground::{MIB, Scratch, child, names, skipped, strace};
use rustix::process::Resource;
use spooled::{NamedTempFile, TempDir};

/// The topmost directory of each has the same inode number.
#[test]
fn p5_what_was_copied_to_another_file_system_of_the_kind_stays() {
    let ext4 = || Mount::on_a_loop_device("ext4", 32 << 20);
    for (one, other) in [(Mount::tmpfs(MIB), Mount::tmpfs(MIB)), (ext4(), ext4())] {
        let (Some(one), Some(other)) = (one, other) else { return };
        let (_, kept) = NamedTempFile::new_in(one.path()).unwrap().keep().unwrap();
        assert!(Command::new("cp").arg(&kept).arg(other.path()).status().unwrap().success());
        Paths::to(other.path()).sweep();
        assert!(other.path().join(kept.file_name().unwrap()).exists());
    }
}

#[test]
fn p5_a_directory_that_got_the_number_of_another_is_swept() {
    const NAME: &str = "p5_a_directory_that_got_the_number_of_another_is_swept";
    if let Some(argument) = child::argument() {
        return other(&argument);
    }
    let scratch = Scratch::new();
    let directory = scratch.path().join("directory");
    let number = || fs::metadata(&directory).unwrap().ino();
    fs::create_dir(&directory).unwrap();
    drop(NamedTempFile::new_in(&directory).unwrap());
    let before = number();
    fs::remove_dir(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    if number() != before {
        return skipped("numbers are not used again here");
    }
    killed(NAME, &directory, "written");
    // By then it is asked again.
    thread::sleep(Duration::from_millis(1100));
    drop(NamedTempFile::new_in(&directory).unwrap());
    assert_eq!(names(&directory), [""; 0]);
}

/// As a server does that makes a name, and then forks those who work.
#[test]
#[allow(unsafe_code, reason = "there is no other way to fork")]
fn p5_a_child_that_was_forked_looks_for_itself() {
    const NAME: &str = "p5_a_child_that_was_forked_looks_for_itself";
    if let Some(directory) = child::argument() {
        drop(NamedTempFile::new_in(&directory).unwrap());
        for worker in 0..4 {
            // SAFETY: this process has one thread that holds nothing: the harness waits for this one.
            let forked = unsafe { libc::fork() };
            assert!(forked >= 0);
            if forked == 0 {
                let mut file = NamedTempFile::new_in(&directory).unwrap();
                file.write_all(b"left").unwrap();
                if worker == 3 {
                    drop(file);
                }
                die();
            }
            // SAFETY: it waits for a child, and stores nothing.
            unsafe { libc::waitpid(forked, std::ptr::null_mut(), 0) };
        }
        return rest();
    }
    let scratch = Scratch::new();
    let _parent = Other::start(NAME, scratch.path());
    assert_eq!(names(scratch.path()), [""; 0], "left by three workers, before the fourth made a name");
}

/// None for the directory, or none for what is in it: a look at it is taken with a later name.
#[test]
fn p5_a_look_without_a_descriptor_is_taken_later() {
    const NAME: &str = "p5_a_look_without_a_descriptor_is_taken_later";
    if let Some(argument) = child::argument() {
        let Some((spare, directory)) = argument.split_once(" of ") else { return other(&argument) };
        let next = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&File::open("/dev/null").unwrap())).unwrap();
        let limited = Limited::to(Resource::Nofile, next + spare.parse::<u64>().unwrap());
        let made = NamedTempFile::new_in(directory).map(drop);
        assert_eq!(made.is_err(), spare == "0");
        drop(limited);
        NamedTempFile::new_in(directory).unwrap().close().unwrap();
        return rest();
    }
    for spare in 0..3 {
        let scratch = Scratch::new();
        killed(NAME, scratch.path(), "touched,written,tree");
        let _newcomer = Other::start(NAME, format!("{spare} of {}", scratch.path().display()));
        assert_eq!(names(scratch.path()), [""; 0], "with {spare} descriptors at first");
    }
}

/// Made in a directory that hands its group on, a directory has a bit more than it was made with.
#[test]
fn p5_a_directory_that_inherits_its_group_is_swept_before_it_is_marked() {
    const NAME: &str = "p5_a_directory_that_inherits_its_group_is_swept_before_it_is_marked";
    if let Some(directory) = child::argument() {
        drop(TempDir::new_in(directory));
        unreachable!("it was killed");
    }
    for mode in [0o777, 0o2777] {
        let scratch = Scratch::new();
        let directory = scratch.path().join("directory");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
        let log = scratch.path().join("log");
        let how = ["-e", "trace=fsetxattr", "-e", "inject=fsetxattr:error=EIO:signal=SIGKILL:when=1"];
        if strace::traced(&child::command(NAME, &directory), &log, &how).is_none() {
            return;
        }
        assert_eq!(names(&directory).len(), 1);
        Paths::to(&directory).sweep();
        assert_eq!(names(&directory), [""; 0], "in a directory of mode {mode:o}");
    }
}

#[test]
fn p5_who_opens_what_was_kept_waits_for_nobody() {
    let scratch = Scratch::new();
    let kept: Vec<_> = (0..100).map(|_| NamedTempFile::new_in(scratch.path()).unwrap().keep().unwrap().1).collect();
    let (paths, done) = (Paths::to(scratch.path()), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..100).for_each(|_| paths.sweep());
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            for path in &kept {
                let opened = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path);
                assert_ne!(opened.map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
            }
        }
    });
    assert!(kept.iter().all(|path| Path::exists(path)));
}
