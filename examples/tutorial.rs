//! The life of a temporary file: written, rewound, read back, dropped, and then nothing of it is left.
//!
//!     cargo run --example tutorial

use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use spooled::SpoolOptions;

fn main() -> io::Result<()> {
    // A directory of our own, so that we see what is left in it.
    let dir = spooled::default_directory().join(format!("tutorial-{}", std::process::id()));
    fs::create_dir(&dir)?;
    let lived = lives(&dir);
    fs::remove_dir(&dir)?;
    lived
}

fn lives(dir: &Path) -> io::Result<()> {
    println!("A spool: memory is enough, and no file is made.");
    let mut spool = SpoolOptions::new().dir(dir).build();
    write_and_read_back(&mut spool)?;
    assert!(!spool.is_rolled());
    drop(spool);
    show_that_nothing_is_left(dir)?;

    println!("An anonymous file: a `std::fs::File` on disk that nobody can find, since it has no name.");
    let mut file = spooled::tempfile_in(dir)?;
    write_and_read_back(&mut file)?;
    println!("  its length is {} bytes", file.metadata()?.len());
    drop(file);
    show_that_nothing_is_left(dir)?;

    println!("A spool that rolls: eight bytes stay in memory, the ninth takes all of them to such a file.");
    let mut spool = SpoolOptions::new().threshold(8).dir(dir).build();
    spool.write_all(b"Heisann,")?;
    assert!(!spool.is_rolled());
    spool.write_all(b" Norge!")?;
    assert!(spool.is_rolled());
    println!("  after 8 bytes in memory, after {} on disk", spool.len());
    spool.rewind()?;
    write_and_read_back(&mut spool)?;
    drop(spool);
    show_that_nothing_is_left(dir)
}

/// The same code for all of them: each is `Read + Write + Seek`.
fn write_and_read_back(mut buffer: impl Read + Write + Seek) -> io::Result<()> {
    buffer.write_all(b"Heisann, Norge!")?;
    buffer.rewind()?;
    let mut text = String::new();
    buffer.read_to_string(&mut text)?;
    assert_eq!(text, "Heisann, Norge!");
    println!("  read back: {text}");
    Ok(())
}

fn show_that_nothing_is_left(dir: &Path) -> io::Result<()> {
    let left = fs::read_dir(dir)?.count();
    assert_eq!(left, 0);
    println!("  dropped; files left in {}: {left}", dir.display());
    Ok(())
}
