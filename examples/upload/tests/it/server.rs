//! The service as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, Response};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::ground::{PATIENCE, Scratch, eventually};

pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    scratch: Scratch,
}

impl Server {
    /// With a directory of its own, at a free port.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Server {
        Self::start_by(Command::new(PROGRAM), arguments)
    }

    /// With no more than so many descriptors.
    #[track_caller]
    pub(crate) fn start_with_descriptors(count: usize, arguments: &[&str]) -> Server {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {count} && exec \"$0\" \"$@\""), PROGRAM]);
        Self::start_by(shell, arguments)
    }

    #[track_caller]
    fn start_by(mut command: Command, arguments: &[&str]) -> Server {
        let scratch = Scratch::new();
        // Of an option that is given twice the test's own is meant.
        if !arguments.contains(&"--dir") {
            command.arg("--dir").arg(scratch.path());
        }
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").map(|address| address.parse().unwrap());
        let address = address.unwrap_or_else(|| panic!("the first line is {line:?}"));
        let client = Client::builder().timeout(PATIENCE).pool_max_idle_per_host(0).no_proxy().build().unwrap();
        Server { child, address, client, scratch }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().unwrap()
    }

    /// What is there now under a name, whole.
    #[track_caller]
    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        let response = self.get(&format!("/files/{name}"));
        assert_eq!(response.status(), 200, "{name}");
        response.bytes().unwrap().to_vec()
    }

    #[track_caller]
    pub(crate) fn put(&self, name: &str, content: &[u8]) -> u16 {
        let request = self.client.put(self.url(&format!("/files/{name}"))).body(content.to_vec());
        request.send().unwrap().status().as_u16()
    }

    #[track_caller]
    pub(crate) fn delete(&self, name: &str) -> u16 {
        self.client.delete(self.url(&format!("/files/{name}"))).send().unwrap().status().as_u16()
    }

    #[track_caller]
    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path).bytes().unwrap()).unwrap()
    }

    /// The names of what is whole.
    #[track_caller]
    pub(crate) fn names(&self) -> Vec<String> {
        let list = self.json("/files");
        list["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    }

    /// How much can be read of what is coming under a name.
    #[track_caller]
    pub(crate) fn coming(&self, name: &str) -> Option<u64> {
        let list = self.json("/files");
        let upload = list["uploads"].as_array().unwrap().iter().find(|upload| upload["name"] == name);
        upload.map(|upload| upload["size"].as_u64().unwrap())
    }

    /// Waits until something of it can be read.
    #[track_caller]
    pub(crate) fn wait_for(&self, name: &str) -> u64 {
        eventually(&format!("nothing comes of {name}"), || self.coming(name).filter(|&size| size > 0))
    }

    /// No file is there, whole or coming, and the pool holds nothing but what it keeps to be used again; soon, at least.
    #[track_caller]
    pub(crate) fn assert_at_rest(&self) {
        let (started, mut last) = (Instant::now(), String::new());
        while started.elapsed() < PATIENCE {
            let (list, stats) = (self.json("/files"), self.json("/stats"));
            last = format!("{list} {stats}");
            let empty = |key: &str| list[key].as_array().unwrap().is_empty();
            let kept = |tier: &str| stats[format!("{tier}_used")] == stats[format!("{tier}_retained")];
            if empty("files")
                && empty("uploads")
                && kept("memory")
                && kept("disk")
                && stats["spools"] == 0
                && stats["rolled"] == 0
            {
                assert_eq!(fs::read_dir(self.scratch.path()).unwrap().count(), 0, "files have no names");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not at rest: {last}");
    }

    pub(crate) fn directory(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end, which comes soon.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("it does not end", || child.try_wait().unwrap())
    }

    /// The most memory that it has had, and what it has now, in KiB.
    #[track_caller]
    pub(crate) fn resident(&self) -> (usize, usize) {
        let mut status = String::new();
        let file = fs::File::open(format!("/proc/{}/status", self.child.id()));
        file.unwrap().read_to_string(&mut status).unwrap();
        let figure = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        (figure("VmHWM:"), figure("VmRSS:"))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_upload");
