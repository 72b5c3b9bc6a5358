//! The page, in a browser: what a person does there, and sees.

use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::browser::Browser;
use crate::curl::{Curl, answer};
use crate::ground::{KIB, MIB, Scratch, assert_same, bytes, eventually, there_is};
use crate::server::Server;

const SIZE: (u32, u32) = (1200, 800);

/// Whether the list has a row of these three texts.
fn row(name: &str, size: &str, state: &str) -> String {
    format!(
        "[...document.querySelectorAll('tbody tr')].some(row => row.cells[0].innerText == {name:?} && \
         row.cells[1].innerText == {size:?} && row.cells[2].innerText.trim() == {state:?})"
    )
}

#[test]
fn a_browser_uploads_and_sees_the_figures_move() {
    if !there_is("chromium") || !there_is("curl") {
        return;
    }
    let (server, scratch) = (Server::start(&[]), Scratch::new());
    let mut browser = Browser::open(&server.url("/"), SIZE);
    browser.wait_until("document.querySelector('#live').innerText == 'live'");
    browser.wait_until("document.querySelector('#disk-used').innerText == '0 B'");
    browser.wait_until("document.querySelector('#disk-limit').innerText == 'of 16.0 GiB'");
    assert_eq!(browser.value("document.querySelector('#none').hidden"), false);

    // Chosen.
    let contents =
        [("small.txt", 10), ("empty", 0), ("a film & more.mkv", 20 * MIB)].map(|(name, len)| (name, bytes(len, 1)));
    let files: Vec<PathBuf> = contents.iter().map(|(name, content)| scratch.file(name, content)).collect();
    browser.choose("#chosen", &files);
    for (name, size) in [("small.txt", "10 B"), ("empty", "0 B"), ("a film & more.mkv", "20.0 MiB")] {
        browser.wait_until(&row(name, size, "whole"));
    }
    assert_same(&server.content("a%20film%20&%20more.mkv"), &contents[2].1, "the film");
    assert_eq!(server.content("small.txt"), contents[0].1);
    browser.wait_until("document.querySelector('#disk-used').innerText == '20.0 MiB'");
    browser.wait_until("document.querySelector('#rolled').innerText == '1'");
    browser.wait_until("document.querySelector('#spools').innerText == '3'");
    browser.wait_until("document.querySelectorAll('#disk polyline').length == 1");

    // Dropped.
    let dropped = scratch.file("dropped.bin", &bytes(3 * MIB, 2));
    browser.drop_at("#drop", &[dropped]);
    browser.wait_until(&row("dropped.bin", "3.0 MiB", "whole"));
    assert_same(&server.content("dropped.bin"), &bytes(3 * MIB, 2), "what was dropped");

    // What others do shows too, as it comes.
    let (curl, mut stdin) = Curl::new(&["-T", "-", &server.url("/files/theirs")]).start();
    stdin.write_all(&bytes(100 * KIB, 3)).unwrap();
    browser.wait_until(&row("theirs", "100 KiB", "100 KiB so far"));
    drop(stdin);
    assert_eq!(answer(curl).status, 201);
    browser.wait_until(&row("theirs", "100 KiB", "whole"));

    // Deleted.
    browser.value("document.querySelector('[aria-label=\"Delete theirs\"]').click()");
    browser.wait_until(&format!("!({})", row("theirs", "100 KiB", "whole")));
    assert_eq!(server.names(), ["a film & more.mkv", "dropped.bin", "empty", "small.txt"]);
    for name in ["a%20film%20&%20more.mkv", "dropped.bin", "empty", "small.txt"] {
        assert_eq!(server.delete(name), 204);
    }
    browser.wait_until("document.querySelectorAll('tbody tr').length == 0");
    browser.wait_until("document.querySelector('#rolled').innerText == '0'");
    browser.wait_until("document.querySelector('#disk-used').innerText == '0 B'");
    browser.wait_until("document.querySelector('#disk-kept').innerText != '0 B'");
    server.assert_at_rest();
}

