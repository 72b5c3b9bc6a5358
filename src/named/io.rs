//! A named file read, written and sought in as the file it is, also through a shared reference.

use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};

use super::NamedTempFile;

macro_rules! is_its_file {
    ($($named:ty),*) => {$(
        impl Read for $named {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.as_file().read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.as_file().read_vectored(bufs)
            }

            fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
                self.as_file().read_to_end(buf)
            }

            fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
                self.as_file().read_to_string(buf)
            }
        }

        impl Write for $named {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.as_file().write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.as_file().write_vectored(bufs)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.as_file().flush()
            }
        }

        impl Seek for $named {
            fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
                self.as_file().seek(pos)
            }

            fn stream_position(&mut self) -> io::Result<u64> {
                self.as_file().stream_position()
            }
        }
    )*};
}

is_its_file!(NamedTempFile, &NamedTempFile);
