//! What can be mapped, and where nothing can.

use std::io;

use bytes::Bytes;
use spooled::SpooledBytes;

/// Where nothing can be mapped, what would be a slice of a file is an error.
pub(crate) const MAPS: bool = !cfg!(target_family = "wasm");

/// All of it at once; read, where that is an error.
#[track_caller]
pub(crate) fn bytes_of(frozen: &SpooledBytes) -> Bytes {
    match frozen.to_bytes() {
        Err(error) if !MAPS && frozen.is_rolled() => {
            assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error:?}");
            frozen.chunks(usize::MAX).collect::<io::Result<Vec<_>>>().unwrap().concat().into()
        }
        bytes => bytes.unwrap(),
    }
}
