//! Sliding sessions: what a fresh token keeps of the old one, and where sliding ends. Sessions that end early are in
//! `sessions_end`.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tonic::Code;

use crate::support::app::{PASSWORD, START, request};
use crate::support::{Answer, TestApp};
use crate::{forge, wire};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const MONTH: i64 = 30 * DAY;

/// Every way to get a fresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    Grpc,
    UsernameMe,
    EmailMe,
    EmailRefresh,
}

pub const FACES: [Face; 4] = [Face::Grpc, Face::UsernameMe, Face::EmailMe, Face::EmailRefresh];

impl Face {
    /// A fresh token for `token`, or the reason of the refusal.
    pub async fn slide(self, app: &TestApp, token: &str) -> Result<String, String> {
        let bearer = format!("Bearer {token}");
        let answer: Answer = match self {
            Self::Grpc => {
                let me = wire::me(app, &[("token", token)]).await;
                return me.token().map(str::to_owned).ok_or_else(|| me.reason());
            }
            Self::UsernameMe => app.get("/api/auth/me", &[("token", token)]).await,
            Self::EmailMe => app.get("/auth/me", &[("authorization", &bearer)]).await,
            Self::EmailRefresh => {
                app.send(request(Method::POST, "/auth/refresh", &[("authorization", &bearer)], Body::empty())).await
            }
        };
        match answer.header("token") {
            Some(fresh) => {
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{self:?}");
                if self == Self::EmailRefresh {
                    assert_eq!(answer.json()["access_token"], fresh);
                    let claims = forge::claims(fresh);
                    assert_eq!(answer.json()["expires_in"], seconds(&claims, "exp") - seconds(&claims, "iat"));
                }
                Ok(fresh.to_owned())
            }
            None => {
                assert_eq!(answer.status, 401, "{self:?}: {answer:?}");
                let code = answer.json()["error_code"].as_str().unwrap_or_default().to_owned();
                Err(if code.is_empty() { "401".to_owned() } else { code })
            }
        }
    }

    /// How this face refuses a token that has expired.
    fn expired(self) -> &'static str {
        match self {
            Self::Grpc => "TOKEN_EXPIRED",
            Self::UsernameMe => "401",
            Self::EmailMe | Self::EmailRefresh => "token_expired",
        }
    }

    /// How this face refuses a forged token, or one of a session that has ended.
    pub fn invalid(self) -> &'static str {
        match self {
            Self::Grpc => "TOKEN_INVALID",
            Self::UsernameMe => "401",
            Self::EmailMe | Self::EmailRefresh => "invalid_token",
        }
    }
}

pub fn seconds(claims: &Value, name: &str) -> i64 {
    claims[name].as_i64().unwrap_or_else(|| panic!("{name} of {claims}"))
}

/// An app for each kind of account, with a token that was just issued there and the lifetime of the token.
async fn both_kinds() -> [(TestApp, String, i64); 2] {
    let [one, other] = [TestApp::start().await, TestApp::start().await];
    let (alice, ada) = (one.sign_in_username("alice").await, other.sign_in_email("ada@example.com").await);
    [(one, alice, HOUR), (other, ada, DAY)]
}

#[tokio::test]
async fn a_token_kept_sliding_works_past_its_first_expiry_and_keeps_what_was_decided_at_sign_in() {
    for face in FACES {
        for (app, first, lifetime) in both_kinds().await {
            let began = forge::claims(&first);
            let signed_in_at = seconds(&began, "auth_time");
            let mut token = first.clone();
            for step in 1..=3 {
                app.clock.advance(lifetime - 1);
                token = face.slide(&app, &token).await.unwrap_or_else(|why| panic!("{face:?}, step {step}: {why}"));
                let now = forge::claims(&token);
                for kept in ["sub", "sid", "auth_time", "epoch", "username", "email", "firm_id", "role"] {
                    assert_eq!(now[kept], began[kept], "{face:?}: {kept}");
                }
                assert_eq!(seconds(&now, "iat"), signed_in_at + step * (lifetime - 1), "{face:?}");
                assert_eq!(seconds(&now, "exp") - seconds(&now, "iat"), lifetime, "{face:?}");
            }
            assert_eq!(face.slide(&app, &first).await, Err(face.expired().to_owned()), "{face:?}: the first one");
        }
    }
}

#[tokio::test]
async fn a_token_that_expired_never_slides_again() {
    for (app, token, lifetime) in both_kinds().await {
        app.clock.advance(lifetime - 1);
        for face in FACES {
            face.slide(&app, &token).await.unwrap_or_else(|why| panic!("{face:?} in the last second: {why}"));
        }
        app.clock.advance(1);
        for face in FACES {
            assert_eq!(face.slide(&app, &token).await, Err(face.expired().to_owned()), "{face:?}");
        }
    }
}

#[tokio::test]
async fn sliding_ends_thirty_days_after_the_sign_in() {
    for face in FACES {
        let app = TestApp::start().await;
        let mut token = app.sign_in_email("ada@example.com").await;
        let step = DAY - 1;
        for _ in 0..MONTH / step {
            app.clock.advance(step);
            token = face.slide(&app, &token).await.unwrap_or_else(|why| panic!("{face:?}: {why}"));
            assert!(seconds(&forge::claims(&token), "exp") <= START + MONTH, "{face:?}");
        }
        assert_eq!(seconds(&forge::claims(&token), "exp"), START + MONTH, "{face:?}: clamped to the ceiling");
        app.clock.advance(MONTH % step - 1);
        token = face.slide(&app, &token).await.unwrap_or_else(|why| panic!("{face:?} in the last second: {why}"));
        assert_eq!(seconds(&forge::claims(&token), "exp"), START + MONTH, "{face:?}");
        app.clock.advance(1);
        assert_eq!(face.slide(&app, &token).await, Err(face.expired().to_owned()), "{face:?}");
    }
}

