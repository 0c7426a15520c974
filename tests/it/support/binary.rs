//! The real binary as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::SECRET;

/// A running server, which is killed when dropped.
pub struct Binary {
    pub address: SocketAddr,
    pub child: Child,
    /// Everything that the server has logged so far.
    pub log: Arc<Mutex<String>>,
    /// The thread that reads the log.
    reader: Option<JoinHandle<()>>,
}

/// The program under test: the one that `COUNTERSIGN_BIN` names, or the one that cargo has built with these tests.
#[expect(clippy::disallowed_methods, reason = "which program is tested is no setting of the product")]
pub fn program() -> PathBuf {
    let given = std::env::var_os("COUNTERSIGN_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_countersign").into());
    PathBuf::from(&given).canonicalize().unwrap_or_else(|error| panic!("{}: {error}", given.display()))
}

/// The program with a database in `dir`, and without environment variables of this process that could be settings.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .current_dir(dir)
        .env_clear()
        .env("DATABASE_URL", format!("sqlite:{}", database(dir).display()))
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .env("LOG_FORMAT", "json")
        .envs(WITHOUT_LIMITS);
    command
}

/// All tests call from one address. The tests of these limits remove the variables.
pub const WITHOUT_LIMITS: [(&str, &str); 3] =
    [("LOGIN_FAILURES_PER_ADDRESS", "0"), ("REGISTRATIONS_PER_ADDRESS", "0"), ("MAIL_REQUESTS_PER_ADDRESS", "0")];

/// The database file of [`command`].
pub fn database(dir: &Path) -> PathBuf {
    dir.join("countersign.db")
}

/// Runs a command to its end with `input` on its standard input.
pub fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

impl Binary {
    /// Starts a server with open registration and the tests' secret.
    pub fn start(dir: &Path) -> Self {
        Self::spawn(command(dir).env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true"))
    }

    /// Starts the command and waits until its log names the address.
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
            if let Some(address) = listening_at(&line) {
                break address;
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

    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal by its name, such as `-HUP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until the server has ended and its whole log was read.
    pub fn ended(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }

    /// The standard output of a server that has ended.
    pub fn stdout(&mut self) -> String {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

/// The address in a log line, in either format, if it is the line that names it.
fn listening_at(line: &str) -> Option<SocketAddr> {
    let starts = ["\"event\":\"start\"", "event=\"start\""].into_iter().any(|event| line.contains(event));
    let (_, url) = line.split_once("://").filter(|_| starts)?;
    url.split('"').next()?.parse().ok()
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
