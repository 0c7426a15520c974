//! The README's command in an empty folder: the files that it makes, its readiness, and its end.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;

use crate::support::Binary;
use crate::{ask, documented};

/// The address in the README.
const DEFAULT: &str = "127.0.0.1:3008";

/// The longest time from SIGTERM to the end of the process, whatever its clients do.
const DRAIN: Duration = Duration::from_secs(11);

/// The processes that run in a folder, where only the server should.
fn running_in(dir: &Path) -> Vec<String> {
    let dir = dir.canonicalize().unwrap();
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let running = processes.filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|folder| folder == dir));
    running.map(|process| process.display().to_string()).collect()
}

#[tokio::test]
async fn the_documented_command_serves_from_an_empty_folder_and_ends_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = documented(dir.path());
    // The default address is tested wherever no other server uses it.
    let is_free = TcpListener::bind(DEFAULT).is_ok();
    if !is_free {
        command.env("LISTEN_ADDR", "127.0.0.1:0");
    }
    let mut server = Binary::spawn(&mut command);
    assert!(!is_free || server.address.to_string() == DEFAULT, "{}", server.address);

    for probe in ["/readyz", "/healthz"] {
        assert_eq!(ask(&server, Method::GET, probe, &[]).await.status, 200, "{probe}");
    }
    assert!(dir.path().join("countersign.db").is_file(), "the database is made where the server was started");
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        let is_database = entry.file_name().to_str().unwrap().starts_with("countersign.db")
            && !entry.file_name().to_str().unwrap().ends_with("-secret");
        assert!(is_database || mode & 0o077 == 0, "{:?} is not private: {mode:o}", entry.file_name());
    }

    let silent = TcpStream::connect(server.address).unwrap();
    // Connections are accepted in order, so the silent one was accepted before this answer.
    assert_eq!(ask(&server, Method::GET, "/healthz", &[]).await.status, 200);
    let begun = Instant::now();
    server.terminate();
    let address = server.address;
    let status = tokio::task::spawn_blocking(move || server.ended()).await.unwrap();
    assert!(status.success() && begun.elapsed() < DRAIN, "{status} after {:?}", begun.elapsed());
    drop(silent);
    assert_eq!(running_in(dir.path()), Vec::<String>::new());
    assert!(TcpStream::connect(address).is_err(), "something still listens on {address}");
}
