//! Soaks up standard input until it ends, and only then writes it: to standard output, or to a file, which may be the
//! one that the input came from.
//!
//!     sort words | uniq | sponge words
//!
//! Memory holds what the threshold allows; what is more goes to an anonymous file in the target's own directory, which
//! becomes the target by taking its name. So the target is the old one, whole, or the new one, whole, whatever fails;
//! and a process that is killed while it soaks leaves nothing behind.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use spooled::{LimitError, PathError, SpoolOptions, SpooledTempFile};

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
    match sponge(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A reader of standard output that has seen enough knows it already.
            if error.kind() != ErrorKind::BrokenPipe {
                eprintln!("sponge: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn sponge(arguments: &Arguments) -> io::Result<()> {
    let start = Instant::now();
    let threshold = size(&arguments.threshold).map_err(|why| {
        io::Error::new(ErrorKind::InvalidInput, format!("--threshold {}: {why}", arguments.threshold))
    })?;
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
    target.receive(spool)?;

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
    spool.copy_from(&mut Watched::new(io::stdin().lock(), None))
}

fn wring(mut spool: SpooledTempFile, mut output: impl Write) -> io::Result<()> {
    spool.rewind()?;
    if io::stderr().is_terminal() {
        spool.copy_to(&mut Watched::new(&mut output, Some(spool.len())))?;
    } else {
        // With nobody to watch, the kernel may move it alone.
        spool.copy_to(&mut output)?;
    }
    output.flush()
}

/// What the content goes to once there is all of it.
enum Target {
    Stdout,
    /// A pipe, a terminal, a device: written into, since nothing can take its place.
    Special(PathBuf),
    Existing {
        path: PathBuf,
        metadata: Metadata,
    },
    New {
        path: PathBuf,
    },
}

impl Target {
    /// Finds out as much as can be known before there is any content, so that who cannot be served need not wait.
    fn find(file: Option<&Path>) -> io::Result<Target> {
        let Some(file) = file else { return Ok(Target::Stdout) };
        let target = match fs::metadata(file) {
            Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
            Ok(metadata) if rights::is_stdout(&metadata) => Ok(Target::Stdout),
            Ok(metadata) if !metadata.is_file() => Ok(Target::Special(file.to_owned())),
            Ok(metadata) => rights::may_write(file)
                .and_then(|()| fs::canonicalize(file))
                .map(|path| Target::Existing { path, metadata }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Target::New { path: end_of_links(file) }),
            Err(error) => Err(error),
        };
        let target = target.map_err(about(file.display()))?;
        if let Some(dir) = target.directory() {
            // Made and dropped: now we know that the directory takes a file.
            spooled::tempfile_in(dir).map_err(about(dir.display()))?;
        }
        Ok(target)
    }

    /// Where a file has to be that can become the target without being copied.
    fn directory(&self) -> Option<&Path> {
        match self {
            Target::Stdout | Target::Special(_) => None,
            Target::Existing { path, .. } | Target::New { path } => Some(directory_of(path)),
        }
    }

    fn receive(&self, spool: SpooledTempFile) -> io::Result<()> {
        match self {
            Target::Stdout => wring(spool, io::stdout().lock()).map_err(about("standard output")),
            Target::Special(path) => OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|file| wring(spool, file))
                .map_err(about(path.display())),
            Target::Existing { path, metadata } => replace(path, metadata, spool).map_err(about(path.display())),
            Target::New { path } => spool
                .persist(path)
                .map_err(io::Error::from)
                .and_then(|file| rights::widen_as_usual(&file))
                .map_err(about(path.display())),
        }
    }
}

/// Gives the content a name beside `path`, then the mode and the owner that `path` has, then its name.
///
/// `persist` alone would do the first and the last in one call, and for a moment the new content would stand there
/// with a mode of 0600.
fn replace(path: &Path, old: &Metadata, mut spool: SpooledTempFile) -> io::Result<()> {
    let mut count = 0;
    let (file, beside) = loop {
        let beside = directory_of(path).join(format!(".sponge-{}-{count}", std::process::id()));
        match spool.persist_noclobber(&beside) {
            Ok(file) => break (file, beside),
            Err(failed) if failed.error().kind() == ErrorKind::AlreadyExists => spool = failed.into_spool(),
            Err(failed) => return Err(failed.into()),
        }
        count += 1;
    };
    rights::take_over(&file, old).and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

/// What `path` names, if it is a symlink to something that is not there yet.
fn end_of_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    while let Ok(next) = fs::read_link(&path) {
        path = directory_of(&path).join(next);
    }
    path
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    }
}

