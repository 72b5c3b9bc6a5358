//! Other processes that make names, die or live on, and what is there then.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use spooled::NamedTempFile;

use super::{Scratch, child};

/// Who is not the superuser.
pub(crate) const NOBODY: u32 = 65534;

/// A process that has done what it was told to, and now waits for more, or to be killed.
pub(crate) struct Other {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    said: Vec<String>,
}

impl Other {
    /// Runs until it [rests](rest). Panics if it never does.
    #[track_caller]
    pub(crate) fn start(name: &str, argument: impl AsRef<OsStr>) -> Other {
        Self::of(child::command(name, argument)).unwrap()
    }

    /// The same as another user; `None` if that may not be.
    #[track_caller]
    pub(crate) fn start_as(user: u32, name: &str, argument: impl AsRef<OsStr>) -> Option<Other> {
        let mut command = child::command(name, argument);
        command.uid(user).gid(user);
        Self::of(command)
    }

    /// `None` if the program cannot be run at all.
    #[track_caller]
    pub(crate) fn of(mut command: Command) -> Option<Other> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut other = Other { child, input, output, said: Vec::new() };
        other.comes_to_rest();
        Some(other)
    }

    /// What it said until then, line by line.
    #[track_caller]
    pub(crate) fn comes_to_rest(&mut self) {
        let mut others = String::new();
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).unwrap();
            let line = line.trim_end();
            match line.strip_prefix(SAYS) {
                Some(RESTS) => return,
                Some(says) => self.said.push(says.to_owned()),
                None => others = others + line + "\n",
            }
            assert!(read > 0, "the other process ended: {:?}\n{others}", self.child.wait());
        }
    }

    pub(crate) fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// Lets it go on until it rests again.
    #[track_caller]
    pub(crate) fn goes_on(&mut self) {
        self.tell();
        self.comes_to_rest();
    }

    /// Lets it go on.
    #[track_caller]
    pub(crate) fn tell(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// By SIGKILL.
    #[track_caller]
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "it had ended by itself: {status}");
    }

    /// Lets it go on until it ends by itself.
    #[track_caller]
    pub(crate) fn ends(mut self) {
        let _ = self.input.write_all(b"\n");
        let mut said = String::new();
        while self.output.read_line(&mut said).unwrap() > 0 {}
        let status = self.child.wait().unwrap();
        assert!(status.success() && said.contains("1 passed"), "{status}\n{said}");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In the other process: a line for the first to hear.
pub(crate) fn say(what: impl std::fmt::Display) {
    // What the harness prints before has no end of line.
    println!("\n{SAYS}{what}");
}

/// In the other process: waits until it is told to go on.
pub(crate) fn rest() {
    say(RESTS);
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).unwrap();
    if read == 0 {
        // The first process is gone.
        std::process::exit(2);
    }
}

/// In the other process: its end, in which nothing is dropped.
pub(crate) fn die() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    unreachable!("nobody outlives that")
}

#[track_caller]
pub(crate) fn assert_killed(status: ExitStatus) {
    assert_eq!(status.signal(), Some(libc::SIGKILL), "{status}");
}

const SAYS: &str = "= ";
const RESTS: &str = "rests";

/// Other paths to one directory.
///
/// A process looks at a directory when it first makes a name there, and goes by its path: under a path that it does not know, it
/// is a newcomer each time.
pub(crate) struct Paths {
    directory: PathBuf,
    scratch: Scratch,
    next: AtomicUsize,
}

impl Paths {
    #[track_caller]
    pub(crate) fn to(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), scratch: Scratch::new(), next: AtomicUsize::new(0) }
    }

    /// One that is not known yet, or not any more.
    pub(crate) fn unknown(&self) -> PathBuf {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch.path().join((next % PATHS).to_string());
        if next < PATHS {
            std::os::unix::fs::symlink(&self.directory, &path).unwrap();
        }
        path
    }

    /// Makes a name there as a newcomer does, and takes it away.
    #[track_caller]
    pub(crate) fn sweep(&self) {
        NamedTempFile::new_in(self.unknown()).unwrap().close().unwrap();
    }
}

/// More than a process remembers.
const PATHS: usize = 1_500;

/// A name as it would be made in the directory, of a file that was kept and is gone.
#[track_caller]
pub(crate) fn a_name(directory: &Path) -> PathBuf {
    let (_, path) = NamedTempFile::new_in(directory).unwrap().keep().unwrap();
    fs::remove_file(&path).unwrap();
    path
}
