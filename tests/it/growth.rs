//! P3: memory reaches the threshold and never passes it, whatever it began as.

use bytes::{Buf, BytesMut};
use spooled::{SpooledData, SpooledTempFile};

use crate::fixture::{KIB, MIB, noise};

/// A `BytesMut` that was split or advanced still owns all of its first allocation, and gives it back when it grows. A spool
/// that took that for its own capacity stayed in memory up to 4 MiB, with a threshold of 64 KiB.
#[test]
fn p3_what_was_split_off_does_not_come_back_as_room() {
    let advanced = || {
        let mut bytes = BytesMut::with_capacity(4 * MIB);
        bytes.resize(4 * MIB - 10, 0);
        bytes.advance(4 * MIB - 20);
        bytes
    };
    let split = || {
        let mut bytes = BytesMut::with_capacity(4 * MIB);
        bytes.resize(4 * MIB - 10, 0);
        bytes.split_off(4 * MIB - 20)
    };
    for bytes in [advanced(), split()] {
        let before = bytes.to_vec();
        let mut spool = SpooledTempFile::from(bytes);
        spool.write_at(noise(64 * KIB - 10, 1), 10).unwrap();
        assert!(!spool.is_rolled());
        assert_eq!(&spool.as_slice().unwrap()[..10], before);
        let SpooledData::InMemory(data) = spool.into_inner().unwrap() else { panic!("it has rolled") };
        assert!(data.get_ref().capacity() <= 64 * KIB, "{} bytes", data.get_ref().capacity());
    }
    let mut spool = SpooledTempFile::from(advanced());
    spool.write_at(noise(64 * KIB, 1), 1).unwrap();
    assert!(spool.is_rolled());
}

/// The `tempfile` crate's keeps all of it.
#[test]
fn p3_cutting_gives_memory_back() {
    let mut spool = SpooledTempFile::new(MIB);
    spool.write_at(noise(MIB, 1), 0).unwrap();
    spool.set_len(1000).unwrap();
    assert_eq!(spool.as_slice().unwrap(), &noise(MIB, 1)[..1000]);
    let SpooledData::InMemory(data) = spool.into_inner().unwrap() else { panic!("it has rolled") };
    assert!(data.get_ref().capacity() <= 2000, "{} bytes", data.get_ref().capacity());
}
