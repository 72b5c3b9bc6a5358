//! What the kernel lets this process have: all of its threads, so it is for a child that does nothing else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// So much and no more, until this is dropped; what the process has already stays.
#[must_use]
pub(crate) struct Limited(Resource, Rlimit);

impl Limited {
    pub(crate) fn to(resource: Resource, current: u64) -> Self {
        let before = getrlimit(resource);
        setrlimit(resource, Rlimit { current: Some(current), maximum: before.maximum }).unwrap();
        Self(resource, before)
    }

    /// No descriptor more.
    pub(crate) fn to_no_descriptor() -> Self {
        Self::to(Resource::Nofile, 0)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        setrlimit(self.0, self.1).unwrap();
    }
}
