//! Which part of a file is asked for (RFC 9110, section 14).

use std::ops::Range;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Whole,
    Part(Range<u64>),
    /// Nothing that the file has.
    Nothing,
}

/// What a `Range` header of this text means to a file of `len` bytes. One that we do not understand, or that asks for several
/// parts, asks for the whole.
pub(crate) fn wanted(text: &str, len: u64) -> Wanted {
    let Some((unit, range)) = text.split_once('=') else { return Wanted::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || range.contains(',') {
        return Wanted::Whole;
    }
    match (number(first), number(last)) {
        // The last so many.
        (None, Some(0)) if first.is_empty() => Wanted::Nothing,
        (None, Some(_)) if first.is_empty() && len == 0 => Wanted::Whole,
        (None, Some(count)) if first.is_empty() => Wanted::Part(len - count.min(len)..len),
        (Some(first), Some(last)) if first > last => Wanted::Whole,
        (Some(_), None) if !last.is_empty() => Wanted::Whole,
        (Some(first), _) if first >= len => Wanted::Nothing,
        (Some(first), None) => Wanted::Part(first..len),
        (Some(first), Some(last)) => Wanted::Part(first..last.saturating_add(1).min(len)),
        _ => Wanted::Whole,
    }
}

/// Digits and nothing else. More than a `u64` can say is past the end of every file, as its largest number is.
fn number(text: &str) -> Option<u64> {
    let is_one = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_one.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{Wanted, wanted};

    #[test]
    fn parts_are_cut_to_the_file() {
        for (text, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-9", 0..10),
            ("bytes=3-5", 3..6),
            ("bytes=9-9", 9..10),
            ("bytes=3-", 3..10),
            ("bytes=3-10", 3..10),
            ("bytes=3-99999999999999999999999", 3..10),
            ("bytes=-1", 9..10),
            ("bytes=-10", 0..10),
            ("bytes=-11", 0..10),
            ("bytes=-18446744073709551615", 0..10),
            ("Bytes = 3-5 ", 3..6),
        ] {
            assert_eq!(wanted(text, 10), Wanted::Part(part), "{text}");
        }
    }

    #[test]
    fn what_lies_past_the_end_is_nothing() {
        for text in
            ["bytes=10-", "bytes=10-10", "bytes=11-20", "bytes=-0", "bytes=18446744073709551614-18446744073709551615"]
        {
            assert_eq!(wanted(text, 10), Wanted::Nothing, "{text}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(wanted("bytes=0-0", 0), Wanted::Nothing);
    }

    #[test]
    fn what_is_no_single_range_is_the_whole() {
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-3",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-2,4-5",
            "lines=1-2",
            "bytes=0x1-2",
            "bytes=1-2-3",
            "bytes=--1",
            "bytes=1 - 2",
            "bytes=3-x",
        ] {
            assert_eq!(wanted(text, 10), Wanted::Whole, "{text}");
        }
        assert_eq!(wanted("bytes=-5", 0), Wanted::Whole);
    }
}
