//! Invitations to an existing firm over the email API, `/auth/invitations/…`. Administrators create them, and anybody
//! with the link can accept them.

use axum::body::Body;
use countersign::domain::{Handle, Role, TicketPurpose};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::request;
use crate::support::ticket::{invited, queued, sent};
use crate::support::{Answer, PASSWORD, TestApp};

const ADA: &str = "ada@example.com";
const GRACE: &str = "grace@example.com";
const ALL: &str = "/auth/invitations";

fn error(code: &str, detail: &str) -> Value {
    json!({ "detail": detail, "error_code": code, "error": code })
}

fn invalid(place: &str, problems: &[(&str, &str, &str)]) -> Value {
    let detail: Vec<_> =
        problems.iter().map(|(field, msg, kind)| json!({ "loc": [place, field], "msg": msg, "type": kind })).collect();
    json!({ "detail": detail, "error_code": "validation_error", "error": "validation_error" })
}

/// Asserts an answer to a caller with a session.
#[track_caller]
fn assert_signed_in(name: &str, answer: &Answer, status: u16, body: &Value) {
    let token = answer.token();
    answer.assert(name, status, &[("access-control-expose-headers", "Token"), ("token", &token)], body);
}

async fn call(app: &TestApp, method: Method, path: &str, token: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", &*authorization), ("content-type", "application/json")];
    app.send(request(method, path, &headers, Body::from(body.to_string()))).await
}

async fn me(app: &TestApp, token: &str) -> Value {
    app.get("/auth/me", &[("authorization", &format!("Bearer {token}"))]).await.json()
}

#[tokio::test]
async fn who_accepts_an_invitation_has_an_account_in_the_firm_even_while_registration_is_closed() {
    let app = TestApp::start().await;
    let firm = me(&app, &app.sign_in_email(ADA).await).await["firm_id"].clone();
    invited(&app, ADA, GRACE).await;
    let app = app.restart(&["--allow-registration=false", "--require-verified-email=true"]).await;
    let token = sent(&app, TicketPurpose::Invitation, GRACE, GRACE).await;
    let body =
        json!({ "token": token, "name": " Grace ", "password": PASSWORD, "role": "admin", "email": "x@example.com" });
    let answer = app.post("/auth/invitations/accept", &body).await;
    let user = json!({ "id": answer.json()["user"]["id"], "email": GRACE, "name": "Grace" });
    assert!(user["id"].as_str().unwrap().parse::<Uuid>().is_ok());
    let message = "Account created successfully. Please log in.";
    answer.assert("accept", 201, &[], &json!({ "user": user, "message": message }));

    let again = app.post("/auth/invitations/accept", &body).await;
    let text = "this link was used already, or has expired: ask for another";
    again.assert("twice", 400, &[], &error("invalid_one_time_token", text));
    let login = app.post("/auth/login", &json!({ "email": GRACE, "password": PASSWORD })).await.json();
    assert_eq!((&login["user"]["firm_id"], &login["user"]["role"]), (&firm, &json!("user")));
}

#[tokio::test]
async fn an_invitation_of_somebody_who_registered_meanwhile_is_refused() {
    let app = TestApp::start().await;
    app.sign_in_email(ADA).await;
    invited(&app, ADA, GRACE).await;
    let token = sent(&app, TicketPurpose::Invitation, GRACE, GRACE).await;
    app.sign_in_email(GRACE).await;
    let body = json!({ "token": token, "name": "Grace", "password": PASSWORD });
    let refused = error("email_already_exists", "this email is already registered: log in");
    app.post("/auth/invitations/accept", &body).await.assert("taken", 400, &[], &refused);
}

