//! How much may be removed at once.

/// Removals that may still be tried, and those that were made.
pub(crate) struct Removals {
    pub(crate) left: usize,
    pub(crate) made: usize,
}

impl Removals {
    pub(crate) fn at_most(left: usize) -> Self {
        Self { left, made: 0 }
    }

    pub(crate) fn unlimited() -> Self {
        Self::at_most(usize::MAX)
    }

    pub(crate) fn count_made(&mut self) {
        self.left = self.left.saturating_sub(1);
        self.made += 1;
    }

    pub(crate) fn count_refused(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
}
