//! Files and directories that have a name: what is left of Python's `tempfile`.
//!
//! | Python | here |
//! |---|---|
//! | `TemporaryFile()` | [`tempfile`](crate::tempfile()), [`tempfile_in`](crate::tempfile_in) |
//! | `SpooledTemporaryFile(max_size)` | [`SpooledTempFile::new`](crate::SpooledTempFile::new) |
//! | its `rollover()`, `_rolled` | [`roll`](crate::SpooledTempFile::roll), [`is_rolled`](crate::SpooledTempFile::is_rolled) |
//! | `NamedTemporaryFile()` | [`NamedTempFile::new`], [`new_in`](NamedTempFile::new_in) |
//! | its `name`, `close()` | [`path`](NamedTempFile::path), [`close`](NamedTempFile::close), or a drop |
//! | `NamedTemporaryFile(delete=False)` | [`NamedTempFile::keep`] |
//! | `NamedTemporaryFile`, then `os.replace` | [`NamedTempFile::persist`], [`persist_noclobber`](NamedTempFile::persist_noclobber) |
//! | `TemporaryDirectory()`, its `cleanup()` | [`TempDir::new`], [`close`](TempDir::close), or a drop |
//! | `TemporaryDirectory(ignore_cleanup_errors=True)` | a drop |
//! | `TemporaryDirectory(delete=False)`, `mkdtemp()` | [`TempDir::keep`] |
//! | `mkstemp()` | [`NamedTempFile::keep`] |
//! | `prefix=`, `suffix=`, `dir=` | [`NamedOptions`] and its [`tempfile_in`](NamedOptions::tempfile_in), [`tempdir_in`](NamedOptions::tempdir_in) |
//! | `gettempdir()` | [`default_directory`](crate::default_directory) |
//! | `mktemp()` | nothing: somebody else can take the name first |
//!
//! Two errors that give something back have one name: [`named::PersistError`](PersistError) gives a [`NamedTempFile`], with the
//! fields of the `tempfile` crate's, and [`spooled::PersistError`](crate::PersistError) a spool.
//!
//! Where a name can be avoided, avoid it: a file without one cannot be found, guessed, replaced or left behind. A
//! [`SpooledTempFile`](crate::SpooledTempFile) that has to have one after all gets it by
//! [`into_named`](crate::SpooledTempFile::into_named).
//!
//! # What a killed process leaves
//!
//! A drop that never runs removes nothing. So what was left is swept by the next process that makes a name in that
//! directory: when it makes its first one there, it looks through the directory for names of this crate that belong to its
//! user and to no process that lives. It removes nothing else: not what a living process holds, in whatever container, not
//! what was kept or persisted (but see [`TempDir::keep`]), not another user's (on Windows: not what this user may not
//! delete), not what only looks like one of our names, and nothing that was copied, moved or put in its place. (With one
//! exception, on Linux: an empty file of mode 0600 that is renamed over a name of ours in the very moment in which it was
//! made looks as one of ours does that nobody has used.)
//!
//! A program that was handed a path is no owner. A file stays for as long as anybody has it open for writing; but what a
//! program only reads, or does in a [`TempDir`], can go as soon as the process that made it is dead; also what it has named
//! there.
//!
//! On Linux that is so on ext4, xfs, btrfs, overlay, tmpfs from Linux 6.6 on, and (but nobody has tried) f2fs and zfs, as
//! long as they are mounted with extended attributes; but not of what its own user may not read. On Windows it is so of
//! files, on the machine's own volumes; directories stay, and of a directory of more than 32,768 entries the rest is not
//! looked at. (Those parts ran under Wine, with another attribute for a mark than Windows has.) On network file systems,
//! where nobody here knows who lives, and on other systems, nothing is swept. Under WASI a name is as private as the host
//! makes it, and no more.
//!
//! To learn who has a file open, Linux is asked for a lease, which is given back at once: a program that opens the file in
//! that moment waits for it, and the process that sweeps may get a `SIGURG`, which does nothing unless it is handled.
//!
//! The look costs some 0.3 ms for a thousand entries (on Linux), and some 5 ms for a thousand of our names that somebody
//! holds, once for each process and directory (of some thousand directories); it ends after 32,768 entries, of which such a
//! name counts as four, and goes on by 4,096 with each further name. On Linux at most 8,192 entries are removed each time,
//! those in directories included: some tens of milliseconds where they are files, some hundreds where they are directories.
//!
//! What is kept loses its mark; in the moment in which it was made it gets one instead that says so (the attribute
//! `user.spooled`, of the value `kept`), and so stays whatever its times are.

mod claim;
mod code;
mod dir;
mod error;
mod file;
mod into_named;
mod io;
mod options;
pub(crate) mod persist;
mod target;

pub use dir::TempDir;
pub use error::PersistError;
pub use file::NamedTempFile;
pub use into_named::IntoNamedError;
pub use options::NamedOptions;
