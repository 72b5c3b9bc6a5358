//! The example `external_sort`, run as people run it, beside `sort`: what it writes, what it takes, and what it leaves behind
//! when it fails.
//!
//! `cargo test` builds the examples before it runs this; `cargo test --test external_sort` alone does not.
#![cfg(target_os = "linux")]

mod ground;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use ground::mount::Mount;
use ground::{KIB, MIB, Scratch, assert_empty, assert_same, bytes, names, numbers};

#[test]
fn p1_the_output_is_that_of_sort() {
    let scratch = Scratch::new();
    let path = scratch.path().join("in");
    for (what, input) in inputs() {
        let expected = sort(&input);
        fs::write(&path, &input).unwrap();
        for memory in ["0", "300K", "64M"] {
            let arguments = ["--memory", memory, "--dir", "."];
            let output = feed(external_sort(scratch.path()).args(arguments), &input);
            assert_quiet(&output);
            assert_same(&output.stdout, &expected, &format!("{what}, piped, with {memory}"));
            let output = external_sort(scratch.path()).args(arguments).args(["-o", "out", "in"]).output().unwrap();
            assert_quiet(&output);
            assert_eq!(output.stdout, b"");
            assert_same(&fs::read(scratch.path().join("out")).unwrap(), &expected, &format!("{what}, with {memory}"));
            assert_eq!(names(scratch.path()), ["in", "out"]);
        }
    }
}

/// Some that fit into the least memory there is, and some that do not.
fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let mut lines_of_any_bytes = bytes(400 * KIB, 1);
    for at in numbers(lines_of_any_bytes.len() as u64, 2).take(20_000) {
        lines_of_any_bytes[at as usize] = b'\n';
    }
    // So that lines differ by what they end with, and by nothing else.
    let zeros_and_newlines = numbers(3, 3).take(200 * KIB).map(|n| if n == 0 { b'\n' } else { 0 });
    let alike = numbers(1000, 4).take(30_000).flat_map(|n| format!("/a/path/that/is/common/to/all/{n}\n").into_bytes());
    vec![
        ("nothing", vec![]),
        ("a newline", b"\n".to_vec()),
        ("no newline", b"word".to_vec()),
        ("no newline at the end", b"second\nfirst".to_vec()),
        ("prefixes", b"ab\na\n\nabc\na\0\n\0\na\xff\nab\0\n".to_vec()),
        ("keys of eight bytes and more", b"12345678\n123456789\n1234567\n12345678\0\n12345678\n".to_vec()),
        ("short lines", lines(150 * KIB, 1, 5)),
        ("lines", lines(500 * KIB, 100, 6)),
        ("long lines", lines(MIB, 100_000, 7)),
        ("empty lines", vec![b'\n'; 100 * KIB]),
        ("the same line", b"again\n".repeat(60_000)),
        ("lines that begin alike", alike.collect()),
        ("any bytes", lines_of_any_bytes),
        ("zeros", zeros_and_newlines.collect()),
    ]
}

#[test]
fn p1_lines_longer_than_the_memory_are_sorted_too() {
    let scratch = Scratch::new();
    let common: Vec<_> = bytes(900 * KIB, 8).iter().map(|byte| b'a' + byte % 26).collect();
    let mut input = Vec::new();
    for n in numbers(100, 9).take(12) {
        input.extend_from_slice(&lines(20 * KIB, 50, n));
        // Two of them are equal, one is the beginning of all.
        input.extend_from_slice(&common);
        input.extend_from_slice(["", "a\n", "a\nb", "\n", "a\0"][n as usize % 5].as_bytes());
        input.push(b'\n');
    }
    input.extend_from_slice(&common);
    let expected = sort(&input);
    let output = feed(external_sort(scratch.path()).args(["--memory", "256K", "--dir", "."]), &input);
    assert_quiet(&output);
    assert_same(&output.stdout, &expected, "lines of 900 KiB");
    assert_empty(scratch.path());
}

