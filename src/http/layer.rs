//! A tower layer: what it wraps gets requests whose bodies are whole, bounded, and can be sent again.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::{HeaderValue, Request, Response, header};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

use super::body::SpooledBody;
use super::collect::collect_request;
use crate::options::SpoolOptions;

/// Makes the body of any request bounded and replayable: a `Request<B>` comes in, and once all of it is there, what is wrapped
/// gets a `Request<SpooledBody>`, which can be cloned.
///
/// That request has a `Content-Length`, of 0 too, and no `Transfer-Encoding`; trailers come with the body. A
/// body that is not taken in is
/// answered here, with the status that [`CollectError::status`](super::CollectError::status) says and a line of plain text, and
/// what is wrapped is not called. One that says beforehand that it is too long, in `Content-Length`, is refused before a byte is
/// read, so a client that sent `Expect: 100-continue` sends none.
///
/// As tower asks, what is wrapped has said that it is ready before a body is taken in. So a limit on how many it serves at once
/// counts those that are still being uploaded.
///
/// # Cancel safety
/// A future that is dropped takes with it what was taken in, as with [`collect`](super::collect()).
///
/// Above tower's retry layer, with a policy that clones the request, a failed upload is sent again from the spool, byte for byte:
///
/// ```text
/// ServiceBuilder::new()
///     .layer(SpoolLayer::new(options))
///     .layer(RetryLayer::new(policy))
///     .service(client)
/// ```
///
/// ```
/// use spooled::SpoolOptions;
/// use spooled::http::{SpoolLayer, SpooledBody};
/// # use http::{Request, Response};
/// use tower_layer::Layer;
/// use tower_service::Service;
/// # use std::{convert::Infallible, future::{Ready, ready}, task::{Context, Poll}};
///
/// /// Any service; this one sends back what it gets.
/// #[derive(Clone)]
/// struct Echo;
/// # impl Service<Request<SpooledBody>> for Echo {
/// #     type Response = Response<SpooledBody>;
/// #     type Error = Infallible;
/// #     type Future = Ready<Result<Self::Response, Infallible>>;
/// #     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> { Poll::Ready(Ok(())) }
/// #     fn call(&mut self, request: Request<SpooledBody>) -> Self::Future {
/// #         ready(Ok(Response::new(request.into_body())))
/// #     }
/// # }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let mut options = SpoolOptions::new();
/// options.max_len(10);
/// let mut service = SpoolLayer::new(options).layer(Echo);
///
/// # use bytes::Bytes;
/// # std::future::poll_fn(|cx| Service::<Request<SpooledBody>>::poll_ready(&mut service, cx)).await?;
/// let response = service.call(Request::new(SpooledBody::from(Bytes::from("ten bytes.")))).await?;
/// assert_eq!(response.status(), 200);
/// # std::future::poll_fn(|cx| Service::<Request<SpooledBody>>::poll_ready(&mut service, cx)).await?;
/// let response = service.call(Request::new(SpooledBody::from(Bytes::from("eleven here")))).await?;
/// assert_eq!(response.status(), 413);
/// # Ok::<(), Infallible>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpoolLayer {
    options: SpoolOptions,
}

impl SpoolLayer {
    /// A layer whose spools are made so: `max_len` is the limit of each body, and a pool the limit of all of them together.
    pub fn new(options: SpoolOptions) -> Self {
        Self { options }
    }
}

impl<S> Layer<S> for SpoolLayer {
    type Service = SpoolService<S>;

    fn layer(&self, inner: S) -> SpoolService<S> {
        SpoolService { options: self.options.clone(), inner }
    }
}

/// A service whose requests are taken in first: see [`SpoolLayer`].
#[derive(Debug, Clone)]
pub struct SpoolService<S> {
    options: SpoolOptions,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for SpoolService<S>
where
    S: Service<Request<SpooledBody>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Error: Send,
    R: Body<Data = Bytes>,
{
    type Response = Response<SpoolResponseBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let options = self.options.clone();
        // The one that said it was ready; its clone need not be.
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let collected = match collect_request(&head.headers, body, &options).await {
                Ok(collected) => collected,
                Err(refused) => return Ok(refused.answer(SpoolResponseBody::refused)),
            };
            head.headers.remove(header::TRANSFER_ENCODING);
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(collected.content.len()));
            let answer = inner.call(Request::from_parts(head, collected.into_body())).await?;
            Ok(answer.map(SpoolResponseBody::inner))
        })
    }
}

/// The body of a response: that of the service inside, or a line that says why it was not called.
pub struct SpoolResponseBody<B>(Answer<B>);

enum Answer<B> {
    Inner(Pin<Box<B>>),
    /// The line, until it was sent.
    Refused(Bytes),
}

impl<B> SpoolResponseBody<B> {
    fn inner(body: B) -> Self {
        Self(Answer::Inner(Box::pin(body)))
    }

    fn refused(text: String) -> Self {
        Self(Answer::Refused(text.into()))
    }
}

impl<B: Body<Data = Bytes>> Body for SpoolResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.0 {
            Answer::Inner(body) => body.as_mut().poll_frame(cx),
            Answer::Refused(text) if text.is_empty() => Poll::Ready(None),
            Answer::Refused(text) => Poll::Ready(Some(Ok(Frame::data(mem::take(text))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Answer::Inner(body) => body.is_end_stream(),
            Answer::Refused(text) => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Answer::Inner(body) => body.size_hint(),
            Answer::Refused(text) => SizeHint::with_exact(text.len() as u64),
        }
    }
}

impl<B> fmt::Debug for SpoolResponseBody<B> {
    /// Whose it is, never content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpoolResponseBody")
            .field(&match self.0 {
                Answer::Inner(_) => "inner",
                Answer::Refused(_) => "refused",
            })
            .finish()
    }
}
