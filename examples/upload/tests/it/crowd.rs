//! A thousand at once, where a process may have 256 descriptors.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::ground::{MIB, assert_same, bytes};
use crate::server::Server;

const CROWD: usize = 1000;

#[test]
fn p8_a_thousand_uploads_at_once_arrive_or_are_refused() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let server = Server::start_with_descriptors(256, &["--memory", "16M"]);
    server.put("warm", b"up");
    let (_, idle) = server.resident();
    let content = bytes(MIB, 1);

    let (start, service, body) = (&Barrier::new(CROWD), &server, &content[..]);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CROWD)
            .map(|number| {
                let upload = move || {
                    start.wait();
                    upload(service, number, body)
                };
                thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, upload).unwrap()
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });

    let mut whole = 0;
    for (number, status) in statuses.iter().enumerate() {
        match status {
            201 => {
                let name = format!("film{number}");
                assert_same(&server.content(&name), &content, &name);
                assert_eq!(server.delete(&name), 204);
                whole += 1;
            }
            503 | 507 => {}
            other => panic!("{number}: status {other}"),
        }
    }
    assert!(whole > 50, "{whole} of {CROWD} arrived");
    assert_eq!(server.delete("warm"), 204);
    server.assert_at_rest();
    let (most, _) = server.resident();
    assert!(most < idle + (64 << 10), "{idle} KiB when idle, {most} KiB at most");
    let stats = server.json("/stats");
    assert!(stats["memory_peak"].as_u64() <= Some(16 << 20), "{stats}");
    eprintln!("{whole} of {CROWD} arrived; {idle} KiB resident when idle, {most} KiB at most");
}

fn upload(server: &Server, number: usize, content: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(600))).unwrap();
    let head = format!(
        "PUT /files/film{number} HTTP/1.1\r\nHost: here\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    // Who is refused need not send all of it.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(content));
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.unwrap_or_else(|| panic!("{number}: {read:?} {answer:?}"))
}
