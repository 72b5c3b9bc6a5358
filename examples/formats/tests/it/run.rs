//! Programs: ours, run on an input; and other people's, which make that input.

use std::env;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use crate::ground::skipped;

/// One of the four.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
}

impl Program {
    pub(crate) fn command(&self, dir: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path);
        command.current_dir(dir).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs to the end with this input; a program that does not want all of it is fine.
    #[track_caller]
    pub(crate) fn feed(&self, dir: &Path, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self.command(dir, arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output().unwrap()
        })
    }

    /// Runs to the end with what `maker` writes, without anybody in between.
    #[track_caller]
    pub(crate) fn feed_from(&self, dir: &Path, arguments: &[&str], maker: &mut Command) -> Output {
        let mut maker = maker.stdout(Stdio::piped()).spawn().unwrap();
        let output = self.command(dir, arguments).stdin(maker.stdout.take().unwrap()).output().unwrap();
        assert!(maker.wait().unwrap().success());
        output
    }

    /// Runs with a connection that brings this and is then reset.
    #[track_caller]
    pub(crate) fn feed_and_reset(&self, dir: &Path, arguments: &[&str], input: &[u8]) -> Output {
        let (mut ours, mut its) = UnixStream::pair().unwrap();
        // Something that nobody reads makes the kernel answer our going with ECONNRESET, once all has been read.
        its.write_all(b"request").unwrap();
        its.shutdown(Shutdown::Write).unwrap();
        let child = self.command(dir, arguments).stdin(OwnedFd::from(its)).spawn().unwrap();
        ours.write_all(input).unwrap();
        drop(ours);
        child.wait_with_output().unwrap()
    }

    /// It says this on standard output, and nothing else.
    #[track_caller]
    pub(crate) fn assert_said(&self, output: &Output, expected: &str) {
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*complaint), (Some(0), ""), "{}", self.name);
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", self.name);
    }

    /// It failed, and says why in one line.
    #[track_caller]
    pub(crate) fn assert_failed(&self, output: &Output, why: &str) {
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        assert!(complaint.starts_with(&format!("{}: ", self.name)) && complaint.contains(why), "{complaint}");
        assert!(complaint.ends_with('\n') && complaint.matches('\n').count() == 1, "{complaint}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    }

    /// Inputs that no program can do anything with: none of it, a directory, a size that is none.
    #[track_caller]
    pub(crate) fn assert_refuses_what_is_no_input(&self, dir: &Path, arguments: &[&str]) {
        let directory = std::fs::File::open(dir).unwrap();
        let output = self.command(dir, arguments).stdin(directory).output().unwrap();
        self.assert_failed(&output, "standard input: Is a directory");
        for option in ["--threshold", "--limit"] {
            for size in ["", "64Q", "K", "99999999T"] {
                let output = self.feed(dir, &[arguments, &[option, size]].concat(), b"");
                self.assert_failed(&output, &format!("{option} {size}: "));
            }
        }
    }
}

/// A command that makes input; `None`, and said so, where it is missing, which nobody who checks a change may overlook.
#[track_caller]
pub(crate) fn maker(name: &str, probe: &[&str]) -> Option<Command> {
    let probed = Command::new(name).args(probe).stdin(Stdio::null()).output();
    if probed.is_ok_and(|output| output.status.success()) {
        return Some(Command::new(name));
    }
    let command = format!("{name} {}", probe.join(" "));
    assert_ne!(env::var("CI").as_deref(), Ok("true"), "`{command}` does not work here");
    skipped(&format!("`{command}` does not work here"));
    None
}

/// What a command writes to a pipe.
#[track_caller]
pub(crate) fn made(command: &mut Command) -> Vec<u8> {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    assert!(child.wait().unwrap().success(), "{command:?}");
    output
}
