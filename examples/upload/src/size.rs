//! Sizes as people write them: with K, M, G or T behind the number, for powers of 1024.

use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl Size {
    /// As much of it as can be memory.
    pub(crate) fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (number, suffix) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let unit = match suffix.to_ascii_uppercase().as_str() {
            "" => 1,
            "K" => 1 << 10,
            "M" => 1 << 20,
            "G" => 1 << 30,
            "T" => 1 << 40,
            _ => return Err("it is a number, with K, M, G or T behind it for powers of 1024"),
        };
        let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(unit));
        bytes.map(Size).ok_or("it is no number of bytes below 2^64")
    }
}

impl fmt::Display for Size {
    /// As short as it can be said exactly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let power = (self.0.trailing_zeros() / 10).min(4);
        match power {
            _ if self.0 == 0 => f.write_str("0"),
            0 => write!(f, "{}", self.0),
            _ => write!(f, "{}{}", self.0 >> (10 * power), ["K", "M", "G", "T"][power as usize - 1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes_are_powers_of_1024_and_come_back_as_they_were() {
        for (text, bytes) in [("0", 0), ("1", 1), ("1023", 1023), ("64K", 65_536), ("3M", 3 << 20), ("16G", 16 << 30)] {
            assert_eq!(text.parse(), Ok(Size(bytes)));
            assert_eq!(Size(bytes).to_string(), text);
        }
        assert_eq!("2048k".parse(), Ok(Size(2 << 20)));
        for text in ["", "K", "-1", "1.5G", "64Q", "64KiB", "99999999T", "18446744073709551616"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
