//! What the tests of bodies stand on: servers and clients on loopback, bodies that do as they are told, pools to look at.

mod disk;
mod pool;
mod script;
mod serve;

pub use disk::{Mount, Scratch};
pub use pool::{assert_at_rest, comes, comes_to_rest, is_at_rest};
pub use script::{Script, Step};
pub use serve::{H1, H2, Protocol, Server};

pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;

/// Bytes that repeat nowhere within what a test looks at, so that a byte out of place is seen.
pub fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut all = Vec::with_capacity(len + 8);
    let mut state = seed;
    while all.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        all.extend_from_slice(&(mixed ^ (mixed >> 27)).to_le_bytes());
    }
    all.truncate(len);
    all
}

/// Compares without printing a megabyte.
#[track_caller]
pub fn assert_same(is: &[u8], should: &[u8], what: &str) {
    assert_eq!(is.len(), should.len(), "length: {what}");
    if is == should {
        return;
    }
    if let Some(at) = is.iter().zip(should).position(|(is, should)| is != should) {
        panic!("differs at byte {at}: {what}");
    }
}
