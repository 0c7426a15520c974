//! The policy for new passwords in each API: every bad field is named at once, and the password is never shown.
//! Accounts with an old password that breaks the policy can still sign in.

use countersign::pb::{ChangePasswordRequest, RegisterRequest, register_request};
use http::StatusCode;
use prost::Message as _;
use serde_json::{Value, json};
use tonic_types::StatusExt as _;

use crate::settings::{good, refuses};
use crate::support::binary::{command, run};
use crate::support::{Answer, Binary, PASSWORD, SECRET, TestApp};
use crate::wire;

const REGISTER: &str = "/countersign.v1.AuthService/Register";
const CHANGE: &str = "/countersign.v1.AuthService/ChangePassword";
const ASVS: &str = "--password-policy=asvs-l1";
const NIST: &str = "--password-policy=nist-800-63b-4";
const COMMON: &str = "is among the most common passwords: choose another";
const CONTEXT: &str = "is little more than a name or address of yours, or this service's name: choose another";

async fn register_username(app: &TestApp, username: &str, password: &str) -> Answer {
    app.post("/api/auth/register", &json!({ "username": username, "password": password })).await
}

async fn login_username(app: &TestApp, username: &str, password: &str) -> Answer {
    app.post("/api/auth/login", &json!({ "username": username, "password": password })).await
}

fn ada(password: &str) -> Value {
    json!({ "email": "lovelace@example.com", "password": password, "name": "Ada King", "firm_name": "Acme Capital" })
}

