//! A real mail server: aiosmtpd, from `TEST_AIOSMTPD` (the folder to which pip has installed it) or from the machine's
//! own Python. `.ci/run tests` installs it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::skip::skip;

/// How long to wait for an event.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server, which is killed when dropped.
pub struct MailServer {
    pub port: u16,
    child: Child,
    events: UnboundedReceiver<Value>,
}

impl MailServer {
    /// Starts `tests/mail/server.py` with these arguments. Returns `None` without aiosmtpd, after it has reported that
    /// the test is skipped.
    #[expect(clippy::disallowed_methods, reason = "tells the tests where their tools are")]
    pub async fn start(args: &[&str]) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/server.py");
        let given = std::env::var("TEST_AIOSMTPD").ok();
        let python = |args: &[&str]| {
            let mut python = Command::new("python3");
            python.args(args).env("PYTHONDONTWRITEBYTECODE", "1");
            if let Some(folder) = &given {
                python.env("PYTHONPATH", folder);
            }
            python
        };
        let has =
            python(&["-c", "import aiosmtpd"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !has {
            assert!(given.is_none(), "TEST_AIOSMTPD has no aiosmtpd");
            skip("aiosmtpd, which `bash .ci/run tests` installs");
            return None;
        }
        let mut server = python(&[script.to_str().unwrap()]);
        let mut child = server.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, events) = unbounded_channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let mut server = Self { port: 0, child, events };
        server.port = u16::try_from(server.until("listening").await["port"].as_u64().unwrap()).unwrap();
        Some(server)
    }

    /// Waits for the next event.
    pub async fn next(&mut self) -> Value {
        timeout(PATIENCE, self.events.recv()).await.expect("nothing happened").expect("the server has ended")
    }

    /// Waits for an event with this name.
    pub async fn until(&mut self, event: &str) -> Value {
        loop {
            let next = self.next().await;
            if next["event"] == event {
                return next;
            }
        }
    }

    /// All events that have happened meanwhile.
    pub fn so_far(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
