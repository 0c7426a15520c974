//! The commands of the operator, except making and disabling accounts: everything that administrators can do, as lines
//! for people and as JSON for programs, with exit codes for scripts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign::domain::{AttemptKey, Email, Handle, MailKind, NewMail};
use countersign::store::{self, Budget, MailFate, Purpose, Store};
use countersign_guard::clock::{Clock as _, SystemClock};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::binary::{command, database, run};
use crate::support::http::call;
use crate::support::{Binary, SECRET};

const PASSWORD: &str = "s3cur3pass";

/// Exit code, standard output and standard error.
fn countersign(dir: &Path, args: &[&str], input: &str) -> (i32, String, String) {
    let output = run(command(dir).args(args), input);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs a command that must succeed, and returns the JSON objects that it prints, one a line.
fn objects(dir: &Path, args: &[&str], input: &str) -> Vec<Value> {
    let (code, said, complaint) = countersign(dir, &[args, &["--output", "json"]].concat(), input);
    assert_eq!((code, &*complaint), (0, ""), "{args:?}: {said}");
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn object(dir: &Path, args: &[&str], input: &str) -> Value {
    let mut all = objects(dir, args, input);
    assert_eq!(all.len(), 1, "{args:?}: {all:?}");
    all.remove(0)
}

/// Makes Alice, and Ada with a firm, and returns the id of the firm.
fn made(dir: &Path) -> String {
    object(dir, &["account", "create", "alice"], PASSWORD);
    let create = ["account", "create", "ada@example.com", "--name", "Ada", "--firm-name", "Engines", "--verified"];
    let ada = object(dir, &create, PASSWORD);
    assert_eq!((&ada["changed"], &ada["email_verified"], &ada["role"]), (&json!(true), &json!(true), &json!("admin")));
    ada["firm_id"].as_str().unwrap().to_owned()
}

#[test]
fn each_command_says_in_json_what_became_of_an_account() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let firm = made(dir);
    let bo = ["account", "create", "bo@example.com", "--name", "Bo", "--firm", &firm, "--role", "viewer"];
    let bo = object(dir, &bo, PASSWORD);
    assert_eq!((&bo["firm_id"], &bo["role"], &bo["firm_name"]), (&json!(firm), &json!("viewer"), &json!("Engines")));
    for (args, input, field, value) in [
        (&["account", "rename", "bo@example.com", "Bo King"][..], "", "name", json!("Bo King")),
        (&["account", "role", "bo@example.com", "user"], "", "role", json!("user")),
        (&["account", "disable", "bo@example.com"], "", "status", json!("inactive")),
        (&["account", "enable", "bo@example.com"], "", "status", json!("active")),
        (&["account", "platform-admin", "grant", "alice"], "", "platform_admin", json!(true)),
        (&["account", "platform-admin", "revoke", "alice"], "", "platform_admin", json!(false)),
        (&["account", "password", "bo@example.com"], "an0ther-pass", "has_password", json!(true)),
    ] {
        let changed = object(dir, args, input);
        assert_eq!((&changed[field], &changed["changed"]), (&value, &json!(true)), "{args:?}");
        if args[1] != "password" {
            assert_eq!(object(dir, args, input)["changed"], json!(false), "{args:?}, again");
        }
    }
    let alone = object(dir, &["account", "remove-second-factors", "alice"], "");
    assert_eq!((&alone["second_factor"], &alone["changed"]), (&json!(false), &json!(false)), "there was none");
    let all = objects(dir, &["account", "list"], "");
    assert_eq!(
        all.iter().map(|one| one["email"].as_str()).collect::<Vec<_>>(),
        [None, Some("ada@example.com"), Some("bo@example.com")]
    );
    assert_eq!(objects(dir, &["account", "list", "--firm", &firm, "--role", "user"], "").len(), 1);
    assert_eq!(objects(dir, &["account", "list", "--prefix", "A"], "").len(), 2);
    assert_eq!(objects(dir, &["account", "list", "--limit", "1", "--status", "active"], "").len(), 1);
    assert_eq!(object(dir, &["account", "show", "alice"], "")["username"], "alice");
    assert_eq!(object(dir, &["firm", "show", &firm], "")["accounts"], 2);
    assert_eq!(objects(dir, &["firm", "list"], "").len(), 1);
    assert_eq!(object(dir, &["firm", "invite", &firm, "cy@example.com"], "")["role"], "user");
    assert_eq!(object(dir, &["account", "delete", "bo@example.com"], "")["email"], "bo@example.com");
    assert_eq!(object(dir, &["attempts", "show", "nobody"], "")["failures"], 0);
    assert_eq!(object(dir, &["attempts", "clear", "nobody"], "")["changed"], false);

    // Each change is in the audit trail. Commands that changed nothing are not.
    let events = objects(dir, &["audit", "list"], "");
    let actions: Vec<_> = events.iter().rev().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        [
            "create",
            "create",
            "create",
            "rename",
            "role",
            "disable",
            "enable",
            "platform_admin_granted",
            "platform_admin_revoked",
            "password_set",
            "invitation_created",
            "delete",
        ]
    );
    assert!(events.iter().all(|event| event["origin"] == "command line" && event["result"] == "ok"));
    assert_eq!(objects(dir, &["audit", "list", "--firm", &firm], "").len(), 9, "also of whom is gone");
}

