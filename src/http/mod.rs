//! Bodies of HTTP messages: into a spool, within limits, and out of it, any number of times (feature `http`).
//!
//! [`collect()`] takes a whole body in: small ones stay in memory, large ones go to disk, and one that is too long is refused
//! before what is too much is stored. [`SpooledBody`] gives it out again, to as many as ask, each from the start. Neither
//! ever holds up the executor.
//!
//! ```
//! use spooled::{SpoolOptions, SpooledBytes, http};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let request = SpooledBytes::from(b"whatever came in".to_vec()).into_body();
//!
//! let mut options = SpoolOptions::new();
//! options.threshold(64 << 10).max_len(1 << 30);
//! let collected = http::collect(request, &options).await?;
//! assert_eq!(collected.content.len(), 16);
//!
//! let first_try = collected.into_body();
//! let second_try = first_try.clone();
//! # drop(second_try);
//! # Ok::<(), http::CollectError<std::io::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With the feature `tower`, `SpoolLayer` does both around any service: what it wraps gets requests that are bounded, and
//! can be sent again. With `axum`, `Spooled` is an extractor. With `multipart`, `spool_field` takes in a field of a form.

mod body;
mod collect;
mod error;
#[cfg(feature = "axum")]
mod extract;
#[cfg(feature = "multipart")]
mod field;
mod gather;
#[cfg(feature = "tower")]
mod layer;

pub use body::SpooledBody;
pub use collect::{Collected, collect};
pub use error::CollectError;
#[cfg(feature = "axum")]
pub use extract::Spooled;
#[cfg(feature = "multipart")]
pub use field::spool_field;
#[cfg(feature = "tower")]
pub use layer::{SpoolLayer, SpoolResponseBody, SpoolService};
