//! What a client still sends when it has been refused.
//!
//! Over HTTP/1.1 the connection sees to it (`connection`). Over HTTP/2 a body that nobody reads on is a stream that is reset, and
//! there are clients that read no answer on such a stream any more, though it came first.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::Version;
use http_body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::connection::LINGER;

/// A body that is read on for a moment when it is dropped before its end.
struct Unread(Body);

pub(crate) async fn read_on(request: Request) -> Request {
    if request.version() == Version::HTTP_2 { request.map(|body| Body::new(Unread(body))) } else { request }
}

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let mut body = std::mem::take(&mut self.0);
        if let (false, Ok(runtime)) = (body.is_end_stream(), Handle::try_current()) {
            let rest = async move {
                while let Some(Ok(_)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
            };
            runtime.spawn(timeout(LINGER, rest));
        }
    }
}
