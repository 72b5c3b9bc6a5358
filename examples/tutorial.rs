//! The life of a temporary file: written, rewound, read back, dropped, and then nothing of it is left.
//!
//!     cargo run --example tutorial

use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::process::Command;

use spooled::{NamedOptions, SpoolOptions, TempDir};

fn main() -> io::Result<()> {
    // A directory of our own, so that we see what is left in it.
    let dir = TempDir::new()?;
    without_names(dir.path())?;
    with_names(dir.path())?;
    dir.close()
}

fn without_names(dir: &Path) -> io::Result<()> {
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

fn with_names(dir: &Path) -> io::Result<()> {
    println!("A named file: for another program, which wants a path.");
    let mut poem = NamedOptions::new().prefix("poem-").suffix(".txt").tempfile_in(dir)?;
    write_and_read_back(&mut poem)?;
    writeln!(poem, "\nSå høyt du er.")?;
    run(Command::new("wc").arg("-l").arg(poem.path()))?;
    drop(poem);
    show_that_nothing_is_left(dir)?;

    println!("A spool that gets a name after all: by a link, whatever its length.");
    let mut names = SpoolOptions::new().threshold(8).dir(dir).build();
    names.write_all(b"Trond\nNora\nAslaug\n")?;
    let names = names.into_named()?;
    run(Command::new("sort").arg(names.path()))?;
    drop(names);
    show_that_nothing_is_left(dir)?;

    println!("A directory: for a program that leaves more than one file.");
    let parts = TempDir::new_in(dir)?;
    let source = NamedOptions::new().tempfile_in(dir)?;
    (&source).write_all(b"1\n2\n3\n4\n5\n")?;
    run(Command::new("split").args(["-l", "2"]).arg(source.path()).arg(parts.path().join("part-")))?;
    println!("  split into {} files", fs::read_dir(&parts)?.count());
    drop(source);
    // Says what went wrong, if anything did; a drop would not.
    parts.close()?;
    show_that_nothing_is_left(dir)?;

    println!("A named file that stays: when all of it is written it gets its name, and nobody ever sees a part of it.");
    let report = dir.join("report.txt");
    let mut draft = NamedOptions::new().tempfile_in(dir)?;
    draft.write_all(b"All is well.\n")?;
    draft.persist(&report)?;
    run(Command::new("wc").arg("-c").arg(&report))?;
    fs::remove_file(report)?;
    show_that_nothing_is_left(dir)
}

fn run(program: &mut Command) -> io::Result<()> {
    let output = program.output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let name = program.get_program().to_string_lossy();
    String::from_utf8_lossy(&output.stdout).lines().for_each(|line| println!("  {name}: {line}"));
    Ok(())
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
