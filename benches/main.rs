//! What the crate costs, against what else one could use: ratios, each with the bar it must stay under.
//!
//! `[FILTER]... [--dir DIR] [--rounds N] [--save]`: the rows whose name contains one of the words; where files go; how
//! many rounds; whether to keep the table in `results/`.
//!
//! `write-back [--seconds N] [--dir DIR]`, in place of all rows: what using files again costs the disk, over a time that
//! is longer than the kernel leaves pages dirty.
//!
//! Each row is measured in a process of its own. What was allocated and freed before decides where an allocator puts
//! the next buffer, and that alone can be a factor of three (see `work::Piece`); so each starts as a program does.

mod bodies;
mod copies;
mod disk;
mod harness;
mod lives;
mod machine;
mod memory;
mod names;
mod peers;
mod pool;
mod rollover;
mod server;
mod service;
mod tasks;
mod threads;
mod views;
mod work;
mod write_back;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::{ABOVE, Outcome};

struct Arguments {
    filters: Vec<String>,
    dir: PathBuf,
    rounds: usize,
    seconds: u64,
    save: bool,
    /// The one row that this process is for.
    row: Option<usize>,
    /// A server of so many threads is what this process is, and the path of its file what it is asked for.
    serve: Option<String>,
}

fn main() {
    let arguments = arguments();
    let dir = arguments.dir.as_path();
    if arguments.filters == ["write-back"] {
        println!("{}\n{}", machine::describe(dir), write_back::HEAD);
        write_back::lines(dir, Duration::from_secs(arguments.seconds)).for_each(|line| println!("{line}"));
        return;
    }
    if let Some(threads) = &arguments.serve {
        return server::run(threads, dir, Path::new(&arguments.filters[0]));
    }
    let rows = [
        memory::rows(dir),
        disk::rows(dir),
        rollover::rows(dir),
        copies::rows(dir),
        lives::rows(dir),
        pool::rows(dir),
        threads::rows(dir),
        views::rows(dir),
        tasks::rows(dir),
        bodies::rows(dir),
        names::rows(dir),
        service::rows(dir),
    ];
    let mut rows = rows.into_iter().flatten();
    if let Some(row) = arguments.row {
        print!("{}", rows.nth(row).expect("a row").measure(arguments.rounds));
        return;
    }
    let head = format!("{}\n{}", machine::describe(dir), Outcome::HEAD);
    println!("{head}");
    let mut table = head + "\n";
    let mut above = 0;
    for (number, row) in rows.enumerate() {
        if row.is_wanted(&arguments.filters) {
            let line = row.skipped().unwrap_or_else(|| in_a_process(number, &arguments));
            println!("{line}");
            writeln!(table, "{line}").expect("a string takes all");
            above += usize::from(line.ends_with(ABOVE));
        }
    }
    println!("\n{above} above their bar");
    if arguments.save {
        save(dir, &table);
    }
}

fn in_a_process(row: usize, arguments: &Arguments) -> String {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["--row", &row.to_string(), "--rounds", &arguments.rounds.to_string(), "--dir"])
        .arg(&arguments.dir)
        // Some peers cannot be told.
        .env("TMPDIR", &arguments.dir)
        .stderr(Stdio::inherit())
        .output()
        .expect("run");
    assert!(output.status.success(), "row {row} failed");
    String::from_utf8(output.stdout).expect("text")
}

fn arguments() -> Arguments {
    let mut found = Arguments {
        filters: Vec::new(),
        dir: spooled::default_directory(),
        rounds: ROUNDS,
        seconds: SECONDS,
        save: false,
        row: None,
        serve: None,
    };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut value = || given.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--dir" => found.dir = value().into(),
            "--rounds" => found.rounds = value().parse().expect("--rounds needs a number"),
            "--seconds" => found.seconds = value().parse().expect("--seconds needs a number"),
            "--row" => found.row = Some(value().parse().expect("--row needs a number")),
            "--serve" => found.serve = Some(value()),
            "--save" => found.save = true,
            // What cargo adds.
            "--bench" => {}
            _ => found.filters.push(argument),
        }
    }
    found
}

fn save(dir: &Path, table: &str) {
    let name = format!("{}-{}.md", machine::today(), machine::file_system(dir));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results").join(&name);
    std::fs::write(&path, format!("{EXPLANATION}\n{table}")).expect("results/ can be written to");
    println!("kept as results/{name}");
}

const ROUNDS: usize = 15;
/// Three times as long as the kernel leaves a page dirty, and some.
const SECONDS: u64 = 100;
const EXPLANATION: &str = "\
# Time against peers

The ratio is ours / peer's, smaller is better: the median over rounds that time both back to back, and its quartiles.
Times are medians, for one operation of the row's name. Take ratios from here, not times: those move from machine to
machine and from day to day.
";
