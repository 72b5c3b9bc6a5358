//! Which file it is, whatever its name.

use rustix::fd::AsFd;
use rustix::fs::Stat;
use rustix::io::{Result, retry_on_intr};

/// The device a file is on, and its number there: no two that exist at the same time have both in common.
pub(super) fn identity(file: impl AsFd) -> Result<(u64, u64)> {
    retry_on_intr(|| rustix::fs::fstat(&file)).map(|found| identity_of(&found))
}

#[allow(clippy::unnecessary_cast, reason = "their types differ from system to system")]
pub(super) fn identity_of(found: &Stat) -> (u64, u64) {
    (found.st_dev as u64, found.st_ino as u64)
}
