//! The one safe vocabulary over what systems do differently: an anonymous file, a name that a process owns, all that is in a
//! directory, and questions about where a file would go.
//!
//! Knows nothing of spools. The only `unsafe` code of the crate is below this module.
#![allow(
    unsafe_code,
    reason = "mappings, system calls, memory that is read while it is filled, a hint to the processor; denied elsewhere"
)]

mod anon;
mod at_once;
mod copy;
mod handle;
#[cfg(any(unix, target_os = "wasi"))]
mod identity;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod magic;
mod map;
mod marks;
mod owned;
mod pages;
#[cfg(any(unix, target_os = "wasi"))]
mod rename;
mod segment;
mod spare;
mod tree;
mod unforked;

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(target_os = "wasi", path = "wasi.rs")]
#[cfg_attr(not(any(unix, windows, target_os = "wasi")), path = "other.rs")]
mod system;

pub(crate) use anon::{AnonFile, Reading, Tail};
pub(crate) use at_once::Wait;
pub(crate) use copy::{copy, copy_along, piece, within};
pub(crate) use handle::{is_std_file, is_std_file_or_stdout, is_std_pipe};
pub(crate) use marks::{Accounts, Boundary, Marks};
pub(crate) use owned::{
    OwnedDir, Reach, Seen, close_and_remove, copy_all, create_file, cut_behind, finish_file, keep, let_go, mark, names,
    number, remove_name, reopen, sweep, take_after, unmark,
};
pub(crate) use pages::advise_huge;
pub(crate) use segment::{Filler, Segment};
pub(crate) use spare::Spare;
#[cfg(not(windows))]
pub(crate) use std::fs::rename as rename_replacing;
#[cfg(windows)]
pub(crate) use system::rename_replacing;
pub(crate) use system::{
    descriptor_limit, file_size_limit, is_ram, is_writable, no_descriptor_left, rename_without_replacing,
    temporary_directory, told_directory,
};
pub(crate) use unforked::Unforked;

/// What kind of file system a file is on, as far as it changes what we do.
#[derive(Debug, Clone, Copy)]
struct FileSystem {
    /// Blocks set aside ahead make large files cheaper (ext4: 0.70-0.75 of the time; xfs 1.0-1.75, btrfs 1.03).
    set_aside_pays: bool,
    /// A read fault in a hole takes memory, which may not be there.
    holes_can_fault: bool,
}

/// A name that nobody can guess: 128 bits from the system's source of randomness.
pub(crate) fn random_name() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    randomize(&mut bytes)?;
    Ok(format!(".spooled-{:032x}", u128::from_ne_bytes(bytes)))
}

/// Asked of the system each time, so that a fork never repeats it.
pub(crate) fn randomize(bytes: &mut [u8]) -> std::io::Result<()> {
    use rand::TryRng;
    rand::rngs::SysRng.try_fill_bytes(bytes).map_err(std::io::Error::other)
}
