//! A field of a form into a spool.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use super::error::CollectError;
use super::gather::{Gathering, Next};
use crate::frozen::SpooledBytes;
use crate::options::SpoolOptions;

/// Takes in all of a field of a multipart form, by the rules of [`collect`](super::collect()): a part of ten bytes stays in
/// memory, a part of a gigabyte goes to disk, and with a [`Pool`](crate::Pool) in the `options` all of them within its limits.
///
/// Any stream of [`Bytes`] will do, `multer::Field` and axum's `Field` among them. Axum limits the whole form to 2 MiB
/// unless told otherwise (`DefaultBodyLimit`).
///
/// # Errors
/// See [`CollectError`]: of the field itself `Body`, and nothing of it is left.
///
/// # Cancel safety
/// As for [`collect`](super::collect()).
///
/// ```
/// use spooled::{SpoolOptions, SpooledBytes, http};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// # let field = SpooledBytes::from(b"a part of ten bytes".to_vec()).chunks(10).into_stream();
/// let content = http::spool_field(field, SpoolOptions::new().max_len(1 << 20)).await?;
/// assert_eq!(content.len(), 19);
/// # Ok::<(), http::CollectError<std::io::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn spool_field<F, E>(field: F, options: &SpoolOptions) -> Result<SpooledBytes, CollectError<E>>
where
    F: Stream<Item = Result<Bytes, E>>,
{
    let mut gathering = Gathering::new(options, 0);
    let mut field = pin!(field);
    poll_fn(|cx| {
        gathering.poll(cx, |cx| {
            Poll::Ready(match ready!(field.as_mut().poll_next(cx)) {
                Some(data) => data.map(Next::Data),
                None => Ok(Next::End),
            })
        })
    })
    .await
}
