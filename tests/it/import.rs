//! `countersign import` and `export` as the real binary: our own format, the refused lines with their numbers, and
//! repeated or interrupted imports, which change nothing that exists. The formats of other systems are in `formats`,
//! the RPCs in `rpcs`, the ends of their streams in `streams`, and typed columns in `typed`.

mod formats;
mod rpcs;
mod streams;
mod typed;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::support::Binary;
use crate::support::binary::{command, database, run};
use crate::support::http::call;
use crate::support::postgres::Database;

/// The hash of `s3cur3pass` in the username contract.
const BCRYPT: &str = "$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A.";

/// How a command ended: exit code, standard output and standard error.
type End = (i32, String, String);

fn countersign(dir: &Path, args: &[&str]) -> End {
    let Output { status, stdout, stderr } = run(command(dir).args(args), "");
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Writes `text` to a file and imports the file.
fn import(dir: &Path, format: &str, text: &str, args: &[&str]) -> End {
    fs::write(dir.join("accounts"), text).unwrap();
    countersign(dir, &[&["import", "accounts", "--format", format], args].concat())
}

/// The last lines of an import's output.
fn summary(new: u32, unchanged: u32, collisions: u32, refused: u32) -> String {
    format!("imported    {new}\nunchanged   {unchanged}\ncollisions  {collisions}\nrefused     {refused}\n")
}

fn exported(dir: &Path) -> Vec<Value> {
    let (code, output, complaint) = countersign(dir, &["export"]);
    assert_eq!((code, complaint.as_str()), (0, ""));
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn login(binary: &Binary, path: &str, body: &Value) -> StatusCode {
    call(binary.address, Method::POST, path, &[], body).await.unwrap().status
}

#[tokio::test]
async fn lines_of_our_own_form_come_in_and_go_out() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        json!({ "id": "00000000-0000-7000-8000-000000000001", "username": "alice", "password_hash": BCRYPT,
                "status": "active", "created_at": "2026-03-04T05:06:07.089Z" }),
        json!({ "id": "00000000-0000-7000-8000-000000000002", "email": "ada@example.com", "name": "Ada Lovelace",
                "firm": { "id": "00000000-0000-7000-8000-000000000003", "name": "Engines" }, "role": "viewer",
                "status": "inactive", "email_verified": true, "created_at": "2026-03-04T05:06:07Z" }),
    ];
    let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    assert_eq!(import(dir.path(), "ndjson", &text, &[]), (0, summary(2, 0, 0, 0), String::new()));
    assert_eq!(exported(dir.path()), lines);
    assert_eq!(import(dir.path(), "ndjson", &text, &[]), (0, summary(0, 2, 0, 0), String::new()));
    // The audit trail has the import and the export. The second import added nothing and has no entry.
    let file = SqliteConnectOptions::new().filename(database(dir.path()));
    let trail = "select action || ' ' || origin || ' ' || detail from audit_events order by id";
    let trail: Vec<String> = sqlx::query_scalar(trail).fetch_all(&mut file.connect().await.unwrap()).await.unwrap();
    assert_eq!(trail, ["import command line accounts 2", "export command line "]);
    let server = Binary::start(dir.path());
    let alice = json!({ "username": "alice", "password": "s3cur3pass" });
    assert_eq!(login(&server, "/api/auth/login", &alice).await, StatusCode::OK);
}

#[test]
fn what_is_left_out_has_a_meaning_that_is_the_same_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let text = "\u{feff}{\"username\":\" ALICE \",\"id\":null}\r\n\n\
                {\"email\":\"Ada@Example.com\",\"name\":\"Ada\",\"firm\":{\"name\":\"Engines\"}}";
    assert_eq!(import(dir.path(), "ndjson", text, &[]), (0, summary(2, 0, 0, 0), String::new()));
    assert_eq!(import(dir.path(), "ndjson", text, &[]), (0, summary(0, 2, 0, 0), String::new()));
    let all = exported(dir.path());
    let [alice, ada] = ["username", "email"].map(|kind| all.iter().find(|account| !account[kind].is_null()).unwrap());
    assert_eq!(
        (&alice["username"], &alice["status"], &alice["password_hash"]),
        (&json!("alice"), &json!("active"), &Value::Null)
    );
    assert_eq!(
        (&ada["email"], &ada["role"], &ada["email_verified"]),
        (&json!("ada@example.com"), &json!("user"), &json!(false))
    );
}

