//! `--env-file`: the settings of a file count, and a line that is no setting stops the start and is named.

use std::path::{Path, PathBuf};

use http::{Method, StatusCode};
use serde_json::json;

use crate::settings::refuses;
use crate::support::binary::{command, run};
use crate::support::http::call;
use crate::support::{Binary, SECRET};

fn write(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("countersign.env");
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn the_settings_of_a_file_count_and_a_variable_and_a_flag_win_over_them() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "# The settings of this service.\n\n; of systemd\nJWT_SECRET = \"{SECRET}\"\nALLOW_REGISTRATION='true'\r\n\
         LISTEN_ADDR=192.0.2.1:1\nLOG_FORMAT=text\nREGISTRATIONS_PER_ADDRESS=1"
    );
    let file = write(dir.path(), &text);
    // The variables of `command` win over LISTEN_ADDR and REGISTRATIONS_PER_ADDRESS, the flag over LOG_FORMAT.
    let mut serve = command(dir.path());
    serve.env_remove("LOG_FORMAT").args(["serve", "--log-format", "json", "--env-file"]).arg(&file);
    let binary = Binary::spawn(&mut serve);
    for name in ["alice", "bob"] {
        let body = json!({ "username": name, "password": "s3cur3pass" });
        let answer = call(binary.address, Method::POST, "/api/auth/register", &[], &body).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
    }
    // Every user can read the file, which has a secret.
    let log = binary.log.lock().unwrap().clone();
    assert!(log.contains("every user of this machine can read the file of --env-file"), "{log}");
    assert!(log.lines().all(|line| line.starts_with('{')) && !log.contains(SECRET), "{log}");
    drop(binary);

    // A command reads it before and after its name.
    let (file, dir) = (file.to_str().unwrap(), dir.path());
    for args in [["--env-file", file, "account", "list"], ["account", "list", "--env-file", file]] {
        let output = run(command(dir).args(args), "");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("alice"), "{args:?}: {said}");
    }
}

#[test]
fn a_line_that_is_no_setting_stops_the_start_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let twice = format!("JWT_SECRET={SECRET}\nLOG_LEVEL=info\nJWT_SECRET={SECRET}");
    let both = format!("JWT_SECRET={SECRET}\nJWT_SECRET_FILE=secret");
    for (text, parts) in [
        (
            "LOG_LEVEL=info\n\nALLOW_REGISTRATON=true",
            &["line 3: unknown setting ALLOW_REGISTRATON", "did you mean ALLOW_REGISTRATION?"][..],
        ),
        ("PORT=3008", &["line 1: unknown setting PORT: did you mean LISTEN_ADDR?"]),
        ("EDITOR=vi", &["line 1: unknown setting EDITOR: docs/settings.md"]),
        (&*format!("# a secret alone\n{SECRET}"), &["line 2: write NAME=VALUE"]),
        (&*format!("export JWT_SECRET={SECRET}"), &["line 1: write NAME=VALUE"]),
        (&*format!("jwt_secret={SECRET}"), &["line 1: write NAME=VALUE"]),
        ("=x", &["line 1: write NAME=VALUE"]),
        (&*twice, &["line 3: JWT_SECRET is set twice: it is in line 1, too"]),
        (&*format!("JWT_SECRET=\"{SECRET}"), &["line 1: the value of JWT_SECRET has a quote", "JWT_SECRET_FILE"]),
        ("ISSUER=a\\", &["line 1: the value of ISSUER has a quote or a backslash", "leave it out"]),
        ("LOG_LEVEL=info\nLISTEN_ADDR=localhost", &["line 2: ", "--listen-addr", "write IP:PORT"]),
        ("LOG_LEVEL=verbose", &["line 1: ", "verbose", "[possible values: error, warn, info, debug]"]),
        ("HASH_THREADS=", &["line 1: ", "--hash-threads"]),
        (&*both, &["line 2: ", "--jwt-secret-file"]),
    ] {
        let file = write(dir.path(), text);
        let mut serve = command(dir.path());
        for variable in ["LISTEN_ADDR", "LOG_FORMAT"] {
            serve.env_remove(variable);
        }
        let parts: Vec<_> = [&[file.to_str().unwrap()], parts].concat();
        refuses(text, serve.args(["serve", "--env-file"]).arg(&file), &parts);
    }
}

#[test]
fn a_file_that_cannot_be_read_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let binary = dir.path().join("binary");
    std::fs::write(&binary, [0xff; 8]).unwrap();
    for file in [dir.path().join("nowhere"), dir.path().to_owned(), binary] {
        let parts = ["cannot read the file of --env-file", file.to_str().unwrap()];
        refuses("unreadable", command(dir.path()).args(["serve", "--env-file"]).arg(&file), &parts);
    }
}

#[test]
fn a_variable_that_the_file_cannot_join_is_refused_with_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), &format!("LOG_LEVEL=info\nJWT_SECRET={SECRET}"));
    let mut serve = command(dir.path());
    serve.env("JWT_SECRET_FILE", "secret").args(["serve", "--env-file"]).arg(&file);
    refuses("both", &mut serve, &["line 2: ", "--jwt-secret-file"]);
}