#[tokio::test]
async fn an_administrator_invites_lists_and_withdraws() {
    let app = TestApp::start().await;
    let token = app.sign_in_email(ADA).await;
    let ada = me(&app, &token).await;
    let mut invitations = Vec::new();
    for (email, role, expected) in [
        (" Grace@Example.com", None, "user"),
        ("joan@example.com", Some("admin"), "admin"),
        ("mary@example.com", Some("viewer"), "viewer"),
    ] {
        app.clock.advance(1);
        let mut body = json!({ "email": email, "firm_id": Uuid::nil(), "platform_admin": true });
        body.as_object_mut().unwrap().extend(role.map(|role| ("role".to_owned(), json!(role))));
        let answer = call(&app, Method::POST, ALL, &token, &body).await;
        let invitation = answer.json()["invitation"].clone();
        assert_signed_in(
            email,
            &answer,
            201,
            &json!({
                "invitation": {
                    "id": invitation["id"],
                    "email": email.trim().to_lowercase(),
                    "role": expected,
                    "firm_id": ada["firm_id"],
                    "invited_by": ada["id"],
                    "created_at": invitation["created_at"],
                    "expires_at": invitation["expires_at"],
                },
                "message": "Invitation sent successfully.",
            }),
        );
        assert!(invitation["id"].as_str().unwrap().parse::<Uuid>().is_ok());
        invitations.insert(0, invitation);
    }
    assert_eq!(invitations[2]["created_at"], "2027-01-15T08:00:01Z");
    assert_eq!(invitations[2]["expires_at"], "2027-01-22T08:00:01Z");
    assert!(queued(&app).await.contains(&("invitation".to_owned(), GRACE.to_owned())));

    let answer = call(&app, Method::GET, ALL, &token, &Value::Null).await;
    assert_signed_in("list", &answer, 200, &json!({ "invitations": invitations, "next_page_token": "" }));
    let first = call(&app, Method::GET, "/auth/invitations?page_size=2&unknown=%zz", &token, &Value::Null).await.json();
    assert_eq!(first["invitations"], json!(invitations[..2]));
    let next = format!("{ALL}?page_size=2&page_token={}", first["next_page_token"].as_str().unwrap());
    let second = call(&app, Method::GET, &next, &token, &Value::Null).await.json();
    assert_eq!(second, json!({ "invitations": invitations[2..], "next_page_token": "" }));

    let path = format!("{ALL}/{}", invitations[0]["id"].as_str().unwrap());
    let answer = call(&app, Method::DELETE, &path, &token, &Value::Null).await;
    assert_signed_in("withdraw", &answer, 200, &json!({ "message": "Invitation withdrawn successfully." }));
    let answer = call(&app, Method::DELETE, &path, &token, &Value::Null).await;
    assert_signed_in("twice", &answer, 404, &error("not_found", "there is no such invitation"));
    let left = call(&app, Method::GET, ALL, &token, &Value::Null).await.json();
    assert_eq!(left["invitations"], json!(invitations[1..]));
}

#[tokio::test]
async fn an_invitation_that_is_wrong_is_told_what_with() {
    let app = TestApp::start().await;
    let token = app.sign_in_email(ADA).await;
    let no_role = ("role", "must be admin, user or viewer", "value_error");
    for (name, body, problems) in [
        ("nothing", json!({}), vec![("email", "is required", "missing")]),
        ("no email", json!({ "email": "x" }), vec![("email", "must be a valid email address", "value_error")]),
        ("another role", json!({ "email": GRACE, "role": "owner" }), vec![no_role]),
        ("the proto's role", json!({ "email": GRACE, "role": "ROLE_ADMIN" }), vec![no_role]),
        ("no role", json!({ "email": GRACE, "role": "" }), vec![no_role]),
        ("a number", json!({ "email": GRACE, "role": 1 }), vec![("role", "must be a string", "string_type")]),
        ("null", json!({ "email": GRACE, "role": null }), vec![("role", "must be a string", "string_type")]),
    ] {
        let answer = call(&app, Method::POST, ALL, &token, &body).await;
        assert_signed_in(name, &answer, 422, &invalid("body", &problems));
    }
    for (query, problem) in [
        ("page_size=ten", ("page_size", "must be a whole number", "value_error")),
        ("page_size=", ("page_size", "must be a whole number", "value_error")),
        ("page_size=2147483648", ("page_size", "must be a whole number", "value_error")),
        ("page_size=-1", ("page_size", "must not be negative", "value_error")),
    ] {
        let answer = call(&app, Method::GET, &format!("{ALL}?{query}"), &token, &Value::Null).await;
        assert_signed_in(query, &answer, 422, &invalid("query", &[problem]));
    }
    let forged = call(&app, Method::GET, &format!("{ALL}?page_token=x"), &token, &Value::Null).await;
    assert_eq!((forged.status.as_u16(), &forged.json()["detail"][0]["loc"]), (422, &json!(["query", "page_token"])));
    app.sign_in_email(GRACE).await;
    let taken = call(&app, Method::POST, ALL, &token, &json!({ "email": GRACE })).await;
    let refused = error("email_already_exists", "this email is already registered: log in");
    assert_signed_in("taken", &taken, 400, &refused);
    assert_eq!(call(&app, Method::GET, ALL, &token, &Value::Null).await.json()["invitations"], json!([]));
}

