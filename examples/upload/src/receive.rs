//! From a connection into a file: the one way in, for bodies and for fields of forms.

use std::fmt::Display;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use crate::files::{Files, Stored, Upload};
use crate::name::Name;
use crate::refusal::Refusal;

/// Stores what comes, if all of it comes; waits for at most `idle` for each piece. `expected` is how much there will be, if that
/// was said. When it fails, or the future is dropped, there is nothing.
///
/// Pulls nothing before it is clear that the upload may begin: a client that waits for "100 Continue" gets the refusal instead.
pub(crate) async fn receive<E: Display>(
    files: &Arc<Files>,
    name: Name,
    expected: Option<u64>,
    pieces: impl Stream<Item = Result<Bytes, E>>,
    idle: Duration,
) -> Result<Stored, Refusal> {
    let mut upload = files.begin(name, expected)?;
    let deleted = upload.deleted();
    tokio::select! {
        poured = pour(pieces, &mut upload, idle) => poured?,
        () = deleted.cancelled() => return Err(Refusal::Deleted),
    }
    upload.finish().await
}

async fn pour<E: Display>(
    pieces: impl Stream<Item = Result<Bytes, E>>,
    upload: &mut Upload,
    idle: Duration,
) -> Result<(), Refusal> {
    let mut pieces = pin!(pieces);
    loop {
        let mut next = pieces.next();
        let piece = match timeout(QUIET.min(idle), &mut next).await {
            Ok(piece) => piece,
            // It may be long until there is more: what has come is there to be read.
            Err(_) => {
                upload.publish().await?;
                timeout(idle, next).await.map_err(|_| Refusal::Stalled)?
            }
        };
        match piece {
            Some(Ok(piece)) => upload.write(piece).await?,
            Some(Err(error)) => return Err(Refusal::BrokenOff(error.to_string())),
            None => return Ok(()),
        }
    }
}

/// How long readers wait for what has come, at most. Each time costs a write to the file, so one that comes fast is not cut up.
const QUIET: Duration = Duration::from_millis(100);
