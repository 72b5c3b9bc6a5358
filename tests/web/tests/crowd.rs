//! A thousand clients at once, and a server that has few descriptors and little memory. It is a process of its own.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use bytes::Bytes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use spooled::http::{CollectError, Spooled};
use spooled::{Pool, SpoolOptions};
use spooled_web_tests::{MIB, Protocol, Server, bytes, is_at_rest};

const CLIENTS: usize = 1000;
const NAME: &str = "p8_a_thousand_uploads_at_once_arrive_whole_or_are_refused";
const CHILD: &str = "SPOOLED_CROWD";

#[test]
fn p8_a_thousand_uploads_at_once_arrive_whole_or_are_refused() {
    if std::env::var_os(CHILD).is_some() {
        return serve();
    }
    // Many connections, and many on one.
    for protocol in Protocol::BOTH {
        let mut server = Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.split("listens on ").nth(1).map(str::to_owned)).unwrap();
        let outcome = std::panic::catch_unwind(|| upload(&address, protocol));
        // It ends when nobody holds this any more.
        drop(server.stdin.take());
        let said: Vec<_> = lines.collect();
        let status = server.wait().unwrap();
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert!(status.success(), "{said:?}");
    }
}

fn upload(address: &str, protocol: Protocol) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let content = Bytes::from(bytes(MIB, 1));
        let client = protocol.reqwest();
        let figures = format!("http://{address}/figures");
        let idle = resident(&client.get(&figures).send().await.unwrap().text().await.unwrap());
        let uploads: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let upload =
                    client.put(format!("http://{address}/")).body(content.clone()).timeout(Duration::from_secs(600));
                tokio::spawn(upload.send())
            })
            .collect();
        let mut arrived = 0;
        for upload in uploads {
            let response = upload.await.unwrap().unwrap();
            match response.status() {
                StatusCode::OK => arrived += 1,
                StatusCode::INSUFFICIENT_STORAGE | StatusCode::INTERNAL_SERVER_ERROR => {
                    assert!(response.text().await.unwrap().ends_with('\n'), "it does not say why");
                }
                other => panic!("{other}"),
            }
        }
        assert!(arrived > 0);
        let mut said = String::new();
        for _ in 0..6000 {
            said = client.get(&figures).send().await.unwrap().text().await.unwrap();
            if said.contains("at rest") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(said.contains("at rest"), "{said}");
        let peak = resident(&said);
        let _ = writeln!(
            std::io::stderr(),
            "{protocol:?}: {arrived} of {CLIENTS} arrived, {} MiB above idle, {said}",
            (peak - idle) / MIB
        );
        assert!(peak - idle <= 64 * MIB, "{} MiB above idle", (peak - idle) / MIB);
    });
}

/// The most memory that the server ever had, by its own account.
fn resident(said: &str) -> usize {
    said.split_whitespace().next().unwrap().parse().unwrap()
}

fn serve() {
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum: Some(256) }).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = Pool::builder().memory(16 * MIB).build();
        let mut options = SpoolOptions::new();
        options.pool(&pool).max_len(MIB as u64);
        let router = Router::new()
            .route("/", put(receive))
            .route("/figures", get(move || figures(pool.clone())))
            .layer(Extension(options));
        // As a server does that knows what it has: a descriptor for each connection and one for its file, and the memory
        // into which a connection is read, which is no pool's.
        let server = Server::for_so_many(100, router).await;
        println!("listens on {}", server.address);
        let _ = tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await;
    });
}

async fn receive(body: Result<Spooled, CollectError<axum::Error>>) -> Response {
    let Spooled(content) = match body {
        Ok(content) => content,
        Err(refused) => {
            return refused.into_response();
        }
    };
    let expected = tokio::task::spawn_blocking(move || {
        static EXPECTED: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| bytes(MIB, 1));
        let mut offset = 0;
        content.chunks(16 << 10).all(|piece| {
            let piece = piece.unwrap();
            let is_so = EXPECTED[offset..offset + piece.len()] == piece[..];
            offset += piece.len();
            is_so
        }) && offset == EXPECTED.len()
    });
    if expected.await.unwrap() { StatusCode::OK } else { StatusCode::IM_A_TEAPOT }.into_response()
}

async fn figures(pool: Pool) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak = peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024;
    let stats = pool.stats();
    format!("{peak} bytes resident at most, {}: {stats}", if is_at_rest(stats) { "at rest" } else { "busy" })
}
