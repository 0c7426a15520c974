//! The settings as the operator sees them: a wrong one stops the real binary at once and is named, and no secret is
//! shown.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use argon2::Params;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::binary::command;
use crate::support::http::call;
use crate::support::{Binary, SECRET};

/// Runs a command that must end by itself soon.
pub fn ended(command: &mut Command) -> (Output, Duration) {
    let begun = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id().to_string();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || drop(sender.send(child.wait_with_output().unwrap())));
    let output = receiver.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| {
        let _ = Command::new("kill").args(["-KILL", &id]).status();
        panic!("it started");
    });
    (output, begun.elapsed())
}

/// Asserts that the command ends at once with exit code 2 and a message that has all of `parts`.
pub fn refuses(name: &str, command: &mut Command, parts: &[&str]) {
    ends(name, command, 2, parts);
}

/// As [`refuses`], with another exit code.
pub fn ends(name: &str, command: &mut Command, code: i32, parts: &[&str]) {
    let (output, took) = ended(command);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{name}: {said}");
    assert!(took < Duration::from_secs(5), "{name}: {took:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{name}");
    for part in parts {
        assert!(said.contains(part), "{name}: no {part} in: {said}");
    }
    assert!(!said.contains("panicked") && !said.contains(SECRET), "{name}: {said}");
}

/// A command that starts the server.
pub fn good(dir: &Path) -> Command {
    let mut command = command(dir);
    command.env("JWT_SECRET", SECRET);
    command
}

