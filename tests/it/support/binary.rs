//! The real binary, as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::SECRET;

/// A running server. Killed when dropped.
pub struct Binary {
    pub address: SocketAddr,
    pub child: Child,
    /// Everything it has logged so far, a JSON object a line.
    pub log: Arc<Mutex<String>>,
    /// Reads the log.
    reader: Option<JoinHandle<()>>,
}

/// The binary with a database in `dir`, and nothing of this process's environment that it could take for a setting.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command
        .current_dir(dir)
        .env_clear()
        .env("DATABASE_URL", format!("sqlite:{}", database(dir).display()))
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .env("LOG_FORMAT", "json")
        .envs(WITHOUT_LIMITS);
    command
}

/// Every test comes from one address. Those of the limits themselves remove these.
pub const WITHOUT_LIMITS: [(&str, &str); 3] =
    [("LOGIN_FAILURES_PER_ADDRESS", "0"), ("REGISTRATIONS_PER_ADDRESS", "0"), ("MAIL_REQUESTS_PER_ADDRESS", "0")];

/// Where [`command`] puts the database.
pub fn database(dir: &Path) -> PathBuf {
    dir.join("countersign.db")
}

/// Runs a command to its end with `input` on its standard input.
pub fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read it may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

impl Binary {
    /// With registration open and the tests' secret.
    pub fn start(dir: &Path) -> Self {
        Self::spawn(command(dir).env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true"))
    }

    /// Starts it and waits until it says where it listens.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap() == 0 {
                panic!("it ended before it listened: {}", log.lock().unwrap());
            }
            log.lock().unwrap().push_str(&line);
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if event["event"] == "start" {
                let url = event["url"].as_str().unwrap();
                break url.split_once("://").unwrap().1.parse().unwrap();
            }
        };
        let sink = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
                sink.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        Self { address, child, log, reader: Some(reader) }
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until it has ended, and everything that it logged is in the log.
    pub fn ended(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    /// What it wrote to standard output, once it has ended.
    pub fn stdout(&mut self) -> String {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
