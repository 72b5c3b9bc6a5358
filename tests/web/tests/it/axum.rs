//! The extractor and the layer in an axum server.

use axum::Router;
use axum::extract::{Extension, Request};
use axum::http::header;
use axum::routing::{get, put};
use bytes::Bytes;
use http_body_util::BodyExt;
use spooled::http::{SpoolLayer, Spooled, SpooledBody};
use spooled::{Pool, SpoolOptions};
use spooled_web_tests::{KIB, MIB, Protocol, Script, assert_same, bytes, comes_to_rest};
use tower::ServiceBuilder;

/// Serves `router` until it is dropped.
pub(crate) struct Axum {
    address: std::net::SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl Axum {
    pub(crate) async fn start(router: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { address, serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Axum {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn back(Spooled(content): Spooled) -> axum::body::Body {
    axum::body::Body::new(content.into_body())
}

#[tokio::test]
async fn p1_a_handler_gets_the_whole_body() {
    let pool = Pool::builder().build();
    let mut options = SpoolOptions::new();
    options.threshold(20 * KIB).max_len(4 * MIB as u64).pool(&pool);
    let server = Axum::start(Router::new().route("/", put(back)).layer(Extension(options))).await;
    for protocol in Protocol::BOTH {
        for len in [0, 1, 20 * KIB, 20 * KIB + 1, 4 * MIB] {
            let content = Bytes::from(bytes(len, 1));
            for body in [reqwest::Body::from(content.clone()), reqwest::Body::wrap(Script::of(&content, 30_000, false))]
            {
                let response = protocol.reqwest().put(server.url("/")).body(body).send().await.unwrap();
                assert_eq!(response.status(), 200);
                assert_eq!(response.content_length(), Some(len as u64));
                assert_same(&response.bytes().await.unwrap(), &content, "what came back");
            }
        }
        let response = protocol.reqwest().put(server.url("/")).body(vec![1; 4 * MIB + 1]).send().await;
        // Its client may see the connection close before it has sent everything.
        if let Ok(response) = response {
            assert_eq!(response.status(), 413);
        }
    }
    comes_to_rest(&pool);
}

#[tokio::test]
async fn p8_unless_told_a_body_may_have_2_mib() {
    let server = Axum::start(Router::new().route("/", put(back))).await;
    for protocol in Protocol::BOTH {
        let response = protocol.reqwest().put(server.url("/")).body(vec![1; 2 * MIB]).send().await.unwrap();
        assert_eq!(response.status(), 200);
        // By what it says alone: a byte is never sent.
        let body = reqwest::Body::wrap(Script::default().says_it_has(0));
        let response = protocol.reqwest().put(server.url("/")).body(body).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let head = format!("PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: {}\r\n\r\n", 2 * MIB + 1);
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
    let mut said = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    assert!(said.ends_with("\r\n\r\nthe body is longer than 2097152 bytes\n"), "{said}");
}

#[tokio::test]
async fn p1_the_layer_goes_around_a_router() {
    let pool = Pool::builder().build();
    let mut options = SpoolOptions::new();
    options.threshold(20 * KIB).max_len(MIB as u64).pool(&pool);
    let length = |request: Request| async move {
        let told = request.headers()[header::CONTENT_LENGTH].to_str().unwrap().to_owned();
        let len = request.into_body().collect().await.unwrap().to_bytes().len();
        format!("{told} {len}")
    };
    let around = Router::new().route("/", put(length)).layer(SpoolLayer::new(options.clone()));
    let within = Router::new()
        .route(
            "/",
            put(length).layer(
                ServiceBuilder::new().layer(SpoolLayer::new(options)).map_request(|it: http::Request<SpooledBody>| it),
            ),
        )
        .route("/text", get(|| async { "text" }));
    for router in [around, within] {
        let server = Axum::start(router).await;
        for protocol in Protocol::BOTH {
            for len in [1, 100 * KIB] {
                let body = reqwest::Body::wrap(Script::of(&Bytes::from(bytes(len, 2)), 9000, true));
                let response = protocol.reqwest().put(server.url("/")).body(body).send().await.unwrap();
                assert_eq!(response.status(), 200);
                assert_eq!(response.text().await.unwrap(), format!("{len} {len}"));
            }
        }
    }
    comes_to_rest(&pool);
}
