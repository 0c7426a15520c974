//! Listing, rotating and revoking keys: for platform administrators by gRPC and REST, and for the operator by commands.
//! Every change is in the audit trail.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ES256, ISSUER, kid, me, published};
use crate::settings::ends;
use crate::support::app::request;
use crate::support::binary::{command, run};
use crate::support::{Answer, Binary, SECRET, TestApp};
use countersign::domain::Handle;

const KEYS: &str = "/v1/admin/signingKeys";

async fn ask(app: &TestApp, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { axum::body::Body::empty() } else { body.to_string().into() };
    let headers = [("token", token), ("content-type", "application/json")];
    app.send(request(method, path, &headers, body)).await
}

/// An app with a platform administrator, and the administrator's token.
async fn with_root(flags: &[&str]) -> (TestApp, String) {
    let app = TestApp::with(flags).await;
    let root = app.sign_in_username("root").await;
    let operator = app.operator().await;
    let id = operator.find(&Handle::parse("root").unwrap()).await.unwrap().unwrap().id;
    assert!(operator.set_platform_admin(id, true).await.unwrap());
    (app, root)
}

/// The actions of the audit trail about keys, the oldest first, with their details.
async fn trail(app: &TestApp) -> Vec<(String, String)> {
    let operator = app.operator().await;
    let page = countersign::store::AuditPage { limit: 100, ..Default::default() };
    let events = operator.events(&page).await.unwrap().found.into_iter().rev();
    let named = events.map(|event| (event.note.action.as_str().to_owned(), event.note.detail.to_string()));
    named.filter(|(action, _)| action.starts_with("key_") || action == "algorithm_switched").collect()
}

#[tokio::test]
async fn a_platform_administrator_lists_rotates_and_revokes_and_each_change_is_in_the_trail() {
    let (mut app, root) = with_root(&ES256).await;
    let _served = app.serve().await;
    let keys = published(&app).await;
    // A job of the server notes what was done with keys at the start.
    let is_noted = async || trail(&app).await.len() == 4;
    assert!(crate::wire::eventually(super::SOON, is_noted).await);
    let listed = ask(&app, &root, Method::GET, KEYS, &Value::Null).await.json();
    let shown = |at: usize| {
        let key = &listed["keys"][at];
        (key["id"].as_str().unwrap(), key["state"].as_str().unwrap(), key["algorithm"].as_str().unwrap())
    };
    assert_eq!(shown(0), (&*keys[0], "SIGNING_KEY_STATE_CURRENT", "ES256"), "{listed}");
    assert_eq!(shown(1), (&*keys[1], "SIGNING_KEY_STATE_NEXT", "ES256"), "{listed}");
    assert!(listed["keys"][0]["signTime"].is_string() && listed["keys"][1].get("signTime").is_none(), "{listed}");
    assert!(!listed.to_string().contains("sealed"));

    let planned = ask(&app, &root, Method::POST, &format!("{KEYS}:rotate"), &json!({})).await;
    assert_eq!((planned.status, &planned.json()["keyId"]), (StatusCode::OK, &json!(keys[1])));
    assert_eq!(planned.json()["signTime"], "2027-01-15T09:00:00Z", "an hour after it was published");
    app.clock.advance(1);
    let rotated = ask(&app, &root, Method::POST, &format!("{KEYS}:rotate"), &json!({ "immediately": true })).await;
    assert_eq!((rotated.status, rotated.json()), (StatusCode::OK, json!({ "keyId": keys[1] })));
    assert_eq!(kid(&rotated.token()), keys[1], "the answer carries a token of the new key");

    let revoked = ask(&app, &root, Method::DELETE, &format!("{KEYS}/{}", keys[0]), &Value::Null).await;
    assert_eq!((revoked.status, revoked.header("token")), (StatusCode::OK, None), "its own token was of that key");
    assert_eq!(
        me(&app, &root).await,
        StatusCode::UNAUTHORIZED,
        "the token of the revoked key, in this process at once"
    );
    let root = rotated.token();
    for id in ["x", &"A".repeat(43)] {
        let unknown = ask(&app, &root, Method::DELETE, &format!("{KEYS}/{id}"), &Value::Null).await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{id}");
    }
    let about = |key: &String| format!("key {key}");
    let expected = [
        ("key_published", about(&keys[0])),
        ("key_rotated", about(&keys[0])),
        ("key_published", about(&keys[1])),
        ("algorithm_switched", String::new()),
        ("key_rotation_requested", about(&keys[1])),
        ("key_rotated", about(&keys[1])),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(action, detail)| (action.to_owned(), detail)).collect();
    let is_whole = async || trail(&app).await.iter().any(|(action, _)| action == "key_revoked");
    assert!(crate::wire::eventually(super::SOON, is_whole).await);
    let found = trail(&app).await;
    assert_eq!(found[..6], expected, "{found:?}");
    assert!(found.contains(&("key_revoked".to_owned(), about(&keys[0]))));
}

