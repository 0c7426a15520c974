//! The audit trail: each event is one row and one line of the log, with actor, target, origin and result. A flood of
//! events delays no call. Events that were acknowledged before the server stopped are there after it has started again.

use std::time::Duration;

use countersign::store::{self, AuditPage, Purpose};
use countersign_guard::clock::Clock as _;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};

use crate::support::binary::{command, database, run};
use crate::support::http::call;
use crate::support::postgres::Database;
use crate::support::{Binary, SECRET, TestApp};
use crate::wire::eventually;

const PASSWORD: &str = "s3cur3pass";

/// The output of `countersign audit list`, the oldest event first.
fn listed(dir: &std::path::Path, args: &[&str]) -> Vec<Value> {
    let output = run(command(dir).args(["audit", "list", "--limit", "10000", "--output", "json"]).args(args), "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    text.lines().rev().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn each_thing_that_happens_is_one_row_and_one_line_and_survives_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let mut binary = Binary::spawn(command(dir.path()).env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true"));
    let post = async |path: &str, headers: &[(&str, &str)], body: Value| {
        call(binary.address, Method::POST, path, headers, &body).await.unwrap()
    };
    let named = |name: &str, password: &str| json!({ "username": name, "password": password });
    let token =
        post("/api/auth/register", &[], named("alice", PASSWORD)).await.json()["token"].as_str().unwrap().to_owned();
    post("/api/auth/register", &[], named("alice", PASSWORD)).await;
    post("/api/auth/login", &[], named("alice", "canary-wrong")).await;
    post("/api/auth/login", &[], named("canary-name", "canary-wrong")).await;
    post("/api/auth/login", &[], named("alice", PASSWORD)).await;
    post("/v1/sessions:revokeOthers", &[("token", &token)], json!({})).await;
    let left = post("/auth/logout", &[("token", &token)], Value::Null).await;
    assert_eq!(left.status, StatusCode::OK);
    let account = |args: &[&str]| assert!(run(command(dir.path()).arg("account").args(args), "").status.success());
    account(&["disable", "alice"]);
    account(&["disable", "alice"]);
    account(&["enable", "alice"]);
    binary.terminate();
    assert!(binary.ended().success());

    let rows = listed(dir.path(), &[]);
    let id = rows[1]["account_id"].clone();
    let short = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        (text("action"), text("result"), row["actor_id"].clone(), row["account_id"].clone(), text("origin"))
    };
    let (none, here) = (Value::Null, "127.0.0.1");
    let expected = [
        ("start", "ok", &none, &none, "server"),
        ("register", "ok", &none, &id, here),
        ("register", "taken", &none, &none, here),
        ("login", "wrong password", &none, &id, here),
        ("login", "unknown account", &none, &none, here),
        ("login", "ok", &id, &id, here),
        ("revoke", "ok", &id, &id, here),
        ("logout", "ok", &id, &id, here),
        ("disable", "ok", &none, &id, "command line"),
        ("enable", "ok", &none, &id, "command line"),
        ("stop", "ok", &none, &none, "server"),
    ]
    .map(|(action, result, actor, account, origin)| {
        (action.to_owned(), result.to_owned(), actor.clone(), account.clone(), origin.to_owned())
    });
    assert_eq!(rows.iter().map(short).collect::<Vec<_>>(), expected);
    assert_eq!(rows[6]["detail"], "sessions 1");
    assert_eq!(rows[7]["request_id"].as_str(), left.header("request-id"));
    assert!(!serde_json::to_string(&rows).unwrap().contains("canary"));

    // Each row that did not come from the command line has one line of the log, with the same request id.
    let log = binary.log.lock().unwrap().clone();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for row in rows.iter().filter(|row| row["origin"] == here) {
        let of = |line: &&Value| {
            (&line["event"], &line["result"]) == (&row["action"], &row["result"])
                && line["span"]["request_id"] == row["request_id"]
        };
        let found: Vec<_> = lines.iter().filter(of).collect();
        assert_eq!(found.len(), 1, "{row}");
        let same = |line: &str, column: &str| found[0].get(line).unwrap_or(&Value::Null) == &row[column];
        assert!(same("account", "account_id") && same("by", "actor_id"), "{row}, {}", found[0]);
    }
    // The filters by account and by action.
    assert_eq!(listed(dir.path(), &["--account", "alice"]).len(), 7);
    assert_eq!(listed(dir.path(), &["--action", "login", "--since", "1h"]).len(), 3);
}

