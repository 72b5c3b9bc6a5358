//! Says what is in a Parquet file that comes through standard input: how many rows, which columns, the first rows.
//!
//!     curl -s https://example.org/prices.parquet | parquet_from_pipe --rows 5
//!
//! Where the columns lie is written at the end of the file. A file longer than the threshold is on disk by then, and what
//! is decoded is a mapping of it, page by page: nothing is copied before it is decompressed.

mod common;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use bytes::Bytes;
use clap::Parser;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use spooled::SpooledBytes;

use common::tools::end;
use common::{Spooling, input};

/// Say what is in the Parquet file that comes through standard input
#[derive(Parser)]
#[command(name = "parquet_from_pipe", version)]
struct Arguments {
    #[command(flatten)]
    spooling: Spooling,
    /// How many rows to show
    #[arg(long, default_value_t = 3, value_name = "COUNT")]
    rows: usize,
}

/// What the format's reader asks of a file; the traits are its, the content is ours.
struct Content(SpooledBytes);

impl Length for Content {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Content {
    type T = SpooledBytes;

    fn get_read(&self, start: u64) -> Result<SpooledBytes> {
        // What a file says about itself need not be true, and `slice` would panic.
        if start > self.len() {
            return Err(ParquetError::EOF(format!("byte {start} of {}", self.len())));
        }
        Ok(self.0.slice(start..))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let rest = self.get_read(start)?;
        let length = length as u64;
        if length > rest.len() {
            return Err(ParquetError::EOF(format!("{length} bytes at byte {start} of {}", self.len())));
        }
        Ok(rest.slice(..length).to_bytes()?)
    }
}

fn main() -> ExitCode {
    end("parquet_from_pipe", parquet_from_pipe(&Arguments::parse()))
}

fn parquet_from_pipe(arguments: &Arguments) -> io::Result<()> {
    let mut spool = arguments.spooling.options()?.build();
    spool.copy_from(&mut io::stdin().lock()).map_err(input)?;
    let reader = SerializedFileReader::new(Content(spool.freeze()?)).map_err(invalid)?;

    let mut output = BufWriter::new(io::stdout().lock());
    let metadata = reader.metadata().file_metadata();
    writeln!(output, "{} rows", metadata.num_rows())?;
    for column in metadata.schema_descr().columns() {
        writeln!(output, "{}: {}", column.path().string().escape_debug(), column.physical_type())?;
    }
    for row in reader.get_row_iter(None).map_err(invalid)?.take(arguments.rows) {
        writeln!(output, "{}", row.map_err(invalid)?)?;
    }
    output.flush()
}

fn invalid(error: ParquetError) -> io::Error {
    input(io::Error::new(ErrorKind::InvalidData, error))
}
