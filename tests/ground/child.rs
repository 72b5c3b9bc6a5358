//! A process of its own for whatever belongs to a whole process, or may end it: a test that runs itself again.

use std::env;
use std::ffi::OsStr;
use std::io::{Write, stderr};
use std::process::{Command, Output, Stdio};

/// What the parent asked for, in the process that it started.
pub(crate) fn argument() -> Option<String> {
    env::var(KEY).ok()
}

/// This binary again, for the test `name` alone.
pub(crate) fn command(name: &str, argument: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(KEY, argument).stdin(Stdio::null());
    // One heap for all threads: what the allocator asks of the system is then the same everywhere.
    command.env("MALLOC_ARENA_MAX", "1");
    command
}

/// Runs the test `name` in a child that finds `argument`, and fails if that fails or dies.
#[track_caller]
pub(crate) fn run(name: &str, argument: impl AsRef<OsStr>) {
    let argument = argument.as_ref();
    let output = command(name, argument).output().unwrap();
    assert_passed(&output, argument);
}

/// The same as another user, if one is named; false if he may not run this binary where it is.
#[cfg(unix)]
#[track_caller]
pub(crate) fn run_as(name: &str, argument: &str, user: Option<u32>) -> bool {
    use std::os::unix::process::CommandExt;
    let mut command = command(name, argument);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    match command.output() {
        Ok(output) => assert_passed(&output, argument.as_ref()),
        Err(error) if user.is_some() && error.kind() == std::io::ErrorKind::PermissionDenied => return false,
        Err(error) => panic!("{error}"),
    }
    true
}

#[track_caller]
pub(crate) fn assert_passed(output: &Output, what: &OsStr) {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    complained.lines().filter(|line| line.starts_with("skipped: ")).for_each(|line| drop(writeln!(stderr(), "{line}")));
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "the child for {what:?} ended with {}\n{said}\n{complained}", output.status);
}

const KEY: &str = "SPOOLED_CHILD";