#[tokio::test]
async fn who_is_no_administrator_of_the_firm_invites_nobody_and_sees_no_invitation() {
    let app = TestApp::start().await;
    let ada = app.sign_in_email(ADA).await;
    let stranger = app.sign_in_email("stranger@example.com").await;
    let id = invited(&app, ADA, GRACE).await;
    let one = format!("{ALL}/{id}");
    let refused = error("insufficient_permissions", "only an administrator may do this");
    let nothing = error("not_found", "there is no such invitation");
    let invalid_token = error("invalid_token", "the token is missing or invalid: log in again");

    for (method, path) in [(Method::GET, ALL), (Method::POST, ALL), (Method::DELETE, &one)] {
        let answer = app.send(request(method, path, &[("content-type", "application/json")], Body::from("{}"))).await;
        answer.assert(path, 401, &[("www-authenticate", "Bearer")], &invalid_token);
    }
    let user = app.sign_in_username("alice").await;
    for (method, path) in [(Method::GET, ALL), (Method::POST, ALL), (Method::DELETE, &one)] {
        let answer = call(&app, method.clone(), path, &user, &json!({ "email": GRACE })).await;
        assert_signed_in(&format!("{method} of a username account"), &answer, 403, &refused);
    }
    for id in [&one, &format!("{ALL}/{}", Uuid::nil()), &format!("{ALL}/nobodys"), &format!("{ALL}/%ff")] {
        let answer = call(&app, Method::DELETE, id, &stranger, &Value::Null).await;
        assert_signed_in("another firm's", &answer, 404, &nothing);
    }
    assert_eq!(call(&app, Method::GET, ALL, &stranger, &Value::Null).await.json()["invitations"], json!([]));

    let operator = app.operator().await;
    let account = operator.find(&Handle::parse(ADA).unwrap()).await.unwrap().unwrap();
    operator.set_role(account.id, Role::User, true).await.unwrap();
    let body = json!({ "email": ADA, "password": PASSWORD });
    let demoted = app.post("/auth/login", &body).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_ne!(demoted, ada);
    let answer = call(&app, Method::GET, ALL, &demoted, &Value::Null).await;
    assert_signed_in("no administrator any more", &answer, 403, &refused);
}

#[tokio::test]
async fn an_invitation_ends_with_the_rights_of_whoever_invited() {
    let app = TestApp::start().await;
    app.sign_in_email(ADA).await;
    invited(&app, ADA, GRACE).await;
    let token = sent(&app, TicketPurpose::Invitation, GRACE, GRACE).await;
    let operator = app.operator().await;
    let ada = operator.find(&Handle::parse(ADA).unwrap()).await.unwrap().unwrap();
    let accept = async || {
        let body = json!({ "token": token, "name": "Grace", "password": PASSWORD });
        app.post("/auth/invitations/accept", &body).await.status.as_u16()
    };
    operator.set_role(ada.id, Role::Viewer, true).await.unwrap();
    assert_eq!(accept().await, 400, "whoever invited is no administrator any more");
    operator.set_role(ada.id, Role::Admin, false).await.unwrap();
    assert_eq!(accept().await, 201);
}
