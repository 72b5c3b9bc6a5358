//! Files that come by a form, as `curl -F`, reqwest and browsers send it.

use reqwest::blocking::multipart::{Form, Part};

use crate::curl::{Curl, VERSIONS};
use crate::ground::{KIB, MIB, Scratch, assert_same, bytes, there_is};
use crate::server::Server;
use crate::socket::Socket;

#[test]
fn p1_each_file_of_it_is_there() {
    if !there_is("curl") {
        return;
    }
    let (server, scratch) = (Server::start(&[]), Scratch::new());
    for version in VERSIONS {
        let contents = [("empty", 0), ("small", 10), ("large", 5 * MIB)].map(|(name, len)| (name, bytes(len, 1)));
        let fields = contents.each_ref().map(|(name, content)| format!("f=@{}", scratch.file(name, content).display()));
        let [first, second, third] = fields.each_ref().map(String::as_str);
        let url = server.url("/files");
        let answer = Curl::new(&[version, &["-F", first, "-F", second, "-F", third, &url]].concat()).run();
        assert_eq!((answer.status, &answer.body[..]), (201, &b"empty\nsmall\nlarge\n"[..]));
        for (name, content) in contents {
            assert_same(&server.content(name), &content, name);
            assert_eq!(server.delete(name), 204);
        }
    }
    server.assert_at_rest();
}

#[test]
fn a_browser_is_sent_back_to_the_page() {
    let server = Server::start(&[]);
    let client =
        reqwest::blocking::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let send = |name: &str, site: &str| {
        let form = Form::new().part("file", Part::bytes(b"content".to_vec()).file_name(name.to_owned()));
        let request = client.post(server.url("/files")).header("Accept", "text/html,application/xhtml+xml");
        request.header("Sec-Fetch-Site", site.to_owned()).multipart(form).send().unwrap()
    };
    let response = send("film", "same-origin");
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers()["location"], "/");
    // No file was chosen.
    assert_eq!(send("", "same-origin").status(), 303);
    // The form stands on somebody else's page.
    for site in ["cross-site", "same-site"] {
        assert_eq!(send("theirs", site).status(), 403);
    }
    assert_eq!(server.names(), ["film"]);
}

#[test]
fn p5_what_is_not_right_about_a_form() {
    let server = Server::start(&["--limit", "1M", "--idle", "5"]);
    let form = |parts: Vec<(&'static str, usize)>| {
        let form = parts
            .into_iter()
            .fold(Form::new(), |form, (name, len)| form.part("file", Part::bytes(bytes(len, 1)).file_name(name)));
        server.client.post(server.url("/files")).multipart(form).send().unwrap().status().as_u16()
    };
    assert_eq!(form(vec![("a/b", 10)]), 400);
    assert_eq!(form(vec![("..", 10)]), 400);
    assert_eq!(form(vec![("large", MIB + 1)]), 413);
    let text = server.client.post(server.url("/files")).multipart(Form::new().text("comment", "no file"));
    assert_eq!(text.send().unwrap().status(), 400);
    for (kind, body) in [("text/plain", "x"), ("multipart/form-data", "x"), ("multipart/form-data; boundary=b", "x")] {
        let request = server.client.post(server.url("/files")).header("Content-Type", kind).body(body);
        let status = request.send().unwrap().status();
        assert!(status.is_client_error(), "{kind}: {status}");
    }
    server.assert_at_rest();
    // What came before is there, and what breaks off is not.
    assert_eq!(form(vec![("whole", 10), ("large", MIB + 1)]), 413);
    assert_eq!(server.names(), ["whole"]);
    for ending in ["", "\r\n--b\r\n"] {
        let mut socket = Socket::connect(&server);
        socket.send("POST /files HTTP/1.1\r\nHost: here\r\nContent-Length: 900000\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n");
        socket.send("--b\r\nContent-Disposition: form-data; name=f; filename=\"part\"\r\n\r\n");
        socket.send(bytes(100 * KIB, 1));
        socket.send(ending);
        assert_eq!(socket.status(), 408);
    }
    server.delete("part");
    assert_eq!(server.delete("whole"), 204);
    server.assert_at_rest();
}
