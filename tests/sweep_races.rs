//! Who sweeps while others make, use and drop names, and while others sweep: nobody loses what lives, nobody fails, and all
//! that the dead have left goes.
#![cfg(target_os = "linux")]

mod ground;

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ground::left::{Other, Paths, rest, say};
use ground::mount::Mount;
use ground::{MIB, Scratch, child, in_time, names, options, strace};
use rustix::fs::{CWD, FileType, Mode};
use rustix::process::{Pid, Signal, kill_process};
use spooled::{Backing, NamedOptions, NamedTempFile, SpooledTempFile, TempDir};

#[test]
fn p5_eight_that_come_at_once_sweep_three_hundred() {
    const NAME: &str = "p5_eight_that_come_at_once_sweep_three_hundred";
    if let Some(argument) = child::argument() {
        return comes(&argument);
    }
    let scratch = Scratch::new();
    eight_at_once(NAME, scratch.path());
}

#[test]
fn p5_eight_that_come_at_once_sweep_three_hundred_on_tmpfs() {
    const NAME: &str = "p5_eight_that_come_at_once_sweep_three_hundred_on_tmpfs";
    if let Some(argument) = child::argument() {
        return comes(&argument);
    }
    if let Some(mount) = Mount::tmpfs(64 * MIB) {
        eight_at_once(NAME, mount.path());
    }
}

#[track_caller]
fn eight_at_once(name: &str, directory: &Path) {
    for _ in 0..3 {
        let left = Other::start(name, format!("leaves {}", directory.display()));
        left.kill();
        assert_eq!(names(directory).len(), 300);
        let mut eight: Vec<_> = (0..8).map(|_| Other::start(name, format!("comes {}", directory.display()))).collect();
        eight.iter_mut().for_each(Other::tell);
        eight.iter_mut().for_each(Other::comes_to_rest);
        let mut made: Vec<_> = eight.iter_mut().flat_map(Other::said).collect();
        made.sort();
        assert_eq!(names(directory), made);
        eight.into_iter().for_each(Other::ends);
        assert_eq!(names(directory), [""; 0]);
    }
}

fn comes(argument: &str) {
    let (what, directory) = argument.split_once(' ').unwrap();
    let directory = Path::new(directory);
    if what == "leaves" {
        let files: Vec<_> = (0..200).map(|_| file(directory)).collect();
        let trees: Vec<_> = (0..100).map(|_| tree(directory)).collect();
        assert_eq!(files.len() + trees.len(), 300);
        return rest();
    }
    rest();
    let name = NamedTempFile::new_in(directory).unwrap();
    say(name.path().file_name().unwrap().to_str().unwrap());
    rest();
}

#[test]
fn p5_nobody_loses_what_lives_to_one_who_sweeps_all_the_time() {
    const NAME: &str = "p5_nobody_loses_what_lives_to_one_who_sweeps_all_the_time";
    if let Some(argument) = child::argument() {
        return makes(Path::new(&argument), Duration::from_secs(2));
    }
    let scratch = Scratch::new();
    let paths = Paths::to(scratch.path());
    let mut makers: Vec<_> = (0..3).map(|_| Other::start(NAME, scratch.path())).collect();
    makers.iter_mut().for_each(Other::tell);
    let sweeps = while_sweeping(&paths, || makers.iter_mut().for_each(Other::comes_to_rest));
    let made: Vec<_> = makers.iter_mut().flat_map(Other::said).collect();
    makers.into_iter().for_each(Other::ends);
    assert!(sweeps > 3, "{sweeps} sweeps while {made:?} were made");
    assert_eq!(names(scratch.path()), [""; 0]);
}

