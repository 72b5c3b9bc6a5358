//! Parts of files, and what is said of the whole.

use crate::curl::{Curl, VERSIONS};
use crate::ground::{KIB, MIB, assert_same, bytes, there_is};
use crate::server::Server;

#[test]
fn p1_parts_in_memory_and_on_disk() {
    let server = Server::start(&[]);
    for len in [10, 64 * KIB, 64 * KIB + 1, 3 * MIB] {
        let content = bytes(len, len as u64);
        assert_eq!(server.put("film", &content), 201);
        for (range, begin, end) in [
            ("0-0".to_owned(), 0, 1),
            ("0-".to_owned(), 0, len),
            ("-1".to_owned(), len - 1, len),
            (format!("-{}", 2 * len), 0, len),
            (format!("3-{}", len - 2), 3, len - 1),
            (format!("{}-{}", len / 2, 10 * len), len / 2, len),
            (format!("{}-", len - 1), len - 1, len),
        ] {
            let response = server.client.get(server.url("/files/film")).header("Range", format!("bytes={range}"));
            let response = response.send().unwrap();
            assert_eq!(response.status(), 206, "{range} of {len}");
            assert_eq!(response.headers()["content-range"], format!("bytes {begin}-{}/{len}", end - 1));
            assert_eq!(response.content_length(), Some((end - begin) as u64));
            assert_same(&response.bytes().unwrap(), &content[begin..end], &format!("{range} of {len}"));
        }
        assert_eq!(server.delete("film"), 204);
    }
    server.assert_at_rest();
}

#[test]
fn p1_curl_puts_parts_together() {
    if !there_is("curl") {
        return;
    }
    let server = Server::start(&[]);
    let content = bytes(3 * MIB, 1);
    assert_eq!(server.put("film", &content), 201);
    let url = server.url("/files/film");
    for version in VERSIONS {
        let part = |range: &str| Curl::new(&[version, &["--range", range, &url]].concat()).run().body;
        let parts = [part("0-99"), part("100-1999999"), part("2000000-")].concat();
        assert_same(&parts, &content, "three parts");
    }
}

#[test]
fn what_lies_past_the_end_is_refused() {
    let server = Server::start(&[]);
    for (len, range) in
        [(10, "10-"), (10, "99999999999999999999999-"), (10, "-0"), (0, "0-"), (100 * KIB, "102400-102401")]
    {
        server.put("film", &bytes(len, 1));
        let request = server.client.get(server.url("/files/film")).header("Range", format!("bytes={range}"));
        let response = request.send().unwrap();
        assert_eq!(response.status(), 416, "{range} of {len}");
        assert_eq!(response.headers()["content-range"], format!("bytes */{len}"));
    }
}

#[test]
fn what_is_no_single_range_gives_the_whole() {
    let server = Server::start(&[]);
    let content = bytes(100 * KIB, 1);
    server.put("film", &content);
    for range in ["bytes=0-1,5-6", "bytes=9-2", "bytes=x", "lines=1-2", ""] {
        let response = server.client.get(server.url("/files/film")).header("Range", range).send().unwrap();
        assert_eq!(response.status(), 200, "{range}");
        assert_same(&response.bytes().unwrap(), &content, range);
    }
}

#[test]
fn a_part_of_another_file_of_that_name_is_not_given() {
    let server = Server::start(&[]);
    server.put("film", b"the old one");
    let tag = server.get("/files/film").headers()["etag"].clone();
    let part = |tag| {
        let request = server.client.get(server.url("/files/film")).header("Range", "bytes=4-");
        request.header("If-Range", tag).send().unwrap()
    };
    assert_eq!(part(&tag).status(), 206);
    server.put("film", b"the new one");
    let whole = part(&tag);
    assert_eq!(whole.status(), 200);
    assert_eq!(&whole.bytes().unwrap()[..], b"the new one");
    assert_ne!(server.get("/files/film").headers()["etag"], tag);
}

#[test]
fn head_says_what_get_would() {
    let server = Server::start(&[]);
    server.put("film", &bytes(100 * KIB, 1));
    for range in ["", "bytes=1-2"] {
        let head = server.client.head(server.url("/files/film")).header("Range", range).send().unwrap();
        assert_eq!(head.status(), 200);
        let headers = head.headers();
        assert_eq!(headers["content-length"], "102400");
        assert_eq!(headers["accept-ranges"], "bytes");
        assert_eq!(headers["content-type"], "application/octet-stream");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(head.bytes().unwrap().len(), 0);
    }
    assert_eq!(server.client.head(server.url("/files/none")).send().unwrap().status(), 404);
}
