//! Logout with an expired token, or of a session that has already ended. The session is over, so the call succeeds; the
//! token is good for nothing else.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tonic::Code;

use crate::refresh::{FACES, Face};
use crate::support::app::{START, Served};
use crate::support::postgres::Database;
use crate::support::{SECRET, TestApp};
use crate::{forge, wire};

const HOUR: i64 = 3_600;

/// Every way to log out.
#[derive(Debug, Clone, Copy)]
enum Way {
    Grpc,
    Email,
    Rest,
}

const WAYS: [Way; 3] = [Way::Grpc, Way::Email, Way::Rest];

impl Way {
    /// The reason on gRPC or the code of a dialect; empty on success. No answer may carry a token.
    async fn log_out(self, app: &TestApp, token: &str) -> String {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let answer = match self {
            Self::Grpc => {
                let reply = wire::call(app, wire::LOGOUT, &[("token", token)], &[]).await;
                assert_eq!(reply.token(), None);
                assert_eq!(reply.code() == Code::Ok, reply.reason().is_empty(), "{:?}", reply.status);
                return reply.reason();
            }
            Self::Email => app.post_empty("/auth/logout", &headers).await,
            Self::Rest => app.post_with("/v1/sessions:logout", &headers, &json!({})).await,
        };
        assert_eq!(answer.header("token"), None);
        if answer.status == StatusCode::OK {
            return String::new();
        }
        let json = answer.json();
        let of_rest = json["details"][0]["reason"].as_str().unwrap_or_default();
        json["error_code"].as_str().unwrap_or(of_rest).to_owned()
    }
}

/// The number of stored revocations, and of logouts in the audit trail.
async fn traces(app: &TestApp) -> (i64, i64) {
    let options = SqliteConnectOptions::new().filename(app.database());
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let count =
        "select (select count(*) from revocations), (select count(*) from audit_events where action = 'logout')";
    sqlx::query_as(count).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn an_expired_token_ends_the_session_that_lives_on_by_newer_ones() {
    for way in WAYS {
        let app = TestApp::start().await;
        let first = app.sign_in_username("alice").await;
        app.clock.advance(HOUR - 1);
        let newer = Face::Grpc.slide(&app, &first).await.unwrap();
        app.clock.advance(HOUR - 1);
        assert_eq!(wire::me(&app, &[("token", &first)]).await.reason(), "TOKEN_EXPIRED");
        assert_eq!(way.log_out(&app, &first).await, "", "{way:?}");
        for face in FACES {
            assert_eq!(face.slide(&app, &newer).await, Err(face.invalid().to_owned()), "{way:?}: {face:?}");
        }
        let app = app.restart(&[]).await;
        assert_eq!(Face::Grpc.slide(&app, &newer).await, Err("TOKEN_INVALID".to_owned()), "{way:?}");
    }
}

#[tokio::test]
async fn a_session_that_has_ended_is_logged_out_of_again_without_effect_as_long_as_one_may_ask() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let token = app.sign_in_username("alice").await;
    assert_eq!(Way::Grpc.log_out(&app, &token).await, "");
    // The audit trail is written a few times a second.
    assert!(wire::eventually(Duration::from_secs(5), async || traces(&app).await == (1, 1)).await);
    let again = async |app: &TestApp, when: &str| {
        for way in WAYS {
            assert_eq!(way.log_out(app, &token).await, "", "{way:?} {when}");
        }
    };
    again(&app, "at once").await;
    app.clock.advance(HOUR);
    again(&app, "when it has expired").await;
    served.stop().await;
    assert_eq!(traces(&app).await, (1, 1), "nothing happened");

    // The revocation has expired and was forgotten.
    app.clock.advance(HOUR);
    let app = app.restart(&[]).await;
    again(&app, "when it is forgotten").await;
    assert_eq!(traces(&app).await, (1, 1));
}

#[tokio::test]
async fn what_was_ended_otherwise_is_logged_out_of_too() {
    let app = TestApp::start().await;
    let token = app.sign_in_email("ada@example.com").await;
    let change = json!({ "current_password": "s3cur3pass", "new_password": "an0ther pass of hers" });
    let bearer = format!("Bearer {token}");
    let other = app.post("/auth/login", &json!({ "email": "ada@example.com", "password": "s3cur3pass" })).await;
    let other = other.json()["access_token"].as_str().unwrap().to_owned();
    let changed = app.post_with("/auth/password/change", &[("authorization", &bearer)], &change).await;
    assert!(changed.status.is_success(), "{changed:?}");
    for way in WAYS {
        assert_eq!(way.log_out(&app, &other).await, "", "{way:?}");
    }
    assert!(Face::Grpc.slide(&app, &token).await.is_ok(), "the session that asked lives on");
}