/// Between the calls that make a name what it is, time for many who sweep.
#[test]
fn p5_nobody_loses_what_is_made_but_not_yet_marked() {
    const NAME: &str = "p5_nobody_loses_what_is_made_but_not_yet_marked";
    if let Some(argument) = child::argument() {
        return makes_each(Path::new(&argument), 8);
    }
    let scratch = Scratch::new();
    let paths = Paths::to(scratch.path());
    // After a name is made, before it is looked at, locked, marked, and given its mode. Who is always so slow to lock a
    // directory never gets one.
    for delays in [
        &["mkdirat:delay_exit=20000:when=1+3", "linkat:delay_exit=20000"][..],
        &["flock:delay_enter=20000:when=1+3"],
        &["flock:delay_exit=20000", "fsetxattr:delay_enter=20000"],
        &["fsetxattr:delay_exit=20000", "fchmod:delay_exit=20000"],
    ] {
        let injected: Vec<_> = delays.iter().map(|delay| format!("inject={delay}")).collect();
        let mut how = vec!["-e", "trace=mkdirat,linkat,flock,fsetxattr,fchmod"];
        injected.iter().for_each(|inject| how.extend(["-e", inject]));
        let logs = Scratch::new();
        let mut output = None;
        let sweeps = while_sweeping(&paths, || {
            output = strace::traced(&child::command(NAME, scratch.path()), &logs.path().join("calls"), &how);
        });
        let Some(output) = output else { return };
        child::assert_passed(&output, delays[0].as_ref());
        assert!(sweeps > 3, "{sweeps} sweeps");
        assert_eq!(names(scratch.path()), [""; 0]);
    }
}

/// The kernel tells a sweeper by a signal that somebody waits for the file, which is no reason to die.
#[test]
fn p5_who_opens_what_is_being_swept_harms_nobody() {
    const NAME: &str = "p5_who_opens_what_is_being_swept_harms_nobody";
    if let Some(argument) = child::argument() {
        return leaves_or_sweeps(&argument);
    }
    let scratch = Scratch::new();
    let left = left(NAME, "file", scratch.path());
    // It has asked whether it still holds it, and goes on to remove it.
    let swept = while_one_sweeps(NAME, &left, ("fcntl", 3), || {
        let open = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&left);
        assert_eq!(open.unwrap_err().kind(), ErrorKind::WouldBlock);
    });
    if swept {
        assert_eq!(names(scratch.path()), [""; 0]);
    }
}

/// Whoever waits for it when it is about to go has it.
#[test]
fn p5_what_somebody_waits_for_stays() {
    const NAME: &str = "p5_what_somebody_waits_for_stays";
    if let Some(argument) = child::argument() {
        return leaves_or_sweeps(&argument);
    }
    let scratch = Scratch::new();
    let left = left(NAME, "file", scratch.path());
    let (start, ending) = (Instant::now(), format!(":{} 0 EOF", fs::metadata(&left).unwrap().ino()));
    thread::scope(|scope| {
        let mut opened = None;
        // The first look is at what anybody may open meanwhile.
        let swept = while_one_sweeps(NAME, &left, ("fgetxattr", 2), || {
            opened = Some(scope.spawn(|| File::options().write(true).open(&left).unwrap()));
            let waits = |lock: &str| lock.contains("BREAKING") && lock.ends_with(&ending);
            while !fs::read_to_string("/proc/locks").unwrap().lines().any(waits) {
                assert!(start.elapsed() < Duration::from_secs(60), "nobody waits");
                thread::sleep(Duration::from_millis(1));
            }
        });
        if swept {
            assert_eq!(opened.unwrap().join().unwrap().metadata().unwrap().nlink(), 1);
            assert!(left.exists());
        }
    });
}

#[test]
fn p5_what_takes_the_name_of_what_is_being_swept_stays() {
    const NAME: &str = "p5_what_takes_the_name_of_what_is_being_swept_stays";
    if let Some(argument) = child::argument() {
        return leaves_or_sweeps(&argument);
    }
    for (kind, looks) in [("file", 2), ("tree", 1)] {
        let (scratch, elsewhere) = (Scratch::new(), Scratch::new());
        let left = left(NAME, kind, scratch.path());
        // Time between the first look at the name and the last.
        let swept = while_one_sweeps(NAME, &left, ("fgetxattr", looks), || {
            fs::rename(&left, elsewhere.path().join("moved")).unwrap();
            match kind {
                "file" => fs::write(&left, "a stranger").unwrap(),
                _ => fs::create_dir(&left).unwrap(),
            }
        });
        if swept {
            assert_eq!(names(scratch.path()), [left.file_name().unwrap().to_str().unwrap()], "{kind}");
            assert!(kind == "tree" || fs::read(&left).unwrap() == b"a stranger");
        }
    }
}

