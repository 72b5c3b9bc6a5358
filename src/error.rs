//! Typed causes, and the shape of an error that gives something back.
//!
//! Every failure reaches the caller as an [`std::io::Error`] with a fitting kind. What lies inside it is one of the
//! types here, so that a program can ask *which* limit and *which* path without reading a message.
//! Imports nothing of ours.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Which limit a call met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// What [`SpoolOptions::max_len`](crate::SpoolOptions::max_len) allows.
    MaxLen,
    /// What memory may hold where there is no disk to go to: see [`Overflow`](crate::Overflow).
    Memory,
    /// The process's own limit on the size of a file (`RLIMIT_FSIZE`).
    FileSize,
    /// The memory that a [`Pool`](crate::Pool) may hold.
    PoolMemory,
    /// The disk that a [`Pool`](crate::Pool) may hold.
    PoolDisk,
}

/// The cause inside an [`io::Error`] of kind [`FileTooLarge`](io::ErrorKind::FileTooLarge), or where the limit is shared
/// [`QuotaExceeded`](io::ErrorKind::QuotaExceeded): a limit, in bytes.
///
/// ```
/// use spooled::{Limit, LimitError, SpoolOptions};
/// use std::io::Write;
///
/// let mut spool = SpoolOptions::new().max_len(3).build();
/// assert_eq!(spool.write(b"four")?, 3);
/// let error = spool.write(b"r").unwrap_err();
/// let cause = error.get_ref().unwrap().downcast_ref::<LimitError>().unwrap();
/// assert_eq!((cause.which(), cause.limit()), (Limit::MaxLen, 3));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitError {
    which: Limit,
    limit: u64,
}

impl LimitError {
    /// The limit that was met.
    pub fn which(&self) -> Limit {
        self.which
    }

    /// How much it allows, in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn too_large(which: Limit, limit: u64) -> io::Error {
        io::Error::new(io::ErrorKind::FileTooLarge, LimitError { which, limit })
    }

    /// Of an allowance that others share: what is refused now may be there as soon as one of them gives back.
    #[cold]
    pub(crate) fn quota(which: Limit, limit: u64) -> io::Error {
        io::Error::new(io::ErrorKind::QuotaExceeded, LimitError { which, limit })
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.which {
            Limit::MaxLen => "the spool's maximum length",
            Limit::Memory => "what the spool may hold in memory",
            Limit::FileSize => "the process's limit on the size of a file",
            Limit::PoolMemory => "what the pool may hold in memory",
            Limit::PoolDisk => "what the pool may hold on disk",
        };
        write!(f, "{whose} is {} bytes", self.limit)
    }
}

impl Error for LimitError {}

/// The cause inside an [`io::Error`] that came from a directory or a file: its path, and what the system said.
///
/// ```
/// use spooled::{PathError, SpooledTempFile};
///
/// let error = SpooledTempFile::new_in(0, "/does/not/exist").roll().unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// let cause = error.get_ref().unwrap().downcast_ref::<PathError>().unwrap();
/// assert_eq!(cause.path(), std::path::Path::new("/does/not/exist"));
/// ```
#[derive(Debug)]
pub struct PathError {
    path: PathBuf,
    error: io::Error,
}

impl PathError {
    /// The directory a spool's file is in, or the path a file was to be given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the system said, its own error number included.
    pub fn io_error(&self) -> &io::Error {
        &self.error
    }

    /// Names `path` in `error`, unless a limit or a path is named there already.
    #[cold]
    pub(crate) fn at(path: &Path, error: io::Error) -> io::Error {
        let named = error.get_ref().is_some_and(|cause| cause.is::<PathError>() || cause.is::<LimitError>());
        if named {
            return error;
        }
        io::Error::new(error.kind(), PathError { path: path.to_owned(), error })
    }

    /// Names `path` in `error`, in place of another that is named there.
    #[cold]
    pub(crate) fn instead(path: &Path, error: io::Error) -> io::Error {
        match error.downcast::<PathError>() {
            Ok(PathError { error, .. }) | Err(error) => Self::at(path, error),
        }
    }

    /// What `error` names, if anything, lies in `dir`.
    #[cfg(unix)]
    #[cold]
    pub(crate) fn within(dir: &Path, error: io::Error) -> io::Error {
        match error.downcast::<PathError>() {
            Ok(PathError { path, error }) => Self::at(&dir.join(path), error),
            Err(error) => Self::at(dir, error),
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl Error for PathError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// The same error once more, for who has to hand it to two: kind, message, and the cause as far as it is one of ours or the
/// system's.
pub(crate) fn again(error: &io::Error) -> io::Error {
    if let Some(code) = error.raw_os_error() {
        return io::Error::from_raw_os_error(code);
    }
    let cause = error.get_ref();
    if let Some(limit) = cause.and_then(|cause| cause.downcast_ref::<LimitError>()) {
        return io::Error::new(error.kind(), *limit);
    }
    match cause.and_then(|cause| cause.downcast_ref::<PathError>()) {
        Some(PathError { path, error }) => PathError::at(path, again(error)),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// A write whose end no file can have.
#[cold]
pub(crate) fn past_every_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a write may not end past i64::MAX bytes")
}

/// Content that ends where there should be more.
#[cold]
pub(crate) fn end_too_soon() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "failed to fill whole buffer")
}

/// Memory that the allocator would not give.
#[cold]
pub(crate) fn out_of_memory(bytes: usize) -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, format!("cannot have {bytes} bytes of memory"))
}

/// Defines the error of a method that consumes a spool: a cause, and the spool as it was (the way of
/// [`std::io::IntoInnerError`]).
///
/// A type for each method, so that a caller's own error type can be made `From` each of them.
macro_rules! gives_back {
    ($(#[$meta:meta])* $name:ident: $spool:ty) => {
        $(#[$meta])*
        pub struct $name {
            error: ::std::io::Error,
            spool: $spool,
        }

        impl $name {
            pub(crate) fn new(error: ::std::io::Error, spool: $spool) -> Self {
                Self { error, spool }
            }

            /// What went wrong.
            pub fn error(&self) -> &::std::io::Error {
                &self.error
            }

            /// The spool: content, length and position are what they were.
            pub fn into_spool(self) -> $spool {
                self.spool
            }

            /// What went wrong, and the spool as it was.
            pub fn into_parts(self) -> (::std::io::Error, $spool) {
                (self.error, self.spool)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($name)).field("error", &self.error).field("spool", &self.spool).finish()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&self.error, f)
            }
        }

        impl ::std::error::Error for $name {
            fn source(&self) -> Option<&(dyn ::std::error::Error + 'static)> {
                Some(&self.error)
            }
        }

        impl From<$name> for ::std::io::Error {
            /// Drops the spool, and with it the content.
            fn from(error: $name) -> Self {
                error.error
            }
        }
    };
}
pub(crate) use gives_back;
