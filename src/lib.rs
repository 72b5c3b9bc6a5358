//! One buffer to read, write and seek in, that starts in memory, moves to an anonymous file when it outgrows a threshold,
//! and never lets the program notice, or lose a byte, or pass a limit.
//!
//! # For whom
//!
//! - **Who runs a service** buffers bodies of unknown size: most are 2 KiB, some are 2 GiB, a few are hostile. Small ones
//!   stay in memory, large ones go to disk, and a limit is an error and not an out-of-memory kill.
//! - **Who writes a parser** has [`Read`](std::io::Read) and needs [`Seek`](std::io::Seek): an archive on a pipe, an image
//!   from a socket.
//! - **Who runs a data job** has less memory than data, and a `/tmp` that may be memory under another name.
//!
//! # A tour
//!
//! Write to a [`SpooledTempFile`] as to a file, and read it back. Up to the threshold it costs what a `Vec` costs; past it,
//! what a well buffered file costs.
//!
//! ```
//! use spooled::SpooledTempFile;
//! use std::io::{BufRead, Seek, Write};
//!
//! let mut spool = SpooledTempFile::new(64 * 1024);
//! for number in 0..20_000 {
//!     writeln!(spool, "line {number}")?;
//! }
//! assert!(spool.is_rolled());
//! assert_eq!(spool.len(), 208_890);
//!
//! spool.rewind()?;
//! let mut line = String::new();
//! spool.read_line(&mut line)?;
//! assert_eq!(line, "line 0\n");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! [`SpoolOptions`] says where the file goes, how long the content may get, what happens when it outgrows memory
//! ([`Overflow`]) and what a file is read through ([`Backing`]).
//!
//! ```
//! use spooled::SpoolOptions;
//! use std::io::{ErrorKind, Write};
//!
//! let mut upload = SpoolOptions::new().threshold(1 << 20).max_len(10).build();
//! assert_eq!(upload.write(b"0123456789ab")?, 10);
//! assert_eq!(upload.write(b"ab").unwrap_err().kind(), ErrorKind::FileTooLarge);
//! assert_eq!(upload.len(), 10);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A stream of any length goes in with [`copy_from`](SpooledTempFile::copy_from) and out with
//! [`copy_to`](SpooledTempFile::copy_to), with no buffer in between. What is written can be frozen, and read from many
//! places at once, or handed on as one [`Bytes`](bytes::Bytes) without a copy, wherever it is:
//!
//! ```
//! use spooled::SpooledTempFile;
//!
//! let mut spool = SpooledTempFile::new(1024);
//! spool.copy_from(&mut std::io::Read::take(std::io::repeat(b'.'), 1 << 20))?;
//! let frozen = spool.freeze()?;
//! let body: bytes::Bytes = frozen.to_bytes()?;
//! assert_eq!(body.len(), 1 << 20);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! What has no `Seek` gets it from a [`SeekableReader`], which keeps what it has read:
//!
//! ```
//! use spooled::SeekableReader;
//! use std::io::{Read, Seek, SeekFrom};
//!
//! let mut reader = SeekableReader::new(&b"only once, in sequence"[..]);
//! reader.seek(SeekFrom::End(-8))?;
//! let mut last = String::new();
//! reader.read_to_string(&mut last)?;
//! assert_eq!(last, "sequence");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! And what is still being written is read meanwhile, by any number of readers, through a [`tail`].
//!
//! Or it can stay: [`persist`](SpooledTempFile::persist) gives the file that never had a name one, atomically. Where a
//! program wants a path for a while there are [`NamedTempFile`], which a spool [becomes](SpooledTempFile::into_named) by one
//! link, and [`TempDir`]; with those all of Python's `tempfile` has its counterpart in [`named`].
//!
//! A program that makes many makes one [`Pool`] first. It bounds what all of them hold together, to the byte, and keeps
//! what one has used for the next, which then makes no file, frees none, and takes about a tenth of the time:
//!
//! ```
//! use spooled::{Pool, SpoolOptions};
//!
//! let pool = Pool::builder().memory(64 << 20).disk(10 << 30).build();
//! let mut options = SpoolOptions::new();
//! options.pool(&pool);
//! for _ in 0..3 {
//!     let mut body = options.build();
//!     body.copy_from(&mut std::io::Read::take(std::io::repeat(b'.'), 1 << 20))?;
//! }
//! assert_eq!(pool.stats().reused_files, 2);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! For tasks, and for bodies of HTTP messages, there are features, each off unless asked for:
//!
//! | feature | what it brings |
//! |---|---|
//! | `tokio` | `tokio::AsyncSpooledTempFile`; `AsyncRead`, `AsyncBufRead`, `AsyncSeek` and a stream for [`tail::Reader`], `AsyncWrite` for [`tail::Writer`]; a stream of [`Chunks`] |
//! | `http` | `http::SpooledBody`, a body that can be sent again, and `http::collect`, any body into a spool |
//! | `tower` | `http::SpoolLayer`: requests to any service are bounded, and can be sent again |
//! | `axum` | `http::Spooled`, an extractor |
//! | `multipart` | `http::spool_field`, a field of a form into a spool |
//!
//! # What is promised
//!
//! | | |
//! |---|---|
//! | **One content** | Any sequence of calls gives, byte for byte and result for result, what it gives on `std::io::Cursor<Vec<u8>>`; the rollover shows only in `is_rolled` |
//! | **All or nothing** | A rollover happened or did not. One that failed leaves content, position and length as they were, and may be tried again |
//! | **Bounded memory** | Never more than the threshold and one window; after the rollover, the window alone |
//! | **No byte lost** | Each method that consumes a spool and can fail gives it back inside its error |
//! | **Nothing left behind** | On Linux the file never has a name, so not even `SIGKILL` leaves one; elsewhere see below. What has a name because somebody wants one is swept after a kill by the next that makes a name there: see [`named`] |
//! | **Private** | Mode 0600 exactly when a file leaves, 0700 for a directory, whatever the umask; close-on-exec; no link followed |
//! | **No signal** | A full disk, a limit on the size of a file (as it was at the rollover), a hole in a RAM disk: an error, never `SIGBUS` or `SIGXFSZ` |
//! | **Exact limits** | A maximum length, and what a pool allows of memory and disk, are never passed, not even for a moment, by any number of threads; all that was taken is given back, whatever happens |
//! | **Cancel at will** | A future may be dropped at any point: the spool stays whole, and what earlier calls accepted is there; a write that was not done has written nothing |
//! | **Small is free** | Nothing is allocated to make a spool; before the rollover no file is touched |
//! | **The second is cheap** | From a warm pool a spool allocates nothing, makes, opens and cuts nothing, and drops without a system call; and nothing of one can be read through the next |
//!
//! # Where it differs from `Cursor`, on purpose
//!
//! - An empty write does nothing at all; `Cursor` fills up to its position with zeros.
//! - [`consume`](std::io::BufRead::consume) stops where [`fill_buf`](std::io::BufRead::fill_buf) did.
//! - A write whose end passes `i64::MAX` is [`InvalidInput`](std::io::ErrorKind::InvalidInput).
//! - Memory that cannot be had is [`OutOfMemory`](std::io::ErrorKind::OutOfMemory), not an abort (but for the first 4 KiB,
//!   without which there would be no error either).
//!
//! # Errors
//!
//! Every error is a [`std::io::Error`] with the fitting kind, a message that names the limit or the path, and inside it a
//! [`LimitError`] or a [`PathError`] to downcast to. A limit of its own makes a write short, then
//! [`FileTooLarge`](std::io::ErrorKind::FileTooLarge); one that is shared refuses a write whole, with
//! [`QuotaExceeded`](std::io::ErrorKind::QuotaExceeded), until somebody gives back. On a disk that fails or fills, what was
//! accepted stays readable: the error comes from the call that had to write, and again until it succeeds.
//!
//! # Systems
//!
//! **Linux** and Android: `O_TMPFILE`, a file that never has a name. On a file system that lacks it (NFS, some FUSE and
//! overlay), and on **macOS, the BSDs** and other Unix: a file of mode 0600 under a name of 128 random bits, unlinked at
//! once; a process that is killed in the microseconds between leaves an empty file. **Windows**: a file shared with nobody
//! that the system deletes when it is closed; persisting copies, and waits a quarter of a second at most for who has open
//! what it replaces; what is stale behind a mapping counts in its pool until that goes, whoever is short of disk or trims.
//! **WASI**: in a directory that the host has opened (`TMPDIR`, else `/tmp`), a file under a name of 128 random bits,
//! removed at once; whose it is and who may read it is the host's to say, since there are no modes; persisting copies. There
//! is no mapping: [`Backing::Mmap`] reads as [`Backing::File`] does, and what would be a slice of the file is an error. Nor
//! is there a thread for what a task must not wait for: it is done in a task of its own; a [`tail::Reader`] that would wait
//! gets [`WouldBlock`](std::io::ErrorKind::WouldBlock). **Elsewhere** memory works, and all that needs a file is an error.
//! Where a mapping does not see later writes (OpenBSD), do not ask for [`Backing::Mmap`].
//!
//! # How it is built
//!
//! An arrow may only point down.
//!
//! ```text
//! http    layer  extract  field              requests, and fields of a form, that are bounded and can be sent again
//!         collect  gather  body              a body into a spool, and out of it
//! tokio   spool                              a blocking spool that goes on an errand where it would block
//! named   persist  into_named                a spool that gets a name, for good or for a while
//!         file  dir  options                 what has one from the start
//!         target                             a path that is to get content, atomically
//!         claim  code                        whose a name is: made, told from others, swept
//! frozen                                     SpooledBytes: a range of content that no longer changes
//! seekable                                   SeekableReader: a store of what has come of a source
//! tail    tasks                              the same for those who wait as tasks do
//!         reader  writer                     what is published, for many; where it goes, for one
//!         shared                             what they meet at
//!         log                                memory that never moves, then a file
//!         progress                           how much is published, how it ended, who waits for that
//! spooled                                    SpooledTempFile: a cursor over a store; leaving as data, as a file
//! cursor                                     a position over anything that has content: Read, BufRead, Seek, written once
//! store   now                                what takes no disk, and what makes that possible: for those who may not wait
//!         overflow                           what happens when memory ends: the rules of the threshold
//!         roll                               memory to disk, all or nothing, in one place
//!         lease  followed                    the only way by which a file comes back; one that others read along
//!         rolled  copy                       the file and the window over it; streams in and out
//!         window                             one range, read ahead or written behind
//!         disk                               the file, positional, and how much of a pool's disk it has claimed
//! options                                    what was asked for
//! pool    buffer                             bytes that grow exactly, and are counted
//!         home                               what those hold of a pool who are out
//!         buffers  files                     what may be held, and what is kept to be used again
//!         threads  stats                     who meets whom at it; its figures
//! directory  gauge                           where a file goes if nobody said; an allowance
//! errand                                     work that may wait for the disk, where no executor stands still for it
//! sys     anon  map                          the sole right to write an anonymous file, and its mapping; all unsafe code
//!         at_once                            what the page cache answers without waiting
//!         segment                            memory that one fills while others read it
//!         owned  tree                        names that a process owns, and who lives; all that is in a directory
//!         marks                              where content ends, for a file's owner and for those who are short of disk
//!         unix  windows  wasi  other         what systems do differently
//! error  sync                                typed causes; locks and atomics that a model checker can drive
//! ```

mod cursor;
mod directory;
#[cfg(feature = "tokio")]
mod errand;
mod error;
mod frozen;
mod gauge;
#[cfg(feature = "http")]
pub mod http;
pub mod named;
mod options;
mod pool;
mod seekable;
mod spooled;
mod store;
mod sync;
mod sys;
pub mod tail;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use directory::default_directory;
pub use error::{Limit, LimitError, PathError};
pub use frozen::{Chunks, FreezeError, SpooledBytes};
pub use named::persist::PersistError;
pub use named::{IntoNamedError, NamedOptions, NamedTempFile, TempDir};
pub use options::{Backing, Overflow, SpoolOptions};
pub use pool::{Pool, PoolBuilder, PoolStats};
pub use seekable::SeekableReader;
pub use spooled::{
    IntoFileError, IntoInnerError, SpooledData, SpooledTempFile, spooled_tempfile, spooled_tempfile_in, tempfile,
    tempfile_in,
};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
