//! Spools for tasks (feature `tokio`): what is in memory never leaves the task, what touches the disk never holds up the
//! executor.
//!
//! | | |
//! |---|---|
//! | [`AsyncSpooledTempFile`] | the buffer, behind `AsyncRead`, `AsyncBufRead`, `AsyncWrite` and `AsyncSeek` |
//! | [`ChunkStream`] | frozen content in pieces: [`Chunks::into_stream`](crate::Chunks::into_stream) |
//! | [`tail`](crate::tail) | its [`Reader`](crate::tail::Reader) and [`Writer`](crate::tail::Writer) are for tasks too |
//!
//! # What happens where
//!
//! Memory and the window are served in the task. So is what the page cache has, which content that was written a moment ago
//! nearly always is in: on Linux a read asks it first (`preadv2` with `RWF_NOWAIT`), and so does a write where the file system
//! knows that (xfs, btrfs); one that does not is asked once for each file. All the rest (a rollover, a window to be written, a
//! file to be cut, a read that the disk has to answer) is an errand on the runtime's blocking pool, one at a time for each
//! spool, of 256 KiB at most, or at the rollover of what is in memory; the buffer goes along, and is not copied.
//! So is the closing of a long file that no pool keeps (1 MiB; 16 MiB where a pool counts it, until then), whichever type held it.
//!
//! A mapping ([`Backing::Mmap`](crate::Backing::Mmap)) is left alone, since a look at it may wait for the disk.
//!
//! Outside a Tokio runtime memory works, and what needs the disk is an error.

mod spool;

pub use crate::frozen::ChunkStream;
pub use spool::AsyncSpooledTempFile;