/// Not even for who sweeps.
#[test]
fn p6_a_pipe_that_takes_the_name_of_what_is_being_swept_keeps_nobody_waiting() {
    const NAME: &str = "p6_a_pipe_that_takes_the_name_of_what_is_being_swept_keeps_nobody_waiting";
    if let Some(argument) = child::argument() {
        return leaves_or_sweeps(&argument);
    }
    in_time(|| {
        let scratch = Scratch::new();
        let left = left(NAME, "file", scratch.path());
        // It has seen a file, and is about to open it.
        let swept = while_one_sweeps(NAME, &left, ("newfstatat", 1), || {
            fs::remove_file(&left).unwrap();
            rustix::fs::mknodat(CWD, &left, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        });
        if swept {
            assert_eq!(names(scratch.path()), [left.file_name().unwrap().to_str().unwrap()]);
        }
    });
}

fn leaves_or_sweeps(argument: &str) {
    match argument.split_once(' ').unwrap() {
        ("sweeps", directory) => NamedTempFile::new_in(directory).unwrap().close().unwrap(),
        (kind, directory) => {
            let (file, tree) = match kind {
                "file" => (Some(file(Path::new(directory))), None),
                _ => (None, Some(tree(Path::new(directory)))),
            };
            let path = file.as_ref().map(NamedTempFile::path).or(tree.as_ref().map(TempDir::path)).unwrap();
            say(path.display());
            rest();
        }
    }
}

/// What a process that was killed has left.
#[track_caller]
fn left(name: &str, kind: &str, directory: &Path) -> PathBuf {
    let mut other = Other::start(name, format!("{kind} {}", directory.display()));
    let left = other.said().pop().unwrap().into();
    other.kill();
    left
}

/// Does something while a sweeper stands still behind its `nth` such call for what was left; false where nothing can be traced.
#[track_caller]
fn while_one_sweeps(name: &str, left: &Path, (call, nth): (&str, usize), work: impl FnOnce()) -> bool {
    let (directory, own) = (left.parent().unwrap(), left.file_name().unwrap().to_str().unwrap());
    let logs = Scratch::new();
    let log = logs.path().join("calls");
    let child = child::command(name, format!("sweeps {}", directory.display()));
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=SIGSTOP:when={nth}"));
    let how = ["-P", left.to_str().unwrap(), "-P", own, "-e", &trace, "-e", &inject];
    let mut stood = false;
    let output = thread::scope(|scope| {
        let sweeper = scope.spawn(|| strace::traced(&child, &log, &how));
        while !sweeper.is_finished() {
            if let Some(stopped) = Stopped::found_in(&log) {
                stood = true;
                work();
                drop(stopped);
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        sweeper.join().unwrap()
    });
    let Some(output) = output else { return false };
    child::assert_passed(&output, call.as_ref());
    assert!(stood, "nobody swept it");
    true
}

/// A process that goes on when this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn found_in(log: &Path) -> Option<Stopped> {
        let log = fs::read_to_string(log).ok()?;
        let line = log.lines().find(|line| line.contains("--- stopped by SIGSTOP ---"))?;
        line.split_whitespace().next()?.parse().ok().and_then(Pid::from_raw).map(Stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill_process(self.0, Signal::CONT).unwrap();
    }
}

/// Who sweeps can take a file away while the call that makes it has not yet returned.
#[test]
fn p5_what_was_swept_as_it_was_made_is_there_when_it_is_used() {
    let scratch = Scratch::new();
    let swept = || {
        let file = NamedTempFile::new_in(scratch.path()).unwrap();
        // By its name in the directory: the file itself is as it was made.
        fs::remove_file(scratch.path().join(&names(scratch.path())[0])).unwrap();
        file
    };
    drop(swept());
    swept().close().unwrap();
    for _ in 0..200 {
        let file = swept();
        thread::scope(|scope| {
            scope.spawn(|| is_there(&file));
            is_there(&file);
        });
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o7777, 0o600);
        assert!(rustix::io::fcntl_getfd(&file).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        (&file).write_all(CONTENT).unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), CONTENT);
        file.close().unwrap();
        assert_eq!(names(scratch.path()), [""; 0]);
    }
    drop(swept().persist(scratch.path().join("persisted")).unwrap());
    fs::remove_file(scratch.path().join("persisted")).unwrap();
    let (_, path) = swept().keep().unwrap();
    assert_eq!(names(scratch.path()), [path.file_name().unwrap().to_str().unwrap()]);
}

