//! A kill before each system call that changes anything.

use std::fs;
use std::path::Path;

use crate::ground::left::{Paths, assert_killed};
use crate::ground::{Scratch, child, kernel, skipped, strace, walk};
use crate::model::{Model, is_bare};
use crate::worker::Worker;

/// Between two calls that change nothing nothing changes: so these are all the moments that there are.
#[test]
fn p5_a_kill_before_each_call_that_changes_anything_leaves_what_was_kept_and_persisted() {
    const NAME: &str =
        "by_the_book::p5_a_kill_before_each_call_that_changes_anything_leaves_what_was_kept_and_persisted";
    if let Some(argument) = child::argument() {
        return works_by_the_book(&argument);
    }
    before_each(&CHANGES, NAME, "022", &EACH);
}

#[test]
fn p5_so_does_one_where_files_cannot_go_without_a_name() {
    const NAME: &str = "by_the_book::p5_so_does_one_where_files_cannot_go_without_a_name";
    if let Some(argument) = child::argument() {
        if !kernel::refuse_nameless_files(libc::EOPNOTSUPP) {
            return skipped("the kernel takes no filter");
        }
        return works_by_the_book(&argument);
    }
    // Only spools come in another way then.
    before_each(
        &CHANGES,
        NAME,
        "022",
        &[
            "keep what a file became",
            "keep what memory became",
            "persist a spool",
            "replace by a spool's file",
            "replace by a spool's memory",
        ],
    );
}

#[test]
fn p5_so_does_one_under_an_umask_that_takes_all() {
    const NAME: &str = "by_the_book::p5_so_does_one_under_an_umask_that_takes_all";
    if let Some(argument) = child::argument() {
        return works_by_the_book(&argument);
    }
    // Only what gives a name its mode and its mark comes in another order then.
    before_each(
        &["flock", "fchmod", "chmod", "fsetxattr"],
        NAME,
        "777",
        &[
            "keep what is new",
            "keep a file",
            "keep what memory became",
            "keep a file for all to read",
            "keep a directory",
            "keep a tree",
            "replace by a spool's file",
            "drop a directory for all to read",
        ],
    );
}

fn works_by_the_book(argument: &str) {
    let (deeds, argument) = argument.split_once('/').unwrap();
    let mut worker = Worker::new(argument);
    let beside = worker.log_path.parent().unwrap().to_owned();
    walk::mark(&beside, walk::BEGINS);
    deeds.split(',').for_each(|deed| worker.does_what_is_called(deed));
    worker.held.clear();
    walk::mark(&beside, walk::ENDS);
}

#[track_caller]
fn before_each(calls: &[&str], name: &str, umask: &str, deeds: &[&str]) {
    let joined = deeds.join(",");
    let run = |how: &[&str]| {
        let (scratch, logs) = (Scratch::new(), Scratch::new());
        let log = logs.path().join("log-1");
        fs::write(&log, b"").unwrap();
        let argument = format!("{joined}/{umask} 1 {} {}", log.display(), scratch.path().display());
        let output = strace::traced(&child::command(name, argument), &logs.path().join("calls"), how)?;
        Some((scratch, logs, output))
    };
    let trace = format!("trace=?{},?stat,?newfstatat,?statx", calls.join(",?"));
    let Some((_scratch, all, output)) = run(&["-e", &trace]) else { return };
    child::assert_passed(&output, "all of it".as_ref());
    let mut killed = 0;
    for call in calls {
        let (before, within) = walk::calls(&all.path().join("calls"), call);
        for nth in before + 1..=before + within {
            let inject = format!("inject={call}:signal=KILL:when={nth}");
            let (scratch, logs, output) = run(&["-e", &format!("trace={call}"), "-e", &inject]).unwrap();
            if output.status.success() {
                // What is kept in the tick in which it was made gets a mark, in place of losing it.
                let calls = fs::read_to_string(logs.path().join("calls")).unwrap();
                assert!(calls.matches(&format!(" {call}(")).count() < nth, "{call} {nth} killed nobody");
                continue;
            }
            assert_killed(output.status);
            killed += 1;
            let mut model = Model::default();
            model.reads(logs.path());
            Paths::to(scratch.path()).sweep();
            // Files that lose their name at once may die before that; they are not claimed.
            let unclaimed = |left: &Path| {
                let name = left.file_name().unwrap().to_str().unwrap();
                name.len() == ".spooled-".len() + 32 && fs::read(left).unwrap().is_empty()
            };
            model.is_what_is_in(scratch.path(), |left| unclaimed(left) || (umask == "777" && is_bare(left)));
        }
    }
    assert!(killed > 2 * deeds.len(), "killed at {killed} moments");
}

/// All of them but those that do what others do.
const EACH: [&str; 18] = [
    "keep what is new",
    "keep a file",
    "keep what a file became",
    "keep what memory became",
    "keep a file for all to read",
    "keep a directory",
    "keep a tree",
    "persist a file",
    "persist a spool",
    "persist a file onto itself",
    "replace by a file",
    "replace by a spool's file",
    "replace by a spool's memory",
    "close what is new",
    "close a directory",
    "close a tree",
    "drop a directory for all to read",
    "hold what is read-only or what a file became",
];

const CHANGES: [&str; 13] = [
    "mkdirat",
    "linkat",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "fsetxattr",
    "fremovexattr",
    "fchmod",
    "chmod",
    "flock",
    "utimensat",
];
