//! Tells the service manager (systemd) how the server is: ready, alive, stopping (sd_notify(3)). It does nothing
//! without a `NOTIFY_SOCKET`.
//!
//! The server asks itself over its port, as a client does. It is ready when it has answered once, and alive whenever it
//! answers. `/healthz` does not ask the database, because a restart would not bring a database back.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::config::{has_service_manager, reachable};
use crate::probe;

/// How long the first answer may take.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// The pause before the server asks itself again whether it is ready.
const PAUSE: Duration = Duration::from_millis(100);

/// Reports the server at `address` to the service manager as ready, and from then on as alive, if there is a watchdog.
/// While `is_full`, further connections wait, so the server could not ask itself; it is not restarted for that.
pub(super) async fn report(address: SocketAddr, is_full: impl Fn() -> bool) {
    if !has_service_manager() {
        return;
    }
    while !answers(address, FIRST_ANSWER).await {
        sleep(PAUSE).await;
    }
    tell(NotifyState::Ready);
    if let Some(limit) = sd_notify::watchdog_enabled() {
        feed(address, limit, is_full, || tell(NotifyState::Watchdog)).await;
    }
}

/// Reports that the server stops by its own decision or by a signal.
pub(super) fn report_stop() {
    tell(NotifyState::Stopping);
}

/// Calls `alive` three times within `limit`, so that one late answer is not yet the end.
async fn feed(address: SocketAddr, limit: Duration, is_full: impl Fn() -> bool, alive: impl Fn()) {
    let pause = (limit / 3).max(Duration::from_millis(1));
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if is_full() || answers(address, pause).await {
            alive();
        } else {
            tracing::warn!(event = "watchdog", "the server does not answer on its own port, and will be restarted");
        }
    }
}

/// Whether the server answers in time. A connection that it closes without an answer was refused at a limit, and a
/// plain request is refused where the port speaks TLS: both show that connections are served.
async fn answers(address: SocketAddr, limit: Duration) -> bool {
    let host = SocketAddr::new(reachable(address.ip()), address.port());
    let ask = async { probe::get(TcpStream::connect(host).await?, &host.to_string(), "/healthz").await };
    match timeout(limit, ask).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => error.kind() != io::ErrorKind::ConnectionRefused,
        Err(_) => false,
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(
            event = "supervisor",
            cause = &error as &dyn std::error::Error,
            "NOTIFY_SOCKET cannot be written"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::{answers, feed};

    const LIMIT: Duration = Duration::from_millis(300);

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// How often the watchdog is fed within twice its limit.
    async fn fed(address: SocketAddr, is_full: bool) -> usize {
        let times = AtomicUsize::new(0);
        let alive = || {
            times.fetch_add(1, Ordering::Relaxed);
        };
        let _ = timeout(2 * LIMIT, feed(address, LIMIT, || is_full, alive)).await;
        times.into_inner()
    }

    #[tokio::test]
    async fn a_server_that_accepts_and_says_nothing_is_not_alive_unless_it_is_full() {
        // The system accepts connections for a listener that nobody asks for them.
        let (_listener, address) = listener().await;
        assert_eq!(fed(address, false).await, 0);
        assert!(fed(address, true).await > 1);
    }

    #[tokio::test]
    async fn a_server_that_answers_or_refuses_is_alive_and_a_closed_port_is_not() {
        let (server, address) = listener().await;
        let served = tokio::spawn(async move {
            for answer in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b""] {
                let (mut stream, _) = server.accept().await.unwrap();
                stream.write_all(answer).await.unwrap();
                stream.shutdown().await.unwrap();
                let _ = stream.read(&mut [0; 1_024]).await;
            }
        });
        for case in ["an answer", "a refusal", "a closed connection"] {
            assert!(answers(address, LIMIT).await, "{case}");
        }
        served.await.unwrap();
        assert!(!answers(address, LIMIT).await, "a closed port");
    }
}