#[tokio::test]
async fn the_username_dialect_names_the_first_problem_and_the_password_comes_first() {
    let app = TestApp::with(&[ASVS]).await;
    for (username, password, message) in [
        ("alice", "seven77", "\"password\" must have at least 8 characters".to_owned()),
        ("al", "seven77", "\"password\" must have at least 8 characters".to_owned()),
        ("al", "Passw0rd", format!("\"password\" {COMMON}")),
        ("alice", "password", format!("\"password\" {COMMON}")),
        ("alice", "Alice2027!", format!("\"password\" {CONTEXT}")),
        ("alice", "countersign", format!("\"password\" {CONTEXT}")),
        ("al", PASSWORD, "\"username\" must have at least 3 characters".to_owned()),
    ] {
        let body = json!({ "statusCode": 422, "error": "Unprocessable Entity", "message": message });
        register_username(&app, username, password).await.assert(password, 422, &[], &body);
    }
    assert_eq!(app.hasher.runs(), 0, "nothing was hashed");
    assert_eq!(register_username(&app, "alice", "alice keeps nine geese").await.status, StatusCode::OK);
    assert_eq!(register_username(&app, "bob", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_email_dialect_names_every_bad_field_and_the_words_beside_the_password() {
    let app = TestApp::with(&[NIST]).await;
    for (password, message) in [
        ("fourteen chars", "must have at least 15 characters"),
        ("passwordpassword", COMMON),
        ("Lovelace@Example.com", CONTEXT),
        ("acme-capital-2027", CONTEXT),
        ("iloveyouiloveyou", "is a few characters over and over: choose another"),
    ] {
        let answer = app.post("/auth/register", &ada(password)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{password}");
        let detail = answer.json()["detail"].clone();
        assert_eq!(detail.as_array().unwrap().len(), 1, "{detail}");
        assert_eq!(detail[0]["loc"], json!(["body", "password"]), "{detail}");
        assert!(detail[0]["msg"].as_str().unwrap().contains(message), "{password}: {detail}");
        assert!(!detail.to_string().contains(password), "{detail}");
    }
    // The policy knows the valid email address, although the name beside it is invalid.
    let several =
        json!({ "email": "lovelace@example.com", "password": "lovelace-lovelace", "name": "", "firm_name": "" });
    let detail = app.post("/auth/register", &several).await.json()["detail"].clone();
    let fields: Vec<_> = detail.as_array().unwrap().iter().map(|bad| bad["loc"][1].clone()).collect();
    assert_eq!(fields, ["password", "name", "firm_name"]);
    let fine = app.post("/auth/register", &ada("lovelace keeps nine grey geese")).await;
    assert_eq!(fine.status, StatusCode::CREATED);
}

#[tokio::test]
async fn over_grpc_the_password_is_a_field_among_the_bad_ones() {
    let app = TestApp::with(&[ASVS]).await;
    let handle = Some(register_request::Handle::Username("al".to_owned()));
    let message = RegisterRequest { handle, password: "iloveyou".to_owned(), ..Default::default() };
    let reply = wire::call(&app, REGISTER, &[], &message.encode_to_vec()).await;
    assert_eq!((reply.code(), &*reply.reason()), (tonic::Code::InvalidArgument, "VALIDATION"));
    let bad = reply.status.get_details_bad_request().unwrap().field_violations;
    let bad: Vec<_> = bad.iter().map(|bad| (&*bad.field, &*bad.description)).collect();
    assert_eq!(bad, [("username", "must have at least 3 characters"), ("password", COMMON)]);
    let neither = RegisterRequest { password: "iloveyou".to_owned(), ..Default::default() };
    let reply = wire::call(&app, REGISTER, &[], &neither.encode_to_vec()).await;
    assert_eq!(reply.status.get_details_bad_request().unwrap().field_violations.len(), 2);
}

#[tokio::test]
async fn changing_a_password_is_judged_by_the_words_of_the_account() {
    let app = TestApp::with(&[ASVS]).await;
    let token = app.sign_in_username("alice").await;
    let change = async |new: &str| {
        let message = ChangePasswordRequest { current_password: PASSWORD.to_owned(), new_password: new.to_owned() };
        wire::call(&app, CHANGE, &[("token", &token)], &message.encode_to_vec()).await
    };
    for (new, why) in [("iloveyou", COMMON), ("Alice-2027", CONTEXT), ("seven77", "must have at least 8 characters")] {
        let reply = change(new).await;
        assert_eq!(reply.reason(), "VALIDATION", "{new}");
        let bad = reply.status.get_details_bad_request().unwrap().field_violations;
        let bad: Vec<_> = bad.iter().map(|bad| (&*bad.field, &*bad.description)).collect();
        assert_eq!(bad, [("new_password", why)]);
    }
    assert_eq!(login_username(&app, "alice", PASSWORD).await.status, StatusCode::OK, "nothing was changed");
    assert_eq!(change("nine grey geese").await.code(), tonic::Code::Ok);
}

#[tokio::test]
async fn raising_the_policy_locks_nobody_out() {
    let mut app = TestApp::start().await;
    assert_eq!(register_username(&app, "alice", "alice").await.status, StatusCode::OK);
    assert_eq!(app.post("/auth/register", &ada("password")).await.status, StatusCode::CREATED);
    for flags in [&[ASVS][..], &[NIST], &[NIST, "--password-min-length=64"]] {
        app = app.restart(flags).await;
        assert_eq!(login_username(&app, "alice", "alice").await.status, StatusCode::OK, "{flags:?}");
        assert_eq!(login_username(&app, "alice", "wrong").await.status, StatusCode::UNAUTHORIZED, "{flags:?}");
        let login = json!({ "email": "lovelace@example.com", "password": "password" });
        assert_eq!(app.post("/auth/login", &login).await.status, StatusCode::OK, "{flags:?}");
        let new = register_username(&app, "bobby", "bobby").await;
        assert_eq!(new.status, StatusCode::UNPROCESSABLE_ENTITY, "{flags:?}");
    }
}

#[tokio::test]
async fn a_minimum_of_ones_own_raises_that_of_the_preset_and_is_told() {
    let app = TestApp::with(&["--password-min-length=12"]).await;
    let answer = register_username(&app, "alice", "eleven char").await;
    assert_eq!(answer.json()["message"], "\"password\" must have at least 12 characters");
    let answer = app.post("/auth/register", &ada("eleven char")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(register_username(&app, "alice", "alicealice12").await.status, StatusCode::OK, "a preset without words");
}

#[tokio::test]
async fn widths_and_letter_case_are_one_for_the_policy_and_not_for_the_hash() {
    let app = TestApp::with(&[ASVS]).await;
    let answer = register_username(&app, "alice", "ＰａｓｓＷＯＲＤ").await;
    assert_eq!(answer.json()["message"], format!("\"password\" {COMMON}"));
    assert_eq!(register_username(&app, "alice", "Ｃafe\u{301} noir").await.status, StatusCode::OK);
    assert_eq!(login_username(&app, "alice", "Ｃafé noir").await.status, StatusCode::OK, "composed (NFC)");
    assert_eq!(login_username(&app, "alice", "Café noir").await.status, StatusCode::UNAUTHORIZED, "not NFKC");
}

#[test]
fn a_policy_that_nobody_can_have_meant_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    for (vars, part) in [
        (&[("PASSWORD_POLICY", "strong")][..], "password-policy"),
        (&[("PASSWORD_POLICY", "ASVS-L1")], "password-policy"),
        (&[("PASSWORD_POLICY", "")], "password-policy"),
        (&[("PASSWORD_MIN_LENGTH", "four")], "write a whole number from 1 to 64"),
        (&[("PASSWORD_MIN_LENGTH", "65")], "write a whole number from 1 to 64"),
        (
            &[("PASSWORD_MIN_LENGTH", "4")],
            "PASSWORD_MIN_LENGTH=4 is less than the 5 characters of PASSWORD_POLICY=contract, which it can only raise",
        ),
        (
            &[("PASSWORD_MIN_LENGTH", "8"), ("PASSWORD_POLICY", "nist-800-63b-4")],
            "PASSWORD_MIN_LENGTH=8 is less than the 15 characters of PASSWORD_POLICY=nist-800-63b-4",
        ),
        (&[("PASSWORD_POLICI", "asvs-l1")], "did you mean PASSWORD_POLICY?"),
        (&[("BREACHED_PASSWORD_FILE", "x")], "did you mean BREACHED_PASSWORDS_FILE?"),
    ] {
        refuses(&format!("{vars:?}"), good(dir.path()).envs(vars.iter().copied()), &[part]);
    }
}

#[test]
fn the_weakest_policy_is_warned_of() {
    for (policy, warned) in [("contract", true), ("asvs-l1", false), ("nist-800-63b-4", false)] {
        let dir = tempfile::tempdir().unwrap();
        let mut binary = Binary::spawn(command(dir.path()).env("JWT_SECRET", SECRET).env("PASSWORD_POLICY", policy));
        binary.terminate();
        binary.ended();
        let log = binary.log.lock().unwrap().clone();
        assert_eq!(log.contains("PASSWORD_POLICY is contract"), warned, "{policy}: {log}");
    }
}

#[test]
fn the_command_line_judges_by_the_same_settings() {
    let dir = tempfile::tempdir().unwrap();
    let create = |args: &[&str], password: &str| {
        let mut command = command(dir.path());
        command.env("PASSWORD_POLICY", "asvs-l1").args(["account", "create"]).args(args);
        let output = run(&mut command, &format!("{password}\n"));
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let ada = &["lovelace@example.com", "--name=Ada King", "--firm-name=Acme Capital"];
    for (args, password, why) in [
        (&["alice"][..], "seven77", "the password must have at least 8 characters"),
        (&["alice"], "iloveyou", "the password is among the most common passwords"),
        (&["alice"], "alice1815", "the password is little more than a name"),
        (ada, "AcmeCapital1", "the password is little more than a name"),
        (&["alice"], "", "the password is required"),
    ] {
        let (code, said) = create(args, password);
        assert!(code == Some(1) && said.contains(why), "{password}: {code:?} {said}");
        assert!(password.is_empty() || !said.contains(password), "{said}");
    }
    assert!(create(ada, "nine grey geese").1.starts_with("created lovelace@example.com"));
}
