//! What using files again costs the disk.
//!
//! A fresh file that is dropped within the kernel's 30 seconds is never written to the disk; the pages of one that is used
//! again stay dirty, and are written once in that time. So here many bodies live at once, at a steady rate, for longer
//! than that.
//!
//! Two figures say what was written. `/proc/self/io` counts the bytes that this process made dirty, and takes back those
//! whose pages went away unwritten: once all files are closed, what remains has been handed to the disk. The device's
//! own count knows the journal as well, and whatever else runs on the machine.

use std::fmt::Write as _;
use std::fs;
use std::io::Seek;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use spooled::{Backing, SpoolOptions, SpooledTempFile};

use crate::pool::{THRESHOLD, builder, from};
use crate::work::{KIB, MIB, Piece, read_pieces, write_pieces};

/// A line for fresh files and one for a pool's, each as it is known.
pub fn lines(dir: &Path, time: Duration) -> impl Iterator<Item = String> {
    let fresh = move || {
        let mut options = SpoolOptions::new();
        options.threshold(THRESHOLD).dir(dir);
        line("fresh", dir, time, move || options.build())
    };
    let reused = move || {
        // The options alone hold the pool: it closes its files with them.
        let make = from(&builder(dir).build(), THRESHOLD, Backing::File);
        line("used again", dir, time, make)
    };
    [Box::new(fresh) as Box<dyn FnOnce() -> String>, Box::new(reused)].into_iter().map(|line| line())
}

/// Lives of bodies in a ring: each is made, written and read in its turn, and dropped when its place is needed again.
fn line(files: &str, dir: &Path, time: Duration, make: impl Fn() -> SpooledTempFile) -> String {
    let (mut piece, mut buf) = (Piece::new(8 * KIB), Piece::new(8 * KIB));
    let mut ring: [Option<(SpooledTempFile, Duration)>; ALIVE] = [const { None }; ALIVE];
    let lives = (time.as_nanos() / PACE.as_nanos()) as u32;
    let mut took = Vec::with_capacity(lives as usize);
    // Nobody else's dirty pages are to be counted here.
    sync(dir);
    let before = Written::now(dir);
    let start = Instant::now();
    for life in 0..lives {
        thread::sleep((PACE * life).saturating_sub(start.elapsed()));
        let (piece, buf) = (piece.turn(), buf.turn());
        let place = &mut ring[life as usize % ALIVE];
        let dropping = Instant::now();
        if let Some((spool, so_far)) = place.take() {
            drop(spool);
            took.push(so_far + dropping.elapsed());
        }
        let making = Instant::now();
        let mut spool = make();
        write_pieces(&mut spool, piece, LEN);
        spool.rewind().expect("rewound");
        read_pieces(&mut spool, buf);
        *place = Some((spool, making.elapsed()));
    }
    let rate = f64::from(lives) / start.elapsed().as_secs_f64();
    drop((ring, make));
    let after = Written::now(dir);
    took.sort();
    let at = |part: f64| took.get((took.len() as f64 * part) as usize).or(took.last()).copied().unwrap_or_default();
    let mut line = format!("| {files} | {lives} | {rate:.0}/s | {:.1} MiB ", after.process - before.process);
    match before.device.zip(after.device) {
        Some((before, after)) => write!(line, "| {:.1} MiB ", after - before),
        None => write!(line, "| unknown "),
    }
    .expect("a string takes all");
    line + &format!("| {:.2?} | {:.2?} | {:.2?} |", at(0.5), at(0.999), at(1.0))
}

/// Mebibytes written so far.
struct Written {
    process: f64,
    /// Where the directory lies on a device of its own.
    device: Option<f64>,
}

impl Written {
    fn now(dir: &Path) -> Self {
        let io = fs::read_to_string("/proc/self/io").expect("the kernel counts");
        let field = |name: &str| -> f64 {
            let line = io.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
            line.trim_start_matches(": ").parse().expect("a number")
        };
        Self {
            process: (field("write_bytes") - field("cancelled_write_bytes")) / MIB as f64,
            device: sectors(dir).map(|sectors| sectors as f64 * 512.0 / MIB as f64),
        }
    }
}

/// Written to the device under `dir` by anybody.
fn sectors(dir: &Path) -> Option<u64> {
    let device = fs::metadata(dir).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device).to_string(), rustix::fs::minor(device).to_string());
    let stats = fs::read_to_string("/proc/diskstats").ok()?;
    let mut devices = stats.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let device = devices.find(|fields| fields[..2] == [&major, &minor])?;
    device[9].parse().ok()
}

fn sync(dir: &Path) {
    let dir = fs::File::open(dir).expect("a directory");
    rustix::fs::syncfs(dir).expect("synced");
}

pub const HEAD: &str = "\
| files | lives | rate | written of the process's pages | written to the device, by anybody \
| median life | 1 in 1,000 above | longest |\n|---|---|---|---|---|---|---|---|";
const ALIVE: usize = 64;
const LEN: usize = MIB;
const PACE: Duration = Duration::from_millis(1);