#[test]
fn p1_many_runs_are_merged_in_several_passes() {
    let scratch = Scratch::new();
    let input = lines(5 * MIB, 100, 10);
    let arguments = ["--memory", "256K", "--dir", ".", "--stats", "-o", "out"];
    let output = feed(external_sort(scratch.path()).args(arguments), &input);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_same(&fs::read(scratch.path().join("out")).unwrap(), &sort(&input), "in passes");
    let Figures { runs, rolled, spilled, memory } = Figures::of(&output);
    assert!(runs > 20, "{}", said(&output));
    assert!(rolled < runs, "{}", said(&output));
    // Nearly all of it twice.
    assert!(spilled > input.len() * 3 / 2, "{}", said(&output));
    assert!(memory <= 256 * KIB, "{}", said(&output));
}

#[test]
fn p1_the_output_may_be_the_input() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path().join("far")).unwrap();
    let words = scratch.path().join("far/words");
    symlink("far/words", scratch.path().join("link")).unwrap();
    for (len, name) in [(1000, "far/words"), (MIB, "far/words"), (MIB, "link")] {
        let input = lines(len, 60, 11);
        fs::write(&words, &input).unwrap();
        fs::set_permissions(&words, fs::Permissions::from_mode(0o640)).unwrap();
        let mut command = external_sort(scratch.path());
        assert_quiet(&command.args(["--memory", "256K", "-o", name, name]).output().unwrap());
        assert_same(&fs::read(&words).unwrap(), &sort(&input), name);
        assert_eq!(fs::metadata(&words).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(names(&scratch.path().join("far")), ["words"]);
        assert!(scratch.path().join("link").is_symlink());
    }
}

#[test]
fn p1_a_device_is_written_into() {
    let scratch = Scratch::new();
    let input = lines(MIB, 60, 12);
    let output = feed(external_sort(scratch.path()).args(["--memory", "256K", "-o", "/dev/stdout", "-"]), &input);
    assert_quiet(&output);
    assert_same(&output.stdout, &sort(&input), "by the name of standard output");
    assert_quiet(&feed(external_sort(scratch.path()).args(["-o", "/dev/null"]), &input));
    assert_empty(scratch.path());
}

#[test]
fn p3_memory_stays_within_what_was_given_and_24_mebibytes() {
    // More than is allowed, or it would show nothing.
    let (len, memory) = if cfg!(debug_assertions) { (40 * MIB, 2) } else { (200 * MIB, 16) };
    let scratch = Scratch::new();
    let mut child = external_sort(scratch.path())
        .args(["--memory", &format!("{memory}M"), "--dir", "."])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Lines become much shorter, so that how the memory is divided for the first does not suit the others.
    let mut stdin = child.stdin.take().unwrap();
    for (longest, seed) in [(100, 13), (100, 14), (100, 15), (8, 16)] {
        stdin.write_all(&lines(len / 4, longest, seed)).unwrap();
    }
    drop(stdin);
    // All but what a pipe may hold, so that the process is still there to be asked.
    let mut seen = vec![0; len - 256 * KIB];
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut seen).unwrap();
    let peak = peak_kib(&child);
    output.read_to_end(&mut seen).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(seen.len(), len);
    seen.pop();
    assert!(seen.split(|byte| *byte == b'\n').is_sorted());
    assert!(peak <= (memory + 24) << 10, "with {memory} MiB the peak was {peak} KiB");
}

