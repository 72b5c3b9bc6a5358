//! Uploads and downloads of 1 GiB over loopback, with `curl` as the client and each server in a process of its own.
//!
//! Ours is the example service, as it is built for release; where a row names a call, that call in a handler of axum's.
//! Runtimes have two threads for tasks, unless a row says otherwise. What a server has stored is taken away between the turns,
//! untimed: so files that are made anew do not pay for cutting an old one, and a pool has one to use again.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{Row, Sample};
use crate::peers::file;
use crate::work::{GIB, MIB, content};

pub fn rows(dir: &Path) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for (peer, route, rounds) in [(COPIED, "copied", FEW), (FRAMES, "frames", ROUNDS)] {
        let source = Source::in_dir(dir);
        let same = Rc::clone(&source);
        let row = Row::new(
            "service: upload of 1 GiB",
            peer,
            0.8,
            move || upload(Example::start(dir), source),
            move || upload(Peer::start("two", dir, route), same),
        );
        rows.push(row.rounds(rounds));
    }
    for (peer, buffer) in
        [("nginx, `client_body_in_file_only clean`", None), ("the same, buffer of 256 KiB", Some("256k"))]
    {
        let source = Source::in_dir(dir);
        let same = Rc::clone(&source);
        let row = Row::new(
            "service: upload of 1 GiB",
            peer,
            0.8,
            move || upload(Example::start(dir), source),
            move || upload(Nginx::start(dir, buffer), same),
        );
        rows.push(row.unless(missing(NGINX)));
    }
    let source = Source::in_dir(dir);
    let same = Rc::clone(&source);
    rows.push(Row::new(
        "service: upload of 1 GiB, by `http::collect`",
        FRAMES,
        0.8,
        move || upload(Peer::start("two", dir, "collected"), source),
        move || upload(Peer::start("two", dir, "frames"), same),
    ));
    for (peer, route, rounds) in
        [("axum, a `ReaderStream`", "file", FEW), ("axum, a `ReaderStream` of 64 KiB", "file-64", ROUNDS)]
    {
        let source = Source::in_dir(dir);
        let same = Rc::clone(&source);
        let row = Row::new(
            "service: download of 1 GiB",
            peer,
            0.7,
            move || download(Example::start(dir), source),
            move || download(Peer::start("two", dir, route), same),
        );
        rows.push(row.rounds(rounds));
    }
    for (ours, name) in [("collected", "`http::collect`"), ("tail", "a tail")] {
        for (peer, route, bar) in [(FRAMES, "frames", 1.0), ("axum, collected in memory", "memory", 0.1)] {
            let source = Source::in_dir(dir);
            let same = Rc::clone(&source);
            rows.push(Row::new(
                format!("service: longest stall of one thread in an upload of 1 GiB, {name}"),
                peer,
                bar,
                move || stall(Peer::start("one", dir, ours), source),
                move || stall(Peer::start("one", dir, route), same),
            ));
        }
    }
    let missing = missing("curl").or_else(|| (!manifest().exists()).then(|| "there is no example".into()));
    rows.into_iter().map(|row| row.rounds(ROUNDS).only_if_asked_for().unless(missing.clone())).collect()
}

/// A running server, and what a client asks it for.
trait Server {
    /// Where to upload, and where from to download.
    fn url(&self) -> String;
    /// Tells how much was stored if the server's `answer` does not.
    fn stored(&self, answer: &str) -> u64 {
        answer.parse().expect("a number")
    }
    /// What was stored, if one can see it.
    fn is_same(&self, source: &Path) -> bool;
    fn forget(&self);
    /// Makes what is at `source` there to be downloaded.
    fn keep(&self, source: &Path);
}

fn upload(server: impl Server, source: Rc<Source>) -> impl FnMut() -> Sample {
    send(&server.url(), source.path());
    assert!(server.is_same(source.path()), "what was stored is not what was sent");
    server.forget();
    move || {
        let (time, answer) = send(&server.url(), source.path());
        let stored = server.stored(&answer);
        server.forget();
        Sample::new(time, 1, stored)
    }
}

