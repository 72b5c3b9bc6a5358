//! The example `sponge`, run as people run it: what it writes, what it says, and what it leaves behind when it fails.
//!
//! `cargo test` builds the examples before it runs this; `cargo test --test sponge` alone does not.
#![cfg(target_os = "linux")]

mod ground;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ground::mount::Mount;
use ground::{KIB, MIB, Scratch, assert_same, bytes, names, skipped};

#[test]
fn p1_what_goes_in_comes_out_on_standard_output() {
    let scratch = Scratch::new();
    for len in [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 3 * MIB] {
        for arguments in [&[][..], &["--threshold", "0"], &["--threshold", "1m", "--dir", "."]] {
            let input = bytes(len, 1);
            let output = feed(sponge(scratch.path()).args(arguments), &input);
            assert_quiet(&output);
            assert_same(&output.stdout, &input, &format!("{len} bytes with {arguments:?}"));
        }
    }
}

#[test]
fn p1_a_file_holds_the_input_whether_it_was_there_or_not() {
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    for threshold in ["0", "64K", "1G"] {
        for len in [0, 100, 2 * MIB] {
            for was_there in [false, true] {
                let _ = fs::remove_file(&target);
                if was_there {
                    fs::write(&target, bytes(MIB, 2)).unwrap();
                }
                let input = bytes(len, 3);
                let output = feed(sponge(scratch.path()).args(["target", "--threshold", threshold]), &input);
                assert_quiet(&output);
                assert_eq!(output.stdout, b"");
                let what = format!("{len} bytes with a threshold of {threshold}, was there: {was_there}");
                assert_same(&fs::read(&target).unwrap(), &input, &what);
                assert_eq!(names(scratch.path()), ["target"], "{what}");
            }
        }
    }
}

#[test]
fn p1_a_spool_in_another_file_system_is_copied_to_the_target() {
    let Some(elsewhere) = Mount::tmpfs(8 * MIB) else { return };
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    for _ in ["new", "existing"] {
        let input = bytes(4 * MIB + 1, 4);
        let mut command = sponge(elsewhere.path());
        assert_quiet(&feed(command.args(["--dir", "."]).arg(&target), &input));
        assert_same(&fs::read(&target).unwrap(), &input, "by way of a tmpfs");
        assert_eq!(names(scratch.path()), ["target"]);
        ground::assert_empty(elsewhere.path());
    }
}

#[test]
fn p1_one_file_may_be_both_ends_of_a_pipeline() {
    let scratch = Scratch::new();
    let path = scratch.path().join("words");
    for len in [1000, 2 * MIB] {
        let content = bytes(len, 5);
        fs::write(&path, &content).unwrap();
        let mut command = sponge(scratch.path());
        assert_quiet(&command.arg("words").stdin(File::open(&path).unwrap()).output().unwrap());
        assert_same(&fs::read(&path).unwrap(), &content, "onto itself");
        let mut command = sponge(scratch.path());
        assert_quiet(&command.args(["--append", "words"]).stdin(File::open(&path).unwrap()).output().unwrap());
        assert_same(&fs::read(&path).unwrap(), &content.repeat(2), "behind itself");
    }
}

#[test]
fn p1_append_puts_the_input_behind_what_the_file_holds() {
    let scratch = Scratch::new();
    let log = scratch.path().join("log");
    for (old, new) in [(10, 10), (64 * KIB, 1), (MIB, MIB + 1), (0, 5)] {
        let mut content = bytes(old, 6);
        fs::write(&log, &content).unwrap();
        let input = bytes(new, 7);
        assert_quiet(&feed(sponge(scratch.path()).args(["-a", "log"]), &input));
        content.extend_from_slice(&input);
        assert_same(&fs::read(&log).unwrap(), &content, &format!("{new} bytes behind {old}"));
    }
    fs::remove_file(&log).unwrap();
    assert_quiet(&feed(sponge(scratch.path()).args(["--append", "log"]), b"the first line"));
    assert_eq!(fs::read(&log).unwrap(), b"the first line");
}

#[test]
fn p1_a_symlink_leads_to_the_file_that_is_replaced() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path().join("far")).unwrap();
    let file = scratch.path().join("far/file");
    symlink("far/file", scratch.path().join("middle")).unwrap();
    symlink("middle", scratch.path().join("link")).unwrap();
    for content in ["made at the end of the links", "replaced there"] {
        assert_quiet(&feed(sponge(scratch.path()).arg("link"), content.as_bytes()));
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
        assert!(scratch.path().join("link").is_symlink() && scratch.path().join("middle").is_symlink());
        assert_eq!(names(&scratch.path().join("far")), ["file"]);
    }
}

