//! What a result was measured on: facts that matter to the figures, and none that name the machine.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

/// The lines above a table of results.
pub fn describe(dir: &Path) -> String {
    let cores = thread::available_parallelism().map_or(0, |cores| cores.get());
    format!(
        "- {} UTC, load {} at the start\n\
         - {cores} cores, {}, {} of memory\n\
         - Linux {}, files on {}\n\
         - {}, release profile; `tempfile` {}, `bytes` {}\n",
        today(),
        file_word("/proc/loadavg"),
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into()),
        field("/proc/meminfo", "MemTotal").map_or_else(|| "unknown".into(), |total| gibibytes(&total)),
        kernel(),
        file_system(dir),
        compiler(),
        locked("tempfile"),
        locked("bytes"),
    )
}

/// The kind of file system that `dir` is on.
pub fn file_system(dir: &Path) -> String {
    match rustix::fs::statfs(dir).map(|stat| stat.f_type as u32) {
        Ok(0xef53) => "ext4".into(),
        Ok(0x5846_5342) => "xfs".into(),
        Ok(0x9123_683e) => "btrfs".into(),
        Ok(0x0102_1994) => "tmpfs".into(),
        Ok(0x794c_7630) => "overlay".into(),
        Ok(magic) => format!("file system {magic:#x}"),
        Err(_) => "unknown".into(),
    }
}

/// Year, month and day, by the Gregorian calendar.
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (mut days, mut year) = (seconds / 86_400, 1970);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

/// The version, without what its builder appended.
fn kernel() -> String {
    file_word("/proc/sys/kernel/osrelease").split('-').next().unwrap_or_default().to_owned()
}

fn compiler() -> String {
    let version =
        Command::new("rustc").arg("--version").output().ok().and_then(|out| String::from_utf8(out.stdout).ok());
    version.map_or_else(|| "unknown compiler".into(), |version| version.trim().to_owned())
}

/// The version of a dependency.
fn locked(package: &str) -> &'static str {
    let lock = include_str!("Cargo.lock");
    let entry = lock.split_once(&format!("name = \"{package}\"\nversion = \"")).map_or("", |(_, rest)| rest);
    entry.split('"').next().unwrap_or_default()
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn file_word(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

fn gibibytes(kilobytes: &str) -> String {
    let kilobytes: f64 = kilobytes.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0.0);
    format!("{:.0} GiB", kilobytes / (1 << 20) as f64)
}
