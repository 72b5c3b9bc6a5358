//! Names that no file may have, and those that look odd and may.

use crate::curl::{Curl, VERSIONS};
use crate::ground::there_is;
use crate::server::Server;

#[test]
fn names_that_are_none_are_refused() {
    if !there_is("curl") {
        return;
    }
    let server = Server::start(&[]);
    let long = "x".repeat(256);
    for version in VERSIONS {
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a%2Fb",
            "%2e%2e",
            "%2E%2E%2Fetc%2Fpasswd",
            "a%5Cb",
            "a%00b",
            "a%0Ab",
            "%7f",
            "%C2%85",
            "%FF",
            "/",
            "%2F",
            "a/",
            &long,
        ] {
            let url = server.url(&format!("/files/{name}"));
            for how in [&["--request", "PUT", "--data-binary", "x"][..], &[], &["--request", "DELETE"], &["--head"]] {
                let answer = Curl::new(&[version, &["--path-as-is"], how, &[&url]].concat()).run();
                assert_eq!((answer.status, answer.exit), (400, 0), "{how:?} {name:?}");
            }
        }
    }
    server.assert_at_rest();
}

#[test]
fn names_that_look_odd_are_names() {
    let server = Server::start(&[]);
    let names = ["...", "a b", "50%", "?", "#", "Ærøskøbing", "<b>&amp;\"'", "-", "🎞", &"x".repeat(255)];
    for name in names {
        let mut url = reqwest::Url::parse(&server.url("/files")).unwrap();
        url.path_segments_mut().unwrap().push(name);
        // Of these the address of the file is made by the client and, independently, by the service.
        let stored = server.client.put(url.clone()).body(name.to_owned()).send().unwrap();
        assert_eq!(stored.status(), 201, "{name}");
        let location = stored.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(server.get(&location).text().unwrap(), name);
        assert_eq!(server.client.get(url).send().unwrap().text().unwrap(), name);
    }
    let mut sorted: Vec<_> = names.into();
    sorted.sort_unstable();
    assert_eq!(server.names(), sorted);
}

#[test]
fn what_is_not_there_is_not_there() {
    let server = Server::start(&[]);
    for path in ["/files/none", "/none", "/files/none?x=1"] {
        assert_eq!(server.get(path).status(), 404, "{path}");
    }
    assert_eq!(server.delete("none"), 404);
    for (method, path) in
        [("PUT", "/"), ("POST", "/files/x"), ("PATCH", "/files/x"), ("DELETE", "/files"), ("PUT", "/stats")]
    {
        let request = server.client.request(method.parse().unwrap(), server.url(path));
        assert_eq!(request.body("x").send().unwrap().status(), 405, "{method} {path}");
    }
    let part = server.client.put(server.url("/files/x")).header("Content-Range", "bytes 0-0/2").body("x");
    assert_eq!(part.send().unwrap().status(), 400);
    server.assert_at_rest();
}