#[test]
fn a_broken_line_is_named_and_the_others_are_imported() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "hunter2-hunter2";
    let text = [
        r#"{"username":"alice"}"#.to_owned(),
        format!(r#"{{"username":"bobby","password_hash":"{secret}"}}"#),
        format!(r#"{{"username":"carol","password_hash":"{secret}"#),
        r#"{"username":"david","platform_admin":true}"#.to_owned(),
        format!(r#"{{"username":7,"password_hash":"{secret}"}}"#),
        r#"{"username":"x\u0007"}"#.to_owned(),
        r#"["alice"]"#.to_owned(),
        r#"{"id":"00000000-0000-7000-8000-000000000001","username":"ALICE"}"#.to_owned(),
        format!(r#"{{"username":"erika","password_hash":"{}"}}"#, "x".repeat(70_000)),
        r#"{"username":"frank","created_at":"yesterday"}"#.to_owned(),
        r#"{"username":"grace","password_hash":"$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$DypaBJkkdvsZ8JTUF9/H4tXaGPTclUAk9xuYCEmg9lQ"}"#.to_owned(),
        r#"{"username":"heidi"}"#.to_owned(),
    ]
    .join("\n");
    let (code, said, complaint) = import(dir.path(), "ndjson", &text, &["--report", "report"]);
    assert_eq!((code, said), (1, summary(2, 0, 1, 9)));
    let complaints: Vec<_> = complaint.lines().collect();
    let expected = [
        "accounts:2: password_hash: the scheme of the hash is unknown",
        "accounts:3: the line is no JSON object: it is invalid from column ",
        "accounts:4: the field `platform_admin` is unknown",
        "accounts:5: the field `username` must be a text in quotation marks",
        "accounts:6: username must not contain control characters",
        "accounts:7: the line is no JSON object",
        "accounts:8: another account has this username or email",
        "accounts:9: the line is longer than 65536 bytes",
        "accounts:10: created_at must be a time",
        "accounts:11: password_hash: the hash costs more than the limit of 2048 MiB",
        "countersign: 10 of 12 accounts were not imported",
    ];
    assert_eq!(complaints.len(), expected.len(), "{complaint}");
    for (complaint, expected) in complaints.iter().zip(expected) {
        assert!(complaint.starts_with(expected), "{complaint}, not {expected}");
    }
    assert!(!complaint.contains("hunter2"));
    let report = fs::read_to_string(dir.path().join("report")).unwrap();
    let report: Vec<Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(report.len(), 10);
    assert_eq!(
        report[4],
        json!({ "line": 6, "outcome": "refused", "reason": "username must not contain control characters" })
    );
    assert_eq!((&report[6]["outcome"], &report[6]["handle"]), (&json!("collision"), &json!("alice")));
    assert_eq!(fs::metadata(dir.path().join("report")).unwrap().permissions().mode() & 0o777, 0o600);
    // The second import of the good lines reports no problems.
    let good = "{\"username\":\"alice\"}\n{\"username\":\"heidi\"}\n";
    assert_eq!(import(dir.path(), "ndjson", good, &[]), (0, summary(0, 2, 0, 0), String::new()));
}

#[test]
fn of_many_problems_a_hundred_are_shown_and_the_report_has_all() {
    let dir = tempfile::tempdir().unwrap();
    let (code, said, complaint) = import(dir.path(), "ndjson", &"x\n".repeat(2_345), &["--report", "report"]);
    assert_eq!((code, said), (1, summary(0, 0, 0, 2_345)));
    assert_eq!(complaint.lines().count(), 102, "a hundred, that there are more, and the count");
    assert_eq!(fs::read_to_string(dir.path().join("report")).unwrap().lines().count(), 2_345);
}

#[test]
fn a_dry_run_tells_what_would_be_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(import(dir.path(), "ndjson", "{\"username\":\"alice\"}\n", &[]).0, 0);
    let before = exported(dir.path());
    let id = "00000000-0000-7000-8000-000000000001";
    let mut text = format!("{{\"username\":\"alice\"}}\n{{\"username\":\"bobby\",\"id\":\"{id}\"}}\nbroken\n");
    for n in 0..1_500 {
        text += &format!("{{\"username\":\"user{n}\"}}\n");
    }
    // These lines are in another batch than the first use of their name or id.
    text += &format!(
        "{{\"username\":\"bobby\"}}\n{{\"username\":\"user7\"}}\n{{\"username\":\"carol\",\"id\":\"{id}\"}}\n"
    );
    let (code, said, complaint) = import(dir.path(), "ndjson", &text, &["--dry-run"]);
    assert_eq!(exported(dir.path()), before);
    assert_eq!((code, said.as_str()), (1, summary(1_501, 2, 2, 1).replace("imported  ", "importable").as_str()));
    // The real import has the same result.
    assert_eq!(import(dir.path(), "ndjson", &text, &[]), (code, summary(1_501, 2, 2, 1), complaint));
}

#[test]
fn an_import_that_was_stopped_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<_> = (0..3_000).map(|n| format!("{{\"username\":\"user{n}\"}}\n")).collect();
    // The state after a crash in the second batch: nothing of that batch is stored.
    assert_eq!(import(dir.path(), "ndjson", &lines[..1_000].concat(), &[]).1, summary(1_000, 0, 0, 0));
    assert_eq!(import(dir.path(), "ndjson", &lines.concat(), &[]), (0, summary(2_000, 1_000, 0, 0), String::new()));
    assert_eq!(exported(dir.path()).len(), 3_000);
}

#[test]
fn who_stops_an_import_is_told_how_far_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let lines: String = (0..2_500).map(|n| format!("{{\"username\":\"user{n}\"}}\n")).collect();
    let mut importing = command(dir.path());
    importing.args(["import", "-", "--format", "ndjson"]);
    let mut child = importing.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Standard input stays open, so the import expects more.
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !dir.path().join("countersign.db").exists() || !countersign(dir.path(), &["export"]).1.contains("user7\"") {
        assert!(Instant::now() < deadline, "nothing is imported");
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    drop(input);
    let imported = u32::try_from(exported(dir.path()).len()).unwrap();
    assert!((1_000..2_500).contains(&imported), "{imported}");
    assert_eq!((status.code(), String::from_utf8(stdout).unwrap()), (Some(1), summary(imported, 0, 0, 0)));
    let complaint =
        "countersign: a signal stopped the import; the imported accounts stay, and the same command imports the rest\n";
    assert_eq!(String::from_utf8(stderr).unwrap(), complaint);
    assert_eq!(import(dir.path(), "ndjson", &lines, &[]).1, summary(2_500 - imported, imported, 0, 0));
}

#[tokio::test]
async fn what_one_engine_exports_the_other_imports_and_exports_again() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for n in 0..1_234 {
        let line = match n % 3 {
            0 => json!({ "username": format!("user{n}"), "password_hash": BCRYPT }),
            1 => {
                json!({ "email": format!("{n}@example.com"), "name": "Zoë \"Z\"", "role": "admin", "email_verified": true,
                         "firm": { "id": format!("00000000-0000-7000-8000-{:012}", n % 9 + 1), "name": "Engines" } })
            }
            _ => {
                json!({ "username": format!("🦀🦀{n}"), "status": "inactive", "created_at": "2020-02-29T23:59:59.999Z" })
            }
        };
        text += &format!("{line}\n");
    }
    assert_eq!(import(dir.path(), "ndjson", &text, &[]).0, 0);
    let (code, said, complaint) = countersign(dir.path(), &["export", "first"]);
    assert_eq!((code, complaint.as_str()), (0, ""));
    assert!(said.starts_with("exported 1234 accounts to first\n"), "{said}");
    assert_eq!(fs::metadata(dir.path().join("first")).unwrap().mode() & 0o777, 0o600);
    let url = format!("--database-url={}", database.url());
    let there = |args: &[&str]| countersign(dir.path(), &[&[url.as_str()], args].concat());
    assert_eq!(there(&["import", "first", "--format", "ndjson"]), (0, summary(1_234, 0, 0, 0), String::new()));
    assert_eq!(
        there(&["import", "first", "--format", "ndjson", "--dry-run"]).1,
        summary(0, 1_234, 0, 0).replace("imported  ", "importable")
    );
    assert_eq!(there(&["export", "second"]).0, 0);
    let [first, second] = ["first", "second"].map(|file| fs::read_to_string(dir.path().join(file)).unwrap());
    assert!(first == second, "all of it is the same");
    assert_eq!(there(&["export", "-"]).1, first);
}