#[test]
fn the_last_administrator_of_a_firm_is_removed_only_by_force() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let firm = made(dir);
    object(dir, &["account", "create", "bo@example.com", "--name", "Bo", "--firm", &firm], PASSWORD);
    let said = "countersign: the account is the last active administrator of its firm, and nothing was changed: make \
                another account an administrator first, or add --force\n";
    let removals = [&["account", "role", "ada@example.com", "user"][..], &["account", "disable", "ada@example.com"]];
    for removal in [removals[0], removals[1], &["account", "delete", "ada@example.com"]] {
        assert_eq!(countersign(dir, removal, ""), (1, String::new(), said.to_owned()), "{removal:?}");
    }
    for removal in removals {
        assert_eq!(object(dir, &[removal, &["--force"]].concat(), "")["changed"], true, "{removal:?}");
        object(dir, &["account", "enable", "ada@example.com"], "");
        object(dir, &["account", "role", "ada@example.com", "admin"], "");
    }
    object(dir, &["account", "role", "bo@example.com", "admin"], "");
    object(dir, &["account", "role", "ada@example.com", "user"], "");
    object(dir, &["account", "delete", "bo@example.com", "--force"], "");
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir);
    let nobody = Uuid::nil().to_string();
    for (args, code) in [
        (&["account", "show", "nobody"][..], 3),
        (&["account", "delete", "nobody@example.com"], 3),
        (&["session", "list", "nobody"], 3),
        (&["session", "end", &nobody], 3),
        (&["firm", "show", &nobody], 3),
        (&["firm", "invite", &nobody, "a@example.com"], 3),
        (&["firm", "invitations", &nobody], 3),
        (&["firm", "revoke", &nobody], 3),
        (&["mail", "retry", &nobody], 3),
        (&["account", "role", "alice", "user"], 1),
        (&["account", "rename", "alice", "al"], 1),
        (&["audit", "list", "--action", "no such thing"], 1),
        (&["session", "end"], 2),
        (&["mail", "retry"], 2),
        (&["mail", "retry", &nobody, "--all"], 2),
        (&["firm", "show", "no id"], 2),
        (&["account", "show"], 2),
        (&["account", "list", "--output", "yaml"], 2),
        (&["completions", "no-shell"], 2),
    ] {
        let (exit, said, complaint) = countersign(dir, args, "");
        assert_eq!((exit, &*said), (code, ""), "{args:?}: {complaint}");
        assert!(!complaint.is_empty(), "{args:?}");
    }
    let (_, help, _) = countersign(dir, &["--help"], "");
    assert!(help.contains("Exit codes: 0 done"), "{help}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (exit, script, _) = countersign(dir, &["completions", shell], "");
        assert!(exit == 0 && script.contains("platform-admin"), "{shell}");
    }
}

