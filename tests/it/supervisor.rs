//! What the server tells a service manager, as systemd hears it: on the socket that `NOTIFY_SOCKET` names.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::support::binary::command;
use crate::support::{Binary, SECRET};

/// The socket of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    fn heard(&self) -> String {
        let mut message = [0; 256];
        let length = self.0.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }
}

#[test]
fn a_service_manager_hears_that_the_server_is_ready_alive_and_stopping() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    manager.0.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = command(dir.path());
    command.env("JWT_SECRET", SECRET).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
    let mut binary = Binary::spawn(&mut command);
    assert_eq!(manager.heard(), "READY=1\n");
    for _ in 0..3 {
        assert_eq!(manager.heard(), "WATCHDOG=1\n");
    }
    binary.terminate();
    // The watchdog may be fed once more before the signal takes effect.
    while manager.heard() == "WATCHDOG=1\n" {}
    assert!(binary.ended().success());
    manager.0.set_nonblocking(true).unwrap();
    let log = binary.log.lock().unwrap();
    assert!(!log.contains("\"level\":\"WARN\",\"fields\":{\"event\":\"supervisor\""), "{log}");
}

#[test]
fn without_a_watchdog_the_server_only_says_that_it_is_ready_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    manager.0.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut command = command(dir.path());
    // The watchdog is that of another process.
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000").env("WATCHDOG_PID", "1");
    let mut binary = Binary::spawn(command.env("JWT_SECRET", SECRET));
    assert_eq!(manager.heard(), "READY=1\n");
    binary.terminate();
    assert_eq!(manager.heard(), "STOPPING=1\n");
    assert!(binary.ended().success());
}

#[test]
fn a_service_manager_that_is_gone_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(dir.path());
    command.env("JWT_SECRET", SECRET).env("NOTIFY_SOCKET", dir.path().join("gone"));
    let mut binary = Binary::spawn(&mut command);
    binary.terminate();
    assert!(binary.ended().success());
    let log = binary.log.lock().unwrap();
    assert!(log.contains("NOTIFY_SOCKET cannot be written"), "{log}");
}