#[test]
fn an_export_overwrites_nothing_and_a_database_that_is_missing_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let (code, said, complaint) = countersign(dir.path(), &["export", "file"]);
    assert!(code == 1 && said.is_empty() && complaint.contains("there is no database"), "{complaint}");
    assert!(!dir.path().join("file").exists() && !dir.path().join("countersign.db").exists());
    assert_eq!(import(dir.path(), "ndjson", "{\"username\":\"alice\"}\n", &[]).0, 0);
    fs::write(dir.path().join("file"), "mine").unwrap();
    let (code, said, complaint) = countersign(dir.path(), &["export", "file"]);
    assert!(code == 1 && said.is_empty() && complaint.starts_with("countersign: cannot write file: "), "{complaint}");
    assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "mine");
}

#[test]
fn what_cannot_be_begun_says_why() {
    let dir = tempfile::tempdir().unwrap();
    for (args, code, problem) in [
        (&["import", "nothing", "--format", "ndjson"][..], 1, "cannot read nothing: No such file"),
        (&["import", ".", "--format", "ndjson"], 1, "cannot read .: is a directory"),
        (&["import", "accounts"], 2, "--format"),
        (
            &["import", "accounts", "--format", "xml"],
            2,
            "possible values: ndjson, mongo-users, username-sqlite, auth-users-csv",
        ),
        (&["import", "accounts", "--format", "ndjson", "--report", "no/such"], 1, "cannot write the report: "),
    ] {
        fs::write(dir.path().join("accounts"), "").unwrap();
        let (ended, said, complaint) = countersign(dir.path(), args);
        assert_eq!((ended, said.as_str()), (code, ""), "{complaint}");
        assert!(complaint.contains(problem), "{complaint}, not {problem}");
    }
    let Output { status, stdout, .. } =
        run(command(dir.path()).args(["import", "-", "--format", "ndjson"]), "{\"username\":\"alice\"}\n");
    assert_eq!((status.code(), String::from_utf8(stdout).unwrap()), (Some(0), summary(1, 0, 0, 0)), "standard input");
}
