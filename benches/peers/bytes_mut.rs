//! A bare `bytes::BytesMut`: `extend_from_slice` and nothing else.

use std::io::{self, Write};

use bytes::BytesMut;

pub struct Bare(pub BytesMut);

impl Bare {
    pub fn new() -> Self {
        Self(BytesMut::new())
    }
}

impl Write for Bare {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(buf);
        Ok(buf.len())
    }

    #[inline]
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(buf);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
