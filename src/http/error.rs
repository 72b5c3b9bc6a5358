//! Why a body was not taken in, and what to answer.

use std::error::Error;
use std::fmt;
use std::io;

use ::http::StatusCode;
#[cfg(any(feature = "tower", feature = "axum"))]
use ::http::{HeaderValue, Response, header};

use crate::error::LimitError;

/// Why a body was not taken in. Nothing of it is left.
///
/// ```
/// use spooled::http::CollectError;
///
/// let error: CollectError<std::io::Error> = CollectError::TooLarge { limit: 1024 };
/// assert_eq!(error.status(), 413);
/// assert_eq!(error.to_string(), "the body is longer than 1024 bytes");
/// ```
#[derive(Debug)]
pub enum CollectError<E> {
    /// It is longer than it may be: than [`max_len`](crate::SpoolOptions::max_len), than what
    /// [`Overflow::Fail`](crate::Overflow::Fail) or [`Overflow::DiskOrMemory`](crate::Overflow::DiskOrMemory) leave to memory,
    /// or than the process's limit on the size of a file.
    TooLarge {
        /// How many bytes it may have.
        limit: u64,
    },
    /// The body itself failed: its sender went away, or did not keep to the protocol.
    Body(E),
    /// It could not be stored. The error names the directory, or the pool's limit.
    Disk(io::Error),
}

impl<E> CollectError<E> {
    pub(super) fn of_spool(error: io::Error) -> Self {
        let limit = error.get_ref().and_then(|cause| cause.downcast_ref::<LimitError>());
        match (error.kind(), limit) {
            (io::ErrorKind::FileTooLarge, Some(limit)) => Self::TooLarge { limit: limit.limit() },
            _ => Self::Disk(error),
        }
    }

    /// What a server answers: 413 for what is too large, 400 for a body that failed, 507 where a disk or a pool is full, and else
    /// 500.
    ///
    /// ```
    /// use spooled::http::CollectError;
    /// use std::io::{Error, ErrorKind};
    ///
    /// let full: CollectError<Error> = CollectError::Disk(ErrorKind::StorageFull.into());
    /// assert_eq!(full.status(), 507);
    /// let broken_off = CollectError::Body(Error::from(ErrorKind::ConnectionReset));
    /// assert_eq!(broken_off.status(), 400);
    /// ```
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Disk(error) => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// An answer that tells the client what it may know: no path, and nobody's quota.
    #[cfg(any(feature = "tower", feature = "axum"))]
    pub(super) fn answer<B>(&self, body: impl FnOnce(String) -> B) -> Response<B> {
        let status = self.status();
        let text = match self {
            Self::TooLarge { .. } => format!("{self}\n"),
            Self::Body(_) => "the body ended before it was complete\n".to_owned(),
            Self::Disk(_) if status == StatusCode::INSUFFICIENT_STORAGE => {
                "there is no space for the body\n".to_owned()
            }
            Self::Disk(_) => "the body could not be stored\n".to_owned(),
        };
        let mut answer = Response::new(body(text));
        *answer.status_mut() = status;
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        answer
    }
}

impl<E> fmt::Display for CollectError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "the body is longer than {limit} bytes"),
            Self::Body(_) => f.write_str("the body failed"),
            Self::Disk(error) => write!(f, "the body could not be stored: {error}"),
        }
    }
}

impl<E: Error + 'static> Error for CollectError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooLarge { .. } => None,
            Self::Body(error) => Some(error),
            Self::Disk(error) => Some(error),
        }
    }
}

#[cfg(feature = "axum")]
impl<E> axum_core::response::IntoResponse for CollectError<E> {
    /// The [status](Self::status) and a line of plain text, which names no path.
    fn into_response(self) -> axum_core::response::Response {
        self.answer(axum_core::body::Body::from)
    }
}