/// Opens the database as a server would.
async fn opened(dir: &Path) -> Arc<dyn Store> {
    let url = format!("sqlite:{}", database(dir).display());
    store::open(&url, Purpose::OperateExisting).await.unwrap()
}

#[tokio::test]
async fn mail_that_was_given_up_is_listed_and_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir);
    assert_eq!(objects(dir, &["mail", "list"], ""), [] as [Value; 0]);
    assert_eq!(object(dir, &["mail", "retry", "--all"], "")["retried"], 0);
    let store = opened(dir).await;
    let now = SystemClock.now();
    // More rows than are read at once.
    for n in 1..=502 {
        let recipient = Email::parse(&format!("n{n}@example.com")).unwrap();
        let mail = NewMail::to_address(Uuid::from_u128(n), MailKind::ResetPassword, recipient, now);
        store.queue_mail(&mail).await.unwrap();
    }
    for mail in store.claim_mail(502, now, Duration::ZERO).await.unwrap() {
        let fate = MailFate::Dead { cause: "550 no such mailbox".to_owned() };
        assert!(store.settle_mail(&mail, &fate, now).await.unwrap());
    }
    let listed = objects(dir, &["mail", "list"], "");
    assert_eq!((listed.len(), &listed[501]["recipient"]), (502, &json!("n502@example.com")));
    let (id, time) = (listed[0]["id"].as_str().unwrap(), listed[0]["died_at"].as_str().unwrap());
    let (_, lines, _) = countersign(dir, &["mail", "list"], "");
    let line = format!("{id}  {time}    1  reset_password    n1@example.com  550 no such mailbox");
    assert_eq!(lines.lines().next(), Some(&*line));
    assert_eq!(listed[0]["cause"], "550 no such mailbox");

    assert_eq!(object(dir, &["mail", "retry", id], ""), json!({ "id": id, "retried": 1 }));
    let (exit, _, complaint) = countersign(dir, &["mail", "retry", id], "");
    assert_eq!(
        (exit, complaint),
        (3, format!("countersign: there is no undelivered mail {id}: `countersign mail list` shows the ids\n"))
    );
    assert_eq!(countersign(dir, &["mail", "retry", "--all"], "").1, "501 mails will be sent again\n");
    assert_eq!(objects(dir, &["mail", "list"], "").len(), 0);
    assert_eq!(store.claim_mail(1_000, SystemClock.now(), Duration::ZERO).await.unwrap().len(), 502);
    let events = objects(dir, &["audit", "list", "--action", "mail_retried", "--limit", "1000"], "");
    assert_eq!((events.len(), &events[501]["detail"]), (502, &json!(format!("mail {id}"))));
    assert!(events.iter().all(|event| event["origin"] == "command line"));
}

#[tokio::test]
async fn attempts_are_listed_by_whose_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir);
    assert_eq!(objects(dir, &["attempts", "list"], ""), [] as [Value; 0]);
    let store = opened(dir).await;
    let login = |name: &str| AttemptKey::login(&Handle::parse(name).unwrap());
    let id = store.find_credentials(&Handle::parse("alice").unwrap()).await.unwrap().unwrap().account.id;
    for (key, account, failures) in [
        (login("alice"), Some(id), 100),
        (AttemptKey::change(id), Some(id), 11),
        (login("nobody"), None, 10),
        (login("bobby"), None, 9),
    ] {
        for _ in 0..failures {
            store.count_failure(&Budget { key, seen: 0, below: 100 }, account, SystemClock.now()).await.unwrap();
        }
    }
    let mut listed = objects(dir, &["attempts", "list"], "");
    listed.sort_by_key(|one| one["failures"].as_u64());
    let [nobody, change, locked] = &listed[..] else { panic!("{listed:?}") };
    for (one, handle, tried, failures, is_locked) in [
        (nobody, Value::Null, Value::Null, 10, false),
        (change, json!("alice"), json!("change"), 11, false),
        (locked, json!("alice"), json!("login"), 100, true),
    ] {
        assert_eq!((&one["handle"], &one["tried"]), (&handle, &tried));
        assert_eq!((&one["failures"], &one["locked"]), (&json!(failures), &json!(is_locked)));
        assert!(one["blocked_until"].as_str() > one["last_failed_at"].as_str(), "{one}");
        assert_eq!(one["account_id"].as_str().is_some(), handle.is_string());
    }
    let (_, lines, _) = countersign(dir, &["attempts", "list"], "");
    let line = lines.lines().find(|line| line.contains("locked")).unwrap();
    assert!(line.starts_with(" 100  ") && line.ends_with("  login   alice"), "{line}");
    object(dir, &["attempts", "clear", "alice"], "");
    assert_eq!(objects(dir, &["attempts", "list"], "").len(), 1, "neither of hers is left");
}

