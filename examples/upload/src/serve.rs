//! Connections: as many at once as there are descriptors for, until it is time to stop.

use std::io;
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;

/// Serves until `stop`, then until all that is going on has ended.
pub(crate) async fn serve(listener: TcpListener, app: Router, idle: Duration, stop: CancellationToken) {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(idle);
    http.http2().timer(TokioTimer::new()).keep_alive_interval(idle).keep_alive_timeout(idle);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(connections()));
    let next = async || {
        let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes it");
        (place, accept(&listener).await)
    };
    loop {
        let (place, stream) = tokio::select! {
            next = next() => next,
            () = stop.cancelled() => break,
        };
        // A body goes out in large pieces, and nothing else is worth waiting for.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(Connection::new(stream, idle));
        let connection = http.serve_connection(io, TowerToHyperService::new(app.clone())).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // An error is a client that went away.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn accept(listener: &TcpListener) -> tokio::net::TcpStream {
    static SAID: Once = Once::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Descriptors, mostly: others will give theirs back.
            Err(error) => {
                SAID.call_once(|| eprintln!("upload: connections have to wait: {error}"));
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// A quarter of what the process may have: the others are for files. Each may hold some hundred kilobytes of what has come.
fn connections() -> usize {
    (descriptors() / 4).clamp(1, Semaphore::MAX_PERMITS as u64) as usize
}

#[cfg(unix)]
fn descriptors() -> u64 {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(not(unix))]
fn descriptors() -> u64 {
    8192
}
