//! A child whose system calls are written down, delayed, or made to fail.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::skipped;

/// Runs it to its end, with what `strace` is to do to it; `None`, and said so, where nothing can be traced.
#[track_caller]
pub(crate) fn traced(child: &Command, log: &Path, how: &[&str]) -> Option<Output> {
    let mut strace = Command::new("strace");
    strace.args(["-f"]).args(how).arg("-o").arg(log).arg(child.get_program()).args(child.get_args());
    strace.envs(child.get_envs().filter_map(|(key, value)| Some((key, value?))));
    match strace.output() {
        Ok(output) if !output.status.success() && fs::read(log).unwrap_or_default().is_empty() => {
            skipped(&format!("nothing can be traced here: {}", String::from_utf8_lossy(&output.stderr).trim()));
            None
        }
        Ok(output) => Some(output),
        Err(error) => {
            skipped(&format!("strace: {error}"));
            None
        }
    }
}