#[test]
fn p1_a_pipe_or_a_device_is_written_into() {
    let scratch = Scratch::new();
    let input = bytes(MIB, 8);
    assert!(Command::new("mkfifo").arg(scratch.path().join("pipe")).status().unwrap().success());
    let mut reader =
        Command::new("cat").arg("pipe").current_dir(scratch.path()).stdout(Stdio::piped()).spawn().unwrap();
    // It fits into the pipe behind `cat`, so that nobody has to read there yet.
    let output = feed(sponge(scratch.path()).arg("pipe"), &input[..60 * KIB]);
    if !output.status.success() {
        kill(&mut reader);
    }
    assert_quiet(&output);
    assert_same(&reader.wait_with_output().unwrap().stdout, &input[..60 * KIB], "through a named pipe");
    let output = feed(sponge(scratch.path()).arg("/dev/stdout"), &input);
    assert_quiet(&output);
    assert_same(&output.stdout, &input, "by the name of standard output");
    assert_quiet(&feed(sponge(scratch.path()).arg("/dev/null"), &input));
    assert_eq!(names(scratch.path()), ["pipe"]);
}

#[test]
fn p1_standard_output_that_is_a_file_is_written_where_it_stands() {
    let scratch = Scratch::new();
    let mut out = File::create(scratch.path().join("out")).unwrap();
    out.write_all(b"before ").unwrap();
    let mut child = sponge(scratch.path()).arg("/dev/stdout").stdin(Stdio::piped()).stdout(out).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"behind").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(fs::read(scratch.path().join("out")).unwrap(), b"before behind");
}

#[test]
fn p3_memory_stays_within_the_threshold_and_eight_mebibytes() {
    let scratch = Scratch::new();
    for (threshold, kib) in [("64K", 64), ("16M", 16 << 10)] {
        let mut child = sponge(scratch.path())
            .args(["--threshold", threshold, "--dir", "."])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = bytes(64 * MIB, 9);
        child.stdin.take().unwrap().write_all(&input).unwrap();
        // Once there is output, all input has been soaked up; more than a pipe holds is still to come.
        let mut output = child.stdout.take().unwrap();
        let mut seen = vec![0];
        output.read_exact(&mut seen).unwrap();
        let peak = peak_kib(&child);
        output.read_to_end(&mut seen).unwrap();
        assert!(child.wait().unwrap().success());
        assert_same(&seen, &input, threshold);
        assert!(peak <= kib + (8 << 10), "with a threshold of {threshold} the peak was {peak} KiB");
    }
}

#[test]
fn p4_a_full_disk_leaves_the_old_target_whole() {
    let Some(mount) = Mount::tmpfs(MIB) else { return };
    let old = bytes(100 * KIB, 10);
    let target = mount.path().join("target");
    fs::write(&target, &old).unwrap();
    // In the middle of the input, and when what memory held all along needs a file.
    for arguments in [&["target"][..], &["--threshold", "8M", "target"], &["--append", "target"]] {
        let output = feed(sponge(mount.path()).args(arguments), &bytes(2 * MIB, 11));
        assert_failed_in_one_line(&output, 1, "No space left on device");
        assert!(said(&output).contains(mount.path().to_str().unwrap()), "{}", said(&output));
        assert_same(&fs::read(&target).unwrap(), &old, &format!("the old target after {arguments:?}"));
        assert_eq!(names(mount.path()), ["target"]);
    }
    assert_quiet(&feed(sponge(mount.path()).args(["--append", "target"]), b"there is room for that"));
    assert_eq!(fs::metadata(&target).unwrap().len(), old.len() as u64 + 22);
}

#[test]
fn p4_a_full_disk_behind_standard_output_is_said() {
    for len in [10, MIB] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut child =
            sponge(Path::new("/")).stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&vec![b'a'; len]).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_failed_in_one_line(&output, 1, "standard output: No space left on device");
    }
}

