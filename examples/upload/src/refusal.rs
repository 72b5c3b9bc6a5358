//! Why a request is not done: the status that says so, and a line for people.

use std::io;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use spooled::{LimitError, PathError};

#[derive(Debug)]
pub(crate) enum Refusal {
    /// No file can have that name, for this reason.
    Name(&'static str),
    /// The request is not what it says it is.
    Malformed(String),
    /// The client went away, or sent something that is no body.
    BrokenOff(String),
    Unknown,
    /// There is nothing of it in those bytes: of a file of so many.
    OutOfBounds(u64),
    /// Somebody is uploading one of that name.
    Busy,
    /// It was deleted while it came.
    Deleted,
    /// More than one file may have.
    TooLarge(u64),
    /// Nothing came for too long.
    Stalled,
    /// There is no room for it now.
    Full(&'static str),
    /// The process may have no further file now.
    NoDescriptor,
    /// Asked for by a page of somebody else's.
    CrossSite,
    /// What the disk answered.
    Disk(io::Error),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Name(_) | Self::Malformed(_) | Self::BrokenOff(_) => StatusCode::BAD_REQUEST,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::OutOfBounds(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Busy => StatusCode::CONFLICT,
            Self::Deleted => StatusCode::GONE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::NoDescriptor => StatusCode::SERVICE_UNAVAILABLE,
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::Disk(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Name(why) | Self::Full(why) => (*why).to_owned(),
            Self::Malformed(why) => why.clone(),
            Self::BrokenOff(why) => format!("the upload broke off: {why}"),
            Self::Unknown => "there is no such file".to_owned(),
            Self::OutOfBounds(len) => format!("the file has {len} bytes"),
            Self::Busy => "a file of that name is being uploaded".to_owned(),
            Self::Deleted => "it was deleted before it was whole".to_owned(),
            Self::TooLarge(limit) => format!("a file may have at most {limit} bytes"),
            Self::Stalled => "nothing came for too long".to_owned(),
            Self::NoDescriptor => "too many files are open, try again later".to_owned(),
            Self::CrossSite => "another site's page may not do that".to_owned(),
            // What is wrong with our disk is not the client's business.
            Self::Disk(_) => "the disk failed".to_owned(),
        }
    }
}

impl From<io::Error> for Refusal {
    /// What a spool says when it cannot take more.
    fn from(error: io::Error) -> Self {
        let cause = error.get_ref();
        let limit = cause.and_then(|cause| cause.downcast_ref::<LimitError>()).map(LimitError::limit);
        let system =
            cause.and_then(|cause| cause.downcast_ref::<PathError>()).map(PathError::io_error).unwrap_or(&error);
        match error.kind() {
            io::ErrorKind::FileTooLarge if limit.is_some() => Self::TooLarge(limit.unwrap_or_default()),
            io::ErrorKind::QuotaExceeded => Self::Full("all that files may take of the disk is taken"),
            io::ErrorKind::StorageFull => Self::Full("the disk is full"),
            _ if is_want_of_descriptors(system) => Self::NoDescriptor,
            _ => Self::Disk(error),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Self::Disk(error) = &self {
            eprintln!("upload: {error}");
        }
        let mut response = (self.status(), self.text() + "\n").into_response();
        let headers = response.headers_mut();
        match self {
            Self::OutOfBounds(len) => {
                headers.insert(header::CONTENT_RANGE, HeaderValue::try_from(format!("bytes */{len}")).expect("digits"));
            }
            Self::NoDescriptor => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

#[cfg(unix)]
fn is_want_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error())).contains(&error.raw_os_error())
}

#[cfg(not(unix))]
fn is_want_of_descriptors(_: &io::Error) -> bool {
    false
}
