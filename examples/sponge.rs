//! Soaks up standard input until it ends, and only then writes it: to standard output, or to a file, which may be the
//! one that the input came from.
//!
//!     sort words | uniq | sponge words
//!
//! Memory holds what the threshold allows; what is more goes to an anonymous file in the target's own directory, which
//! becomes the target by taking its name. So the target is the old one, whole, or the new one, whole, whatever fails;
//! and a process that is killed while it soaks leaves nothing behind.

mod common;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Seek, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use indicatif::HumanBytes;
use spooled::{SpoolOptions, SpooledTempFile};

use common::progress::Watched;
use common::target::Target;
use common::{about, size};

/// Soak up standard input until it ends, then write it to standard output or, atomically, to FILE
#[derive(Parser)]
#[command(name = "sponge", version)]
struct Arguments {
    /// Keep what FILE holds, and put the input behind it
    #[arg(short, long, requires = "file")]
    append: bool,
    /// How much may be held in memory, with K, M, G or T behind it for powers of 1024
    #[arg(long, default_value = "64K", value_name = "SIZE")]
    threshold: String,
    /// Where to put what does not fit into memory [default: FILE's directory]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Say on standard error where the bytes were, and how fast it went
    #[arg(long)]
    stats: bool,
    /// What to write to; its mode and owner stay
    file: Option<PathBuf>,
}

fn main() -> ExitCode {
    common::end("sponge", sponge(&Arguments::parse()))
}

fn sponge(arguments: &Arguments) -> io::Result<()> {
    let start = Instant::now();
    let threshold = size("--threshold", &arguments.threshold)?;
    let target = Target::find(arguments.file.as_deref())?;
    let mut options = SpoolOptions::new();
    options.threshold(threshold);
    if let Some(dir) = arguments.dir.as_deref().or(target.directory()) {
        options.dir(dir);
    }

    let mut spool = options.build();
    if let (true, Target::Existing { path, .. }) = (arguments.append, &target) {
        File::open(path).and_then(|mut old| spool.copy_from(&mut old)).map_err(about(path.display()))?;
    }
    soak(&mut spool).map_err(about("standard input"))?;
    let (len, rolled) = (spool.len(), spool.is_rolled());
    match &target {
        Target::Stdout => wring(spool, io::stdout().lock()).map_err(about("standard output"))?,
        Target::Special(path) => OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| wring(spool, file))
            .map_err(about(path.display()))?,
        Target::Existing { .. } | Target::New { .. } => target.become_file(spool)?,
    }

    if arguments.stats {
        let (memory, disk) = if rolled { (0, len) } else { (len, 0) };
        let seconds = start.elapsed().as_secs_f64();
        eprintln!(
            "sponge: {memory} bytes in memory, {disk} bytes on disk ({}), {seconds:.3} s, {}/s",
            if rolled { "rolled over" } else { "not rolled over" },
            HumanBytes((len as f64 / seconds) as u64),
        );
    }
    Ok(())
}

fn soak(spool: &mut SpooledTempFile) -> io::Result<u64> {
    spool.copy_from(&mut Watched::new(io::stdin().lock(), "soaked up", None))
}

fn wring(mut spool: SpooledTempFile, mut output: impl Write) -> io::Result<()> {
    spool.rewind()?;
    if io::stderr().is_terminal() {
        spool.copy_to(&mut Watched::new(&mut output, "wrung out", Some(spool.len())))?;
    } else {
        // With nobody to watch, the kernel may move it alone.
        spool.copy_to(&mut output)?;
    }
    output.flush()
}
