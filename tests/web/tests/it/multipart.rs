//! Forms: small parts in memory, large ones on disk, all of them within one pool.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Multipart, Request, State};
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::BodyDataStream;
use spooled::http::spool_field;
use spooled::{Pool, SpoolOptions};
use spooled_web_tests::{KIB, MIB, Protocol, Script, assert_at_rest, assert_same, bytes, comes_to_rest};

use crate::axum::Axum;

const LARGE: usize = 3 * MIB;

fn options(pool: &Pool) -> SpoolOptions {
    let mut options = SpoolOptions::new();
    options.threshold(64 * KIB).max_len(LARGE as u64).pool(pool);
    options
}

async fn by_axum(State(pool): State<Pool>, mut form: Multipart) -> Result<String, axum::response::Response> {
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.map_err(IntoResponse::into_response)? {
        let name = field.name().unwrap_or_default().to_owned();
        let content = spool_field(field, &options(&pool)).await.map_err(IntoResponse::into_response)?;
        parts.push((name, content));
    }
    Ok(report(&parts))
}

async fn by_multer(State(pool): State<Pool>, request: Request) -> Result<String, StatusCode> {
    let boundary = multer::parse_boundary(request.headers()[header::CONTENT_TYPE].to_str().unwrap()).unwrap();
    let mut form = multer::Multipart::new(BodyDataStream::new(request.into_body()), boundary);
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.unwrap() {
        let name = field.name().unwrap_or_default().to_owned();
        parts.push((name, spool_field(field, &options(&pool)).await.map_err(|error| error.status())?));
    }
    Ok(report(&parts))
}

fn report(parts: &[(String, spooled::SpooledBytes)]) -> String {
    let lines = parts.iter().enumerate().map(|(number, (name, content))| {
        assert_same(&content.to_bytes().unwrap(), &bytes(content.len() as usize, number as u64), name);
        format!("{name}: {}, {}\n", content.len(), if content.is_rolled() { "disk" } else { "memory" })
    });
    lines.collect()
}

fn form(sizes: &[(&'static str, usize)]) -> reqwest::multipart::Form {
    sizes.iter().enumerate().fold(reqwest::multipart::Form::new(), |form, (number, (name, size))| {
        let content = Bytes::from(bytes(*size, number as u64));
        form.part(*name, reqwest::multipart::Part::stream(reqwest::Body::wrap(Script::of(&content, 50_000, false))))
    })
}

#[tokio::test]
async fn p8_small_parts_stay_in_memory_and_a_large_one_goes_to_disk_in_one_pool() {
    let pool = Pool::builder().memory(MIB).disk(16 * MIB as u64).build();
    let router = Router::new()
        .route("/axum", post(by_axum))
        .route("/multer", post(by_multer))
        .layer(DefaultBodyLimit::disable())
        .with_state(pool.clone());
    let server = Axum::start(router).await;
    for path in ["/axum", "/multer"] {
        for protocol in Protocol::BOTH {
            let form = form(&[("name", 10), ("empty", 0), ("file", LARGE), ("note", 10)]);
            let response = protocol.reqwest().post(server.url(path)).multipart(form).send().await.unwrap();
            assert_eq!(response.status(), 200);
            let said = response.text().await.unwrap();
            assert_eq!(said, format!("name: 10, memory\nempty: 0, memory\nfile: {LARGE}, disk\nnote: 10, memory\n"));
            comes_to_rest(&pool);
        }
    }
    let stats = pool.stats();
    assert!(stats.memory_peak <= MIB && stats.disk_peak <= 16 * MIB as u64, "{stats}");
}

#[tokio::test]
async fn p8_a_part_that_is_too_long_is_refused_and_nothing_is_left() {
    let pool = Pool::builder().build();
    let (error, polls) = {
        let body = Script::of(&Bytes::from(bytes(LARGE + 1, 0)), 50_000, false);
        let polls = body.polls();
        (spool_field(BodyDataStream::new(body), &options(&pool)).await.unwrap_err(), polls)
    };
    assert_eq!(error.status(), 413);
    assert_eq!(polls.load(std::sync::atomic::Ordering::Relaxed), LARGE / 50_000 + 1);
    assert_at_rest(&pool);

    // A form that breaks off in the middle of a part.
    let text = b"--line\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nnot the whole of it";
    let stream = BodyDataStream::new(Script::of(&Bytes::from_static(text), 10, true));
    let mut form = multer::Multipart::new(stream, "line");
    let field = form.next_field().await.unwrap().unwrap();
    let error = spool_field(field, &options(&pool)).await.unwrap_err();
    assert_eq!(error.status(), 400, "{error:?}");
    assert_at_rest(&pool);
}
