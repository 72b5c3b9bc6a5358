//! The middle of a name: what nobody can guess, and what tells it from a name that only looks like it.
//!
//! 88 random bits, then 32 that follow from them, from the number of the directory and from the rest of the name: so a name
//! with a letter changed or added is not one of ours, nor is ours in any other directory, copied or moved there. 24 letters
//! and digits, so that no file system's idea of upper and lower case changes them.

use std::io;

use crate::sys::{self, Unforked};

const LEN: usize = 24;
const RANDOM: usize = 11;
const BYTES: usize = RANDOM + 4;
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Randomness for the next few, asked of the system at once.
///
/// A child that was forked asks for its own: it can neither repeat its parent's names nor know them.
pub(super) struct Codes(Unforked);

const AT_ONCE: u8 = 16;

impl Default for Codes {
    fn default() -> Self {
        Self(Unforked::new(2 + usize::from(AT_ONCE) * BYTES))
    }
}

impl Codes {
    /// Whether another process asks than before, or the first: what is known besides is then its parent's.
    pub(super) fn is_new_process(&mut self) -> bool {
        let known = &mut self.0.bytes()[0];
        std::mem::replace(known, 1) == 0
    }

    /// A new one for a name in a directory of that number; in one without, it is nobody's.
    pub(super) fn next(&mut self, number: Option<u64>, prefix: &[u8], suffix: &[u8]) -> io::Result<Code> {
        let (left, random) = self.0.bytes()[1..].split_at_mut(1);
        if left[0] == 0 {
            sys::randomize(random)?;
            left[0] = AT_ONCE;
        }
        left[0] -= 1;
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(&random[usize::from(left[0]) * BYTES..][..BYTES]);
        if let Some(number) = number {
            let check = check(&bytes[..RANDOM], number, prefix, suffix);
            bytes[RANDOM..].copy_from_slice(&check);
        }
        Ok(Code::of(bytes))
    }
}

pub(super) struct Code([u8; LEN]);

impl Code {
    fn of(bytes: [u8; BYTES]) -> Code {
        let mut code = [0; LEN];
        for (five, eight) in bytes.chunks_exact(5).zip(code.chunks_exact_mut(8)) {
            let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for (digit, place) in eight.iter_mut().zip((0..8).rev()) {
                *digit = DIGITS[(bits >> (place * 5)) as usize % 32];
            }
        }
        Code(code)
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Whether there is one in `name` that was made for this name, in a directory of that number.
pub(super) fn is_in(name: &[u8], number: u64) -> bool {
    name.windows(LEN).enumerate().any(|(at, code)| {
        decode(code)
            .is_some_and(|bytes| bytes[RANDOM..] == check(&bytes[..RANDOM], number, &name[..at], &name[at + LEN..]))
    })
}

/// Whether there is what could be one, for whatever directory.
pub(super) fn looks_like_one(name: &[u8]) -> bool {
    name.windows(LEN).any(|code| decode(code).is_some())
}

fn decode(code: &[u8]) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    for (eight, five) in code.chunks_exact(8).zip(bytes.chunks_exact_mut(5)) {
        let mut bits = 0_u64;
        for digit in eight {
            bits = bits << 5
                | match digit {
                    b'a'..=b'z' => u64::from(digit - b'a'),
                    b'2'..=b'7' => u64::from(digit - b'2' + 26),
                    _ => return None,
                };
        }
        five.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(bytes)
}

/// FNV-1a: whoever wants to make such a name may; what it has to show is that nobody did by chance.
fn check(random: &[u8], number: u64, prefix: &[u8], suffix: &[u8]) -> [u8; 4] {
    let (number, parted) = (number.to_le_bytes(), (prefix.len() as u64).to_le_bytes());
    let all = [random, &number, &parted, prefix, suffix];
    all.into_iter()
        .flatten()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
        .to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_ours_in_its_directory_and_as_it_was_made_alone() {
        let mut codes = Codes::default();
        for (prefix, suffix) in [("", ""), (".spooled-", ""), ("page-", ".html"), ("a", "bc"), ("abcdefgh2345", "z")] {
            let code = codes.next(Some(7), prefix.as_bytes(), suffix.as_bytes()).unwrap();
            let code = code.as_str();
            let is_ours = |name: String, number| is_in(name.as_bytes(), number);
            assert!(is_ours(format!("{prefix}{code}{suffix}"), 7));
            assert!(!is_ours(format!("{prefix}{code}{suffix}"), 8), "in another directory");
            assert!(!is_ours(format!("{code}{prefix}{suffix}"), 7) || prefix.is_empty(), "parted elsewhere");
            assert!(!is_ours(format!("x{prefix}{code}{suffix}"), 7) && !is_ours(format!("{prefix}{code}{suffix}x"), 7));
            for at in 0..LEN {
                let mut changed = code.to_owned().into_bytes();
                changed[at] = if changed[at] == b'a' { b'b' } else { b'a' };
                let changed = String::from_utf8(changed).unwrap();
                assert!(!is_ours(format!("{prefix}{changed}{suffix}"), 7), "{at} changed");
            }
        }
        let nobodys = codes.next(None, b"", b"").unwrap();
        assert!(!is_in(nobodys.as_str().as_bytes(), 0) && looks_like_one(nobodys.as_str().as_bytes()));
    }
}