#[test]
fn p4_a_target_that_cannot_be_written_is_refused_before_the_input_is_read() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path().join("directory")).unwrap();
    fs::write(scratch.path().join("file"), "old").unwrap();
    symlink("itself", scratch.path().join("itself")).unwrap();
    for (target, why) in [
        ("missing/target", "No such file or directory"),
        ("directory", "is a directory"),
        ("file/target", "Not a directory"),
        ("itself", "Too many levels of symbolic links"),
    ] {
        // It would wait for ever if it read first.
        let mut child =
            sponge(scratch.path()).arg(target).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(input);
        assert_failed_in_one_line(&output, 1, why);
        assert!(said(&output).contains(target.split('/').next().unwrap()), "{}", said(&output));
    }
    assert_eq!(names(scratch.path()), ["directory", "file", "itself"]);
    assert_eq!(fs::read(scratch.path().join("file")).unwrap(), b"old");
}

#[test]
fn p4_a_target_that_belongs_to_somebody_else_is_left_alone() {
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    fs::write(&target, "old").unwrap();
    for (mode, directory, why) in [
        // It may not write the file, nor into the directory, nor give the new file the owner of the old one.
        (0o444, 0o777, "Permission denied"),
        (0o666, 0o555, "Permission denied"),
        (0o666, 0o777, "Operation not permitted"),
    ] {
        set_mode(&target, mode);
        set_mode(scratch.path(), directory);
        let Some(output) = feed_somebody_else(scratch.path(), "target") else { return };
        assert_failed_in_one_line(&output, 1, why);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(mode_of(&target), mode);
        assert_eq!(names(scratch.path()), ["target"]);
    }
}

#[test]
fn p4_bad_input_is_said_in_one_line_and_the_old_target_stays() {
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    fs::write(&target, "old").unwrap();
    for size in ["64Q", "64KB", "K64", "many", "99999999999999999999", "99999999T", ""] {
        let output = feed(sponge(scratch.path()).args(["--threshold", size, "target"]), b"new");
        assert_failed_in_one_line(&output, 1, &format!("--threshold {size}:"));
        assert_eq!(fs::read(&target).unwrap(), b"old");
    }
    let output = feed(sponge(scratch.path()).args(["--dir", "missing", "--threshold", "1", "target"]), b"new");
    assert_failed_in_one_line(&output, 1, "missing: No such file or directory");
    let output = sponge(scratch.path()).arg("target").stdin(File::open(scratch.path()).unwrap()).output().unwrap();
    assert_failed_in_one_line(&output, 1, "standard input: Is a directory");
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(names(scratch.path()), ["target"]);
}

#[test]
fn p4_wrong_usage_has_a_status_of_its_own() {
    let scratch = Scratch::new();
    for arguments in [&["--such-an-option"][..], &["one", "two"], &["--threshold"], &["--append"]] {
        let output = feed(sponge(scratch.path()).args(arguments), b"new");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains("try '--help'"), "{}", said(&output));
    }
    ground::assert_empty(scratch.path());
}

#[test]
fn p4_a_reader_that_leaves_early_is_no_news() {
    let scratch = Scratch::new();
    let mut child =
        sponge(scratch.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(&bytes(MIB, 12)).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(1), ""));
}

#[test]
fn p5_a_kill_while_it_soaks_leaves_the_old_target_whole_and_no_litter() {
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    let old = bytes(100 * KIB, 13);
    fs::write(&target, &old).unwrap();
    let input = bytes(4 * MIB, 14);
    for (arguments, step) in [(&["target"][..], 251 * KIB), (&["--append", "target"], 509 * KIB)] {
        for sent in (0..=input.len()).step_by(step) {
            let mut child = sponge(scratch.path()).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
            child.stdin.as_mut().unwrap().write_all(&input[..sent]).unwrap();
            kill(&mut child);
            assert_same(&fs::read(&target).unwrap(), &old, &format!("the old target, killed after {sent} bytes"));
            assert_eq!(names(scratch.path()), ["target"], "killed after {sent} bytes");
        }
    }
}

#[test]
fn p5_a_kill_at_the_end_leaves_the_old_target_or_the_new_one() {
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    let (old, new) = (bytes(100 * KIB, 15), bytes(MIB, 16));
    for wait in (0..2000).step_by(50) {
        fs::write(&target, &old).unwrap();
        let mut child = sponge(scratch.path()).arg("target").stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&new).unwrap();
        let end = Instant::now() + Duration::from_micros(wait);
        while Instant::now() < end {
            std::hint::spin_loop();
        }
        kill(&mut child);
        let seen = fs::read(&target).unwrap();
        assert!(seen == old || seen == new, "neither the old nor the new, killed after {wait} microseconds");
    }
}