fn download(server: impl Server, source: Rc<Source>) -> impl FnMut() -> Sample {
    server.keep(source.path());
    assert!(is_served(&server.url(), source.path()), "what is served is not what was stored");
    move || {
        let (time, answer) =
            timed(curl().args(["-o", "/dev/null", "-w", "%{size_download} %{time_total}", &server.url()]));
        Sample::new(time, 1, answer.parse().expect("a number"))
    }
}

/// The middle one of three uploads' longest stalls: two busy processors make some of milliseconds by themselves.
fn stall(server: Peer, source: Rc<Source>) -> impl FnMut() -> Sample {
    move || {
        let mut stored = 0;
        let mut stalls = [(); 3].map(|()| {
            server.ask("stall");
            let (_, answer) = send(&server.url(), source.path());
            let stall = server.ask("stall").parse().expect("a number");
            server.forget();
            stored += server.stored(&answer);
            Duration::from_nanos(stall)
        });
        stalls.sort();
        Sample::new(stalls[1], 1, stored)
    }
}

/// The time of an upload, and what the server says.
fn send(url: &str, source: &Path) -> (Duration, String) {
    timed(curl().args(["-w", " %{time_total}", "-T"]).arg(source).arg(url))
}

/// What a client writes last is the time that it took, in seconds.
fn timed(client: &mut Command) -> (Duration, String) {
    let said = output(client);
    let (answer, time) = said.rsplit_once(' ').expect("an answer and a time");
    (Duration::from_secs_f64(time.parse().expect("a time")), answer.trim().to_owned())
}

fn is_served(url: &str, source: &Path) -> bool {
    let mut client = curl().arg(url).stdout(Stdio::piped()).spawn().expect("curl");
    let served = client.stdout.take().expect("a pipe");
    let same = Command::new("cmp").arg("-").arg(source).stdin(served).status().expect("cmp").success();
    client.wait().expect("curl").success() && same
}

fn curl() -> Command {
    let mut client = Command::new("curl");
    client.args(["--silent", "--show-error", "--fail"]);
    client
}

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().expect("run");
    assert!(output.status.success(), "{command:?} failed");
    String::from_utf8(output.stdout).expect("text")
}

