//! Clients that stall, reset, vanish and lie, by hand over a socket.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Either, Full};
use spooled::http::{SpoolLayer, SpooledBody};
use spooled::{Pool, SpoolOptions};
use spooled_web_tests::{KIB, MIB, Server, assert_same, bytes, comes, is_at_rest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::{Layer, service_fn};

/// A server that sends back what comes, and how often it was called.
async fn server(pool: &Pool) -> (Server, Arc<AtomicUsize>) {
    let mut options = SpoolOptions::new();
    options.threshold(20 * KIB).max_len(MIB as u64).pool(pool);
    let called = Arc::new(AtomicUsize::new(0));
    let service = service_fn({
        let called = Arc::clone(&called);
        move |request: Request<SpooledBody>| {
            called.fetch_add(1, Ordering::Relaxed);
            async { Ok::<_, Infallible>(Response::new(request.into_body())) }
        }
    });
    (Server::start(SpoolLayer::new(options).layer(service)).await, called)
}

async fn comes_to_rest(pool: &Pool) {
    until(pool, is_at_rest).await;
}

/// Waits, and lets the server go on meanwhile.
async fn until(pool: &Pool, is_so: impl Fn(spooled::PoolStats) -> bool) {
    assert!(comes(|| is_so(pool.stats())).await, "it does not come: {}", pool.stats());
}

/// All that comes, within reason.
async fn answer(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut all)).await.expect("no answer ends");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn p8_a_client_that_vanishes_or_resets_leaves_nothing() {
    let pool = Pool::builder().build();
    let (server, called) = server(&pool).await;
    for sent in [0, 100, 19 * KIB, 500 * KIB] {
        for resets in [false, true] {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            // One chunk of a million bytes, of which only some come.
            let head = b"PUT / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nf4240\r\n";
            stream.write_all(head).await.unwrap();
            stream.write_all(&bytes(sent, 1)).await.unwrap();
            until(&pool, |stats| sent == 0 || stats.memory_used > stats.memory_retained || stats.rolled > 0).await;
            if resets {
                stream.set_zero_linger().unwrap();
            }
            drop(stream);
            comes_to_rest(&pool).await;
        }
    }
    assert_eq!(called.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn p8_a_client_that_stalls_is_dropped_with_all_that_it_sent() {
    let pool = Pool::builder().build();
    let mut options = SpoolOptions::new();
    options.threshold(20 * KIB).pool(&pool);
    let spools = SpoolLayer::new(options).layer(service_fn(|request: Request<SpooledBody>| async {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    }));
    // What a server does that is not to be held up: it gives a request so much time.
    let server = Server::start(service_fn(move |request| {
        let answer = tower::ServiceExt::oneshot(spools.clone(), request);
        async {
            match tokio::time::timeout(Duration::from_millis(300), answer).await {
                Ok(Ok(response)) => Ok::<_, Infallible>(response.map(Either::Left)),
                Err(_) | Ok(Err(_)) => {
                    Ok(Response::builder().status(408).body(Either::Right(Full::new(Bytes::from("too slow")))).unwrap())
                }
            }
        }
    }))
    .await;
    for sent in [10, 300 * KIB] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 600000\r\n\r\n").await.unwrap();
        // Somebody else may have been too slow to take all of it.
        let _ = stream.write_all(&bytes(sent, 1)).await;
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 408 "));
        comes_to_rest(&pool).await;
    }
}

#[tokio::test]
async fn p8_a_client_that_lies_about_its_length_gets_no_more_than_that() {
    let pool = Pool::builder().build();
    let (server, called) = server(&pool).await;
    // More than it said: that much is the body, and what follows is no request.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n0123456789 and more\r\n\r\n")
        .await
        .unwrap();
    let said = answer(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    assert!(said.contains("\r\n\r\n0123456789HTTP/1.1 400 "), "{said}");
    assert_eq!(called.load(Ordering::Relaxed), 1);
    // Less than it said, and then the end.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n01234").await.unwrap();
    stream.shutdown().await.unwrap();
    let said = answer(&mut stream).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
    // Chunks that are none.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"PUT / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\nnonsense\r\n";
    stream.write_all(request).await.unwrap();
    let said = answer(&mut stream).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
    assert_eq!(called.load(Ordering::Relaxed), 1);
    comes_to_rest(&pool).await;
}

#[tokio::test]
async fn p8_who_waits_for_100_is_told_413_first() {
    let pool = Pool::builder().build();
    let (server, called) = server(&pool).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!("PUT / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", MIB + 1);
    stream.write_all(head.as_bytes()).await.unwrap();
    let said = answer(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    assert!(said.ends_with("the body is longer than 1048576 bytes\n"), "{said}");
    assert_eq!(called.load(Ordering::Relaxed), 0);

    // And who may come is told so.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(
            b"PUT / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        )
        .await
        .unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"12345").await.unwrap();
    let said = answer(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.ends_with("\r\n\r\n12345"), "{said}");
}

#[tokio::test]
async fn p1_a_spooled_body_goes_out_with_its_length() {
    let content = bytes(MIB, 2);
    for threshold in [0, usize::MAX] {
        let mut spool = SpoolOptions::new().threshold(threshold).build();
        std::io::Write::write_all(&mut spool, &content).unwrap();
        let body = spool.freeze().unwrap().into_body();
        let server = Server::start(service_fn(move |_| {
            let body = body.clone();
            async { Ok::<_, Infallible>(Response::new(body)) }
        }))
        .await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        let head = all.len() - content.len();
        let said = std::str::from_utf8(&all[..head]).unwrap().to_lowercase();
        assert!(said.starts_with("http/1.1 200 ") && said.ends_with("\r\n\r\n"), "{said}");
        assert!(said.contains("\r\ncontent-length: 1048576\r\n") && !said.contains("transfer-encoding"), "{said}");
        assert_same(&all[head..], &content, "what went out");
        // The body that is kept is still whole.
        let request = Request::get(server.url("/")).body(SpooledBody::default()).unwrap();
        let response = spooled_web_tests::H2.hyper().request(request).await.unwrap();
        assert_eq!(response.headers()["content-length"], "1048576");
        assert_same(&response.collect().await.unwrap().to_bytes(), &content, "what went out again");
    }
}
