//! What uploads are sent to and downloads come from: a service as others would write it, and ours on a runtime of one thread.
//!
//! It is a process of its own, so that it has a runtime, an allocator and a page cache's favour as a service has them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, put};
use axum::serve::ListenerExt;
use http_body_util::{BodyDataStream, BodyExt};
use spooled::{SpoolOptions, http, tail};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::pool;
use crate::work::KIB;

/// Serves until its standard input ends. What it prints first is its address. `path` is its one file.
pub fn run(threads: &str, dir: &Path, path: &Path) {
    let mut builder = match threads {
        "one" => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    std::thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let mut options = SpoolOptions::new();
    options.pool(&pool::builder(dir).retain_disk(u64::MAX).build());
    let service = Service { path: path.to_owned(), options, stall: Arc::default() };
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        println!("listening on http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(tick(Arc::clone(&service.stall)));
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("set"));
        axum::serve(listener, router(service)).await.expect("served");
    });
}

#[derive(Clone)]
struct Service {
    path: PathBuf,
    options: SpoolOptions,
    /// The longest time between two ticks, in nanoseconds.
    stall: Arc<AtomicU64>,
}

fn router(service: Service) -> Router {
    Router::new()
        .route("/copied", put(copied))
        .route("/frames", put(frames))
        .route("/memory", put(memory))
        .route("/collected", put(collected))
        .route("/tail", put(tailed))
        .route("/file", get(file))
        .route("/file-64", get(file_64))
        .route("/stall", get(stall))
        .route("/upstream", get(upstream))
        .with_state(service)
}

/// As axum's own example of an upload to a file has it.
async fn copied(State(service): State<Service>, body: Body) -> String {
    let mut reader = pin!(StreamReader::new(BodyDataStream::new(body.map_err(io::Error::other))));
    let mut file = BufWriter::new(File::create(&service.path).await.expect("made"));
    let copied = tokio::io::copy(&mut reader, &mut file).await.expect("copied");
    file.flush().await.expect("flushed");
    copied.to_string()
}

/// The same without buffers of its own.
async fn frames(State(service): State<Service>, mut body: Body) -> String {
    let mut file = File::create(&service.path).await.expect("made");
    let mut written = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.expect("a frame").into_data() else { continue };
        file.write_all(&data).await.expect("written");
        written += data.len();
    }
    file.flush().await.expect("flushed");
    written.to_string()
}

async fn memory(body: Body) -> String {
    axum::body::to_bytes(body, usize::MAX).await.expect("collected").len().to_string()
}

async fn collected(State(service): State<Service>, body: Body) -> String {
    http::collect(body, &service.options).await.expect("collected").content.len().to_string()
}

async fn tailed(State(service): State<Service>, mut body: Body) -> String {
    let (mut writer, reader) = tail::channel(&service.options);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.expect("a frame").into_data() else { continue };
        writer.write_all(&data).await.expect("written");
    }
    writer.shutdown().await.expect("finished");
    reader.published().to_string()
}

async fn file(State(service): State<Service>) -> Body {
    Body::from_stream(ReaderStream::new(File::open(&service.path).await.expect("opened")))
}

async fn file_64(State(service): State<Service>) -> Body {
    Body::from_stream(ReaderStream::with_capacity(File::open(&service.path).await.expect("opened"), 64 * KIB))
}

/// The longest since it was asked for last.
async fn stall(State(service): State<Service>) -> String {
    service.stall.swap(0, Ordering::Relaxed).to_string()
}

/// Where nginx says that a body is, which it keeps to itself: how long that is. Who asks for it has the file stay.
async fn upstream(State(service): State<Service>, headers: HeaderMap) -> String {
    let path = headers.get("x-file").and_then(|path| path.to_str().ok()).expect("a path");
    if headers.contains_key("x-keep") {
        tokio::fs::hard_link(path, &service.path).await.expect("linked");
    }
    tokio::fs::metadata(path).await.expect("a file").len().to_string()
}

async fn tick(stall: Arc<AtomicU64>) {
    let mut ticker = interval(Duration::from_millis(1));
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        ticker.tick().await;
        let now = Instant::now();
        stall.fetch_max((now - last).as_nanos() as u64, Ordering::Relaxed);
        last = now;
    }
}