/// How often somebody swept meanwhile.
#[track_caller]
fn while_sweeping(paths: &Paths, work: impl FnOnce()) -> usize {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sweeper = scope.spawn(|| {
            let mut sweeps = 0;
            while !done.load(Ordering::Relaxed) {
                paths.sweep();
                sweeps += 1;
                // Who makes directories needs a moment without anybody who sweeps.
                thread::sleep(Duration::from_millis(1));
            }
            sweeps
        });
        // Also if it fails.
        let ends = Ends(&done);
        work();
        drop(ends);
        sweeper.join().unwrap()
    })
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// In another process: for so long.
fn makes(directory: &Path, time: Duration) {
    rest();
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < time {
        makes_each(directory, 1);
        rounds += 1;
    }
    say(format_args!("{rounds}"));
    rest();
}

/// Names of every kind, and each time a look whether they are there, and are what was made.
fn makes_each(directory: &Path, rounds: usize) {
    for round in 0..rounds {
        // It is there when it is to go, though nobody has asked for it till then.
        NamedTempFile::new_in(directory).unwrap().close().unwrap();
        file(directory).close().unwrap();
        TempDir::new_in(directory).unwrap().close().unwrap();
        tree(directory).close().unwrap();
        let mut spool = options(directory, if round % 2 == 0 { 0 } else { MIB }, Backing::File).build();
        spool.write_all(CONTENT).unwrap();
        let spool = spool.into_named().unwrap();
        assert_eq!(fs::read(spool.path()).unwrap(), CONTENT);
        is_there(&spool);
        spool.close().unwrap();
        let mut options = NamedOptions::new();
        let shared = options.suffix(".html").mode(0o644).tempfile_in(directory).unwrap();
        is_there(&shared);
        shared.close().unwrap();
        let shared = options.mode(0o755).tempdir_in(directory).unwrap();
        assert_eq!(fs::metadata(shared.path()).unwrap().mode() & 0o7777, 0o755);
        shared.close().unwrap();
        let path = directory.join(format!("persisted-{}", std::process::id()));
        drop(file(directory).persist(&path).unwrap());
        drop(SpooledTempFile::from(CONTENT.to_vec()).persist(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
        fs::remove_file(path).unwrap();
        let (_, path) = NamedTempFile::new_in(directory).unwrap().keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        fs::remove_file(path).unwrap();
        let path = TempDir::new_in(directory).unwrap().keep();
        fs::remove_dir(path).unwrap();
    }
}

#[track_caller]
fn file(directory: &Path) -> NamedTempFile {
    let mut file = NamedTempFile::new_in(directory).unwrap();
    file.write_all(CONTENT).unwrap();
    is_there(&file);
    assert_eq!(fs::read(file.path()).unwrap(), CONTENT);
    file
}

#[track_caller]
fn is_there(file: &NamedTempFile) {
    let (here, there) = (file.as_file().metadata().unwrap(), fs::metadata(file.path()).unwrap());
    assert_eq!((here.ino(), here.nlink()), (there.ino(), 1));
}

#[track_caller]
fn tree(directory: &Path) -> TempDir {
    let tree = TempDir::new_in(directory).unwrap();
    let deep = tree.path().join("deep");
    fs::create_dir(&deep).unwrap();
    for path in [tree.path().join("file"), deep.join("one"), deep.join("two")] {
        fs::write(&path, CONTENT).unwrap();
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
    }
    assert_eq!(names(tree.path()), ["deep", "file"]);
    tree
}

const CONTENT: &[u8] = b"its own";
