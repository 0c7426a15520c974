//! What an operator does from the command line besides making and disabling accounts: everything that administrators do, as
//! lines for people and as JSON for programs, with exit codes that a script can tell apart.

use std::path::Path;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::binary::{command, run};
use crate::support::http::call;
use crate::support::{Binary, SECRET};

const PASSWORD: &str = "s3cur3pass";

/// Exit code, standard output and standard error.
fn countersign(dir: &Path, args: &[&str], input: &str) -> (i32, String, String) {
    let output = run(command(dir).args(args), input);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The JSON that a command which succeeds prints, an object a line.
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

/// Alice, and Ada of a firm, whose id it gives.
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

    // Each is in the audit trail, and what changed nothing is not.
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
fn exit_codes_tell_what_went_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    made(dir);
    let nobody = uuid::Uuid::nil().to_string();
    for (args, code) in [
        (&["account", "show", "nobody"][..], 3),
        (&["account", "delete", "nobody@example.com"], 3),
        (&["session", "list", "nobody"], 3),
        (&["session", "end", &nobody], 3),
        (&["firm", "show", &nobody], 3),
        (&["firm", "invite", &nobody, "a@example.com"], 3),
        (&["account", "role", "alice", "user"], 1),
        (&["account", "rename", "alice", "Alice"], 1),
        (&["audit", "list", "--action", "no such thing"], 1),
        (&["session", "end"], 2),
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
