//! A client of HTTP/1.1 that makes one request at a time on one connection, and reads the answers that proxies send.
//! Separate from the load because its requests depend on the answers before them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Client {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, and the time from the request to its last byte.
pub struct Reply {
    pub status: u16,
    pub time: Duration,
    head: String,
    pub body: String,
}

impl Client {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { address, stream, buffer: Vec::with_capacity(8_192) }
    }

    /// Sends a request with these headers and this body.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
        headers.iter().for_each(|(name, value)| request.extend([name, ": ", value, "\r\n"]));
        request.extend(["\r\n", body]);
        let begun = Instant::now();
        self.stream.write_all(request.as_bytes()).unwrap();
        let head = self.read_until(|bytes| bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4));
        let mut reply = Reply { status: head[9..12].parse().unwrap(), time: Duration::ZERO, head, body: String::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        assert!(reply.header("transfer-encoding").is_none(), "such answers are not read: {}", reply.head);
        reply.body = self.read_until(|bytes| (bytes.len() >= length).then_some(length));
        reply.time = begun.elapsed();
        // nginx closes a connection after 1,000 requests.
        if reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            *self = Self::open(self.address);
        }
        reply
    }

    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send("GET", path, headers, "")
    }

    /// Reads until `end` knows where the part ends, and returns the part.
    fn read_until(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> String {
        loop {
            if let Some(at) = end(&self.buffer) {
                return String::from_utf8(self.buffer.drain(..at).collect()).unwrap();
            }
            let mut chunk = [0; 8_192];
            let read = self.stream.read(&mut chunk).unwrap();
            assert!(read > 0, "the connection ended without an answer");
            self.buffer.extend_from_slice(&chunk[..read]);
        }
    }
}

impl Reply {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}
