//! Half-sent bodies: sign-ins of 64 KiB from one address, each without the end of its body. The scene measures the
//! memory of the server, and the effect on a client of another address.

use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use tokio::net::TcpSocket;

use super::Ours;
use crate::harness::{Bench, Goal, Outcome, Row, data, wire};

/// An address of this machine that the other load does not use.
const SOURCE: &str = "127.0.0.2:0";

/// Sign-ins on each connection.
const CALLS: u32 = 100;

/// The declared length of each body, and the number of bytes that are sent.
const LENGTH: usize = 65_000;
const SENT: usize = LENGTH - 1;

/// The bytes in each frame.
const PIECE: usize = 16_000;

/// The number of threads that send.
const SENDERS: usize = 4;

/// Token checks a second beside the half-sent bodies.
const CHECKS: f64 = 500.0;

pub fn half_sent(bench: &mut Bench) {
    let connections = if bench.short() { 20 } else { 500 };
    let me = data::me(1..=64);
    let (mut quiet, mut beside, mut held, mut after) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    bench.each_round(|_| {
        let ours = Ours::start(None);
        let checks = ours.me(bench, &me, CHECKS, bench.spell() * 2);
        quiet.push(checks.run());
        let address = ours.process.address;
        let (kept, outcome) = thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS)
                .map(|sender| {
                    let share = (sender..connections).step_by(SENDERS).count();
                    scope.spawn(move || (0..share).map(|_| send_halves(address)).collect::<Result<Vec<_>>>())
                })
                .collect();
            let outcome = checks.run();
            let kept: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
            (kept, outcome)
        });
        beside.push(outcome);
        held.push(ours.process.memory().peak);
        // All bodies are still held, and no more bytes arrive.
        let then = checks.run();
        after.push(then);
        drop(kept);
    });
    quiet.iter().for_each(|outcome| bench.check_answered("Me in quiet", outcome));
    beside.iter().for_each(|outcome| bench.check_answered("Me while halves are sent", outcome));
    after.iter().for_each(|outcome| bench.check_answered("Me beside halves", outcome));
    let what = format!("{connections} × {CALLS} half-sent sign-ins: RSS at most");
    bench.row(Row::plain(what, "MiB", held).goal(Goal::AtMost(256.0)));
    let p99 = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| outcome.ms(0.99)).collect();
    bench.row(Row::ratio("  Me at 500/s, p99: while they are sent ÷ in quiet", "ms", p99(&beside), p99(&quiet)));
    let row = Row::ratio("  Me at 500/s, p99: beside them ÷ in quiet", "ms", p99(&after), p99(&quiet));
    bench.row(row.goal(Goal::AtMost(3.0)));
}

/// A connection on which the bodies were sent. Returns `None` if the server closed the connection, which it may do.
fn send_halves(address: SocketAddr) -> Result<Option<TcpStream>> {
    let connected = data::block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SOURCE.parse().unwrap())?;
        socket.connect(address).await?.into_std()
    });
    let stream = connected?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut halves = Halves { stream, heard: Vec::new(), window: 65_535, is_over: false };
    match halves.send() {
        Ok(()) => Ok(Some(halves.stream)),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ok(None),
        Err(error) => Err(error),
    }
}

struct Halves {
    stream: TcpStream,
    heard: Vec<u8>,
    /// The window of the connection.
    window: usize,
    /// Whether the call in progress was answered.
    is_over: bool,
}

impl Halves {
    fn send(&mut self) -> Result<()> {
        self.stream.write_all(wire::PREFACE)?;
        let (head, mut body) = wire::Call::login_head();
        body.extend((LENGTH as u32).to_be_bytes());
        body.resize(SENT + body.len(), b'x');
        for id in (1..).step_by(2).take(CALLS as usize) {
            self.is_over = false;
            self.stream.write_all(&wire::stream_frame(wire::HEADERS, id, &head))?;
            for piece in body.chunks(PIECE) {
                while self.window < piece.len() && !self.is_over {
                    self.hear(id)?;
                }
                if self.is_over {
                    break;
                }
                self.window -= piece.len();
                self.stream.write_all(&wire::stream_frame(wire::DATA, id, piece))?;
            }
        }
        Ok(())
    }

    /// Reads frames of the server: changes of the window, and the end of this call.
    fn hear(&mut self, id: u32) -> Result<()> {
        let mut scratch = [0; 16_384];
        match self.stream.read(&mut scratch)? {
            0 => return Err(ErrorKind::ConnectionReset.into()),
            read => self.heard.extend_from_slice(&scratch[..read]),
        }
        while let Some(&[high, middle, low, kind, flags, s0, s1, s2, s3]) = self.heard.first_chunk::<9>() {
            let end = 9 + u32::from_be_bytes([0, high, middle, low]) as usize;
            let Some(payload) = self.heard.get(9..end) else { break };
            match (kind, u32::from_be_bytes([s0, s1, s2, s3])) {
                (wire::WINDOW_UPDATE, 0) => {
                    self.window += u32::from_be_bytes(payload.try_into().unwrap()) as usize;
                }
                (wire::RST_STREAM, stream) if stream == id => self.is_over = true,
                (wire::HEADERS, stream) if stream == id => self.is_over |= flags & wire::END_STREAM != 0,
                _ => {}
            }
            self.heard.drain(..end);
        }
        Ok(())
    }
}
