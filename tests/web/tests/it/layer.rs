//! The layer around real servers and clients, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use spooled::http::{SpoolLayer, SpooledBody};
use spooled::{Pool, SpoolOptions};
use spooled_web_tests::{
    H1, H2, KIB, MIB, Protocol, Script, Server, Step, assert_at_rest, assert_same, bytes, comes, comes_to_rest,
    is_at_rest,
};
use tower::retry::{Policy, RetryLayer};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

fn options(pool: &Pool) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.threshold(64 * KIB).max_len(8 * MIB as u64).pool(pool);
    options
}

/// Sends back what comes in, trailers and lengths included.
async fn echo(request: Request<SpooledBody>) -> Result<Response<SpooledBody>, Infallible> {
    let told = request.headers().get(header::CONTENT_LENGTH).cloned();
    let was_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let mut response = Response::new(request.into_body());
    response.headers_mut().insert("was-chunked", HeaderValue::from_static(if was_chunked { "yes" } else { "no" }));
    if let Some(told) = told {
        response.headers_mut().insert("told", told);
    }
    Ok(response)
}

#[tokio::test]
async fn p1_a_hyper_server_sends_back_what_came() {
    let pool = Pool::builder().build();
    let server = Server::start(SpoolLayer::new(options(&pool)).layer(service_fn(echo))).await;
    for protocol in Protocol::BOTH {
        let client = protocol.reqwest();
        for len in [0, 1, 2 * KIB, 64 * KIB, 64 * KIB + 1, 3 * MIB] {
            let content = Bytes::from(bytes(len, 1));
            for is_chunked in [false, true] {
                let body = if is_chunked {
                    reqwest::Body::wrap(Script::of(&content, 10_000, true))
                } else {
                    reqwest::Body::from(content.clone())
                };
                let response = client.post(server.url("/")).body(body).send().await.unwrap();
                assert_eq!(response.status(), 200);
                assert_eq!(response.headers()["was-chunked"], "no");
                if len > 0 {
                    assert_eq!(response.headers()["told"], len.to_string(), "{protocol:?}, chunked: {is_chunked}");
                }
                assert_eq!(response.content_length(), Some(len as u64));
                let got = response.bytes().await.unwrap();
                assert_same(&got, &content, "what came back");
            }
        }
    }
    comes_to_rest(&pool);
    assert!(pool.stats().reused_files > 0);
}

/// What is sent on says how long it is, be that nothing.
#[tokio::test]
async fn p1_a_request_without_a_body_has_a_length_of_zero() {
    let pool = Pool::builder().build();
    let server = Server::start(SpoolLayer::new(options(&pool)).layer(service_fn(echo))).await;
    for protocol in Protocol::BOTH {
        let response = protocol.reqwest().get(server.url("/")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["told"], "0");
    }
}

/// Clones what it is given, and tries until it is answered with 200.
#[derive(Clone)]
struct UntilItWorks;

impl Policy<Request<SpooledBody>, Response<Incoming>, hyper_util::client::legacy::Error> for UntilItWorks {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<SpooledBody>,
        result: &mut Result<Response<Incoming>, hyper_util::client::legacy::Error>,
    ) -> Option<Ready<()>> {
        match result {
            Ok(response) if response.status() == 200 => None,
            _ => Some(ready(())),
        }
    }

    fn clone_request(&mut self, request: &Request<SpooledBody>) -> Option<Request<SpooledBody>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn p1_a_failed_upload_is_sent_again_from_the_spool() {
    for protocol in Protocol::BOTH {
        for len in [10, 2 * MIB] {
            let tries = Arc::new(AtomicUsize::new(0));
            let arrived = Arc::new(Mutex::new(Vec::new()));
            let server = Server::start(service_fn({
                let (tries, arrived) = (Arc::clone(&tries), Arc::clone(&arrived));
                move |request: Request<Incoming>| {
                    let (tries, arrived) = (Arc::clone(&tries), Arc::clone(&arrived));
                    async move {
                        let length = request.headers()[header::CONTENT_LENGTH].clone();
                        let mut body = request.into_body();
                        let mut status = StatusCode::OK;
                        let mut all = Vec::new();
                        match tries.fetch_add(1, Ordering::Relaxed) {
                            // Once before anything was read, and once in the middle of it.
                            0 => status = StatusCode::SERVICE_UNAVAILABLE,
                            1 => {
                                let _ = body.frame().await;
                                status = StatusCode::BAD_GATEWAY;
                            }
                            _ => all.extend_from_slice(&body.collect().await.unwrap().to_bytes()),
                        }
                        arrived.lock().unwrap().push((length, all));
                        Ok::<_, Infallible>(Response::builder().status(status).body(Full::<Bytes>::default()).unwrap())
                    }
                }
            }))
            .await;
            let pool = Pool::builder().build();
            let client = ServiceBuilder::new()
                .layer(SpoolLayer::new(options(&pool)))
                .layer(RetryLayer::new(UntilItWorks))
                .service(protocol.hyper::<SpooledBody>());
            let content = Bytes::from(bytes(len, 2));
            let body = Script::of(&content, 10_000, true);
            let request = Request::post(server.url("/")).body(body).unwrap();
            let response = client.oneshot(request).await.unwrap();
            assert_eq!(response.status(), 200);
            drop(response);
            assert_eq!(tries.load(Ordering::Relaxed), 3);
            for (length, _) in &*arrived.lock().unwrap() {
                assert_eq!(*length, len.to_string());
            }
            assert_same(&arrived.lock().unwrap()[2].1, &content, "the third time");
            drop(server);
            // The client's connections end on this thread.
            comes(|| is_at_rest(pool.stats())).await;
            assert_at_rest(&pool);
        }
    }
}

