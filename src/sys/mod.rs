//! The one safe vocabulary over what systems do differently: an anonymous file, and questions about where it would go.
//!
//! Knows nothing of spools. The only `unsafe` code of the crate is below this module.
#![allow(
    unsafe_code,
    reason = "mappings, system calls, memory that is read while it is filled; denied everywhere else"
)]

mod anon;
mod at_once;
mod copy;
mod handle;
mod map;
mod marks;
mod pages;
mod segment;

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(any(unix, windows)), path = "other.rs")]
mod system;

pub(crate) use anon::{AnonFile, Reading, Spare, Tail, create_named};
pub(crate) use at_once::Wait;
pub(crate) use copy::{copy, piece, within};
pub(crate) use handle::{is_std_file, is_std_file_or_stdout};
pub(crate) use marks::{Accounts, Boundary, Marks};
pub(crate) use pages::advise_huge;
pub(crate) use segment::{Filler, Segment};
#[cfg(not(windows))]
pub(crate) use std::fs::{remove_file, rename as rename_replacing};
pub(crate) use system::{
    descriptor_limit, file_size_limit, is_ram, is_writable, no_descriptor_left, rename_without_replacing,
    temporary_directory, told_directory,
};
#[cfg(windows)]
pub(crate) use system::{remove_file, rename_replacing};

/// What kind of file system a file is on, as far as it changes what we do.
#[derive(Debug, Clone, Copy)]
struct FileSystem {
    /// Blocks set aside ahead make large files cheaper (ext4: 0.70-0.75 of the time; xfs 1.0-1.75, btrfs 1.03).
    set_aside_pays: bool,
    /// A read fault in a hole takes memory, which may not be there.
    holes_can_fault: bool,
}

/// A name that nobody can guess: 128 bits from the system's source of randomness.
///
/// Asked of the system each time, so that a fork never repeats one.
pub(crate) fn random_name() -> std::io::Result<String> {
    use rand::TryRng;
    let mut bits = [0; 16];
    rand::rngs::SysRng.try_fill_bytes(&mut bits).map_err(std::io::Error::other)?;
    Ok(format!(".spooled-{:032x}", u128::from_ne_bytes(bits)))
}
