//! A body into a spool.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::http::HeaderMap;
#[cfg(any(feature = "tower", feature = "axum"))]
use ::http::header;
use http_body::{Body, Frame};

use super::body::SpooledBody;
use super::error::CollectError;
use super::gather::{Gathering, Next};
use crate::frozen::SpooledBytes;
use crate::options::SpoolOptions;

/// What [`collect`] gives: a whole body.
#[derive(Debug, Clone)]
pub struct Collected {
    /// All data frames, one behind the other.
    pub content: SpooledBytes,
    /// The headers that came after them, if any did.
    pub trailers: Option<HeaderMap>,
}

impl Collected {
    /// The same as a body, trailers included.
    ///
    /// ```
    /// use http_body::Body;
    /// use spooled::{SpooledBytes, http::Collected};
    ///
    /// let collected = Collected { content: SpooledBytes::from(b"content".to_vec()), trailers: None };
    /// assert_eq!(collected.into_body().size_hint().exact(), Some(7));
    /// ```
    pub fn into_body(self) -> SpooledBody {
        SpooledBody::new(self.content, self.trailers)
    }
}

/// Takes in all of `body`: into memory up to the threshold, and else to disk, as `options` say.
///
/// What fits in memory is stored in the task, what goes to disk is written on the runtime's blocking pool, from where it
/// lies and up to 256 KiB at a time, while the next frames come in. Heap held never exceeds the threshold and 1 MiB, but for
/// frames larger than 256 KiB. With a pool, frames on their way count in its memory, and where that is short there are
/// fewer: 16 KiB, which do not count. A body that is one frame, and fits in memory, stays what it came in, unless it has less
/// than 1 KiB, or with a pool, less than 16: that is copied, so as not to hold a larger buffer. Without a pool the first eight
/// frames, if they are no more than 16 KiB, stay what they came in until another comes or the body ends, and are copied then.
///
/// [`max_len`](SpoolOptions::max_len) is the limit: a body that says that it is longer is refused before it is polled, one
/// that turns out to be is refused at the frame that would pass it, which is not stored, and nothing more is asked of it.
///
/// # Errors
/// See [`CollectError`]. Nothing is left of the content then, on disk or in the pool's figures. What is too large for memory
/// needs a Tokio runtime: outside one it is [`CollectError::Disk`], never a panic.
///
/// # Cancel safety
/// A future that is dropped takes with it what was taken in; frames that `body` gave are lost. What is being written at that
/// moment is let go of as soon as it is written, at most 256 KiB later.
///
/// ```
/// use spooled::{SpoolOptions, SpooledBytes, http};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let mut options = SpoolOptions::new();
/// options.threshold(16).max_len(1000);
///
/// let body = SpooledBytes::from(b"more than sixteen bytes".to_vec()).into_body();
/// let collected = http::collect(body, &options).await?;
/// assert!(collected.content.is_rolled());
///
/// let body = SpooledBytes::from(vec![0; 1001]).into_body();
/// let refused = http::collect(body, &options).await.unwrap_err();
/// assert_eq!(refused.status(), 413);
/// # Ok::<(), http::CollectError<std::io::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn collect<B: Body>(
    body: B,
    options: &SpoolOptions,
) -> impl Future<Output = Result<Collected, CollectError<B::Error>>> {
    Collect::new(body, options, 0)
}

pin_project_lite::pin_project! {
    // By hand, since what the compiler makes of an `async fn` is larger, and moved about: it has room for the body twice.
    // Both are gone as soon as it is ready.
    struct Collect<'a, B: Body> {
        #[pin]
        body: Option<B>,
        gathering: Option<Gathering<'a, B::Error>>,
        // Boxed, since few bodies have any.
        trailers: Option<Box<HeaderMap>>,
    }
}

impl<'a, B: Body> Collect<'a, B> {
    /// `told` is what somebody else says of its length.
    fn new(body: B, options: &'a SpoolOptions, told: u64) -> Self {
        let mut gathering = Gathering::new(options, body.size_hint().lower());
        gathering.expect(told);
        Self { body: Some(body), gathering: Some(gathering), trailers: None }
    }
}

impl<B: Body> Future for Collect<'_, B> {
    type Output = Result<Collected, CollectError<B::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (body, gathering) = (this.body.as_mut().as_pin_mut(), this.gathering.as_mut());
        let (mut body, gathering) = body.zip(gathering).expect("it is not polled again after it was ready");
        let content = ready!(gathering.poll(cx, |cx| {
            Poll::Ready(match ready!(body.as_mut().poll_frame(cx)) {
                Some(frame) => frame.map(|frame| sort(frame, this.trailers)),
                None => Ok(Next::End),
            })
        }));
        this.body.set(None);
        *this.gathering = None;
        Poll::Ready(Ok(Collected { content: content?, trailers: this.trailers.take().map(|trailers| *trailers) }))
    }
}

/// The same for the body of a request, whose head may say how long it is where the body does not.
#[cfg(any(feature = "tower", feature = "axum"))]
pub(super) fn collect_request<'a, B: Body>(
    headers: &HeaderMap,
    body: B,
    options: &'a SpoolOptions,
) -> impl Future<Output = Result<Collected, CollectError<B::Error>>> + use<'a, B> {
    let told: Option<u64> = headers.get(header::CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
    Collect::new(body, options, told.unwrap_or(0))
}

/// Data to be stored; trailers are put aside.
#[inline]
fn sort<D>(frame: Frame<D>, trailers: &mut Option<Box<HeaderMap>>) -> Next<D> {
    match frame.into_data() {
        Ok(data) => Next::Data(data),
        Err(frame) => {
            if let Ok(more) = frame.into_trailers() {
                trailers.get_or_insert_default().extend(more);
            }
            Next::Other
        }
    }
}
