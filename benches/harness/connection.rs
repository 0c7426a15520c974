//! One client connection with its unanswered calls. It reads just enough to tell a good answer from a refusal: it reads
//! the headers of frames, skips their payloads and decodes nothing. A benchmark thus measures the server and not the
//! client.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::wire::{self, Call, Protocol};

/// How a call ended, by protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// gRPC: a message and then trailers. HTTP: 204, or 200 with a body.
    Good,
    /// gRPC: trailers only, as for every status but OK. HTTP: any other status.
    Refused,
    /// HTTP/1.1 with the status 429.
    TooMany,
    /// No answer: the stream was reset or the connection was lost.
    Lost,
}

struct Pending {
    since: Instant,
    /// A message has come, or a head with a good status.
    answered: bool,
}

pub struct Connection {
    socket: TcpStream,
    protocol: Protocol,
    out: Vec<u8>,
    /// The beginning of a frame that is not complete yet.
    rest: Vec<u8>,
    /// The calls in the order of their streams. Those that ended before an earlier one are `None`.
    pending: VecDeque<Option<Pending>>,
    in_flight: usize,
    next_stream: u32,
    /// Bytes of DATA since the window was last enlarged.
    consumed: u32,
    /// The server has asked for the end of this connection, or the connection cannot be used again.
    leaving: bool,
}

impl Connection {
    pub fn open(address: SocketAddr, protocol: Protocol) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let out = if protocol == Protocol::Http1 { Vec::new() } else { wire::PREFACE.to_vec() };
        Ok(Self {
            socket,
            protocol,
            out,
            rest: Vec::new(),
            pending: VecDeque::new(),
            in_flight: 0,
            next_stream: 1,
            consumed: 0,
            leaving: false,
        })
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether the connection takes another call now, with `streams` concurrent calls at most.
    pub fn has_room(&self, streams: usize) -> bool {
        self.in_flight < streams && !self.leaving && self.next_stream < 1 << 30
    }

    /// Whether the connection takes no more calls and has no unanswered ones, so that it must be replaced.
    pub fn is_spent(&self) -> bool {
        self.in_flight == 0 && (self.leaving || self.next_stream >= 1 << 30)
    }

    /// Appends a call to those that [`Self::flush`] sends. Requests have a few bytes each, far less than the window of
    /// the server, so the window is not checked.
    pub fn push(&mut self, call: &Call, since: Instant) {
        call.write(self.next_stream, &mut self.out);
        self.pending.push_back(Some(Pending { since, answered: false }));
        self.in_flight += 1;
        self.next_stream += 2;
    }

    /// Sends what is waiting, as far as the system takes it.
    pub fn flush(&mut self) -> Result<()> {
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once, and reports the calls that ended. An error ends the connection.
    pub fn receive(&mut self, scratch: &mut [u8], mut ended: impl FnMut(Instant, End)) -> Result<()> {
        let kept = self.rest.len();
        scratch[..kept].copy_from_slice(&self.rest);
        let read = match self.socket.read(&mut scratch[kept..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let bytes = &scratch[..kept + read];
        let parsed = match self.protocol {
            Protocol::Grpc | Protocol::Http2 => self.frames(bytes, &mut ended)?,
            Protocol::Http1 => self.response(bytes, &mut ended),
        };
        self.rest.clear();
        self.rest.extend_from_slice(&bytes[parsed..]);
        Ok(())
    }

    /// The calls that will get no answer any more.
    pub fn lost(&mut self) -> impl Iterator<Item = Instant> {
        self.in_flight = 0;
        self.pending.drain(..).flatten().map(|pending| pending.since)
    }

    /// HTTP/1.1 has one request at a time, so the bytes are one response: a 204 ends with its head, a 200 has a length.
    fn response(&mut self, bytes: &[u8], ended: &mut impl FnMut(Instant, End)) -> usize {
        let is_good = bytes.starts_with(b"HTTP/1.1 204") || bytes.starts_with(b"HTTP/1.1 200");
        if is_good {
            let Some(head) = position(bytes, b"\r\n\r\n") else { return 0 };
            let length = position(&bytes[..head], b"content-length: ").map_or(0, |at| {
                let digits = bytes[at + 16..].iter().take_while(|byte| byte.is_ascii_digit());
                digits.fold(0, |length, digit| 10 * length + usize::from(digit - b'0'))
            });
            if bytes.len() < head + 4 + length {
                return 0;
            }
        }
        // The end of any other body is unknown, so the connection cannot be used again.
        self.leaving |= !is_good;
        let refused = if bytes.starts_with(b"HTTP/1.1 429") { End::TooMany } else { End::Refused };
        self.finish(0, if is_good { End::Good } else { refused }, ended);
        bytes.len()
    }

    fn frames(&mut self, bytes: &[u8], ended: &mut impl FnMut(Instant, End)) -> Result<usize> {
        let mut at = 0;
        while let Some(&[high, middle, low, kind, flags, s0, s1, s2, s3]) = bytes[at..].first_chunk::<9>() {
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            let Some(payload) = bytes.get(at + 9..at + 9 + length) else { break };
            at += 9 + length;
            // The oldest remembered call is at index 0.
            let oldest = self.next_stream - 2 * self.pending.len() as u32;
            let place = (u32::from_be_bytes([s0, s1, s2, s3]).wrapping_sub(oldest) / 2) as usize;
            match kind {
                wire::DATA => {
                    if let (Some(Some(pending)), Protocol::Grpc) = (self.pending.get_mut(place), self.protocol) {
                        pending.answered = true;
                    }
                    self.consumed += length as u32;
                    if self.consumed > 1 << 29 {
                        wire::frame(&mut self.out, wire::WINDOW_UPDATE, 0, &self.consumed.to_be_bytes());
                        self.consumed = 0;
                    }
                }
                wire::HEADERS if self.protocol == Protocol::Http2 => {
                    if let Some(Some(pending)) = self.pending.get_mut(place) {
                        pending.answered = payload.first() == Some(&wire::STATUS_200);
                    }
                }
                wire::RST_STREAM => self.finish(place, End::Lost, ended),
                wire::SETTINGS if flags & wire::ACK == 0 => {
                    wire::frame(&mut self.out, wire::SETTINGS, wire::ACK, &[]);
                }
                wire::PING if flags & wire::ACK == 0 => wire::frame(&mut self.out, wire::PING, wire::ACK, payload),
                wire::GOAWAY => self.leaving = true,
                _ => {}
            }
            if matches!(kind, wire::DATA | wire::HEADERS) && flags & wire::END_STREAM != 0 {
                let answered = matches!(self.pending.get(place), Some(Some(pending)) if pending.answered);
                self.finish(place, if answered { End::Good } else { End::Refused }, ended);
            }
        }
        Ok(at)
    }

    fn finish(&mut self, place: usize, end: End, ended: &mut impl FnMut(Instant, End)) {
        if let Some(pending) = self.pending.get_mut(place).and_then(Option::take) {
            self.in_flight -= 1;
            ended(pending.since, end);
        }
        while let Some(None) = self.pending.front() {
            self.pending.pop_front();
        }
    }
}

fn position(bytes: &[u8], of: &[u8]) -> Option<usize> {
    bytes.windows(of.len()).position(|window| window == of)
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
