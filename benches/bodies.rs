//! Bodies of HTTP messages into spools.

use std::convert::Infallible;
use std::io::Read;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use spooled::{SpoolOptions, http};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::harness::{Row, Sample};
use crate::peers::file;
use crate::pool;
use crate::tasks::{Threads, timed};
use crate::work::{KIB, MIB, content, glance};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (frames, name) in [(1, "one frame"), (4, "4 frames")] {
        for (options, pool, bar) in
            [(unpooled as fn(&Path) -> SpoolOptions, "", Some(1.3)), (pooled, ", with a pool", None)]
        {
            rows.push(Row::new(
                format!("bodies: 2 KiB in {name}, collected to `Bytes`{pool}"),
                "`BodyExt::collect`",
                bar,
                move || small(frames, options(dir)),
                move || small_in_memory(frames),
            ));
        }
    }
    for (frame, name) in [(16 * KIB, "16 KiB"), (64 * KIB, "64 KiB"), (256 * KIB, "256 KiB")] {
        for threads in [Threads::One, Threads::Two] {
            for (options, pool) in [(unpooled as fn(&Path) -> SpoolOptions, ""), (pooled, ", with a pool")] {
                rows.push(Row::new(
                    format!("bodies: 256 MiB in frames of {name}{pool}, {threads}"),
                    "written to a `tokio::fs::File`",
                    0.9,
                    move || collected(threads, frame, options(dir)),
                    move || written(threads, frame, dir),
                ));
            }
        }
    }
    rows
}

/// A body of so many bytes, in frames of one size, that takes no time.
#[derive(Clone)]
pub struct Frames {
    /// What there is again and again: a whole number of frames.
    bytes: Bytes,
    frame: usize,
    given: usize,
    len: usize,
}

impl Frames {
    pub fn new(frame: usize, len: usize) -> Self {
        Self { bytes: content(frame.max(MIB.min(len))).into(), frame, given: 0, len }
    }

    fn next(&mut self) -> Option<Bytes> {
        let start = self.given % self.bytes.len();
        (self.given < self.len).then(|| {
            self.given += self.frame;
            self.bytes.slice(start..start + self.frame)
        })
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().next().map(|bytes| Ok(Frame::data(bytes))))
    }
}

fn small(frames: usize, options: SpoolOptions) -> impl FnMut() -> Sample {
    Threads::One.run((options, Frames::new(SMALL / frames, SMALL)), |(options, body)| async move {
        let sample = timed(COUNT, async {
            let mut sum = 0;
            for _ in 0..COUNT {
                let collected = http::collect(body.clone(), &options).await.expect("collected");
                sum += glance(&collected.content.to_bytes().expect("in memory"));
            }
            sum
        });
        let sample = sample.await;
        ((options, body), sample)
    })
}

fn small_in_memory(frames: usize) -> impl FnMut() -> Sample {
    Threads::One.run(Frames::new(SMALL / frames, SMALL), |body| async move {
        let sample = timed(COUNT, async {
            let mut sum = 0;
            for _ in 0..COUNT {
                let Ok(collected) = body.clone().collect().await;
                sum += glance(&collected.to_bytes());
            }
            sum
        });
        let sample = sample.await;
        (body, sample)
    })
}

fn collected(threads: Threads, frame: usize, options: SpoolOptions) -> impl FnMut() -> Sample {
    assert_whole(&options, Frames::new(frame, 8 * MIB));
    threads.run((options, Frames::new(frame, LARGE)), |(options, body)| async move {
        let sample = timed(1, async {
            let collected = http::collect(body.clone(), &options).await.expect("collected");
            assert!(collected.content.is_rolled());
            collected.content.len()
        });
        let sample = sample.await;
        ((options, body), sample)
    })
}

/// Whether what is collected is what was sent.
fn assert_whole(options: &SpoolOptions, mut body: Frames) {
    let collected = http::collect(body.clone(), options);
    let mut content = Threads::One.runtime().block_on(collected).expect("collected").content;
    while let Some(frame) = body.next() {
        let mut back = vec![0; frame.len()];
        content.read_exact(&mut back).expect("read");
        assert!(back == frame, "what was collected is not what was sent");
    }
    assert_eq!(content.position(), content.len());
}

fn written(threads: Threads, frame: usize, dir: &Path) -> impl FnMut() -> Sample {
    let dir = dir.to_owned();
    threads.run(Frames::new(frame, LARGE), move |mut body| {
        let mut file = File::from_std(file::new(&dir));
        async move {
            let whole = body.clone();
            let sample = timed(1, async move {
                while let Some(Ok(frame)) = body.frame().await {
                    let Ok(data) = frame.into_data() else { continue };
                    file.write_all(&data).await.expect("written");
                }
                file.flush().await.expect("flushed");
                LARGE as u64
            });
            let sample = sample.await;
            (whole, sample)
        }
    })
}

/// 64 KiB in memory, as they are unless told.
fn unpooled(dir: &Path) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.dir(dir);
    options
}

fn pooled(dir: &Path) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.pool(&pool::builder(dir).build());
    options
}

const SMALL: usize = 2 * KIB;
const LARGE: usize = 256 * MIB;
const COUNT: usize = 10_000;
