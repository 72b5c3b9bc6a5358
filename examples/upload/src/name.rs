//! The names that files may have here: what any system takes for the name of one file.

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::refusal::Refusal;

/// No path, no control character, at most 255 bytes, and something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(Arc<str>);

impl Name {
    pub(crate) fn new(text: &str) -> Result<Self, Refusal> {
        let why = match text {
            "" => "a file needs a name",
            "." | ".." => "that is the name of a directory",
            _ if text.len() > LONGEST => "a name has at most 255 bytes",
            _ if text.contains(['/', '\\']) => "a name has no slashes",
            _ if text.contains(char::is_control) => "a name has no control characters",
            _ => return Ok(Name(text.into())),
        };
        Err(Refusal::Name(why))
    }

    /// Where the file is to be had.
    pub(crate) fn location(&self) -> String {
        format!("/files/{}", utf8_percent_encode(&self.0, ESCAPED))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What is behind `/files/`, decoded.
impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        path.map_err(|_| Refusal::Name("a name is UTF-8")).and_then(|Path(text)| Name::new(&text))
    }
}

const LONGEST: usize = 255;
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_of_one_file_and_no_others() {
        for good in ["a", "a b.txt", "...", ".hidden", "Ærøskøbing?#%", &"x".repeat(255)] {
            assert_eq!(Name::new(good).unwrap().to_string(), good);
        }
        for bad in
            ["", ".", "..", "a/b", "/", "a\\b", "a\nb", "\0", "\u{7f}", "\u{85}", &"x".repeat(256), &"ø".repeat(128)]
        {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Name::new("50 %?.txt").unwrap().location(), "/files/50%20%25%3F.txt");
    }
}