fn size(text: &str) -> Result<usize, &'static str> {
    let (number, suffix) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit: u64 = match suffix.to_ascii_uppercase().as_str() {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err("the suffix is none of K, M, G, T"),
    };
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(unit));
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or("no memory has that size")
}

/// Says what an error is about, unless it names a path or a limit itself.
fn about(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| match error.get_ref() {
        Some(cause) if cause.is::<PathError>() || cause.is::<LimitError>() => error,
        _ => io::Error::new(error.kind(), format!("{what}: {error}")),
    }
}

/// Shows how much has passed, once that has taken more than a second.
struct Watched<T> {
    inner: T,
    since: Instant,
    bar: ProgressBar,
}

impl<T> Watched<T> {
    fn new(inner: T, len: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(len, ProgressDrawTarget::hidden());
        let template = match len {
            None => "{spinner} soaked up {bytes}, {bytes_per_sec}",
            Some(_) => "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("a template that has been tried"));
        Watched { inner, since: Instant::now(), bar }
    }

    fn passed(&self, bytes: usize) {
        if self.bar.is_hidden() && self.since.elapsed() > Duration::from_secs(1) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(bytes as u64);
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.passed(read);
        Ok(read)
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buf)?;
        self.passed(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T> Drop for Watched<T> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(unix)]
mod rights {
    use std::fs::{File, Metadata};
    use std::io;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, fchown};
    use std::path::Path;

    use rustix::fs::{Access, Mode};

    /// Asks, and does not open: a program that runs can be replaced, though not be opened for writing.
    pub(crate) fn may_write(path: &Path) -> io::Result<()> {
        Ok(rustix::fs::access(path, Access::WRITE_OK)?)
    }

    pub(crate) fn take_over(file: &File, old: &Metadata) -> io::Result<()> {
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            fchown(file, Some(old.uid()), Some(old.gid()))?;
        }
        // Last, since a change of owner takes some bits of the mode away.
        file.set_permissions(old.permissions())
    }

    /// From 0600 to what a file has that any other tool makes.
    pub(crate) fn widen_as_usual(file: &File) -> io::Result<()> {
        // It can be asked only by setting it.
        let umask = rustix::process::umask(Mode::empty());
        rustix::process::umask(umask);
        Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(0o666).difference(umask))?)
    }

    pub(crate) fn is_stdout(metadata: &Metadata) -> bool {
        let stdout = io::stdout().as_fd().try_clone_to_owned().and_then(|stdout| File::from(stdout).metadata());
        stdout.is_ok_and(|stdout| (stdout.dev(), stdout.ino()) == (metadata.dev(), metadata.ino()))
    }
}

#[cfg(not(unix))]
mod rights {
    use std::fs::{self, File, Metadata};
    use std::io;
    use std::path::Path;

    pub(crate) fn may_write(path: &Path) -> io::Result<()> {
        if fs::metadata(path)?.permissions().readonly() { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    pub(crate) fn take_over(file: &File, old: &Metadata) -> io::Result<()> {
        file.set_permissions(old.permissions())
    }

    pub(crate) fn widen_as_usual(_: &File) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn is_stdout(_: &Metadata) -> bool {
        false
    }
}
