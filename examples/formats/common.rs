//! What the four have in common: what they are told about memory and length, and how they say what went wrong.
#![allow(dead_code, reason = "each of them uses a part of it")]

#[path = "../common/mod.rs"]
pub(crate) mod tools;

use std::io::{self, ErrorKind};
use std::path::Path;

use clap::Args;
use spooled::{Limit, LimitError, SpoolOptions, SpooledTempFile};

use tools::about;
use tools::target::Target;

#[derive(Args)]
pub(crate) struct Spooling {
    /// How much may be held in memory, with K, M, G or T behind it for powers of 1024
    #[arg(long, default_value = "64K", value_name = "SIZE")]
    threshold: String,
    /// How much the input may be, at most [default: any amount]
    #[arg(long, value_name = "SIZE")]
    limit: Option<String>,
}

impl Spooling {
    pub(crate) fn options(&self) -> io::Result<SpoolOptions> {
        let mut options = SpoolOptions::new();
        options.threshold(tools::size("--threshold", &self.threshold)?);
        if let Some(limit) = &self.limit {
            options.max_len(tools::size("--limit", limit)? as u64);
        }
        Ok(options)
    }
}

/// Says that an error is about the input; and if it was too long, in the words that its length was limited with.
pub(crate) fn input(error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    match error.get_ref().and_then(|cause| cause.downcast_ref::<LimitError>()) {
        Some(cause) if cause.which() == Limit::MaxLen => {
            io::Error::new(error.kind(), format!("standard input is longer than --limit, {} bytes", cause.limit()))
        }
        _ => about("standard input")(error),
    }
}

/// The file that there will be, and a spool that can become it without being copied. Until then nobody sees anything.
pub(crate) fn new_file(path: &Path) -> io::Result<(Target, SpooledTempFile)> {
    let target = Target::find(Some(path))?;
    match target.directory() {
        Some(directory) => {
            let spool = SpoolOptions::new().dir(directory).build();
            Ok((target, spool))
        }
        None => Err(io::Error::new(ErrorKind::InvalidInput, format!("{}: nothing can take its place", path.display()))),
    }
}
