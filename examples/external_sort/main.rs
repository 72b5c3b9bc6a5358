//! Sorts lines, in byte order, that do not fit into the memory it may use.
//!
//!     external_sort --memory 64M --stats -o words words
//!
//! As many lines as fit are sorted in memory and become a run: a spool on disk, frozen. Many runs become one by being
//! read side by side. All of them are spools of one pool, so what a run that has been read leaves behind, its file and
//! the pages that the system holds of it, is what the next one is written over.
//!
//! Nothing here is held by the line: one that is longer than the memory is a run of its own, and is compared where it
//! lies. The output takes its name when it is whole, so it may be the input, and a failure leaves the old one.

#[path = "../common/mod.rs"]
mod common;

mod chunk;
mod merge;
mod runs;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use spooled::{Pool, SpoolOptions};

use common::progress::Watched;
use common::target::Target;
use common::{about, size};
use runs::Sorter;

/// Sort lines in byte order, within a given memory, to standard output or, atomically, to OUTPUT
#[derive(Parser)]
#[command(name = "external_sort", version)]
struct Arguments {
    /// How much memory to use, with K, M, G or T behind it for powers of 1024; less than 256K counts as that
    #[arg(long, default_value = "64M", value_name = "SIZE")]
    memory: String,
    /// Where to put what does not fit into memory [default: TMPDIR, or the system's directory for that]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Say on standard error what there was to do: runs, how many of them were on disk at once, bytes written to them, and the
    /// most memory that buffers took
    #[arg(long)]
    stats: bool,
    /// What to write to; it may be the input, and its mode and owner stay
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// What to sort; standard input if it is not there, or "-"
    input: Option<PathBuf>,
}

fn main() -> ExitCode {
    common::end("external_sort", external_sort(&Arguments::parse()))
}

fn external_sort(arguments: &Arguments) -> io::Result<()> {
    let start = Instant::now();
    let memory = size("--memory", &arguments.memory)?.max(LEAST_MEMORY);
    let target = Target::find(arguments.output.as_deref())?;

    // What the pool may use is one window, through which runs are written; all else is lines, and room to read them again.
    let window = (memory / 4).clamp(SMALL_WINDOW, LARGE_WINDOW);
    let mut pool = Pool::builder();
    pool.memory(window);
    if let Some(dir) = &arguments.dir {
        pool.dir(dir);
    }
    let pool = pool.build();
    let mut sorter = Sorter::new(pool.clone(), memory - window - OUTPUT);

    let (name, mut input) = open(arguments.input.as_deref())?;
    sorter.read(&mut input).map_err(about(name))?;
    drop(input);
    match &target {
        Target::Stdout => write(&mut sorter, io::stdout().lock()).map_err(about("standard output"))?,
        Target::Special(path) => OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| write(&mut sorter, file))
            .map_err(about(path.display()))?,
        Target::Existing { path, .. } | Target::New { path } => {
            let mut options = SpoolOptions::new();
            options.threshold(0).pool(&pool);
            if let Some(dir) = target.directory() {
                options.dir(dir);
            }
            let mut sorted = options.build();
            sorter.write(&mut sorted).map_err(about(path.display()))?;
            target.become_file(sorted)?;
        }
    }

    if arguments.stats {
        let done = sorter.stats();
        eprintln!(
            "external_sort: {} runs, {} rolled at once, {} bytes spilled, {} bytes of memory at most, {:.3} s",
            done.runs,
            done.rolled,
            done.spilled,
            done.memory + if target.directory().is_none() { OUTPUT } else { 0 },
            start.elapsed().as_secs_f64(),
        );
    }
    Ok(())
}

fn open(path: Option<&Path>) -> io::Result<(String, Watched<Box<dyn Read>>)> {
    Ok(match path {
        Some(path) if path != Path::new("-") => {
            let file = File::open(path).map_err(about(path.display()))?;
            let len = file.metadata().ok().filter(|metadata| metadata.is_file()).map(|metadata| metadata.len());
            (path.display().to_string(), Watched::new(Box::new(file), "read", len))
        }
        _ => ("standard input".to_owned(), Watched::new(Box::new(io::stdin().lock()), "read", None)),
    })
}

fn write(sorter: &mut Sorter, output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(OUTPUT, output);
    sorter.write(&mut output)?;
    output.flush()
}

const LEAST_MEMORY: usize = 256 << 10;
/// What a spool's window takes: 64 KiB, or in long sequential work 256.
const SMALL_WINDOW: usize = 64 << 10;
const LARGE_WINDOW: usize = 256 << 10;
/// What is gathered for one write to what is no spool.
const OUTPUT: usize = 64 << 10;