#[tokio::test]
async fn every_other_token_is_refused_as_everywhere_and_every_other_call_refuses_these() {
    let app = TestApp::start().await;
    let token = app.sign_in_email("ada@example.com").await;
    let claims = forge::claims(&token);
    let with = |changes: &[(&str, i64)]| {
        let mut claims = claims.clone();
        for (name, value) in changes {
            claims[*name] = json!(value);
        }
        claims
    };
    let expired = with(&[("auth_time", START - 100), ("iat", START - 100), ("exp", START - 1)]);
    let month = 30 * 24 * HOUR;
    let message = forge::message(forge::HEADER, &expired.to_string());
    let foreign =
        forge::signed_with("a secret that is not of this service, no", jsonwebtoken::Algorithm::HS256, &message);
    let rows = [
        ("forged", foreign, "TOKEN_INVALID", "invalid_token"),
        ("garbage", "a.b.c".to_owned(), "TOKEN_INVALID", "invalid_token"),
        ("the secret", SECRET.to_owned(), "TOKEN_INVALID", "invalid_token"),
        ("expires before it is minted", forge::token(&with(&[("exp", START - 1)])), "TOKEN_INVALID", "invalid_token"),
        (
            "from the future",
            forge::token(&with(&[("iat", START + 61), ("exp", START + 999)])),
            "UNAVAILABLE",
            "unavailable",
        ),
        (
            "of a sign-in that is too long ago",
            forge::token(&with(&[("auth_time", START - month), ("iat", START - 100), ("exp", START - 1)])),
            "TOKEN_EXPIRED",
            "token_expired",
        ),
        (
            "of a session whose time is over",
            forge::token(&with(&[("iat", START - 100), ("exp", START - 1), ("session_exp", START)])),
            "TOKEN_EXPIRED",
            "token_expired",
        ),
    ];
    for (name, token, reason, code) in rows {
        assert_eq!(Way::Grpc.log_out(&app, &token).await, reason, "{name}");
        assert_eq!(Way::Email.log_out(&app, &token).await, code, "{name}");
        assert_eq!(Way::Rest.log_out(&app, &token).await, reason, "{name}");
    }
    assert_eq!(wire::call(&app, wire::LOGOUT, &[], &[]).await.reason(), "TOKEN_MISSING");
    assert!(Face::Grpc.slide(&app, &token).await.is_ok(), "nobody was logged out");

    assert_eq!(wire::me(&app, &[("token", &forge::token(&expired))]).await.reason(), "TOKEN_EXPIRED");
    assert_eq!(Way::Grpc.log_out(&app, &forge::token(&expired)).await, "");
    assert!(Face::Grpc.slide(&app, &token).await.is_err());
}

#[tokio::test]
async fn a_token_of_the_previous_secret_logs_out_too_and_of_one_before_that_no_more() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    app.clock.advance(HOUR);
    let new = "--jwt-secret=the secret that came after it, long enough";
    let app = app.restart(&[new]).await;
    assert_eq!(Way::Grpc.log_out(&app, &token).await, "TOKEN_INVALID");
    let app = app.restart(&[new, &format!("--jwt-secret-previous={SECRET}")]).await;
    assert_eq!(Way::Grpc.log_out(&app, &token).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_unavailable_and_not_done() {
    let Some(database) = Database::create().await else { return };
    let url = database.url_as("one", "superuser").await;
    let mut app = TestApp::with(&[&format!("--database-url={url}")]).await;
    let _served: Served = app.serve().await;
    let (token, expired) = (app.sign_in_username("alice").await, app.sign_in_username("bobby").await);
    let mut claims = forge::claims(&expired);
    let now = claims["iat"].as_i64().unwrap();
    (claims["auth_time"], claims["iat"], claims["exp"]) = (json!(now - 100), json!(now - 100), json!(now - 1));
    let expired_now = forge::token(&claims);
    database.cut_off("one").await;
    for way in WAYS {
        let said = if matches!(way, Way::Email) { "unavailable" } else { "UNAVAILABLE" };
        assert_eq!(way.log_out(&app, &token).await, said, "{way:?}");
        assert_eq!(way.log_out(&app, &expired_now).await, said, "{way:?}");
    }
    database.let_in("one").await;
    let lives = async || Face::Grpc.slide(&app, &token).await.is_ok() && Face::Grpc.slide(&app, &expired).await.is_ok();
    assert!(wire::eventually(Duration::from_secs(10), lives).await, "neither was ended");
}
