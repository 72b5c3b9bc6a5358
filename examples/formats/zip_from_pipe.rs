//! Lists or extracts a zip archive that comes through standard input.
//!
//!     curl -s https://example.org/sources.zip | zip_from_pipe sources
//!
//! What an archive holds is written at its end, so nobody can read one without `Seek`. A spool gives it that; frozen,
//! it is read by all cores at once, each with a clone and a cursor of its own.

mod common;

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use clap::Parser;
use spooled::SpooledBytes;
use zip::ZipArchive;

use common::tools::{about, end};
use common::{Spooling, input};

/// List the zip archive that comes through standard input, or extract it into a new directory
#[derive(Parser)]
#[command(name = "zip_from_pipe", version)]
struct Arguments {
    #[command(flatten)]
    spooling: Spooling,
    /// Where to extract it to; must not be there yet
    directory: Option<PathBuf>,
}

fn main() -> ExitCode {
    end("zip_from_pipe", zip_from_pipe(&Arguments::parse()))
}

fn zip_from_pipe(arguments: &Arguments) -> io::Result<()> {
    let mut spool = arguments.spooling.options()?.build();
    spool.copy_from(&mut io::stdin().lock()).map_err(input)?;
    let archive = ZipArchive::new(spool.freeze()?).map_err(input)?;
    match &arguments.directory {
        None => list(&archive),
        Some(directory) => {
            // Nobody has put a link into a directory that was not there before.
            fs::create_dir(directory).map_err(about(directory.display()))?;
            extract(&archive, directory).inspect_err(|_| {
                let _ = fs::remove_dir_all(directory);
            })
        }
    }
}

fn list(archive: &ZipArchive<SpooledBytes>) -> io::Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(input)?;
        let name = entry.name().map_err(input)?;
        writeln!(output, "{:>12}  {}", entry.size(), name.escape_debug())?;
    }
    output.flush()
}

fn extract(archive: &ZipArchive<SpooledBytes>, into: &Path) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        // What the archive says of itself is shared; the content too, but not the cursor in it.
        let mut archive = archive.clone();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= archive.len() {
                return Ok(());
            }
            extract_one(&mut archive, index, into).inspect_err(|_| next.store(archive.len(), Ordering::Relaxed))?;
        }
    };
    let count = thread::available_parallelism()?.get().min(archive.len());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })
}

fn extract_one(archive: &mut ZipArchive<SpooledBytes>, index: usize, into: &Path) -> io::Result<()> {
    let mut entry = archive.by_index(index).map_err(input)?;
    let name = entry.name().map_err(input)?.escape_debug().to_string();
    let path = match entry.enclosed_name() {
        Some(inside) if !entry.is_symlink() => into.join(inside),
        Some(_) => return Err(io::Error::new(ErrorKind::Unsupported, format!("{name}: a link is not extracted"))),
        None => return Err(io::Error::new(ErrorKind::InvalidData, format!("{name}: it would lie outside"))),
    };
    if entry.is_dir() {
        return fs::create_dir_all(&path).map_err(about(name));
    }
    let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create_new(&path));
    made.and_then(|mut file| io::copy(&mut entry, &mut file)).map_err(about(name)).map(drop)
}