#[test]
fn p4_a_full_disk_is_said_and_nothing_is_left() {
    let Some(mount) = Mount::tmpfs(MIB) else { return };
    let scratch = Scratch::new();
    let dir = mount.path().to_str().unwrap();
    let (old, input) = (lines(10 * KIB, 60, 15), lines(2 * MIB, 60, 16));
    for (target, dir, full) in [
        // Runs that find no room, then an output that finds none.
        (scratch.path().join("target"), dir, mount.path()),
        (mount.path().join("target"), ".", mount.path()),
    ] {
        fs::write(&target, &old).unwrap();
        let mut command = external_sort(scratch.path());
        let output = feed(command.args(["--memory", "256K", "--dir", dir, "-o"]).arg(&target), &input);
        assert_failed_in_one_line(&output, "No space left on device");
        assert!(said(&output).contains(full.to_str().unwrap()), "{}", said(&output));
        assert_same(&fs::read(&target).unwrap(), &old, "the old output");
        assert_eq!(names(target.parent().unwrap()), ["target"]);
        fs::remove_file(&target).unwrap();
    }
    assert_empty(mount.path());
    assert_empty(scratch.path());
    // In the middle of a merge, which needs room for what it reads and for what it writes.
    let input = lines(900 * KIB, 60, 17);
    let output = feed(external_sort(scratch.path()).args(["--memory", "256K", "--dir", dir]), &input);
    assert_failed_in_one_line(&output, "No space left on device");
    assert_empty(mount.path());
    assert_eq!(mount.free(), MIB, "what is left");
}

#[test]
fn p4_a_full_disk_behind_standard_output_is_said() {
    let scratch = Scratch::new();
    for len in [10, MIB] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = external_sort(scratch.path());
        command.args(["--memory", "256K", "--dir", "."]).stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&lines(len, 10, 18)).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_failed_in_one_line(&output, "standard output: No space left on device");
        assert_empty(scratch.path());
    }
}

#[test]
fn p4_a_reader_that_leaves_early_is_no_news() {
    let scratch = Scratch::new();
    for len in [100 * KIB, MIB] {
        let mut command = external_sort(scratch.path());
        command.args(["--memory", "256K"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        child.stdin.take().unwrap().write_all(&lines(len, 60, 19)).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), said(&output).as_str()), (Some(1), ""));
    }
}