#[test]
fn a_wrong_setting_stops_the_start_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value, part) in [
        ("JWT_SECRT", SECRET, "unknown setting JWT_SECRT in the environment: did you mean JWT_SECRET?"),
        ("ALLOW_REGISTRATON", "true", "did you mean ALLOW_REGISTRATION?"),
        ("LISTEN_ADDR", "localhost", "write IP:PORT, as in 127.0.0.1:3008"),
        ("LISTEN_ADDR", "127.0.0.1", "write IP:PORT"),
        ("LISTEN_ADDR", "auth.example.com:3008", "write IP:PORT"),
        ("METRICS_ADDR", "9090", "write IP:PORT"),
        ("LISTEN_ADDRESS", "0.0.0.0:3008", "did you mean LISTEN_ADDR?"),
        ("REGISTRATION", "true", "did you mean ALLOW_REGISTRATION?"),
        ("JWT_SECRET_KEY", SECRET, "did you mean JWT_SECRET?"),
        ("LOG_LEVEL", "verbose", "[possible values: error, warn, info, debug]"),
        ("DATABASE_WAIT", "30", "database-wait"),
        ("DATABASE_URL_FILE", "nowhere", "database-url-file"),
        ("LISTEN_ADDR", "127.0.0.1:99999", "listen-addr"),
        ("LISTEN_ADDR", "", "listen-addr"),
        ("LISTEN_ADDR", "192.0.2.1:1", "LISTEN_ADDR"),
        ("USERNAME_TOKEN_LIFETIME", "1", "username-token-lifetime"),
        ("USERNAME_TOKEN_LIFETIME", "0s", "username-token-lifetime"),
        ("EMAIL_TOKEN_LIFETIME", "-1h", "email-token-lifetime"),
        ("SESSION_MAX_LIFETIME", "1 week", "session-max-lifetime"),
        ("USERNAME_TOKEN_LIFETIME", "31d", "USERNAME_TOKEN_LIFETIME must not be longer than SESSION_MAX_LIFETIME"),
        ("EMAIL_TOKEN_LIFETIME", "31d", "EMAIL_TOKEN_LIFETIME must not be longer than SESSION_MAX_LIFETIME"),
        ("SESSION_MAX_LIFETIME", "1h", "EMAIL_TOKEN_LIFETIME must not be longer than SESSION_MAX_LIFETIME"),
        ("REVOCATION_STALENESS", "0s", "revocation-staleness"),
        ("CLOCK_SKEW", "121s", "clock-skew"),
        ("CLOCK_SKEW", "-1s", "clock-skew"),
        ("REVOCATION_STALENES", "5s", "did you mean REVOCATION_STALENESS?"),
        ("HASH_THREADS", "0", "hash-threads"),
        ("HASH_THREADS", "1025", "write a whole number from 1 to 1024"),
        ("HASH_THREADS", "two", "write a whole number from 1 to 1024"),
        ("HASH_THREADS", "", "hash-threads"),
        ("HASH_KERNEL", "fastest", "this processor has no such kernel: write auto or one of"),
        ("HASH_KERNEL", "", "hash-kernel"),
        ("HASH_QUEUE", "0", "hash-queue"),
        ("HASH_QUEUE", "1000000000", "write a whole number from 1 to 100000"),
        ("HASH_QUEUE", "-1", "write a whole number from 1 to 100000"),
        ("HASH_PARAMS", "strong", "hash-params"),
        ("HASH_PARAMS", "", "write m=KIBIBYTES,t=PASSES,p=LANES, as in m=19456,t=2,p=1"),
        ("HASH_PARAMS", "m=8,t=1,p=1", "too weak: write m=19456,t=2,p=1 or more"),
        ("HASH_PARAMS", "m=19456,t=1,p=1", "too weak"),
        ("HASH_PARAMS", "m=4194304,t=2,p=1", "too costly: write at most m=262144"),
        ("HASH_PARAMS", "m=19456,t=1000,p=1", "too costly"),
        ("HASH_PARAM", "m=19456,t=2,p=1", "did you mean HASH_PARAMS?"),
        ("MAX_CONNECTIONS", "0", "max-connections"),
        ("MAX_CONNECTIONS", "1000001", "write a whole number from 1 to 1000000"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "20001", "MAX_CONNECTIONS_PER_ADDRESS must not be more than MAX_CONNECTIONS"),
        ("MAX_CONNECTION_AGE", "0s", "max-connection-age"),
        ("SHUTDOWN_DELAY", "301s", "of at most 5m"),
        ("SHUTDOWN_DELAY", "15", "shutdown-delay"),
        ("MAX_CALLS", "many", "max-calls"),
        ("MAX_CALLS_PER_ADDRESS", "8001", "MAX_CALLS_PER_ADDRESS must not be more than MAX_CALLS"),
        ("MAX_BODY_BYTES", "0", "of at least 64KiB, which is one message"),
        ("MAX_BODY_BYTES", "63KiB", "max-body-bytes"),
        ("MAX_BODY_BYTES", "67108864", "write a whole number and a unit, as in 64KiB, 64MiB or 1GiB"),
        (
            "MAX_BODY_BYTES",
            "1048576GiB",
            "MAX_BODY_BYTES lets clients take 1073741824 MiB of memory, but there are only",
        ),
        ("MAX_BODY_BYTES_PER_ADDRESS", "65MiB", "MAX_BODY_BYTES_PER_ADDRESS must not be more than MAX_BODY_BYTES"),
        ("CORS_ALLOWED_ORIGINS", "app.example.com", "cors-allowed-origins"),
        ("CORS_ALLOW_HEADERS", "traceparent,x-forwarded-for", "cors-allow-headers"),
        ("GRPC_REFLECTION", "maybe", "grpc-reflection"),
        ("LOG_FORMAT", "xml", "log-format"),
        ("DATABASE_URL", "mysql://localhost/x", "DATABASE_URL"),
        ("DATABASE_URL", "countersign.db", "DATABASE_URL"),
        ("DATABASE_URL", "sqlite:", "DATABASE_URL"),
        ("DATABASE_URL", "sqlite::memory:", "DATABASE_URL"),
        ("DATABASE_URL", "", "DATABASE_URL"),
        ("DATABASE_URL", "sqlite:missing/folder/x.db", "missing/folder"),
        ("DATABASE_URL", "sqlite:/dev/null/x.db", "/dev/null/x.db"),
    ] {
        refuses(&format!("{name}={value}"), good(dir.path()).env(name, value), &[part]);
    }
    let mut few = good(dir.path());
    few.env("HASH_THREADS", "8").env("MAX_CALLS", "9");
    let parts =
        ["MAX_CALLS=9 lets fewer sign-ins be under way than there are hash threads (8)", "raise MAX_CALLS to 10"];
    refuses("fewer calls than hash threads", &mut few, &parts);
    let mut vast = good(dir.path());
    vast.env("HASH_THREADS", "1024").env("HASH_PARAMS", "m=262144,t=2,p=1");
    let parts = [
        "HASH_THREADS=1024 and HASH_PARAMS=m=262144,t=2,p=1 need 262176 MiB",
        "lower HASH_THREADS or the m= of HASH_PARAMS",
    ];
    // A machine with 256 GiB has enough memory for these parameters.
    if countersign::hashing::cost::require_memory(&Params::new(262_144, 2, 1, None).unwrap(), 1_024).is_err() {
        refuses("more memory than there is", &mut vast, &parts);
    }
    for args in [
        &["--no-such-flag"][..],
        &["calibrate", "--target=50"],
        &["serve", "--port=1"],
        &["server"],
        &["account"],
        &["account", "creat"],
    ] {
        let (output, _) = ended(good(dir.path()).args(args));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        let last = args.last().unwrap().split('=').next().unwrap();
        assert!(said.contains(last) && !said.contains(SECRET), "{args:?}: {said}");
    }
}

/// A secret without a comma, which separates credentials.
const SIGNS: &str = "a secret that signs and must not travel";

