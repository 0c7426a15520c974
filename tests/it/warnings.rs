//! What the server warns of when it starts, though it serves: settings that are safe for nobody or have no effect, and
//! a machine that is too small. Each warning names the setting, and a start without a fault has none of them.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use http::{Method, StatusCode};
use serde_json::Value;

use crate::settings::good;
use crate::support::binary::{command, database};
use crate::support::http::call;
use crate::support::{Binary, SECRET};

/// The messages of all warnings of a server that has ended.
fn warnings(mut binary: Binary) -> Vec<String> {
    binary.terminate();
    binary.ended();
    let log = binary.log.lock().unwrap().clone();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let warnings = lines.filter(|line| line["level"] == "WARN" && line["event"] != "policy" && line["event"] != "mail");
    warnings.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

/// A server that has nothing to warn of: this machine may allow fewer open files than the default asks for.
fn quiet(dir: &Path) -> Command {
    let mut command = good(dir);
    command.env("MAX_CONNECTIONS", "100");
    command
}

fn started(command: &mut Command) -> Vec<String> {
    warnings(Binary::spawn(command))
}

#[test]
fn a_variable_with_a_usual_name_is_told_with_the_setting_that_is_meant() {
    let dir = tempfile::tempdir().unwrap();
    let told = started(quiet(dir.path()).env("RUST_LOG", "debug").env("PORT", "8080").env("PATH", "/bin"));
    // LISTEN_ADDR is set, so PORT is somebody else's.
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("RUST_LOG") && told[0].contains("LOG_LEVEL"), "{told:?}");
    assert_eq!(started(&mut quiet(dir.path())), [""; 0]);
}

#[test]
fn an_open_address_without_tls_is_warned_of_unless_a_proxy_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let told = started(quiet(dir.path()).env("LISTEN_ADDR", "0.0.0.0:0"));
    assert!(told.len() == 1 && told[0].contains("LISTEN_ADDR") && told[0].contains("TLS_CERT_FILE"), "{told:?}");
    let behind = started(quiet(dir.path()).env("LISTEN_ADDR", "0.0.0.0:0").env("TRUSTED_PROXIES", "10.0.0.1"));
    assert_eq!(behind, [""; 0]);
    assert_eq!(started(quiet(dir.path()).env("LISTEN_ADDR", "localhost:0")), [""; 0]);
}

#[test]
fn a_secret_file_that_others_can_read_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    };
    let url = format!("sqlite:{}\n", database(dir.path()).display());
    for (mode, expected) in [(0o444, 3), (0o644, 3), (0o640, 0), (0o600, 0)] {
        let mut server = command(dir.path());
        server.env("MAX_CONNECTIONS", "100");
        server.env_remove("DATABASE_URL").env("DATABASE_URL_FILE", write("url", &url, mode));
        server.env("JWT_SECRET_FILE", write("secret", SECRET, mode));
        server.env("MAIL_URL_FILE", write("mail-url", "file:mail", mode));
        let told = started(&mut server);
        assert_eq!(told.len(), expected, "{mode:o}: {told:?}");
        assert!(told.iter().all(|told| told.contains("_FILE: chmod 600")), "{told:?}");
    }
}

#[test]
fn too_few_open_files_for_the_connections_are_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let limited = |connections: &str| {
        let mut shell = Command::new("sh");
        let mut inner = quiet(dir.path());
        inner.env("MAX_CONNECTIONS", connections);
        shell.args(["-c", "ulimit -n 256; exec \"$0\""]).arg(inner.get_program()).current_dir(dir.path()).env_clear();
        shell.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        started(&mut shell)
    };
    let told = limited("20000");
    assert!(told.len() == 1 && told[0].contains("ulimit -n") && told[0].contains("MAX_CONNECTIONS"), "{told:?}");
    assert_eq!(limited("100"), [""; 0]);
}

#[tokio::test]
async fn a_forwarding_proxy_that_is_not_trusted_is_warned_of_once() {
    let dir = tempfile::tempdir().unwrap();
    for (trusted, header, expected) in [
        (None, "x-forwarded-for", 1),
        (None, "forwarded", 1),
        (None, "x-requested-with", 0),
        (Some("127.0.0.1"), "x-forwarded-for", 0),
    ] {
        let binary = Binary::spawn(quiet(dir.path()).envs(trusted.map(|trusted| ("TRUSTED_PROXIES", trusted))));
        for _ in 0..3 {
            let headers = [(header, "192.0.2.1")];
            let answer = call(binary.address, Method::GET, "/healthz", &headers, &Value::Null).await.unwrap();
            assert_eq!(answer.status, StatusCode::OK);
        }
        let told = warnings(binary);
        assert_eq!(told.len(), expected, "{trusted:?} {header}: {told:?}");
        assert!(
            told.iter().all(|told| told.contains("TRUSTED_PROXIES") && told.contains("X-Forwarded-For")),
            "{told:?}"
        );
    }
}

#[test]
fn the_log_has_the_lines_of_its_level_and_above() {
    let dir = tempfile::tempdir().unwrap();
    for (level, expected) in [("warn", "WARN"), ("info", "INFO"), ("debug", "INFO")] {
        // The start is logged as information, and then the default policy of passwords is warned of.
        let mut child = quiet(dir.path()).env("LOG_LEVEL", level).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["level"], expected, "{level}: {line}");
    }
}