#[tokio::test]
async fn a_request_for_mail_is_an_event_of_the_account_that_has_the_address_and_of_no_other_address() {
    let dir = tempfile::tempdir().unwrap();
    let mut binary = Binary::spawn(command(dir.path()).env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true"));
    let post = async |path: &str, body: Value| call(binary.address, Method::POST, path, &[], &body).await.unwrap();
    let ada = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "firm_name": "Engines" });
    assert_eq!(post("/auth/register", ada).await.status, StatusCode::CREATED);
    for email in ["nobody@example.com", "Ada@example.com", "noone@example.com"] {
        assert_eq!(post("/auth/password/forgot", json!({ "email": email })).await.status, StatusCode::OK);
        assert_eq!(post("/auth/verify/resend", json!({ "email": email })).await.status, StatusCode::OK);
    }
    binary.terminate();
    assert!(binary.ended().success());
    let rows = listed(dir.path(), &[]);
    let id = &rows.iter().find(|row| row["action"] == "register").unwrap()["account_id"];
    let asked: Vec<_> = rows.iter().filter(|row| row["action"].as_str().unwrap().ends_with("_requested")).collect();
    let actions: Vec<_> = asked.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["password_reset_requested", "verification_requested"]);
    for row in asked {
        assert_eq!((&row["account_id"], &row["origin"]), (id, &json!("127.0.0.1")));
        assert!(row["firm_id"].is_string() && row["request_id"].is_string(), "{row}");
    }
    // The log has a line for each request, without the address that was typed.
    let log = binary.log.lock().unwrap().clone();
    assert_eq!(log.matches("\"event\":\"password_reset_requested\",\"result\":\"ok\"").count(), 3);
    assert!(!log.contains("nobody@"), "{log}");
}

#[tokio::test]
async fn what_was_written_cannot_be_changed() {
    let dir = tempfile::tempdir().unwrap();
    assert!(run(command(dir.path()).args(["account", "create", "alice"]), "s3cur3pass\n").status.success());
    let url = format!("sqlite:{}", database(dir.path()).display());
    let mut sqlite = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let error = sqlite.execute("update audit_events set result = 'never'").await.unwrap_err();
    assert!(error.to_string().contains("append-only"), "{error}");

    let Some(postgres) = Database::create().await else { return };
    let url = format!("--database-url={}", postgres.url());
    assert!(run(command(dir.path()).args(["account", "create", "alice", &url]), "s3cur3pass\n").status.success());
    let mut postgres = postgres.connect().await;
    for statement in ["update audit_events set result = 'never'", "truncate audit_events"] {
        let error = postgres.execute(statement).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn a_flood_of_refusals_is_told_in_part_and_what_is_too_old_is_deleted() {
    let mut app = TestApp::with(&["--allow-registration=false", "--audit-retention=1h"]).await;
    let url = app.settings.database_url().unwrap();
    let old = countersign::domain::AuditEvent {
        id: uuid::Uuid::nil(),
        at: app.clock.now() - Duration::from_secs(3_601),
        note: countersign::domain::Note::from(
            countersign::domain::Action::Start,
            "ok",
            countersign::domain::Origin::Server,
        ),
    };
    let store = store::open(&url, Purpose::Operate).await.unwrap();
    store.append_events(&[old]).await.unwrap();
    for _ in 0..2_000 {
        let answer = app.post("/api/auth/register", &json!({})).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    let served = app.serve().await;
    let events = async || {
        let page = AuditPage { limit: 10_000, ..AuditPage::default() };
        store.list_events(&page).await.unwrap().found
    };
    assert!(eventually(Duration::from_secs(10), async || events().await.len() == 1_000).await);
    assert!(events().await.iter().all(|event| event.note.result == "closed"), "and the old one is gone");
    served.stop().await;
}
