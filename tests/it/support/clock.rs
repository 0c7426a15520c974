//! Wrong clocks. The clock of an app in process is moved by hand. The real binary runs under libfaketime, which answers
//! in place of the system when a process asks for the time of day. The monotonic clock is unchanged.
//!
//! With `COUNTERSIGN_TEST_CLOCK_AHEAD=30`, one replica of every test with several replicas has a clock that is 30 s
//! ahead.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

use countersign_guard::clock::ManualClock;

use super::app::START;

/// The databases on which an app has been started.
static USED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// The seconds of `COUNTERSIGN_TEST_CLOCK_AHEAD`, or 0.
pub fn ahead() -> i64 {
    var("COUNTERSIGN_TEST_CLOCK_AHEAD").map_or(0, |seconds| seconds.parse().unwrap())
}

/// The clock of an app with these flags. It stands still on SQLite, and runs on PostgreSQL, which has a clock of its
/// own.
///
/// [`ahead`] changes only tests that start a second app on a database. Such a test must have `replica` in its name, by
/// which `.ci/run clock-ahead` finds it. (The thread `main` belongs to the longer runs, which always run whole.)
pub fn of_app(flags: &[&str]) -> ManualClock {
    let Some(url) = flags.iter().find_map(|flag| flag.strip_prefix("--database-url=postgres")) else {
        return ManualClock::at(START);
    };
    let clock = ManualClock::running();
    let database = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    if !USED.lock().unwrap().insert(database.to_owned()) {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        assert!(
            test == "main" || test.contains("replica"),
            "{test} has several replicas, and its name does not say so"
        );
        clock.advance(ahead());
    }
    clock
}

/// The clock of a process.
pub struct FakeClock {
    library: PathBuf,
    file: PathBuf,
}

impl FakeClock {
    /// A clock that is right at first. Returns `None` without libfaketime, after it has reported that the test is
    /// skipped.
    pub fn new(dir: &Path) -> Option<Self> {
        let Some(library) = library() else {
            assert!(var("CI").is_none(), "tests of clocks must not be skipped in CI: install faketime");
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            let _ = writeln!(std::io::stderr(), "SKIPPED, for there is no libfaketime: {test}");
            return None;
        };
        let clock = Self { library, file: dir.join("clock") };
        clock.set(0);
        Some(clock)
    }

    /// Sets the clock this many seconds ahead, at once.
    pub fn set(&self, ahead: i64) {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{ahead:+}")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// Makes a process use this clock.
    pub fn give(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
}

/// The path of the library in the package `faketime`.
fn library() -> Option<PathBuf> {
    let folders =
        ["/usr/lib", "/usr/lib64", "/usr/local/lib"].into_iter().filter_map(|folder| fs::read_dir(folder).ok());
    let deeper = folders.flatten().filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketime.so.1")));
    let direct = ["/usr/lib/faketime/libfaketime.so.1", "/usr/lib64/faketime/libfaketime.so.1"].map(PathBuf::from);
    deeper.chain(direct).find(|library| library.exists())
}

#[expect(clippy::disallowed_methods, reason = "what the tests are told is no setting of the product")]
fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
