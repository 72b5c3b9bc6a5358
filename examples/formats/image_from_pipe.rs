//! Says of an image that comes through standard input what it is, and makes a thumbnail of it.
//!
//!     curl -s https://example.org/photo.jpeg | image_from_pipe --thumbnail small.png
//!
//! Decoders seek: back to the start, once the first bytes have told the format, and from chunk to chunk. Nothing is read
//! that nobody asks for: a PNG that only has to say its size is asked for its header. A JPEG that breaks off is taken for what
//! there is of it, as viewers do.

mod common;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use spooled::SeekableReader;

use common::tools::end;
use common::{Spooling, input, new_file};

/// Say format and size of the PNG or JPEG image that comes through standard input
#[derive(Parser)]
#[command(name = "image_from_pipe", version)]
struct Arguments {
    #[command(flatten)]
    spooling: Spooling,
    /// Write a thumbnail there, as PNG
    #[arg(long, value_name = "FILE")]
    thumbnail: Option<PathBuf>,
    /// How wide and high it may be
    #[arg(long, default_value_t = 128, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=4096))]
    side: u32,
}

fn main() -> ExitCode {
    end("image_from_pipe", image_from_pipe(&Arguments::parse()))
}

fn image_from_pipe(arguments: &Arguments) -> io::Result<()> {
    let thumbnail = arguments.thumbnail.as_deref().map(new_file).transpose()?;
    let mut source = SeekableReader::with_options(io::stdin().lock(), &arguments.spooling.options()?);

    let reader = ImageReader::new(&mut source).with_guessed_format().map_err(input)?;
    let kind = reader.format().map_or("", |format| format.to_mime_type());
    let mut decoder = reader.into_decoder().map_err(invalid)?;
    let (width, height) = decoder.dimensions();
    if let Some((target, mut spool)) = thumbnail {
        // A small file may claim to be an image that no memory holds.
        Limits::default().reserve(decoder.total_bytes()).map_err(invalid)?;
        let orientation = decoder.orientation().map_err(invalid)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(invalid)?;
        image.apply_orientation(orientation);
        image.thumbnail(arguments.side, arguments.side).write_to(&mut spool, ImageFormat::Png).map_err(invalid)?;
        target.become_file(spool)?;
    } else {
        drop(decoder);
    }
    writeln!(io::stdout(), "{kind}, {width} x {height} pixels, {} bytes were read", source.pulled())
}

fn invalid(error: ImageError) -> io::Error {
    input(match error {
        ImageError::IoError(error) => error,
        // Some end with a newline.
        error => io::Error::other(error.to_string().trim_end()),
    })
}
