//! A service that takes files of any length over HTTP and gives them back, also while they are still coming, and that holds no more
//! memory and disk than it is told, whatever its clients do.
//!
//! ```text
//! cargo run --release --manifest-path examples/upload/Cargo.toml -- --dir /var/tmp
//! curl -T film.mkv http://127.0.0.1:8080/files/       # and a page at http://127.0.0.1:8080/
//! ```
//!
//! ```text
//! main        what it was told; when it stops
//! serve       connections       connection   one that ends when its client stands still
//! routes      what can be asked for        unread   what is still sent by who was refused
//! receive     from a connection into a file
//! sending     from a file to a connection    range        which part
//! events      figures, whenever they change
//! files       what is here, and what is coming
//! name        refusal   size
//! ```

mod connection;
mod events;
mod files;
mod name;
mod range;
mod receive;
mod refusal;
mod routes;
mod sending;
mod serve;
mod size;
mod unread;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use spooled::Pool;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use files::Files;
use routes::{Service, router};
use size::Size;

/// Takes files over HTTP and gives them back, within the memory and the disk that it is told. They are gone when it ends.
///
/// SIZE is a number of bytes, with K, M, G or T behind it for powers of 1024.
#[derive(Parser)]
#[command(name = "upload")]
struct Arguments {
    /// The address to listen at; port 0 takes one that is free
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The directory for what does not stay in memory [default: that for temporary files, unless it is memory]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How much memory all files may take together, with what is buffered of them
    #[arg(long, default_value_t = Size(64 << 20), value_name = "SIZE")]
    memory: Size,
    /// How much disk all files may take together
    #[arg(long, default_value_t = Size(16 << 30), value_name = "SIZE")]
    disk: Size,
    /// How much one file may be
    #[arg(long, default_value_t = Size(4 << 30), value_name = "SIZE")]
    limit: Size,
    /// How many files there may be
    #[arg(long, default_value_t = 10_000, value_name = "COUNT")]
    files: usize,
    /// How long a client may stand still
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..86_400))]
    idle: u64,
    /// How long what is going on may take to end after SIGINT or SIGTERM; a second signal ends it at once
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..86_400))]
    grace: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("upload: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    // Work on the page cache keeps processors busy, and more threads than these would only wait for each other.
    let runtime = Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build()?;
    let done = runtime.block_on(until_told(arguments));
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

async fn until_told(arguments: &Arguments) -> io::Result<()> {
    let stop = CancellationToken::new();
    let files = Arc::new(Files::new(pool(arguments)?, arguments.limit.0, arguments.files));
    let idle = Duration::from_secs(arguments.idle);
    let app = router(Service { files, idle, stop: stop.clone() });
    let mut told = signals()?;

    let listener = listen(arguments.listen).map_err(about(arguments.listen))?;
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    let mut serving = std::pin::pin!(serve::serve(listener, app, idle, stop.clone()));
    tokio::select! {
        () = &mut serving => unreachable!("nobody has told it to stop"),
        () = told.wait() => stop.cancel(),
    }
    tokio::select! {
        () = serving => {}
        () = tokio::time::sleep(Duration::from_secs(arguments.grace)) => eprintln!("upload: some clients did not finish in time"),
        () = told.wait() => {}
    }
    Ok(())
}

/// Clients may come faster than one takes them: as many wait as the system allows, and none is reset for it.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // One that was here a moment ago does not keep us out.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// All that files hold. Finds out now whether the directory takes one.
fn pool(arguments: &Arguments) -> io::Result<Pool> {
    let mut pool = Pool::builder();
    // The next file of any length finds blocks to write over; they give way when others need them.
    pool.memory(arguments.memory.in_memory()).disk(arguments.disk.0).retain_disk(arguments.limit.0);
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => spooled::default_directory(),
    };
    spooled::tempfile_in(&dir)?;
    Ok(pool.dir(dir).build())
}

fn about(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// What tells the service to stop.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
fn signals() -> io::Result<Signals> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
}

#[cfg(unix)]
impl Signals {
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
fn signals() -> io::Result<Signals> {
    Ok(Signals)
}

#[cfg(not(unix))]
impl Signals {
    async fn wait(&mut self) {
        // Where it cannot be told, it does not stop.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

const WAITING: u32 = 4096;
const BLOCKING_THREADS: usize = 32;
