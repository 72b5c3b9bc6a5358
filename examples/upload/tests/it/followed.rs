//! Files that are read while they are still coming.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::curl::{Curl, VERSIONS, answer};
use crate::ground::{KIB, MIB, Scratch, assert_same, bytes, there_is};
use crate::server::Server;

#[test]
fn p1_it_is_read_as_it_comes() {
    if !there_is("curl") {
        return;
    }
    let server = Server::start(&[]);
    for version in VERSIONS {
        let content = bytes(5 * MIB, 1);
        let url = server.url("/files/film");
        let (curl, mut stdin) = Curl::new(&[version, &["-T", "-", &url]].concat()).start();
        let mut readers = Vec::new();
        let mut sent = 0;
        for end in [1, 10, 64 * KIB, 64 * KIB + 1, MIB, 4 * MIB, content.len()] {
            stdin.write_all(&content[sent..end]).unwrap();
            sent = end;
            if readers.is_empty() {
                server.wait_for("film");
            }
            let following = server.get("/files/film");
            assert_eq!((following.status().as_u16(), following.content_length()), (200, None));
            assert_eq!(following.headers().get("accept-ranges"), None);
            readers.push((following, Vec::new()));
            // All that has come can be read, and nobody waits for the end.
            for (following, read) in &mut readers {
                let mut more = vec![0; end - read.len()];
                following.read_exact(&mut more).unwrap();
                read.extend(more);
                assert_same(read, &content[..end], &format!("{version:?}, up to {end}"));
            }
        }
        drop(stdin);
        assert_eq!(answer(curl).status, 201);
        for (mut following, _) in readers {
            assert_eq!(following.read(&mut [0]).unwrap(), 0, "then comes the end");
        }
        assert_eq!(server.delete("film"), 204);
    }
    server.assert_at_rest();
}

#[test]
fn p1_what_was_said_of_its_length_is_passed_on() {
    if !there_is("curl") {
        return;
    }
    let (server, scratch) = (Server::start(&[]), Scratch::new());
    let content = bytes(2 * MIB, 2);
    let path = scratch.file("film", &content);
    for version in VERSIONS {
        let url = server.url("/files/film");
        let curl =
            Curl::new(&[version, &["--limit-rate", "400K", "-T", path.to_str().unwrap(), &url]].concat()).start().0;
        server.wait_for("film");
        let whole = server.get("/files/film");
        assert_eq!(whole.content_length(), Some(content.len() as u64));
        // A part that is not there yet is waited for.
        let last = server.client.get(&url).header("Range", "bytes=-1000").send().unwrap();
        assert_eq!(last.status(), 206);
        assert_same(&last.bytes().unwrap(), &content[content.len() - 1000..], "the end of it");
        assert_same(&whole.bytes().unwrap(), &content, "all of it");
        assert_eq!(answer(curl).status, 201);
        assert_eq!(server.delete("film"), 204);
    }
    server.assert_at_rest();
}

/// A reader that got a clean end would take half a file for a whole one.
#[test]
fn p4_who_follows_an_upload_that_breaks_off_sees_that() {
    if !there_is("curl") {
        return;
    }
    let (server, scratch) = (Server::start(&[]), Scratch::new());
    let path = scratch.file("film", &bytes(40 * MIB, 3));
    let known = ["--limit-rate", "2M", "-T", path.to_str().unwrap()];
    let ways: [(&str, &[&str]); 2] = [("of known length", &known), ("in pieces", &["-T", "-"])];
    for version in VERSIONS {
        for (way, how) in ways {
            let url = server.url("/files/film");
            let (mut curl, mut stdin) = Curl::new(&[version, how, &[&url]].concat()).start();
            if how == ["-T", "-"] {
                stdin.write_all(&bytes(100 * KIB, 4)).unwrap();
            }
            server.wait_for("film");
            let mut following = server.get("/files/film");
            let mut by_curl = Command::new("curl");
            by_curl.args(["--silent", "--no-buffer", version[0], &url]).stdout(Stdio::piped());
            let mut by_curl = by_curl.spawn().unwrap();
            let mut reads = by_curl.stdout.take().unwrap();
            reads.read_exact(&mut [0; 100]).unwrap();
            following.read_exact(&mut [0; 100]).unwrap();
            curl.kill().unwrap();
            curl.wait().unwrap();

            let error = following.copy_to(&mut std::io::sink());
            assert!(error.is_err(), "{version:?} {way}: a clean end");
            std::io::copy(&mut reads, &mut std::io::sink()).unwrap();
            let code = by_curl.wait().unwrap().code();
            assert!(matches!(code, Some(18 | 56 | 92)), "{version:?} {way}: curl ended with {code:?}");
            server.assert_at_rest();
            assert_eq!(server.get("/files/film").status(), 404);
        }
    }
}
