//! How it ends: who is being served is served, for a while.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::curl::{Curl, VERSIONS, answer};
use crate::ground::{MIB, assert_same, bytes, eventually, there_is};
use crate::server::Server;
use crate::socket::Socket;

#[test]
fn p4_an_upload_and_who_follows_it_come_to_their_end() {
    if !there_is("curl") {
        return;
    }
    for signal in [Signal::TERM, Signal::INT] {
        for version in VERSIONS {
            let mut server = Server::start(&["--grace", "1000"]);
            let content = bytes(4 * MIB, 1);
            // Who only watches does not hold it up, nor does one who is silent.
            let mut watching = server.client.get(server.url("/events")).send().unwrap();
            let _silent = Socket::connect(&server);
            let (curl, mut stdin) = Curl::new(&[version, &["-T", "-", &server.url("/files/film")]].concat()).start();
            stdin.write_all(&content[..MIB]).unwrap();
            server.wait_for("film");
            let following = server.get("/files/film");
            let following = thread::spawn(move || following.bytes().unwrap());

            server.signal(signal);
            eventually("it still takes connections", || TcpStream::connect(server.address).err());
            stdin.write_all(&content[MIB..]).unwrap();
            drop(stdin);
            assert_eq!(answer(curl).status, 201, "{version:?}");
            assert_same(&following.join().unwrap(), &content, "to its end");
            watching.copy_to(&mut std::io::sink()).unwrap();
            assert_eq!(server.wait().code(), Some(0));
        }
    }
}

#[test]
fn one_that_stands_still_does_not_hold_it_up() {
    for (arguments, signals) in [(["--grace", "1"], 1), (["--grace", "1000"], 2)] {
        let mut server = Server::start(&arguments);
        let mut socket = Socket::put(&server, "film", &["Content-Length: 1000"]);
        socket.send("half");
        server.wait_for("film");
        let started = Instant::now();
        for _ in 0..signals {
            server.signal(Signal::TERM);
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(server.wait().code(), Some(0));
        assert!(started.elapsed() < Duration::from_secs(25));
    }
}

#[test]
fn when_nobody_is_there_it_ends_at_once() {
    let mut server = Server::start(&[]);
    assert_eq!(server.put("film", &bytes(2 * MIB, 1)), 201);
    let started = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(25));
    assert_eq!(std::fs::read_dir(server.directory()).unwrap().count(), 0);
}

/// The figures are sent when they change, and with them which list of files is the newest.
#[test]
fn what_changes_is_sent_to_who_watches() {
    let server = Server::start(&[]);
    let watching = server.get("/events");
    assert_eq!(watching.headers()["content-type"], "text/event-stream");
    let mut lines = BufReader::new(watching.take(1 << 20)).lines();
    let mut look = || loop {
        let line = lines.next().unwrap().unwrap();
        if let Some(data) = line.strip_prefix("data:") {
            return serde_json::from_str::<serde_json::Value>(data).unwrap();
        }
    };
    let first = look();
    assert_eq!((&first["version"], &first["pool"]["rolled"]), (&0.into(), &0.into()));
    assert_eq!(server.put("film", &bytes(2 * MIB, 1)), 201);
    let second = eventually("it was not told", || Some(look()).filter(|look| look["version"] == 1));
    assert_eq!(second["pool"]["rolled"], 1);
    assert!(second["pool"]["disk_used"].as_u64() >= Some(2 << 20));
    assert_eq!(server.delete("film"), 204);
    eventually("it was not told", || Some(look()).filter(|look| look["version"] == 2 && look["pool"]["rolled"] == 0));
}
