//! What the examples that are tools have in common: how they take sizes, name errors, replace files, and show progress.

pub(crate) mod progress;
pub(crate) mod target;

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use spooled::{LimitError, PathError};

/// Says in one line what went wrong, if anything did.
pub(crate) fn end(program: &str, result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A reader of standard output that has seen enough knows it already.
            if error.kind() != ErrorKind::BrokenPipe {
                eprintln!("{program}: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The number of bytes that `text` stands for, which was given to `option`.
pub(crate) fn size(option: &str, text: &str) -> io::Result<usize> {
    parse(text).map_err(|why| io::Error::new(ErrorKind::InvalidInput, format!("{option} {text}: {why}")))
}

fn parse(text: &str) -> Result<usize, &'static str> {
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
pub(crate) fn about(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| match error.get_ref() {
        Some(cause) if cause.is::<PathError>() || cause.is::<LimitError>() => error,
        _ => io::Error::new(error.kind(), format!("{what}: {error}")),
    }
}
