//! One call of a stranger's stream, made safe: interrupted ones again, counts that are lies cut to what was asked.

use std::io::{self, Read, Write};

/// Whether a source has ended, which only reading can tell.
pub(super) fn probe<R: Read + ?Sized>(source: &mut R) -> io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((read_some(source, &mut byte)? > 0).then_some(byte[0]))
}

pub(super) fn read_some<R: Read + ?Sized>(source: &mut R, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done.map(|read| read.min(buf.len())),
        }
    }
}

/// Writes all of `piece` into `sink`, and moves `position` with every byte that was taken.
pub(super) fn drain<W: Write + ?Sized>(mut piece: &[u8], sink: &mut W, position: &mut u64) -> io::Result<()> {
    while !piece.is_empty() {
        match sink.write(piece) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                let written = written.min(piece.len());
                piece = &piece[written..];
                *position += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
