//! The body of a request, as an axum handler takes it.

use axum_core::extract::{FromRequest, Request};

use super::collect::{Collected, collect_request};
use super::error::CollectError;
use crate::frozen::SpooledBytes;
use crate::options::SpoolOptions;

/// The whole body of a request, in memory or on disk, as an argument of an axum handler.
///
/// What is too large, and where it goes, say the [`SpoolOptions`] that `Extension` gives; without them the default ones with
/// 2 MiB as [`max_len`](SpoolOptions::max_len), which is axum's own limit. That limit of axum's (`DefaultBodyLimit`) does not
/// apply.
///
/// A body that is not taken in is answered as [`CollectError::status`] says, with a line of plain text.
///
/// # Cancel safety
/// Where the client goes away, what was taken in goes too, as with [`collect`](super::collect()).
///
/// ```
/// use axum_core::body::Body;
/// use axum_core::extract::{FromRequest, Request};
/// use spooled::{SpoolOptions, http::Spooled};
///
/// /// A handler.
/// async fn put(Spooled(content): Spooled) -> String {
///     format!("{} bytes, {}", content.len(), if content.is_rolled() { "on disk" } else { "in memory" })
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// // What `Router::new().route("/", put(put)).layer(Extension(options))` does for each request:
/// let mut options = SpoolOptions::new();
/// options.threshold(8);
/// let mut request = Request::new(Body::from("more than eight bytes"));
/// request.extensions_mut().insert(options);
/// let spooled = Spooled::from_request(request, &()).await?;
/// assert_eq!(put(spooled).await, "21 bytes, on disk");
/// # Ok::<(), spooled::http::CollectError<axum_core::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Spooled(
    /// The content. Its trailers are dropped.
    pub SpooledBytes,
);

impl<S: Send + Sync> FromRequest<S> for Spooled {
    type Rejection = CollectError<axum_core::Error>;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let unless_told;
        let options = match parts.extensions.get::<SpoolOptions>() {
            Some(options) => options,
            None => {
                let mut options = SpoolOptions::new();
                options.max_len(AXUM_LIMIT);
                unless_told = options;
                &unless_told
            }
        };
        let Collected { content, .. } = collect_request(&parts.headers, body, options).await?;
        Ok(Self(content))
    }
}

/// What axum allows a body unless told otherwise, in bytes.
const AXUM_LIMIT: u64 = 2 << 20;
