//! Uploads that arrive whole: by curl, in every way that it has.

use crate::curl::{Answer, Curl, VERSIONS, answer};
use crate::ground::{KIB, MIB, Scratch, assert_same, bytes, there_is};
use crate::server::Server;

const LENGTHS: [usize; 7] = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 5 * MIB, 20 * MIB + 1];

fn upload(server: &Server, version: &[&str], how: &[&str], content: &[u8]) -> Answer {
    let url = server.url("/files/film");
    Curl::new(&[version, how, &[&url]].concat()).feed(content)
}

#[test]
fn p1_of_known_length() {
    if !there_is("curl") {
        return;
    }
    let (server, scratch) = (Server::start(&[]), Scratch::new());
    for version in VERSIONS {
        for len in LENGTHS {
            let content = bytes(len, len as u64);
            let path = scratch.file("film", &content);
            for status in [201, 204] {
                let answer = upload(&server, version, &["-T", path.to_str().unwrap()], b"");
                assert_eq!((answer.status, answer.exit, answer.sent), (status, 0, len as u64), "{version:?}");
                assert_same(&server.content("film"), &content, &format!("{version:?}, {len} bytes"));
            }
            assert_eq!(server.delete("film"), 204);
        }
    }
    server.assert_at_rest();
}

#[test]
fn p1_in_pieces_of_unknown_number() {
    if !there_is("curl") {
        return;
    }
    let server = Server::start(&[]);
    for version in VERSIONS {
        for len in LENGTHS {
            let content = bytes(len, len as u64);
            let answer = upload(&server, version, &["-T", "-"], &content);
            assert_eq!((answer.status, answer.exit), (201, 0), "{version:?}, {len} bytes");
            let back = Curl::new(&[version, &[server.url("/files/film").as_str()]].concat()).run();
            assert_same(&back.body, &content, &format!("{version:?}, {len} bytes"));
            assert_eq!(server.delete("film"), 204);
        }
    }
    server.assert_at_rest();
}

#[test]
fn p1_after_it_was_told_to_go_on() {
    if !there_is("curl") {
        return;
    }
    let (server, scratch) = (Server::start(&[]), Scratch::new());
    let content = bytes(3 * MIB, 1);
    let path = scratch.file("film", &content);
    let expect = ["-H", "Expect: 100-continue", "--expect100-timeout", "20", "-T", path.to_str().unwrap()];
    let answer = upload(&server, &["--http1.1"], &expect, b"");
    assert_eq!((answer.status, answer.exit), (201, 0));
    assert_same(&server.content("film"), &content, "after 100 Continue");
}

#[test]
fn p1_as_slowly_as_a_line_is() {
    if !there_is("curl") {
        return;
    }
    let (server, scratch) = (Server::start(&[]), Scratch::new());
    let content = bytes(3 * MIB, 2);
    let path = scratch.file("film", &content);
    for version in VERSIONS {
        let answer = upload(&server, version, &["--limit-rate", "2M", "-T", path.to_str().unwrap()], b"");
        assert_eq!(answer.exit, 0, "{version:?}");
        assert_same(&server.content("film"), &content, "slowly");
    }
}

/// By reqwest; the curl of today's Debian cannot use a connection of HTTP/2 twice that it was told to begin as one.
#[test]
fn p1_many_at_once_over_one_connection_or_many() {
    let server = Server::start(&["--memory", "2M"]);
    let content = bytes(2 * MIB, 3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for one in [false, true] {
        let client = reqwest::Client::builder().no_proxy();
        let client = if one { client.http2_prior_knowledge() } else { client }.build().unwrap();
        runtime.block_on(async {
            let uploads = (0..16).map(|number| {
                let request = client.put(server.url(&format!("/files/film{number}"))).body(content.clone());
                tokio::spawn(async move { request.send().await.unwrap() })
            });
            for upload in uploads.collect::<Vec<_>>() {
                let stored = upload.await.unwrap();
                let version = if one { reqwest::Version::HTTP_2 } else { reqwest::Version::HTTP_11 };
                assert_eq!((stored.status().as_u16(), stored.version()), (201, version));
            }
        });
        let names = server.names();
        assert_eq!(names.len(), 16);
        for name in names {
            assert_same(&server.content(&name), &content, &name);
            assert_eq!(server.delete(&name), 204);
        }
    }
    server.assert_at_rest();
}

#[test]
fn p2_one_takes_the_place_of_another_when_it_is_whole() {
    if !there_is("curl") {
        return;
    }
    let server = Server::start(&[]);
    let (old, new) = (bytes(24 * MIB, 4), bytes(MIB, 5));
    assert_eq!(server.put("film", &old), 201);
    // More than what two sockets hold: it is read from the old one long after there is a new one.
    let mut reading = server.get("/files/film");

    let (curl, mut stdin) = Curl::new(&["-T", "-", &server.url("/files/film")]).start();
    std::io::Write::write_all(&mut stdin, &new[..MIB / 2]).unwrap();
    server.wait_for("film");
    assert_same(&server.content("film"), &old, "while the new one comes");
    std::io::Write::write_all(&mut stdin, &new[MIB / 2..]).unwrap();
    drop(stdin);
    assert_eq!(answer(curl).status, 204);
    assert_same(&server.content("film"), &new, "once it is there");

    let mut read = Vec::new();
    reading.copy_to(&mut read).unwrap();
    assert_same(&read, &old, "who reads the old one goes on");
    assert_eq!(server.delete("film"), 204);
    server.assert_at_rest();
}
