//! Clients that stand still, go without a word, or say what is not so: nothing of theirs stays, and nobody waits for them.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use crate::ground::{MIB, assert_same, bytes, eventually};
use crate::server::Server;
use crate::socket::Socket;

/// As long as a few seconds may take on a busy machine.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn p5_one_that_stands_still_is_not_waited_for() {
    let server = Server::start(&["--idle", "5"]);
    let started = Instant::now();
    let mut known = Socket::put(&server, "known", &["Content-Length: 1000000"]);
    known.send(bytes(100_000, 1));
    let mut pieces = Socket::put(&server, "pieces", &["Transfer-Encoding: chunked"]);
    pieces.send("5\r\nhello\r\n");
    eventually("all of it can be read", || (server.coming("known") == Some(100_000)).then_some(()));
    eventually("all of it can be read", || (server.coming("pieces") == Some(5)).then_some(()));
    let following = server.get("/files/pieces");
    for mut socket in [known, pieces] {
        assert_eq!(socket.status(), 408);
        socket.assert_closed();
    }
    assert!(following.bytes().is_err());
    server.assert_at_rest();
    assert!(started.elapsed() < SOON);
}

#[test]
fn one_that_says_nothing_is_not_waited_for() {
    let server = Server::start(&["--idle", "1"]);
    let started = Instant::now();
    let mut silent = Socket::connect(&server);
    let mut half = Socket::connect(&server);
    half.send("GET / HTTP/1.1\r\nHos");
    let mut twice = Socket::connect(&server);
    twice.send("GET /stats HTTP/1.1\r\nHost: here\r\n\r\n");
    for socket in [&mut silent, &mut half, &mut twice] {
        socket.assert_closed();
    }
    assert!(started.elapsed() < SOON);
}

#[test]
fn p5_one_that_does_not_read_holds_no_file_for_ever() {
    let server = Server::start(&["--idle", "5"]);
    assert_eq!(server.put("film", &bytes(32 * MIB, 1)), 201);
    let mut socket = Socket::connect(&server);
    socket.send("GET /files/film HTTP/1.1\r\nHost: here\r\n\r\n");
    assert_eq!(socket.status(), 200);
    assert_eq!(server.delete("film"), 204);
    server.assert_at_rest();
    let mut rest = Vec::new();
    let _ = socket.0.read_to_end(&mut rest);
    assert!(rest.len() < 32 * MIB);
}

/// Nor does one that reads slowly lose it.
#[test]
fn p1_one_that_is_slow_gets_all_of_it() {
    let server = Server::start(&["--idle", "5"]);
    let content = bytes(16 * MIB, 1);
    assert_eq!(server.put("film", &content), 201);
    let mut response = server.get("/files/film");
    let mut read = vec![0; content.len()];
    for piece in read.chunks_mut(MIB) {
        thread::sleep(Duration::from_millis(500));
        response.read_exact(piece).unwrap();
    }
    assert_same(&read, &content, "slowly");
}

#[test]
fn p5_one_that_resets_leaves_nothing() {
    let server = Server::start(&[]);
    for len in [10, 1_000_000] {
        for header in ["Content-Length: 2000000", "Transfer-Encoding: chunked"] {
            let mut socket = Socket::put(&server, "film", &[header]);
            if header.starts_with('T') {
                socket.send(format!("{len:x}\r\n"));
            }
            socket.send(bytes(len, 1));
            server.wait_for("film");
            let following = server.get("/files/film");
            socket.reset();
            assert!(following.bytes().is_err(), "{header}");
            server.assert_at_rest();
        }
    }
    // While it is sent something.
    assert_eq!(server.put("film", &bytes(32 * MIB, 1)), 201);
    let mut socket = Socket::connect(&server);
    socket.send("GET /files/film HTTP/1.1\r\nHost: here\r\n\r\n");
    socket.head();
    assert_eq!(server.delete("film"), 204);
    socket.reset();
    server.assert_at_rest();
}

#[test]
fn p5_one_that_lies_about_its_length_leaves_nothing_it_did_not_send() {
    let server = Server::start(&[]);
    // Less than was said.
    for (headers, body) in [
        ("Content-Length: 100", &b"less"[..]),
        ("Transfer-Encoding: chunked", b"5\r\nless"),
        ("Transfer-Encoding: chunked", b"4\r\nless\r\n"),
        ("Transfer-Encoding: chunked", b"4\r\nless\r\nthis is no length\r\n"),
        ("Transfer-Encoding: chunked", b"fffffffffffffffff\r\nless"),
    ] {
        let mut socket = Socket::put(&server, "film", &[headers]);
        socket.send(body);
        socket.say_no_more();
        socket.assert_closed();
        server.assert_at_rest();
    }
    // More than was said: what is left over is no request.
    let mut socket = Socket::put(&server, "film", &["Content-Length: 4"]);
    socket.send("thismore\r\n\r\n");
    assert_eq!(socket.status(), 201);
    assert_eq!(socket.status(), 400);
    assert_eq!(server.content("film"), b"this");
    // Both, and neither.
    let mut socket = Socket::put(&server, "other", &["Content-Length: x"]);
    assert_eq!(socket.status(), 400);
    let mut socket = Socket::put(&server, "other", &["Content-Length: 1", "Content-Length: 2"]);
    assert_eq!(socket.status(), 400);
    assert_eq!(server.names(), ["film"]);
}

#[test]
fn what_is_no_request_is_refused() {
    let server = Server::start(&[]);
    for (request, status) in [
        ("this is no request\r\n\r\n".to_owned(), 400),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)), 414),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(200)), 431),
    ] {
        let mut socket = Socket::connect(&server);
        socket.send(request);
        assert_eq!(socket.status(), status);
        socket.assert_closed();
    }
    server.assert_at_rest();
}