#[tokio::test]
async fn nobody_else_may_even_list_them() {
    let (app, _) = with_root(&ES256).await;
    for token in [app.sign_in_username("alice").await, app.sign_in_email("ada@example.com").await] {
        for (method, path) in [
            (Method::GET, KEYS.to_owned()),
            (Method::POST, format!("{KEYS}:rotate")),
            (Method::DELETE, format!("{KEYS}/{}", kid(&token))),
            (Method::DELETE, format!("{KEYS}/x")),
        ] {
            let body = if method == Method::POST { json!({ "immediately": true }) } else { Value::Null };
            let answer = ask(&app, &token, method, &path, &body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        }
        assert_eq!(me(&app, &token).await, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn with_the_secret_there_is_nothing_to_list_rotate_or_revoke() {
    let (app, root) = with_root(&[]).await;
    assert_eq!(ask(&app, &root, Method::GET, KEYS, &Value::Null).await.json(), json!({}));
    let rotated = ask(&app, &root, Method::POST, &format!("{KEYS}:rotate"), &json!({})).await;
    assert_eq!(rotated.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_commands_work_beside_a_server_and_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let keys = |arguments: &[&str]| {
        let mut command = command(dir.path());
        command.arg("keys").args(arguments);
        command
    };
    let said = |arguments: &[&str]| {
        let output = run(&mut keys(arguments), "");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let mut start = command(dir.path());
    start.env("JWT_SECRET", SECRET).env("TOKEN_ALGORITHM", "EdDSA").env("ISSUER", ISSUER);
    let server = Binary::spawn(&mut start);
    let listed = async || {
        let two = async || said(&["list"]).lines().count() == 2;
        assert!(crate::wire::eventually(super::SOON, two).await, "{}", said(&["list"]));
        said(&["list", "--output", "json"])
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect::<Vec<Value>>()
    };
    let before = listed().await;
    let [current, next] = [0, 1].map(|at: usize| before[at]["id"].as_str().unwrap().to_owned());
    assert_eq!((&before[0]["state"], &before[1]["state"]), (&json!("current"), &json!("next")));
    let lines = said(&["list"]);
    assert!(lines.starts_with(&format!("{current}  EdDSA  current  ")), "{lines}");
    assert!(said(&["rotate"]).starts_with(&format!("{next} signs from ")));
    assert_eq!(said(&["rotate", "--now"]), format!("{next} signs from now on\n"));
    drop(server);
    assert_eq!(said(&["revoke", &next]), format!("revoked {next}\n"));
    assert_eq!(said(&["revoke", &next]), format!("revoked {next}\n"), "again");
    ends("unknown", &mut keys(&["revoke", &"A".repeat(43)]), 3, &["there is no key AAAA", "countersign keys list"]);
    let hyphen = "-jB4usTPRELne5nUahhi2m5M60hiC87KNFcbTHWw4BQ";
    ends("hyphen", &mut keys(&["revoke", hyphen]), 3, &["there is no key -jB4us"]);
    ends("help", &mut keys(&["revoke", "--", &hyphen.replace("-j", "-h")]), 3, &["there is no key -hB4us"]);
    ends("no id", &mut keys(&["revoke", "x"]), 3, &["there is no key x"]);
    let trail = String::from_utf8(run(command(dir.path()).args(["audit", "list"]), "").stdout).unwrap();
    for action in ["key_rotation_requested", "key_rotated", "key_revoked"] {
        let line = trail.lines().find(|line| line.contains(action) && line.contains("command line"));
        assert!(line.is_some_and(|line| line.contains(&format!("key {next}"))), "{action}: {trail}");
    }
}