#[test]
fn an_unfit_secret_stops_the_start_and_is_never_shown() {
    const ODD: &str = "nobody could send this one in a héader";
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        dir.path().join(name).into_os_string().into_string().unwrap()
    };
    let short = write("short", b"tooshortthirtyonebytesandno\n\n\n\n\n\n");
    let binary = write("binary", &[0xff; 40]);
    let good_file = write("good", SECRET.as_bytes());
    let published = "replace-this-with-32-random-bytes-or-more";
    let example = write("example", published.as_bytes());
    for (name, vars, part) in [
        ("empty", &[("JWT_SECRET", "")][..], "JWT_SECRET"),
        ("short", &[("JWT_SECRET", "tooshortthirtyonebytesandnomore")], "JWT_SECRET must have at least 32 bytes"),
        ("published", &[("JWT_SECRET", published)], "JWT_SECRET is an example"),
        ("both", &[("JWT_SECRET", SECRET), ("JWT_SECRET_FILE", &*good_file)], "JWT_SECRET_FILE"),
        ("short previous", &[("JWT_SECRET", SECRET), ("JWT_SECRET_PREVIOUS", "tooshort")], "JWT_SECRET_PREVIOUS"),
        ("no file", &[("JWT_SECRET_FILE", "nowhere/secret")], "JWT_SECRET_FILE"),
        ("a folder", &[("JWT_SECRET_FILE", "/")], "JWT_SECRET_FILE"),
        ("no name", &[("JWT_SECRET_FILE", "")], "jwt-secret-file"),
        ("short file", &[("JWT_SECRET_FILE", &*short)], "at least 32 bytes"),
        ("file of no text", &[("JWT_SECRET_FILE", &*binary)], "JWT_SECRET_FILE"),
        ("published file", &[("JWT_SECRET_FILE", &*example)], "is an example"),
        ("short credential", &[("WATCH_CREDENTIALS", "tooshort")], "WATCH_CREDENTIALS must have at least 32 bytes"),
        ("a second one short", &[("WATCH_CREDENTIALS", "good enough for a test of credentials,tooshort")], "32 bytes"),
        ("credential that signs", &[("JWT_SECRET", SIGNS), ("WATCH_CREDENTIALS", SIGNS)], "a secret that signs"),
        ("odd credential", &[("WATCH_CREDENTIALS", ODD)], "visible ASCII"),
        ("no credential file", &[("WATCH_CREDENTIALS_FILE", "nowhere/watch")], "WATCH_CREDENTIALS_FILE"),
        ("short introspection", &[("INTROSPECTION_CREDENTIALS", "tooshort")], "INTROSPECTION_CREDENTIALS must have"),
        (
            "introspection that signs",
            &[("JWT_SECRET", SIGNS), ("INTROSPECTION_CREDENTIALS", SIGNS)],
            "INTROSPECTION_CREDENTIALS contains a secret that signs",
        ),
        ("odd introspection", &[("INTROSPECTION_CREDENTIALS", ODD)], "INTROSPECTION_CREDENTIALS contains characters"),
        (
            "introspection of both",
            &[("INTROSPECTION_CREDENTIALS", SECRET), ("INTROSPECTION_CREDENTIALS_FILE", "x")],
            "introspection-credentials-file",
        ),
        (
            "credentials of both",
            &[("WATCH_CREDENTIALS", SECRET), ("WATCH_CREDENTIALS_FILE", "x")],
            "watch-credentials-file",
        ),
    ] {
        let mut command = command(dir.path());
        command.envs(vars.iter().copied());
        let (output, took) = ended(&mut command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(took < Duration::from_secs(5), "{name}: {took:?}");
        assert!(said.contains(part), "{name}: no {part} in: {said}");
        for secret in [SECRET, published, "tooshort", SIGNS, "nobody could"] {
            assert!(!said.contains(secret), "{name}: {said}");
        }
    }
}

#[test]
fn a_flag_that_goes_wrong_does_not_show_the_secret_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    for args in [
        &["--jwt-secrt", SECRET][..],
        &[&*format!("--jwt-secrt={SECRET}")],
        &["--jwt-secret", SECRET, "--jwt-secret", SECRET],
        &["--jwt-secret", SECRET, "--jwt-secret-file", "x"],
        &["--jwt-secret", "tooshort"],
    ] {
        let (output, _) = ended(command(dir.path()).args(args));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!said.contains(SECRET) && !said.contains("tooshort"), "{args:?}: {said}");
    }
}

#[test]
fn a_port_or_a_database_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let running = Binary::start(dir.path());
    let address = running.address.to_string();
    refuses("port", good(other.path()).env("LISTEN_ADDR", &address), &["LISTEN_ADDR", &address]);
    refuses("database", &mut good(dir.path()), &["another server is serving", "countersign.db"]);
}