/// A process that prints an address first, and that ends with this value.
struct Process {
    child: Child,
    address: String,
    _stdout: Option<BufReader<ChildStdout>>,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("an address");
        let address = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Self { child, address, _stdout: Some(stdout) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Example(Process);

impl Example {
    fn start(dir: &Path) -> Self {
        let build = ["build", "--release", "--quiet", "--message-format", "json", "--manifest-path"];
        let said = output(Command::new("cargo").args(build).arg(manifest()));
        let path =
            said.rsplit_once("\"executable\":\"").and_then(|(_, path)| path.split_once('"')).expect("a program").0;
        Self(Process::start(Command::new(path).args(["--listen", "127.0.0.1:0", "--dir"]).arg(dir)))
    }
}

impl Server for Example {
    fn url(&self) -> String {
        format!("{}/files/content", self.0.address)
    }

    fn stored(&self, _: &str) -> u64 {
        let head = output(curl().arg("--head").arg(self.url())).to_lowercase();
        let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        len.trim().parse().expect("a number")
    }

    fn is_same(&self, source: &Path) -> bool {
        is_served(&self.url(), source)
    }

    fn forget(&self) {
        output(curl().args(["--request", "DELETE"]).arg(self.url()));
    }

    fn keep(&self, source: &Path) {
        send(&self.url(), source);
    }
}

/// A route of the server beside this.
struct Peer {
    process: Process,
    route: &'static str,
    place: TempDir,
}

impl Peer {
    fn start(threads: &str, dir: &Path, route: &'static str) -> Self {
        let place = tempfile::tempdir_in(dir).expect("a directory");
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(["--serve", threads, "--dir"]).arg(dir).arg(place.path().join(FILE));
        Self { process: Process::start(&mut command), route, place }
    }

    fn ask(&self, route: &str) -> String {
        output(curl().arg(format!("{}/{route}", self.process.address)))
    }
}

impl Server for Peer {
    fn url(&self) -> String {
        format!("{}/{}", self.process.address, self.route)
    }

    fn is_same(&self, source: &Path) -> bool {
        // Ours has no name there.
        !self.place.path().join(FILE).exists() || are_equal(&self.place.path().join(FILE), source)
    }

    fn forget(&self) {
        let _ = fs::remove_file(self.place.path().join(FILE));
    }

    fn keep(&self, source: &Path) {
        send(&format!("{}/frames", self.process.address), source);
    }
}

struct Nginx {
    _process: Process,
    address: String,
    upstream: Peer,
    place: TempDir,
}

impl Nginx {
    fn start(dir: &Path, buffer: Option<&str>) -> Self {
        let upstream = Peer::start("one", dir, "upstream");
        let place = tempfile::tempdir_in(dir).expect("a directory");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let buffer = buffer.map_or_else(String::new, |size| format!("client_body_buffer_size {size};"));
        let text = format!(
            "daemon off; master_process off; pid nginx.pid; user root; error_log stderr error;\n\
             events {{}}\n\
             http {{\n\
                 access_log off; client_max_body_size 0; client_body_temp_path bodies;\n\
                 server {{\n\
                     listen {free};\n\
                     location / {{ return 204; }}\n\
                     location /content {{\n\
                         client_body_in_file_only clean; {buffer}\n\
                         proxy_pass {}; proxy_method GET; proxy_pass_request_body off;\n\
                         proxy_set_header Content-Length \"\"; proxy_set_header X-File $request_body_file;\n\
                     }}\n\
                 }}\n\
             }}\n",
            upstream.url()
        );
        let config = place.path().join("nginx.conf");
        fs::write(&config, text).expect("written");
        let mut command = Command::new(NGINX);
        command.arg("-p").arg(place.path()).arg("-c").arg(&config).arg("-e").arg("stderr");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("started");
        let process = Process { child, address: format!("http://{free}"), _stdout: None };
        output(curl().args(["--retry", "50", "--retry-delay", "1", "--retry-connrefused"]).arg(&process.address));
        Self { address: process.address.clone(), _process: process, upstream, place }
    }
}

impl Server for Nginx {
    fn url(&self) -> String {
        format!("{}/content", self.address)
    }

    fn is_same(&self, source: &Path) -> bool {
        // It takes its files away when they have been passed on, so this one is held by another name.
        output(curl().args(["-H", "X-Keep: yes", "-T"]).arg(source).arg(self.url()));
        self.upstream.is_same(source) && self.upstream.place.path().join(FILE).exists()
    }

    fn forget(&self) {
        self.upstream.forget();
        // It has one process, which answers when it has taken away the file.
        output(curl().arg(&self.address));
        let left = fs::read_dir(self.place.path().join("bodies")).expect("a directory").count();
        assert_eq!(left, 0, "nginx keeps files");
    }

    fn keep(&self, _: &Path) {
        unreachable!("it only takes");
    }
}

/// What is sent, in the page cache. Made when it is needed, and gone with this process.
struct Source {
    dir: PathBuf,
    made: OnceCell<(File, PathBuf)>,
}

impl Source {
    fn in_dir(dir: &Path) -> Rc<Self> {
        Rc::new(Self { dir: dir.to_owned(), made: OnceCell::new() })
    }

    fn path(&self) -> &Path {
        let make = || {
            let mut file = file::new(&self.dir);
            let mut piece = content(MIB);
            for number in 0..GIB / MIB {
                // No two are the same.
                piece[..8].copy_from_slice(&number.to_le_bytes());
                file.write_all(&piece).expect("written");
            }
            let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
            (file, path.into())
        };
        &self.made.get_or_init(make).1
    }
}

fn are_equal(one: &Path, other: &Path) -> bool {
    Command::new("cmp").arg(one).arg(other).status().expect("cmp").success()
}

fn manifest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/upload/Cargo.toml")
}

/// Says that there is no such program.
fn missing(program: &str) -> Option<String> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    // Of an absolute path, joining keeps nothing else.
    let found = std::env::split_paths(&paths).any(|dir| dir.join(program).is_file());
    (!found).then(|| format!("there is no {program}"))
}

const ROUNDS: usize = 9;
/// Where a round takes many seconds.
const FEW: usize = 3;
const COPIED: &str = "axum, `tokio::io::copy` to a `tokio::fs::File`, as in its example";
const FRAMES: &str = "axum, each frame to a `tokio::fs::File`";
const NGINX: &str = "/usr/sbin/nginx";
const FILE: &str = "content";