#[test]
fn invitations_are_listed_and_withdrawn() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let firm = made(dir);
    assert_eq!(objects(dir, &["firm", "invitations", &firm], ""), [] as [Value; 0]);
    let invite = |email| object(dir, &["firm", "invite", &firm, email, "--role", "viewer"], "");
    let [bo, cy] = ["bo@example.com", "cy@example.com"].map(invite);
    let listed = objects(dir, &["firm", "invitations", &firm], "");
    assert!(listed.len() == 2 && listed.contains(&bo) && listed.contains(&cy), "{listed:?}");
    let id = bo["id"].as_str().unwrap();
    assert_eq!(object(dir, &["firm", "revoke", id], ""), bo);
    assert_eq!(countersign(dir, &["firm", "revoke", id], "").0, 3);
    let (_, line, _) = countersign(dir, &["firm", "invitations", &firm], "");
    let text = |name: &str| cy[name].as_str().unwrap();
    let expected = [text("id"), text("created_at"), text("expires_at"), "viewer", "cy@example.com\n"].join("  ");
    assert_eq!(line, expected);
    let (_, said, _) = countersign(dir, &["firm", "revoke", text("id")], "");
    assert_eq!(said, "withdrew the invitation of cy@example.com to Engines\n");
    let events = objects(dir, &["audit", "list", "--firm", &firm, "--action", "invitation_revoked"], "");
    assert_eq!((events.len(), &events[1]["detail"]), (2, &json!(format!("invitation {id}"))));
}

#[tokio::test]
async fn a_running_server_hears_of_sessions_that_end_and_of_a_password_that_is_set() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path());
    let binary = Binary::spawn(command(dir.path()).env("JWT_SECRET", SECRET));
    let login = async |password: &str| {
        let body = json!({ "username": "alice", "password": password });
        let answer = call(binary.address, Method::POST, "/api/auth/login", &[], &body).await.unwrap();
        answer.json()["token"].as_str().map(str::to_owned)
    };
    let dies = async |token: &str| {
        crate::wire::eventually(std::time::Duration::from_secs(1), async || {
            let me =
                call(binary.address, Method::GET, "/api/auth/me", &[("token", token)], &Value::Null).await.unwrap();
            me.status == StatusCode::UNAUTHORIZED
        })
        .await
    };
    let [first, second] = [login(PASSWORD).await.unwrap(), login(PASSWORD).await.unwrap()];
    let listed = objects(dir.path(), &["session", "list", "alice"], "");
    assert_eq!((listed.len(), &listed[0]["client_address"]), (2, &json!("127.0.0.1")));
    let oldest = listed[1]["id"].as_str().unwrap();
    assert_eq!(object(dir.path(), &["session", "end", oldest], "")["ended"], 1);
    assert!(dies(&first).await);
    assert_eq!(object(dir.path(), &["session", "end", "--all-of", "alice"], "")["ended"], 1);
    assert!(dies(&second).await);

    let third = login(PASSWORD).await.unwrap();
    object(dir.path(), &["account", "password", "alice"], "an0ther-pass");
    assert!(dies(&third).await);
    assert_eq!(login(PASSWORD).await, None);
    assert!(login("an0ther-pass").await.is_some());
}
