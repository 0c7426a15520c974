//! The measured processes: the real server and its yardsticks. Each listens on a free port, writes its log to a file
//! that is quoted when it does not start, and is killed when dropped.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::machine::{self, Memory, Pinned};

/// The longest time until the process accepts connections.
const TIME_TO_START: Duration = Duration::from_secs(60);

/// `HASH_KERNEL`, for the server and its yardstick. Two runs compare the two kernels.
pub fn kernel_setting() -> Option<String> {
    setting("HASH_KERNEL")
}

/// A variable of the environment, unless it is missing or empty.
#[expect(clippy::disallowed_methods, reason = "a benchmark is told by its environment what to measure")]
pub fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub struct Process {
    pub address: SocketAddr,
    child: Child,
}

impl Process {
    /// Starts the release binary with a database, on one core or on all.
    pub fn server(folder: &Path, database: &str, core: Option<usize>) -> Self {
        Self::start(folder, core, |address| Self::command(database, address))
    }

    /// Starts the release binary with a database and these settings, on one core or on all.
    pub fn server_with(folder: &Path, database: &str, core: Option<usize>, settings: &[(&str, &str)]) -> Self {
        Self::start(folder, core, |address| {
            let mut command = Self::command(database, address);
            command.envs(settings.iter().copied());
            command
        })
    }

    /// Starts the release binary without waiting for it.
    pub fn spawn_server(folder: &Path, database: &str) -> Self {
        Self::spawn(folder, None, |address| Self::command(database, address))
    }

    /// Starts a program of others, which the command tells where to listen.
    pub fn of_others(folder: &Path, command: impl Fn(SocketAddr) -> Command) -> Self {
        Self::start(folder, None, command)
    }

    /// The server that `COUNTERSIGN_BIN` names, or the one that was built with the benchmark.
    fn command(database: &str, address: SocketAddr) -> Command {
        let built = || env!("CARGO_BIN_EXE_countersign").to_owned();
        let mut command = Command::new(setting("COUNTERSIGN_BIN").unwrap_or_else(built));
        command.env_clear().env("DATABASE_URL", database).env("JWT_SECRET", super::data::SECRET);
        command.env("LISTEN_ADDR", address.to_string()).env("LOG_FORMAT", "json").env("EXT_AUTHZ", "true");
        command.envs(kernel_setting().map(|kernel| ("HASH_KERNEL", kernel)));
        // All load comes from one address.
        for budget in ["LOGIN_FAILURES_PER_ADDRESS", "REGISTRATIONS_PER_ADDRESS", "MAIL_REQUESTS_PER_ADDRESS"] {
            command.env(budget, "0");
        }
        command
    }

    /// Starts this program again as a yardstick: `word` selects that mode, and its address follows.
    pub fn myself(folder: &Path, core: Option<usize>, word: &str, what: &str) -> Self {
        Self::start(folder, core, |address| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args([word, what, &address.to_string()]);
            command
        })
    }

    fn start(folder: &Path, core: Option<usize>, command: impl Fn(SocketAddr) -> Command) -> Self {
        // The port is free when it is chosen, and another process may take it before the server does.
        for _ in 0..5 {
            let mut process = Self::spawn(folder, core, &command);
            if process.accepts() {
                return process;
            }
        }
        panic!("it does not start: {}", fs::read_to_string(folder.join("log")).unwrap_or_default());
    }

    fn spawn(folder: &Path, core: Option<usize>, command: impl Fn(SocketAddr) -> Command) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let _pinned = Pinned::to(core);
        // Standard input ends when this process ends, whatever the cause.
        let mut command = command(address);
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        Self { address, child: command.spawn().unwrap() }
    }

    /// Waits until the process accepts connections. Returns `false` if it ended instead.
    fn accepts(&mut self) -> bool {
        let begun = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if self.has_ended() || begun.elapsed() > TIME_TO_START {
                return false;
            }
            sleep(Duration::from_millis(1));
        }
        true
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn memory(&self) -> Memory {
        machine::memory(self.id())
    }

    /// Resets [`Memory::peak`] of the process.
    pub fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.id()), "5").unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
