//! Removing all that is in a directory, whoever else has a hand in it.
//!
//! On Unix every step is relative to an open directory, so that no symlink is followed and nothing outside is touched,
//! however the tree is changed meanwhile. Elsewhere the standard library does the work, and is asked again where that helps.
//!
//! Knows nothing of whose directory it is, nor of its name.

#[cfg(unix)]
mod access;
#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "tree/place.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "tree/unfollowed.rs")]
#[cfg(unix)]
mod closed;
#[cfg(unix)]
mod level;
#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "tree/getdents.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "tree/readdir.rs")]
#[cfg(unix)]
mod listing;
#[cfg(any(windows, target_os = "wasi"))]
mod other;
#[cfg(unix)]
mod removals;
#[cfg(unix)]
mod walk;

#[cfg(any(windows, target_os = "wasi"))]
pub(crate) use other::remove;
#[cfg(unix)]
pub(crate) use removals::Removals;
#[cfg(unix)]
pub(crate) use walk::empty;
