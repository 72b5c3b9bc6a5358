//! What the page draws: the pool's figures and what is coming, whenever they change.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use futures_util::{Stream, stream};
use serde::Serialize;
use spooled::PoolStats;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::files::{Coming, Files};

/// A pool's figures, in bytes and counts.
#[derive(Serialize, PartialEq, Eq)]
pub(crate) struct Figures {
    memory_used: usize,
    memory_peak: usize,
    memory_limit: usize,
    memory_retained: usize,
    disk_used: u64,
    disk_peak: u64,
    disk_limit: u64,
    disk_retained: u64,
    spools: usize,
    rolled: usize,
    reused_buffers: u64,
    reused_files: u64,
}

#[derive(Serialize, PartialEq, Eq)]
struct Look {
    pool: Figures,
    /// When it changes, there is another list to be had of what is whole.
    version: u64,
    uploads: Vec<Coming>,
}

impl From<PoolStats> for Figures {
    fn from(stats: PoolStats) -> Self {
        Figures {
            memory_used: stats.memory_used,
            memory_peak: stats.memory_peak,
            memory_limit: stats.memory_limit,
            memory_retained: stats.memory_retained,
            disk_used: stats.disk_used,
            disk_peak: stats.disk_peak,
            disk_limit: stats.disk_limit,
            disk_retained: stats.disk_retained,
            spools: stats.spools,
            rolled: stats.rolled,
            reused_buffers: stats.reused_buffers,
            reused_files: stats.reused_files,
        }
    }
}

/// A look at once, and then one for each change, a few in a second at most. Ends when the service does.
pub(crate) fn events(
    files: Arc<Files>,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold((files, stop, ticks, None), |(files, stop, mut ticks, last)| async move {
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return None,
            }
            let look = look(&files);
            if last.as_ref() != Some(&look) {
                let event = Event::default().json_data(&look).expect("numbers and names");
                return Some((Ok(event), (files, stop, ticks, Some(look))));
            }
        }
    })
}

fn look(files: &Files) -> Look {
    let (version, uploads) = files.uploads();
    Look { pool: files.stats().into(), version, uploads }
}

const PAUSE: Duration = Duration::from_millis(200);
