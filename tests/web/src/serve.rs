//! A hyper server on loopback, for HTTP/1.1 and HTTP/2 without asking, and clients for both.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tower::Service;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    H1,
    H2,
}

pub use Protocol::{H1, H2};

impl Protocol {
    pub const BOTH: [Protocol; 2] = [H1, H2];

    pub fn reqwest(self) -> reqwest::Client {
        // A connection that is done makes room for the next.
        let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(if self == H1 { 0 } else { 1 });
        match self {
            H1 => builder.http1_only(),
            H2 => builder.http2_prior_knowledge(),
        }
        .build()
        .unwrap()
    }

    /// A client that is a tower service.
    pub fn hyper<B>(self) -> Client<HttpConnector, B>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Client::builder(TokioExecutor::new()).http2_only(self == H2).build_http()
    }
}

/// Ends with all its connections when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Answers every request by a clone of `service`.
    pub async fn start<S, R>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        R: Body + Send + 'static,
        R::Data: Send,
        R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self::for_so_many(Semaphore::MAX_PERMITS, service).await
    }

    /// The same for at most `most` connections at a time, of which none has more than 64 KiB in hand; the next ones wait.
    pub async fn for_so_many<S, R>(most: usize, service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        R: Body + Send + 'static,
        R::Data: Send,
        R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        // A thousand may knock at once.
        let listener = socket.listen(4096).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            let room = Arc::new(Semaphore::new(most));
            loop {
                let seat = Arc::clone(&room).acquire_owned().await.unwrap();
                let Ok((stream, _)) = listener.accept().await else {
                    // No descriptor is left: soon there will be.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                };
                let service = TowerToHyperService::new(service.clone());
                connections.spawn(async move {
                    let mut builder = auto::Builder::new(TokioExecutor::new());
                    if most < Semaphore::MAX_PERMITS {
                        builder.http1().max_buf_size(64 << 10);
                    }
                    // A client that goes away is an error here, and no news.
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                    drop(seat);
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, accepting }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
