//! How much has passed, on standard error if that is a terminal, and once it has taken more than a second.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(crate) struct Progress {
    since: Instant,
    bar: ProgressBar,
}

impl Progress {
    /// `what` is what happens to the bytes: "read". A bar if it is known how many there will be.
    pub(crate) fn new(what: &'static str, len: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(len, ProgressDrawTarget::hidden());
        let template = match len {
            None => "{spinner} {msg} {bytes}, {bytes_per_sec}",
            Some(_) => "{wide_bar} {msg} {bytes} of {total_bytes}, {bytes_per_sec}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("a template that has been tried"));
        bar.set_message(what);
        Progress { since: Instant::now(), bar }
    }

    pub(crate) fn passed(&self, bytes: usize) {
        if self.bar.is_hidden() && self.since.elapsed() > Duration::from_secs(1) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(bytes as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Tells a [`Progress`] what goes through.
pub(crate) struct Watched<T> {
    inner: T,
    progress: Progress,
}

impl<T> Watched<T> {
    pub(crate) fn new(inner: T, what: &'static str, len: Option<u64>) -> Self {
        Watched { inner, progress: Progress::new(what, len) }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        self.progress.passed(read);
        Ok(read)
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buf)?;
        self.progress.passed(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
