//! Saves a download that comes through standard input, and while it comes, hashes it and counts its lines.
//!
//!     curl -s https://example.org/words | tee_tail words
//!
//! One thread writes what comes, three read it, each at its own speed: nobody waits for the slowest. The file is there
//! once all of it has come, and not before; a download that breaks off leaves none.

mod common;

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use bytes::Bytes;
use clap::Parser;
use sha2::{Digest, Sha256};
use spooled::tail;

use common::tools::{end, progress::Watched};
use common::{Spooling, input, new_file};

/// Save what comes through standard input as FILE, and say its SHA-256 and its number of lines
#[derive(Parser)]
#[command(name = "tee_tail", version)]
struct Arguments {
    #[command(flatten)]
    spooling: Spooling,
    /// Where to save it; what is there now stays until all has come
    file: PathBuf,
}

fn main() -> ExitCode {
    end("tee_tail", tee_tail(&Arguments::parse()))
}

fn tee_tail(arguments: &Arguments) -> io::Result<()> {
    let (target, mut copy) = new_file(&arguments.file)?;
    let (mut writer, reader) = tail::channel(&arguments.spooling.options()?);
    let (mut hash, mut lines) = (Sha256::new(), 0);
    let [mut to_copy, to_hash, to_count] = [reader.clone(), reader.clone(), reader];

    thread::scope(|scope| {
        let copying = scope.spawn(|| copy.copy_from(&mut to_copy).map(drop));
        let hashing = scope.spawn(|| each_piece(to_hash, |piece| hash.update(piece)));
        let counting =
            scope.spawn(|| each_piece(to_count, |piece| lines += piece.iter().filter(|&&b| b == b'\n').count()));
        // Who copies ends before the download does only if it failed.
        match download(&mut writer, || copying.is_finished()) {
            Ok(()) => writer.finish()?,
            // The readers hand it on.
            Err(error) => writer.fail(input(error)),
        }
        [copying, hashing, counting].into_iter().try_for_each(|reader| reader.join().expect("no reader panics"))
    })?;

    target.become_file(copy)?;
    writeln!(io::stdout(), "{:x}, {lines} lines", Bytes::copy_from_slice(&hash.finalize()))
}

fn download(writer: &mut tail::Writer, in_vain: impl Fn() -> bool) -> io::Result<()> {
    let mut source = Watched::new(io::stdin().lock(), "came", None);
    let mut piece = vec![0; 64 << 10];
    while !in_vain() {
        match source.read(&mut piece) {
            Ok(0) => return Ok(()),
            // It may be long until there is more: what has come is there to be read at once.
            Ok(len) => writer.write_all(&piece[..len]).and_then(|()| writer.flush())?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("nobody saves it"))
}

/// Waits for what is still to come, until all of it has.
fn each_piece(mut reader: tail::Reader, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok(());
        }
        take(piece);
        let len = piece.len();
        reader.consume(len);
    }
}