#[test]
fn a_browser_is_told_why_something_was_refused() {
    if !there_is("chromium") {
        return;
    }
    let (server, scratch) = (Server::start(&["--limit", "1M"]), Scratch::new());
    let mut browser = Browser::open(&server.url("/"), SIZE);
    browser.wait_until("document.querySelector('#live').innerText == 'live'");
    browser.choose("#chosen", &[scratch.file("large", &bytes(9 * MIB, 1)), scratch.file("small", b"small")]);
    browser.wait_until(&row("large", "9.0 MiB", "a file may have at most 1048576 bytes"));
    browser.wait_until(&row("small", "5 B", "whole"));
    browser.value("document.querySelector('[aria-label=\"Dismiss large\"]').click()");
    browser.wait_until("document.querySelectorAll('tbody tr').length == 1");
    assert_eq!(server.names(), ["small"]);
}

/// A name may be anything, and is text and not part of the page.
#[test]
fn a_name_is_text() {
    if !there_is("chromium") {
        return;
    }
    let server = Server::start(&[]);
    let name = "<img src=x onerror=document.title='taken'>";
    assert_eq!(server.put("%3Cimg%20src=x%20onerror=document.title='taken'%3E", b"x"), 201);
    let mut browser = Browser::open(&server.url("/"), SIZE);
    browser.wait_until(&row(name, "1 B", "whole"));
    assert_eq!(browser.value("document.title"), "spooled: uploads");
    assert_eq!(browser.value("document.querySelectorAll('img').length"), 0);
}

#[test]
fn without_scripts_there_is_the_form() {
    if !there_is("chromium") {
        return;
    }
    let (server, scratch) = (Server::start(&[]), Scratch::new());
    let mut browser = Browser::open("about:blank#", SIZE);
    browser.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    browser.go(&server.url("/"));
    browser.choose("#chosen", &[scratch.file("film", &bytes(2 * MIB, 1)), scratch.file("note", b"note")]);
    browser.value("document.querySelector('form').requestSubmit()");
    eventually("it did not arrive", || (server.names() == ["film", "note"]).then_some(()));
    browser.wait_until("document.readyState == 'complete' && location.pathname == '/'");
    assert_same(&server.content("film"), &bytes(2 * MIB, 1), "by the form");
}

/// What the README shows. With `UPDATE_SCREENSHOT=1` it is taken anew.
#[test]
fn a_picture_of_the_page() {
    if !there_is("chromium") || !there_is("curl") {
        return;
    }
    let (server, scratch) = (Server::start(&[]), Scratch::new());
    let mut browser = Browser::open(&server.url("/"), SIZE);
    browser.wait_until("document.querySelector('#live').innerText == 'live'");
    for (name, len) in [("measurements-2026.parquet", 61), ("keynote.mp4", 143), ("backup.tar.zst", 96)] {
        browser.choose("#chosen", &[scratch.file(name, &vec![0; len * MIB])]);
        browser.wait_until(&row(name, &format!("{len}{} MiB", if len < 100 { ".0" } else { "" }), "whole"));
        thread::sleep(Duration::from_millis(900));
    }
    assert_eq!(server.delete("keynote.mp4"), 204);
    thread::sleep(Duration::from_millis(900));
    browser.choose("#chosen", &[scratch.file("notes.txt", &[0; 3 * KIB]), scratch.file("cover.jpg", &[0; 48 * KIB])]);
    browser.wait_until(&row("cover.jpg", "48.0 KiB", "whole"));
    let path = scratch.file("interview.wav", &vec![0; 120 * MIB]);
    let (mut curl, _stdin) =
        Curl::new(&["--limit-rate", "24M", "-T", path.to_str().unwrap(), &server.url("/files/interview.wav")]).start();
    let (mut other, mut stdin) = Curl::new(&["-T", "-", &server.url("/files/live-stream.ts")]).start();
    stdin.write_all(&vec![0; 7 * MIB + 300 * KIB]).unwrap();
    thread::sleep(Duration::from_millis(2800));
    let picture = scratch.path().join("page.png");
    browser.screenshot(&picture);
    for curl in [&mut curl, &mut other] {
        curl.kill().unwrap();
        curl.wait().unwrap();
    }
    let taken = std::fs::read(&picture).unwrap();
    assert!(taken.starts_with(b"\x89PNG") && taken.len() > 10_000, "{} bytes", taken.len());
    if std::env::var_os("UPDATE_SCREENSHOT").is_some() {
        std::fs::copy(picture, concat!(env!("CARGO_MANIFEST_DIR"), "/page.png")).unwrap();
    }
}