#[test]
fn p4_bad_input_is_said_in_one_line_and_the_old_output_stays() {
    let scratch = Scratch::new();
    fs::write(scratch.path().join("target"), "old").unwrap();
    fs::create_dir(scratch.path().join("directory")).unwrap();
    for (arguments, why) in [
        (&["missing"][..], "missing: No such file or directory"),
        (&["directory"], "directory: Is a directory"),
        (&["--memory", "64Q"], "--memory 64Q:"),
        (&["--memory", ""], "--memory :"),
        (&["--memory", "99999999T"], "--memory 99999999T:"),
        (&["--memory", "256K", "--dir", "missing"], "missing: No such file or directory"),
    ] {
        let output = feed(external_sort(scratch.path()).args(["-o", "target"]).args(arguments), &lines(MIB, 60, 20));
        assert_failed_in_one_line(&output, why);
        assert_eq!(fs::read(scratch.path().join("target")).unwrap(), b"old");
        assert_eq!(names(scratch.path()), ["directory", "target"]);
    }
    for (target, why) in [("missing/target", "No such file or directory"), ("directory", "is a directory")] {
        // It would wait for ever if it read first.
        let mut command = external_sort(scratch.path());
        let mut child = command.args(["-o", target]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(input);
        assert_failed_in_one_line(&output, why);
    }
    let output = external_sort(scratch.path()).args(["one", "two"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
}

#[test]
fn p5_a_kill_before_the_input_ends_leaves_the_old_output_whole_and_no_litter() {
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    let (old, input) = (lines(100 * KIB, 60, 21), lines(2 * MIB, 60, 22));
    fs::write(&target, &old).unwrap();
    for sent in (0..=input.len()).step_by(317 * KIB) {
        let mut child = external_sort_onto_target(scratch.path());
        child.stdin.as_mut().unwrap().write_all(&input[..sent]).unwrap();
        kill(&mut child);
        assert_same(&fs::read(&target).unwrap(), &old, &format!("the old output, killed after {sent} bytes"));
        assert_eq!(names(scratch.path()), ["target"], "killed after {sent} bytes");
    }
}

#[test]
fn p5_a_kill_at_the_end_leaves_the_old_output_or_the_new_one() {
    let scratch = Scratch::new();
    let target = scratch.path().join("target");
    let (old, input) = (lines(100 * KIB, 60, 24), lines(MIB, 60, 25));
    let new = sort(&input);
    for wait in (0..100).step_by(5) {
        fs::write(&target, &old).unwrap();
        let mut child = external_sort_onto_target(scratch.path());
        child.stdin.take().unwrap().write_all(&input).unwrap();
        thread::sleep(Duration::from_millis(wait));
        kill(&mut child);
        let seen = fs::read(&target).unwrap();
        assert!(seen == old || seen == new, "neither the old nor the new, killed after {wait} ms");
    }
}

#[test]
fn p9_what_fits_into_memory_touches_no_disk() {
    let scratch = Scratch::new();
    let input = lines(MIB, 60, 23);
    let output = feed(external_sort(scratch.path()).args(["--stats", "--dir", "missing"]), &input);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_same(&output.stdout, &sort(&input), "in memory");
    let Figures { runs, rolled, spilled, memory } = Figures::of(&output);
    assert_eq!((runs, rolled, spilled), (0, 0, 0));
    // It has not taken all it might.
    assert!(memory < 8 * MIB, "{memory}");
}

/// What `--stats` says.
struct Figures {
    runs: usize,
    rolled: usize,
    spilled: usize,
    memory: usize,
}

impl Figures {
    #[track_caller]
    fn of(output: &Output) -> Self {
        let said = said(output);
        assert_eq!(said.lines().count(), 1, "{said}");
        let words: Vec<_> = said.split([' ', ',']).collect();
        let before = |word: &str| {
            let at = words.iter().position(|there| *there == word).unwrap_or_else(|| panic!("{said}"));
            words[..at].iter().rev().find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("{said}"))
        };
        Self { runs: before("runs"), rolled: before("rolled"), spilled: before("spilled"), memory: before("memory") }
    }
}

/// About `len` bytes in lines of up to `longest` letters, and of none.
fn lines(len: usize, longest: usize, seed: u64) -> Vec<u8> {
    let mut lines = bytes(len, seed);
    let mut lens = numbers(longest as u64 + 1, seed);
    let mut left = lens.next().unwrap();
    for byte in &mut lines {
        if left == 0 {
            *byte = b'\n';
            left = lens.next().unwrap();
        } else {
            *byte = b'a' + *byte % 26;
            left -= 1;
        }
    }
    if let Some(last) = lines.last_mut() {
        *last = b'\n';
    }
    lines
}

/// The model: what `sort` makes of it.
fn sort(input: &[u8]) -> Vec<u8> {
    let output = feed(Command::new("sort").env("LC_ALL", "C"), input);
    assert_quiet(&output);
    output.stdout
}

fn external_sort(dir: &Path) -> Command {
    let mut command = Command::new(path_of_external_sort());
    command.current_dir(dir);
    command
}

fn external_sort_onto_target(dir: &Path) -> Child {
    let mut command = external_sort(dir);
    command.args(["--memory", "256K", "--dir", ".", "-o", "target"]).stdin(Stdio::piped()).spawn().unwrap()
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The examples lie beside the directory of the test binaries.
fn path_of_external_sort() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().and_then(Path::parent).unwrap().join("examples/external_sort");
    assert!(path.exists(), "{} is not there: `cargo build --examples` makes it", path.display());
    path
}

/// Runs to the end with this input; a command that does not want all of it is fine.
#[track_caller]
fn feed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    })
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_quiet(output: &Output) {
    assert_eq!((output.status.code(), said(output).as_str()), (Some(0), ""));
}

#[track_caller]
fn assert_failed_in_one_line(output: &Output, why: &str) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("external_sort: ") && said.contains(why), "{said}");
    assert_eq!(said.matches('\n').count(), 1, "{said}");
    assert_eq!(output.stdout, b"");
}

/// The most memory that a process has had at one time.
#[track_caller]
fn peak_kib(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