#[test]
fn p6_mode_and_owner_of_the_target_stay() {
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    for (mode, owner) in [(0o640, (0, 0)), (0o604, (12345, 54321)), (0o755, (12345, 0)), (0o4711, (12345, 54321))] {
        fs::write(&target, "old").unwrap();
        let owner = if rustix::process::geteuid().is_root() {
            chown(&target, Some(owner.0), Some(owner.1)).unwrap();
            owner
        } else {
            skipped("only root can give a file away");
            let metadata = fs::metadata(&target).unwrap();
            (metadata.uid(), metadata.gid())
        };
        set_mode(&target, mode);
        for arguments in [&["target"][..], &["--append", "--threshold", "0", "target"]] {
            assert_quiet(&feed(sponge(scratch.path()).args(arguments), b"new"));
            let metadata = fs::metadata(&target).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), owner, "after {arguments:?}");
            assert_eq!(mode_of(&target), mode, "after {arguments:?}");
        }
        assert_eq!(fs::read(&target).unwrap(), b"newnew");
        fs::remove_file(&target).unwrap();
    }
}

#[test]
fn p6_a_new_target_has_the_mode_that_the_umask_leaves() {
    let scratch = Scratch::new();
    for (umask, mode) in [("022", 0o644), ("077", 0o600), ("000", 0o666)] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask {umask}; exec \"$0\" target")]).arg(path_of_sponge());
        assert_quiet(&feed(command.current_dir(scratch.path()), b"new"));
        assert_eq!(mode_of(&scratch.path().join("target")), mode, "with a umask of {umask}");
        fs::remove_file(scratch.path().join("target")).unwrap();
    }
}

#[test]
fn p9_stats_say_where_the_bytes_were() {
    let scratch = Scratch::new();
    for (len, figures) in [
        (5, "5 bytes in memory, 0 bytes on disk (not rolled over)"),
        (64 * KIB, "65536 bytes in memory, 0 bytes on disk (not rolled over)"),
        (64 * KIB + 1, "0 bytes in memory, 65537 bytes on disk (rolled over)"),
    ] {
        let output = feed(sponge(scratch.path()).args(["--stats", "target"]), &bytes(len, 17));
        assert!(output.status.success());
        assert!(said(&output).starts_with(&format!("sponge: {figures}, ")), "{}", said(&output));
        assert!(said(&output).ends_with("/s\n"), "{}", said(&output));
        assert_eq!(said(&output).lines().count(), 1);
    }
}

#[test]
fn p9_a_slow_input_draws_no_bar_where_nobody_watches() {
    let scratch = Scratch::new();
    let mut child = sponge(scratch.path()).arg("target").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"first").unwrap();
    thread::sleep(Duration::from_millis(1100));
    input.write_all(b"second").unwrap();
    drop(input);
    assert_quiet(&child.wait_with_output().unwrap());
}

fn sponge(dir: &Path) -> Command {
    let mut command = Command::new(path_of_sponge());
    command.current_dir(dir);
    command
}

/// The examples lie beside the directory of the test binaries.
fn path_of_sponge() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().and_then(Path::parent).unwrap().join("examples/sponge");
    assert!(path.exists(), "{} is not there: `cargo build --examples` makes it", path.display());
    path
}

/// Runs to the end with this input; a command that does not want all of it is fine.
#[track_caller]
fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sponge starts");
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    })
}

/// As a user who owns nothing here; `None`, and said so, where that cannot be arranged.
fn feed_somebody_else(dir: &Path, argument: &str) -> Option<Output> {
    if !rustix::process::geteuid().is_root() {
        skipped("only root can act for somebody else");
        return None;
    }
    let mut command = sponge(dir);
    command.arg(argument).uid(65534).gid(65534).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    match command.spawn() {
        Ok(child) => Some(child.wait_with_output().unwrap()),
        Err(error) => {
            skipped(&format!("nobody else can run what lies here: {error}"));
            None
        }
    }
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_quiet(output: &Output) {
    assert_eq!((output.status.code(), said(output).as_str()), (Some(0), ""));
}

#[track_caller]
fn assert_failed_in_one_line(output: &Output, status: i32, why: &str) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.starts_with("sponge: ") && said.contains(why), "{said}");
    assert_eq!(said.matches('\n').count(), 1, "{said}");
    assert_eq!(output.stdout, b"");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The most memory that a process has had at one time.
#[track_caller]
fn peak_kib(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