#[tokio::test]
async fn an_hour_slides_for_thirty_days_and_no_longer() {
    let app = TestApp::start().await;
    let mut token = app.sign_in_username("alice").await;
    for _ in 0..30 * 24 * 2 - 1 {
        app.clock.advance(HOUR / 2);
        token = wire::me(&app, &[("token", &token)]).await.token().expect("a fresh token").to_owned();
    }
    assert_eq!(seconds(&forge::claims(&token), "exp"), START + MONTH);
    app.clock.advance(HOUR / 2);
    assert_eq!(wire::me(&app, &[("token", &token)]).await.reason(), "TOKEN_EXPIRED");
}

#[tokio::test]
async fn a_ceiling_that_was_lowered_holds_for_sessions_that_began_before() {
    let app = TestApp::start().await;
    let token = app.sign_in_email("ada@example.com").await;
    app.clock.advance(DAY - HOUR);
    let token = Face::EmailRefresh.slide(&app, &token).await.unwrap();
    let app = app.restart(&["--session-max-lifetime=24h"]).await;
    let clamped = Face::EmailRefresh.slide(&app, &token).await.unwrap();
    assert_eq!(seconds(&forge::claims(&clamped), "exp"), START + DAY);
    app.clock.advance(HOUR);
    for token in [token, clamped] {
        assert_eq!(wire::me(&app, &[("token", &token)]).await.reason(), "TOKEN_EXPIRED");
    }
}

#[tokio::test]
async fn lifetimes_are_decided_at_sign_in() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let app = app.restart(&["--username-token-lifetime=15m"]).await;
    let slid = forge::claims(&Face::Grpc.slide(&app, &token).await.unwrap());
    assert_eq!(seconds(&slid, "exp") - seconds(&slid, "iat"), HOUR, "of the sign-in before");
    let login = serde_json::json!({ "username": "alice", "password": PASSWORD });
    let token = app.post("/api/auth/login", &login).await.json()["token"].as_str().unwrap().to_owned();
    let fresh = forge::claims(&Face::Grpc.slide(&app, &token).await.unwrap());
    assert_eq!(seconds(&fresh, "exp") - seconds(&fresh, "iat"), 900, "of the sign-in after");
}

#[tokio::test]
async fn a_changed_role_and_firm_show_in_the_next_token() {
    for face in FACES {
        let app = TestApp::start().await;
        let token = app.sign_in_email("ada@example.com").await;
        assert_eq!(forge::claims(&token)["role"], "admin");

        let firm = uuid::Uuid::from_u128(7);
        let mut database = database(&app).await;
        for statement in [
            "insert into firms (id, name, created_at) values (?1, 'Difference', 0)",
            "update accounts set role = 'viewer', firm_id = ?1",
        ] {
            sqlx::query(statement).bind(firm).execute(&mut database).await.unwrap();
        }
        let fresh = face.slide(&app, &token).await.unwrap();
        let claims = forge::claims(&fresh);
        assert_eq!((&claims["role"], &claims["firm_id"]), (&"viewer".into(), &firm.to_string().into()), "{face:?}");
        let me = app.get("/auth/me", &[("token", &token)]).await.json();
        assert_eq!((&me["role"], &me["firm_name"]), (&"viewer".into(), &"Difference".into()));
    }
}

/// A direct connection to the database of an app.
pub async fn database(app: &TestApp) -> SqliteConnection {
    SqliteConnectOptions::new().filename(app.database()).connect().await.unwrap()
}

#[tokio::test]
async fn a_failed_call_slides_too() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    app.clock.advance(HOUR / 2);
    let reply = wire::call(&app, wire::ME, &[("token", &token)], b"\xff no message").await;
    assert_ne!(reply.code(), Code::Ok);
    let fresh = reply.token().expect("a fresh token").to_owned();
    app.clock.advance(HOUR / 2);
    assert_eq!(wire::me(&app, &[("token", &fresh)]).await.code(), Code::Ok);
    assert_eq!(wire::me(&app, &[("token", &token)]).await.reason(), "TOKEN_EXPIRED");
}

#[tokio::test]
async fn a_raised_ceiling_counts_from_the_next_sign_in_and_a_lowered_one_at_once() {
    let app = TestApp::with(&["--session-max-lifetime=2d"]).await;
    let old = app.sign_in_email("ada@example.com").await;
    let app = app.restart(&["--session-max-lifetime=30d"]).await;
    app.clock.advance(86_000);
    let slid = app.get("/auth/me", &[("token", &old)]).await.token();
    app.clock.advance(86_000);
    let last = app.get("/auth/me", &[("token", &slid)]).await.token();
    app.clock.advance(800);
    assert_eq!(app.get("/auth/me", &[("token", &last)]).await.json()["error_code"], "token_expired");

    let fresh = app.post("/auth/login", &json!({ "email": "ada@example.com", "password": PASSWORD })).await.json();
    let fresh = fresh["access_token"].as_str().unwrap();
    app.clock.advance(90);
    let app =
        app.restart(&["--session-max-lifetime=1m", "--email-token-lifetime=1m", "--username-token-lifetime=1m"]).await;
    assert_eq!(app.get("/auth/me", &[("token", fresh)]).await.json()["error_code"], "token_expired");
}
