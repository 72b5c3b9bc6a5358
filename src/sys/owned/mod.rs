//! Names that a process owns: a file, a directory, how they are marked as its own, and what one that died has left of them.
//!
//! A mark lies on the file itself, so that it goes with it, and never says that the owner lives: the system says that,
//! by what only a living process can hold. How names look is the caller's to know.

#[cfg(unix)]
mod unix;

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "linux.rs")]
#[cfg_attr(windows, path = "windows/mod.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "android", windows)), path = "unmarked.rs")]
mod system;

#[cfg_attr(target_os = "wasi", path = "wasi.rs")]
#[cfg(not(any(unix, windows)))]
mod other;

#[cfg(not(any(unix, windows)))]
pub(crate) use other::{OwnedDir, close_and_remove, create_file, finish_file, names, remove_name, reopen};
#[cfg(windows)]
pub(crate) use system::{OwnedDir, close_and_remove, create_file, finish_file, names, remove_name, reopen};
pub(crate) use system::{cut_behind, keep, let_go, mark, number, sweep, unmark};
#[cfg(unix)]
pub(crate) use unix::{
    OwnedDir, close_and_remove, copy_all, create_file, finish_file, names, remove_name, reopen, take_after,
};

/// Copies all that is in the file, whatever moves its cursor meanwhile; gives how much that was.
#[cfg(not(unix))]
pub(crate) fn copy_all(file: &std::fs::File, path: &std::path::Path, mut to: &std::fs::File) -> std::io::Result<u64> {
    std::io::copy(&mut reopen(file, path)?, &mut to)
}

/// Gives a copy the mode of what it is a copy of.
#[cfg(not(unix))]
pub(crate) fn take_after(copy: &std::fs::File, of: &std::fs::Metadata) -> std::io::Result<()> {
    copy.set_permissions(of.permissions())
}

#[cfg(any(unix, windows, target_os = "wasi"))]
fn taken_over() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::NotFound, "the name is another's by now")
}

/// Who has had a new file, or its path, in hand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Seen {
    /// It is as it was made, and nobody else uses its descriptor.
    ByNobody,
    BySomebody,
}

/// How far one look at a directory goes.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(any(target_os = "linux", target_os = "android", windows)),
    expect(dead_code, reason = "nothing is swept there")
)]
pub(crate) struct Reach {
    /// Where it begins: 0, or where an earlier one ended.
    pub(crate) from: u64,
    /// How many entries it looks at; a name that may be ours can count as several.
    pub(crate) most: usize,
}
