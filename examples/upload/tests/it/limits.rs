//! What is more than may be: one file, all files, the disk itself, their number.

use std::io::Write;
use std::process::Command;

use crate::curl::{Curl, VERSIONS, answer};
use crate::ground::{KIB, MIB, Scratch, SmallDisk, assert_same, bytes, there_is};
use crate::server::Server;
use crate::socket::Socket;

#[test]
fn p8_a_file_of_the_limit_and_one_of_a_byte_more() {
    if !there_is("curl") {
        return;
    }
    let scratch = Scratch::new();
    for limit in [0, 10, 64 * KIB, 3 * MIB] {
        let server = Server::start(&["--limit", &limit.to_string()]);
        let url = server.url("/files/film");
        let content = bytes(limit + 1, 1);
        for version in VERSIONS {
            assert_eq!(Curl::new(&[version, &["-T", "-", &url]].concat()).feed(&content[..limit]).status, 201);
            assert_same(&server.content("film"), &content[..limit], "all that may be");
            assert_eq!(server.delete("film"), 204);

            assert_eq!(
                Curl::new(&[version, &["-T", "-", &url]].concat()).feed(&content).status,
                413,
                "{version:?} {limit}"
            );
            let path = scratch.file("film", &content);
            let answer = Curl::new(&[version, &["-T", path.to_str().unwrap(), &url]].concat()).run();
            assert_eq!(answer.status, 413);
            assert_eq!(String::from_utf8(answer.body).unwrap(), format!("a file may have at most {limit} bytes\n"));
            server.assert_at_rest();
        }
    }
}

/// A client that is refused while it sends gets the answer, and not a reset that takes the answer back.
#[test]
fn a_refusal_reaches_who_is_still_sending() {
    if !there_is("curl") {
        return;
    }
    let server = Server::start(&["--limit", "1M"]);
    let content = bytes(16 * MIB, 1);
    for _ in 0..10 {
        for version in VERSIONS {
            let answer = Curl::new(&[version, &["-T", "-", &server.url("/files/film")]].concat()).feed(&content);
            assert_eq!(answer.status, 413, "{version:?} {answer:?}");
        }
    }
    server.assert_at_rest();
}

#[test]
fn what_is_said_to_be_too_long_is_refused_before_a_byte_is_sent() {
    if !there_is("curl") {
        return;
    }
    let (server, scratch) = (Server::start(&["--limit", "1M", "--disk", "512K"]), Scratch::new());
    for (len, status) in [(MIB + 1, 413), (MIB, 507)] {
        let length = format!("Content-Length: {len}");
        let mut socket = Socket::put(&server, "film", &[&length, "Expect: 100-continue"]);
        assert_eq!(socket.status(), status);
        let mut socket = Socket::put(&server, "film", &[&length]);
        assert_eq!(socket.status(), status);

        let path = scratch.file("film", &bytes(len, 1));
        let wait = ["-H", "Expect: 100-continue", "--expect100-timeout", "20"];
        let url = server.url("/files/film");
        let answer = Curl::new(&[&wait[..], &["--http1.1", "-T", path.to_str().unwrap(), &url]].concat()).run();
        assert_eq!((answer.status, answer.sent), (status, 0));
    }
    let mut socket = Socket::put(&server, "film", &["Content-Length: 1", "Expect: 100-continue"]);
    assert_eq!(socket.status(), 100);
    socket.send("x");
    assert_eq!(socket.status(), 201);
    assert_eq!(server.content("film"), b"x");
}

#[test]
fn p8_when_all_that_files_may_take_is_taken() {
    if !there_is("curl") {
        return;
    }
    let server = Server::start(&["--disk", "1M"]);
    let content = bytes(800 * KIB, 1);
    for version in VERSIONS {
        assert_eq!(server.put("first", &content), 201);
        assert_eq!(server.put("second", &content), 507);
        let pieces = Curl::new(&[version, &["-T", "-", &server.url("/files/second")]].concat()).feed(&content);
        assert_eq!(pieces.status, 507, "{version:?}");
        let stats = server.json("/stats");
        assert!(stats["disk_peak"].as_u64() <= Some(MIB as u64), "{stats}");
        // What is small needs no disk.
        assert_eq!(server.put("small", b"small"), 201);
        assert_same(&server.content("first"), &content, "the first");

        assert_eq!(server.delete("first"), 204);
        assert_eq!(server.put("second", &content), 201);
        assert_same(&server.content("second"), &content, "the second");
        assert_eq!((server.delete("second"), server.delete("small")), (204, 204));
        server.assert_at_rest();
    }
}

#[test]
fn p2_a_disk_that_fills_in_the_middle() {
    let Some(disk) = SmallDisk::new(4) else { return };
    let server = Server::start(&["--dir", disk.path().to_str().unwrap()]);
    let (small, large) = (bytes(3 * MIB, 1), bytes(6 * MIB, 2));
    for _ in 0..3 {
        assert_eq!(server.put("large", &large), 507);
        server.assert_at_rest();
        assert_eq!(server.put("small", &small), 201);
        assert_same(&server.content("small"), &small, "what fits");
        assert_eq!(server.delete("small"), 204);
        server.assert_at_rest();
    }
}

#[test]
fn there_are_as_many_files_as_there_may_be() {
    let server = Server::start(&["--files", "2"]);
    assert_eq!(["a", "b", "c"].map(|name| server.put(name, b"x")), [201, 201, 507]);
    assert_eq!((server.put("a", b"y"), server.delete("a"), server.put("c", b"x")), (204, 204, 201));
}

#[test]
fn a_name_that_is_taken_by_an_upload_is_refused_to_others() {
    if !there_is("curl") {
        return;
    }
    let server = Server::start(&[]);
    let (curl, mut stdin) = Curl::new(&["-T", "-", &server.url("/files/film")]).start();
    stdin.write_all(b"the first").unwrap();
    server.wait_for("film");
    assert_eq!(server.put("film", b"the second"), 409);
    drop(stdin);
    assert_eq!(answer(curl).status, 201);
    assert_eq!(server.content("film"), b"the first");
}

#[test]
fn p4_an_upload_that_is_deleted_ends() {
    let server = Server::start(&[]);
    let mut socket = Socket::put(&server, "film", &["Transfer-Encoding: chunked"]);
    socket.send("4\r\nfilm\r\n");
    server.wait_for("film");
    let following = server.get("/files/film");
    assert_eq!(server.delete("film"), 204);
    assert_eq!(socket.status(), 410);
    assert!(following.bytes().is_err());
    server.assert_at_rest();
}

#[test]
fn what_it_cannot_do_it_says_when_it_starts() {
    let program = env!("CARGO_BIN_EXE_upload");
    let scratch = Scratch::new();
    let server = Server::start(&[]);
    let taken = server.address.to_string();
    let missing = scratch.path().join("missing");
    for (arguments, code, why) in [
        (["--listen", &taken], 1, "Address already in use"),
        (["--dir", missing.to_str().unwrap()], 1, "No such file"),
        (["--memory", "64Q"], 2, "powers of 1024"),
        (["--limit", "-1"], 2, "unexpected argument"),
        (["--listen", "nowhere"], 2, "invalid socket address"),
    ] {
        let output = Command::new(program).args(["--listen", "127.0.0.1:0"]).args(arguments).output();
        let output = match arguments[0] {
            "--listen" => Command::new(program).args(arguments).output(),
            _ => output,
        };
        let output = output.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
        assert_eq!(output.stdout, b"");
    }
}
