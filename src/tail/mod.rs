//! One writer, any number of readers: content that is read from its start while it is still being written.
//!
//! ```
//! use spooled::{SpoolOptions, tail};
//! use std::io::{self, Read, Write};
//! use std::thread;
//!
//! let (mut writer, reader) = tail::channel(&SpoolOptions::new());
//! let readers: Vec<_> = (0..3)
//!     .map(|_| {
//!         let mut reader = reader.clone();
//!         thread::spawn(move || {
//!             let mut text = String::new();
//!             reader.read_to_string(&mut text).map(|_| text)
//!         })
//!     })
//!     .collect();
//!
//! writer.write_all(b"as it arrives")?;
//! writer.flush()?; // So much can be read now.
//! writer.write_all(b", to its end")?;
//! writer.finish()?;
//! for reader in readers {
//!     assert_eq!(reader.join().unwrap()?, "as it arrives, to its end");
//! }
//! # Ok::<(), io::Error>(())
//! ```
//!
//! The content is in memory up to the threshold, and then in one anonymous file, as the options say. What is in a file is read
//! by position, whatever their [`Backing`](crate::Backing): a mapping pays for content that stays as it is.
//!
//! # When it can be read
//!
//! What is written is **published** by [`flush`](std::io::Write::flush), and without it whenever 64 KiB have gathered: then
//! readers that wait are woken, and not with every write; a large write is published as it goes, by 256 KiB. The end publishes too,
//! whichever end it is.
//!
//! A reader at the end of what is published waits for more, or for one of three ends:
//!
//! | the writer | a reader that has read all |
//! |---|---|
//! | has [finished](Writer::finish) | is at the end: 0 bytes |
//! | has [failed](Writer::fail) | gets an error of that kind, with a [`Failed`] inside |
//! | was dropped | gets [`BrokenPipe`](std::io::ErrorKind::BrokenPipe), with an [`Abandoned`] inside |
//!
//! (Of [`Interrupted`](std::io::ErrorKind::Interrupted) readers get [`Other`](std::io::ErrorKind::Other): else they would try again,
//! for ever.) An error comes behind all that was published before it, to every reader, and each time. What came before it can be read
//! again and again.
//!
//! A reader waits for the writer, never the other way round. So who has both in one thread, and reads what it has not flushed
//! yet, waits for ever; and so does who waits for a writer that was leaked. Where there are no threads (WASI), a reader that would wait
//! gets [`WouldBlock`](std::io::ErrorKind::WouldBlock) instead.
//!
//! # In tasks
//!
//! With the feature `tokio` a [`Reader`] is `AsyncRead`, `AsyncBufRead`, `AsyncSeek` and a stream, a [`Writer`] is `AsyncWrite`; tasks
//! and threads can wait for the same writer. A writer ends with `shutdown` in place of [`finish`](Writer::finish), which may wait for the
//! disk; [`fail`](Writer::fail), and the drop, leave that to the blocking pool. Where traits of both families are in scope, a
//! call has to say which it means: `AsyncReadExt::read(&mut reader, &mut buf)`.
//!
//! # What it costs
//!
//! The writer keeps what it has written in memory once, or hands it to the system by the window: one positional write for each
//! 64 KiB that came in small pieces, or 256 KiB of a large one, and one for each `flush`. A reader has a window of its own, once
//! it reads in sequence and in small pieces (64 KiB; 256 KiB in long work), and costs one positional read for each, or in memory
//! one copy; without memory for a window it reads without. Readers that fall behind cost nothing more, and hold up neither
//! the writer nor each other. Memory and file stay until the last of all has gone.

mod log;
#[cfg(all(test, loom))]
mod loom_tests;
mod progress;
mod reader;
mod shared;
#[cfg(feature = "tokio")]
mod tasks;
mod writer;

use std::sync::Arc;

pub use progress::{Abandoned, Failed};
pub use reader::Reader;
pub use writer::Writer;

use crate::options::SpoolOptions;
use shared::Shared;

/// Content that is about to be written, and to be read meanwhile; made as `options` say.
///
/// Does no I/O. The first reader stands at the start; all others are its clones.
///
/// ```
/// use spooled::{SpoolOptions, tail};
/// use std::io::{BufRead, Write};
///
/// let (mut log, mut reader) = tail::channel(&SpoolOptions::new());
/// std::thread::spawn(move || {
///     for number in 0..3 {
///         writeln!(log, "line {number}")?;
///         log.flush()?;
///     }
///     log.finish()
/// });
/// let mut line = String::new();
/// while reader.read_line(&mut line)? > 0 {
///     print!("{line}");
///     line.clear();
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "tee")]
pub fn channel(options: &SpoolOptions) -> (Writer, Reader) {
    let shared = Arc::new(Shared::new(options.seat()));
    (Writer::new(options.settings().clone(), Arc::clone(&shared)), Reader::new(shared))
}
