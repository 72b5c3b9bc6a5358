//! The middle of a name: what nobody can guess, and what tells it from a name that only looks like it.
//!
//! 88 random bits, then 32 that follow from them, from the number of the directory and from the rest of the name: so a name
//! with a letter changed or added is not one of ours, nor is ours in any other directory, copied or moved there. 24 letters
//! and digits, so that no file system's idea of upper and lower case changes them.

use std::io;

use crate::sys;

const LEN: usize = 24;
const RANDOM: usize = 11;
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Randomness for the next few, asked of the system at once.
///
/// A child that was forked asks for its own: what it knows of its parent's names it shall not be able to guess.
#[derive(Default)]
pub(super) struct Codes {
    random: [[u8; RANDOM + 4]; 16],
    left: usize,
    process: u32,
}

impl Codes {
    /// A new one for a name in a directory of that number; in one without, it is nobody's.
    pub(super) fn next(&mut self, number: Option<u64>, prefix: &[u8], suffix: &[u8]) -> io::Result<Code> {
        let process = sys::process();
        if self.left == 0 || self.process != process {
            let random: [u8; 16 * (RANDOM + 4)] = sys::random_bytes()?;
            for (code, random) in self.random.iter_mut().zip(random.chunks_exact(RANDOM + 4)) {
                code.copy_from_slice(random);
            }
            (self.left, self.process) = (self.random.len(), process);
        }
        self.left -= 1;
        let mut bytes = self.random[self.left];
        if let Some(number) = number {
            let check = check(&bytes[..RANDOM], number, prefix, suffix);
            bytes[RANDOM..].copy_from_slice(&check);
        }
        Ok(Code::of(bytes))
    }
}

pub(super) struct Code([u8; LEN]);

impl Code {
    fn of(bytes: [u8; RANDOM + 4]) -> Code {
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

fn decode(code: &[u8]) -> Option<[u8; RANDOM + 4]> {
    let mut bytes = [0; RANDOM + 4];
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
