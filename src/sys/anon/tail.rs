//! What those who are short of disk may do to a file that is not theirs: cut it past its claim.

use std::sync::Weak;

use super::open::Open;

/// The right to cut what lies past the claim of a file that somebody else owns. Keeps nothing open.
#[derive(Debug, Clone)]
pub(crate) struct Tail(pub(super) Weak<Open>);

impl Tail {
    /// Whether that gave anything back.
    pub(crate) fn cut(&self) -> bool {
        match self.0.upgrade() {
            Some(open) => open.boundary.as_ref().is_some_and(|boundary| boundary.cut_stale(|len| open.set_len(len))),
            None => false,
        }
    }

    /// Whether the file is closed, or has left.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}
