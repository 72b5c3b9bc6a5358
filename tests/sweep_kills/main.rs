//! Processes that make names of every kind, keep, persist and drop them, and are killed: at random moments, and before each
//! system call that changes anything. The next one that makes a name there leaves exactly what was kept and persisted.
#![cfg(target_os = "linux")]

mod by_the_book;
#[path = "../ground/mod.rs"]
mod ground;
mod model;
mod worker;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use ground::left::{NOBODY, Other, Paths, rest, say};
use ground::mount::Mount;
use ground::{MIB, Scratch, child, names, numbers, skipped};
use model::{Model, is_bare};
use rustix::process::geteuid;
use spooled::NamedTempFile;
use worker::Worker;

#[test]
fn p5_two_hundred_kills_leave_what_was_kept_and_persisted() {
    const NAME: &str = "p5_two_hundred_kills_leave_what_was_kept_and_persisted";
    if let Some(argument) = child::argument() {
        return works(&argument);
    }
    let scratch = Scratch::new();
    among_eight(NAME, scratch.path(), 200, "022", None);
}

#[test]
fn p5_so_they_do_under_every_umask() {
    const NAME: &str = "p5_so_they_do_under_every_umask";
    if let Some(argument) = child::argument() {
        return works(&argument);
    }
    for umask in ["0", "077", "777"] {
        let scratch = Scratch::new();
        among_eight(NAME, scratch.path(), 16, umask, None);
    }
}

#[test]
fn p5_so_they_do_for_a_user_without_privileges() {
    const NAME: &str = "p5_so_they_do_for_a_user_without_privileges";
    if let Some(argument) = child::argument() {
        return works(&argument);
    }
    if !geteuid().is_root() {
        return skipped("there is no other user to be; the other tests here ran as one without privileges");
    }
    for umask in ["022", "0", "077", "777"] {
        let scratch = Scratch::new();
        among_eight(NAME, scratch.path(), 16, umask, Some(NOBODY));
    }
}

#[test]
fn p5_so_they_do_on_xfs() {
    on("p5_so_they_do_on_xfs", || Mount::on_a_loop_device("xfs", 300 << 20));
}

#[test]
fn p5_so_they_do_on_btrfs() {
    on("p5_so_they_do_on_btrfs", || Mount::on_a_loop_device("btrfs", 256 << 20));
}

#[test]
fn p5_so_they_do_on_tmpfs() {
    on("p5_so_they_do_on_tmpfs", || Mount::tmpfs(128 * MIB));
}

#[test]
fn p5_so_they_do_on_an_overlay_over_tmpfs() {
    on("p5_so_they_do_on_an_overlay_over_tmpfs", || Mount::tmpfs(128 * MIB).and_then(Mount::overlay));
}

#[test]
fn p5_so_they_do_on_an_overlay_over_ext4() {
    on("p5_so_they_do_on_an_overlay_over_ext4", || Mount::on_a_loop_device("ext4", 128 << 20).and_then(Mount::overlay));
}

#[track_caller]
fn on(name: &str, mount: impl FnOnce() -> Option<Mount>) {
    if let Some(argument) = child::argument() {
        return works(&argument);
    }
    let Some(mount) = mount() else { return };
    let directory = mount.path().join("names");
    fs::create_dir(&directory).unwrap();
    among_eight(name, &directory, 30, "022", None);
}

/// Kills so many of eight, each time one that has lived for a while, and starts another in its place.
#[track_caller]
fn among_eight(name: &str, directory: &Path, kills: u64, umask: &str, user: Option<u32>) {
    let logs = Scratch::new();
    let stop = logs.path().join("stop");
    let mut started = 0;
    let mut start = || {
        started += 1;
        let log = logs.path().join(format!("log-{started}"));
        // Whatever the umask of those who write it.
        fs::write(&log, b"").unwrap();
        fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).unwrap();
        let argument = format!("{umask} {started} {} {}", log.display(), directory.display());
        let mut other = match user {
            Some(user) => Other::start_as(user, name, argument)?,
            None => Other::start(name, argument),
        };
        other.tell();
        Some(other)
    };
    let mut eight = Vec::new();
    for _ in 0..8 {
        match start() {
            Some(other) => eight.push(other),
            None => return skipped("another user may not run this binary where it is"),
        }
    }
    for (victim, moment) in numbers(8, kills).zip(numbers(6_000, 7)).take(kills as usize) {
        thread::sleep(Duration::from_micros(moment));
        std::mem::replace(&mut eight[victim as usize], start().unwrap()).kill();
    }
    // Four more, whom nobody follows; the other four come to rest, and say what they hold.
    eight.drain(..4).for_each(Other::kill);
    fs::write(stop, b"").unwrap();
    let mut model = Model::default();
    for living in &mut eight {
        living.comes_to_rest();
        for held in living.said() {
            model.says(&held);
        }
    }
    model.reads(logs.path());
    assert!(model.0.len() as u64 > kills / 4, "they came to nothing: {}", model.0.len());
    match user {
        None => sweeps(&Paths::to(directory).unknown()),
        Some(user) => {
            let nothing = logs.path().join("nothing");
            Other::start_as(user, name, format!("022 0 {} {}", nothing.display(), directory.display())).unwrap();
        }
    }
    let odd = umask == "777";
    model.is_what_is_in(directory, |left| odd && is_bare(left));

    // The living find theirs, and go in peace with it.
    eight.into_iter().for_each(Other::ends);
    model.0.retain(|_, there| !there.held);
    model.is_what_is_in(directory, |left| odd && is_bare(left));
}

/// One process, and one name; if more has been kept there than one look takes in, a few more.
#[track_caller]
fn sweeps(directory: &Path) {
    for _ in 0..=names(directory).len() / 100 {
        drop(NamedTempFile::new_in(directory).unwrap());
    }
}

/// In another process: works until it is killed, or told to stop.
fn works(argument: &str) {
    let mut worker = Worker::new(argument);
    if worker.seed == 0 {
        sweeps(&worker.directory);
        return rest();
    }
    rest();
    let stop = worker.log_path.with_file_name("stop");
    for what in numbers(1 << 20, worker.seed + 77) {
        worker.does(what as usize % Worker::DEEDS);
        worker.finds_what_it_holds();
        if stop.exists() {
            break;
        }
    }
    worker.held.iter().for_each(|held| say(format_args!("held {}", held.path().display())));
    rest();
    worker.finds_what_it_holds();
}