async fn token(binary: &Binary, username: &str) -> String {
    let account = json!({ "username": username, "password": "s3cur3pass" });
    let answer = call(binary.address, Method::POST, "/api/auth/register", &[], &account).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()["token"].as_str().unwrap().to_owned()
}

async fn me(binary: &Binary, token: &str) -> StatusCode {
    call(binary.address, Method::GET, "/api/auth/me", &[("token", token)], &Value::Null).await.unwrap().status
}

#[tokio::test]
async fn a_secret_file_may_end_in_a_line_break() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\r\n")).unwrap();
    let from_file = Binary::spawn(command(dir.path()).env("JWT_SECRET_FILE", &file).env("ALLOW_REGISTRATION", "true"));
    let token = token(&from_file, "alice").await;
    drop(from_file);
    assert_eq!(me(&Binary::start(dir.path()), &token).await, StatusCode::NO_CONTENT, "it is the same secret");
}

#[tokio::test]
async fn a_secret_that_nobody_set_is_made_once_and_kept_to_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Binary::spawn(command(dir.path()).env("ALLOW_REGISTRATION", "true"));
    let first = start();
    let token = token(&first, "alice").await;
    let modes: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777))
        .collect();
    assert!(modes.iter().any(|(name, _)| name == "countersign.db-secret"), "{modes:?}");
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
    let first_log = std::sync::Arc::clone(&first.log);
    drop(first);
    let second = start();
    assert_eq!(me(&second, &token).await, StatusCode::NO_CONTENT);
    for quiet in [&first_log, &second.log] {
        assert!(!quiet.lock().unwrap().contains("had no secret beside it"));
    }
    drop(second);

    // A secret in the settings replaces the file. The old secret is still accepted as the previous one.
    let kept = dir.path().join("countersign.db-secret");
    let rotated = Binary::spawn(command(dir.path()).env("JWT_SECRET", SECRET).env("JWT_SECRET_PREVIOUS_FILE", &kept));
    assert_eq!(me(&rotated, &token).await, StatusCode::NO_CONTENT);
    drop(rotated);

    std::fs::write(&kept, "").unwrap();
    refuses("cut off by a crash", &mut command(dir.path()), &["countersign.db-secret", "delete it"]);
}

#[tokio::test]
async fn only_exactly_true_opens_registration_and_anything_odd_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    for (value, warned) in [("TRUE", true), ("1", true), ("", true), ("false", false)] {
        let binary = Binary::spawn(command(dir.path()).env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", value));
        for (path, body) in [
            ("/api/auth/register", json!({ "username": "alice", "password": "s3cur3pass" })),
            ("/auth/register", json!({})),
        ] {
            let answer = call(binary.address, Method::POST, path, &[], &body).await.unwrap();
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{value:?}");
        }
        let begun = Instant::now();
        loop {
            let log = binary.log.lock().unwrap().clone();
            assert!(log.contains("\"registration\":\"closed\""), "{log}");
            // The line was written before the server answered, but another thread reads it here.
            if log.contains("ALLOW_REGISTRATION is neither true nor false") == warned {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "{value:?}: {log}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn the_log_is_json_or_for_people() {
    let dir = tempfile::tempdir().unwrap();
    let mut binary = Binary::start(dir.path());
    token(&binary, "alice").await;
    binary.terminate();
    binary.child.wait().unwrap();
    let json = binary.log.lock().unwrap().clone();
    for line in json.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        let time = event["timestamp"].as_str().unwrap();
        assert!(time.len() >= 20 && time.as_bytes()[10] == b'T' && time.ends_with('Z'), "not in UTC: {line}");
    }

    assert_eq!(binary.stdout(), "", "standard output is for commands");

    let mut people = good(dir.path());
    let mut child = people.env("LOG_FORMAT", "text").stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains("INFO") && line.contains("event=\"start\"") && line.contains("url="), "{line}");
    assert!(!line.contains('\u{1b}'), "colours are for terminals: {line:?}");
}

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_costs_no_call() {
    let dir = tempfile::tempdir().unwrap();
    let settings = command(dir.path()).env("ALLOW_REGISTRATION", "true").stderr(Stdio::piped()).spawn();
    let mut child = settings.unwrap();
    let mut line = String::new();
    // The reader closes the pipe after the first line, so every later line fails to be written.
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let start: Value = serde_json::from_str(&line).unwrap();
    let address = start["url"].as_str().unwrap().trim_start_matches("http://").parse().unwrap();
    let body = json!({ "username": "alice", "password": "s3cur3pass" });
    let register = call(address, Method::POST, "/api/auth/register", &[], &body);
    let register = tokio::time::timeout(Duration::from_secs(10), register).await;
    // The process is ended before the assertions, so that a failed test leaves nothing running.
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(register.unwrap().unwrap().status, StatusCode::OK);
}
