//! What can be asked for, and what is answered.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, map_request};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::events::{Figures, events};
use crate::files::{Files, List, Stored};
use crate::name::Name;
use crate::range::{self, Wanted};
use crate::receive::receive;
use crate::refusal::Refusal;
use crate::sending::Sending;
use crate::unread::read_on;

#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) files: Arc<Files>,
    /// How long a client may keep us waiting.
    pub(crate) idle: Duration,
    /// Said when the service ends.
    pub(crate) stop: CancellationToken,
}

pub(crate) fn router(service: Service) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/files", get(list).post(form).layer(DefaultBodyLimit::disable()))
        .route("/files/", any(nameless))
        .route("/files/{*name}", get(send).put(put).delete(delete))
        .route("/stats", get(stats))
        .route("/events", get(watch))
        .layer(from_fn(from_here))
        .layer(map_request(read_on))
        .with_state(service)
}

async fn page() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(include_str!("page.html")))
}

async fn list(State(service): State<Service>) -> Json<List> {
    Json(service.files.list())
}

async fn stats(State(service): State<Service>) -> Json<Figures> {
    Json(service.files.stats().into())
}

async fn watch(State(service): State<Service>) -> impl IntoResponse {
    Sse::new(events(service.files, service.stop)).keep_alive(KeepAlive::default())
}

async fn nameless() -> Refusal {
    Name::new("").expect_err("it is no name")
}

async fn put(
    State(service): State<Service>,
    name: Name,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Refusal> {
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Refusal::Malformed("a file is uploaded whole".to_owned()));
    }
    let location = name.location();
    let expected = HttpBody::size_hint(&body).exact();
    let stored = receive(&service.files, name, expected, body.into_data_stream(), service.idle).await?;
    Ok(match stored {
        Stored::New => (StatusCode::CREATED, [(header::LOCATION, location)]).into_response(),
        Stored::InPlaceOfAnother => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Each file of a form goes where a `PUT` of it would go. A field could be spooled first and named afterwards, but then it would
/// be seen only when it is whole, and there would be two ways in.
async fn form(
    State(service): State<Service>,
    headers: HeaderMap,
    mut form: Multipart,
) -> Result<impl IntoResponse, Refusal> {
    let mut stored = String::new();
    while let Some(field) = timeout(service.idle, form.next_field()).await.map_err(|_| Refusal::Stalled)?? {
        // This is how a browser says that no file was chosen.
        if field.file_name() == Some("") {
            continue;
        }
        let Some(name) = field.file_name().map(str::to_owned) else {
            return Err(Refusal::Malformed("a field of the form is no file".to_owned()));
        };
        receive(&service.files, Name::new(&name)?, None, field, service.idle).await?;
        stored += &(name + "\n");
    }
    let of_a_page = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"));
    Ok(if of_a_page { Redirect::to("/").into_response() } else { (StatusCode::CREATED, stored).into_response() })
}

async fn send(
    State(service): State<Service>,
    name: Name,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let content = service.files.find(&name)?;
    let len = content.len();
    let tag = HeaderValue::try_from(content.tag()).expect("digits");
    // A part of what was there before does not fit with one of what is there now.
    let is_it = headers.get(header::IF_RANGE).is_none_or(|wanted| wanted == tag);
    let wanted = match (headers.get(header::RANGE).and_then(|range| range.to_str().ok()), len) {
        (Some(text), Some(len)) if method == Method::GET && is_it => range::wanted(text, len),
        _ => Wanted::Whole,
    };
    let mut response = match wanted {
        Wanted::Nothing => return Err(Refusal::OutOfBounds(len.unwrap_or_default())),
        Wanted::Whole => Body::new(Sending::whole(content)?).into_response(),
        Wanted::Part(range) => {
            let said = format!("bytes {}-{}/{}", range.start, range.end - 1, len.unwrap_or_default());
            let body = Body::new(Sending::part(content, range)?);
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, said)], body).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    // Nothing that was uploaded is a page of ours.
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if len.is_some() {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    Ok(response)
}

async fn delete(State(service): State<Service>, name: Name) -> Result<StatusCode, Refusal> {
    service.files.delete(&name).map(|()| StatusCode::NO_CONTENT)
}

/// A browser does not let another site's page use any method here but the one of forms; that one we refuse.
async fn from_here(request: Request, next: Next) -> Result<Response, Refusal> {
    let site = request.headers().get(SEC_FETCH_SITE);
    let elsewhere = site.is_some_and(|site| site != "same-origin" && site != "none");
    if elsewhere && request.method() == Method::POST {
        return Err(Refusal::CrossSite);
    }
    Ok(next.run(request).await)
}

impl From<MultipartError> for Refusal {
    fn from(error: MultipartError) -> Self {
        Refusal::BrokenOff(error.body_text())
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
