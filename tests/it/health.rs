//! `countersign health`: whether a running server is ready, as an exit code and a sentence.

use std::path::Path;
use std::process::Command;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::support::binary::{command, run};
use crate::support::tls::{Authority, Files};
use crate::support::{Binary, SECRET};

/// Runs the command, and returns its exit code, its output and its error.
fn health(command: &mut Command) -> (Option<i32>, String, String) {
    let output = run(command.arg("health"), "");
    let [said, complaint] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), said, complaint)
}

/// Asks with the setting of a server's address.
fn ask(dir: &Path, address: &str) -> (Option<i32>, String, String) {
    health(command(dir).env("LISTEN_ADDR", address))
}

/// Asserts that the command ends with this exit code and one sentence that begins with `part`.
fn fails(answer: (Option<i32>, String, String), code: i32, part: &str) {
    let (found, said, complaint) = answer;
    assert_eq!((found, &*said), (Some(code), ""), "{complaint}");
    assert!(complaint.starts_with(&format!("countersign: {part}")), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
}

#[test]
fn a_ready_server_is_found_by_its_settings_or_its_address() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Binary::start(dir.path());
    let expected = (Some(0), format!("the server at http://{} is ready\n", binary.address), String::new());
    assert_eq!(ask(dir.path(), &binary.address.to_string()), expected);
    let url = format!("http://{}/", binary.address);
    let output = run(command(dir.path()).args(["health", "--address", &url]), "");
    assert_eq!((output.status.code(), output.stdout), (Some(0), expected.1.clone().into_bytes()));
    // A server on all addresses is asked at the loopback.
    let everywhere = format!("0.0.0.0:{}", binary.address.port());
    assert_eq!(ask(dir.path(), &everywhere), expected);
}

#[test]
fn a_server_that_announces_its_end_or_has_ended_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let mut binary = Binary::spawn(command(dir.path()).env("JWT_SECRET", SECRET).env("SHUTDOWN_DELAY", "5m"));
    let address = binary.address.to_string();
    binary.terminate();
    // The signal takes effect a moment later.
    let answer = loop {
        let answer = ask(dir.path(), &address);
        if answer.0 != Some(0) {
            break answer;
        }
    };
    fails(answer, 1, &format!("the server at http://{address} answers and is not ready: "));
    binary.terminate();
    assert!(binary.ended().success());
    fails(ask(dir.path(), &address), 1, &format!("the server at http://{address} cannot be asked: "));
}

#[test]
fn a_server_with_tls_is_asked_with_tls() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let files = Files::write(dir.path(), &authority.sign());
    let binary = Binary::spawn(command(dir.path()).env("JWT_SECRET", SECRET).args(files.flags()));
    let address = binary.address.to_string();
    let (code, said, complaint) = health(command(dir.path()).env("LISTEN_ADDR", &address).args(files.flags()));
    assert_eq!((code, said), (Some(0), format!("the server at https://{address} is ready\n")), "{complaint}");
    fails(ask(dir.path(), &address), 1, &format!("the server at http://{address} answers 400 Bad Request"));
    drop(binary);

    // Where clients must show a certificate, the command shows that of the server.
    std::fs::write(&files.client_ca, &authority.pem).unwrap();
    let mut flags = files.flags().to_vec();
    flags.push(format!("--tls-client-ca-file={}", files.client_ca.display()));
    let binary = Binary::spawn(command(dir.path()).env("JWT_SECRET", SECRET).args(&flags));
    let address = binary.address.to_string();
    let (code, _, complaint) = health(command(dir.path()).env("LISTEN_ADDR", &address).args(&flags));
    assert_eq!(code, Some(0), "{complaint}");
    let bare = health(command(dir.path()).env("LISTEN_ADDR", &address).args(files.flags()));
    fails(bare, 1, &format!("the server at https://{address} cannot be asked: "));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let asked = tokio::task::spawn_blocking({
        let (dir, address) = (dir.path().to_owned(), address.clone());
        move || ask(&dir, &address)
    });
    let (mut stream, _) = silent.accept().await.unwrap();
    let mut request = Vec::new();
    stream.read_to_end(&mut request).await.unwrap();
    assert!(request.starts_with(b"GET /readyz HTTP/1.1\r\n"));
    fails(asked.await.unwrap(), 1, &format!("the server at http://{address} did not answer within 5s"));
}

#[test]
fn an_address_that_cannot_be_asked_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fails(health(&mut command(dir.path())), 1, "LISTEN_ADDR has the port 0");
    let output = run(command(dir.path()).args(["health", "--address", "127.0.0.1:3008"]), "");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("write a URL, as in http://127.0.0.1:3008"), "{complaint}");
}