#[tokio::test]
async fn p1_trailers_come_through() {
    let pool = Pool::builder().build();
    let server =
        Server::start(SpoolLayer::new(options(&pool)).layer(service_fn(|request: Request<SpooledBody>| async {
            let trailers = request.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default();
            let checksum = trailers.get("checksum").cloned().unwrap_or(HeaderValue::from_static("none"));
            Ok::<_, Infallible>(Response::builder().header("got", checksum).body(SpooledBody::default()).unwrap())
        })))
        .await;
    for protocol in Protocol::BOTH {
        for len in [10, 200 * KIB] {
            let mut trailers = HeaderMap::new();
            trailers.insert("checksum", HeaderValue::from_static("17"));
            let body = Script::of(&Bytes::from(bytes(len, 3)), 5000, false).then(Step::Trailers(trailers));
            let request = Request::post(server.url("/")).header("trailer", "checksum").body(body).unwrap();
            let response = protocol.hyper().request(request).await.unwrap();
            assert_eq!(response.headers()["got"], "17", "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn p8_what_is_too_long_is_answered_with_413_and_a_line() {
    let pool = Pool::builder().build();
    let called = Arc::new(AtomicUsize::new(0));
    let mut options = options(&pool);
    options.max_len(100 * KIB as u64);
    let server = Server::start(SpoolLayer::new(options).layer(service_fn({
        let called = Arc::clone(&called);
        move |_: Request<SpooledBody>| {
            called.fetch_add(1, Ordering::Relaxed);
            ready(Ok::<_, Infallible>(Response::new(SpooledBody::default())))
        }
    })))
    .await;
    for protocol in [H1, H2] {
        for is_chunked in [false, true] {
            // Little enough that the socket takes it all, so that no client stops at a broken pipe before it reads.
            let content = Bytes::from(bytes(100 * KIB + 1, 4));
            let body = if is_chunked {
                reqwest::Body::wrap(Script::of(&content, 10_000, false))
            } else {
                reqwest::Body::from(content.clone())
            };
            let response = protocol.reqwest().put(server.url("/")).body(body).send().await.unwrap();
            assert_eq!(response.status(), 413);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
            assert_eq!(response.text().await.unwrap(), "the body is longer than 102400 bytes\n");
        }
    }
    assert_eq!(called.load(Ordering::Relaxed), 0, "the service inside was called");
    comes_to_rest(&pool);
}

#[tokio::test]
async fn p8_a_pool_that_is_full_is_answered_with_507_and_names_no_path() {
    let pool = Pool::builder().disk(100 * KIB as u64).build();
    let server = Server::start(SpoolLayer::new(options(&pool)).layer(service_fn(echo))).await;
    for protocol in Protocol::BOTH {
        let response = protocol.reqwest().put(server.url("/")).body(vec![1; 101 * KIB]).send().await.unwrap();
        assert_eq!(response.status(), 507);
        assert_eq!(response.text().await.unwrap(), "there is no space for the body\n");
    }
    comes_to_rest(&pool);
    let mut missing = SpoolOptions::new();
    missing.dir("/does/not/exist").threshold(0);
    let server = Server::start(SpoolLayer::new(missing).layer(service_fn(echo))).await;
    let response = H1.reqwest().put(server.url("/")).body("body").send().await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.text().await.unwrap(), "the body could not be stored\n");
}

/// A service that may be called only by who was told that it is ready, and only once for each time.
struct Strict {
    is_ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { is_ready: false }
    }
}

impl Service<Request<SpooledBody>> for Strict {
    type Response = Response<SpooledBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<SpooledBody>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before it was ready");
        ready(Ok(Response::new(request.into_body())))
    }
}

#[tokio::test]
async fn p1_the_service_that_is_called_is_the_one_that_was_ready() {
    let mut service = SpoolLayer::new(SpoolOptions::new()).layer(Strict { is_ready: false });
    for _ in 0..3 {
        let request = Request::new(Full::new(Bytes::from("content")));
        let is_ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut service).await.unwrap();
        let response = is_ready.call(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "content");
    }
}
