//! A client that is nothing but a socket, and does what no other does.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::ground::PATIENCE;
use crate::server::Server;

pub(crate) struct Socket(pub(crate) TcpStream);

impl Socket {
    #[track_caller]
    pub(crate) fn connect(server: &Server) -> Socket {
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Socket(stream)
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Begins a `PUT`, with these header lines.
    #[track_caller]
    pub(crate) fn put(server: &Server, name: &str, headers: &[&str]) -> Socket {
        let mut socket = Socket::connect(server);
        socket.send(format!("PUT /files/{name} HTTP/1.1\r\nHost: here\r\n"));
        for header in headers {
            socket.send(format!("{header}\r\n"));
        }
        socket.send("\r\n");
        socket
    }

    /// The next head of an answer.
    #[track_caller]
    pub(crate) fn head(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "it ends with {:?}", String::from_utf8_lossy(&head));
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// The status of the next answer.
    #[track_caller]
    pub(crate) fn status(&mut self) -> u16 {
        let head = self.head();
        head.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap()
    }

    /// Waits until the service has gone.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self) {
        let mut rest = [0; 4096];
        loop {
            match self.0.read(&mut rest) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) => panic!("it is still there: {error}"),
            }
        }
    }

    pub(crate) fn say_no_more(&self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// Goes without a word: the other side meets a reset.
    pub(crate) fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.0, Some(Duration::ZERO)).unwrap();
    }
}
