//! The account cache: it answers without the database, its entries are fresh within the promised time, and it is
//! emptied when the database may have been replaced. These tests change rows by hand without a new epoch, which the
//! service never does. An answer thus shows whether it came from the cache or from the database.

use std::time::Duration;

use countersign::domain::{Handle, Role};
use http::StatusCode;
use serde_json::json;
use sqlx::Executor as _;
use tonic::Code;

use crate::refresh::{Face, database};
use crate::support::postgres::Database;
use crate::support::{PASSWORD, TestApp};
use crate::wire;

const SOON: Duration = Duration::from_secs(5);

/// A field of the answer of `/auth/me`.
async fn shown(app: &TestApp, token: &str, field: &str) -> String {
    let bearer = format!("Bearer {token}");
    let me = app.get("/auth/me", &[("authorization", &bearer)]).await;
    me.json()[field].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn who_is_known_is_answered_from_memory_and_who_is_not_from_the_database() {
    let app = TestApp::start().await;
    let [known, unknown] = [app.sign_in_email("a@example.com").await, app.sign_in_email("b@example.com").await];
    assert_eq!(shown(&app, &known, "name").await, "Ada Lovelace");
    database(&app).await.execute("update accounts set name = 'Another'").await.unwrap();
    assert_eq!(shown(&app, &known, "name").await, "Ada Lovelace");
    assert_eq!(shown(&app, &unknown, "name").await, "Another");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_known_is_answered_while_the_database_lets_nobody_read() {
    let Some(database) = Database::create().await else { return };
    let app = TestApp::with(&[&format!("--database-url={}", database.url())]).await;
    let [known, unknown] = [app.sign_in_username("alice").await, app.sign_in_username("bobby").await];
    assert_eq!(wire::me(&app, &[("token", &known)]).await.code(), Code::Ok);
    let mut behind = database.connect().await;
    behind.execute("begin; lock table accounts in access exclusive mode").await.unwrap();
    assert_eq!(wire::me(&app, &[("token", &known)]).await.code(), Code::Ok);
    let waits = wire::me(&app, &[("token", &unknown), ("grpc-timeout", "50m")]).await;
    assert_eq!(waits.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_new_role_shows_at_once_in_whatever_is_signed_in_after_it_and_what_was_before_ends_within_a_second() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let before = app.sign_in_email("ada@example.com").await;
    assert_eq!(shown(&app, &before, "role").await, "admin");
    let operator = app.operator().await;
    let account = operator.find(&Handle::parse("ada@example.com").unwrap()).await.unwrap().unwrap();
    assert!(operator.set_role(account.id, Role::Viewer, true).await.unwrap());

    // This server may not have heard of the change yet.
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let after = app.post("/auth/login", &login).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(shown(&app, &after, "role").await, "viewer");
    let refused = wire::eventually(Duration::from_secs(1), async || {
        Face::EmailMe.slide(&app, &before).await == Err(Face::EmailMe.invalid().to_owned())
    });
    assert!(refused.await, "the old token still lives");
    assert_eq!(shown(&app, &after, "role").await, "viewer", "the new one does");
    drop(operator);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_known_of_a_database_that_was_lost_and_may_be_another() {
    let Some(database) = Database::create().await else { return };
    let url = database.url_as("one", "superuser").await;
    let mut app = TestApp::with(&[&format!("--database-url={url}")]).await;
    let served = app.serve().await;
    let token = app.sign_in_email("ada@example.com").await;
    assert_eq!(shown(&app, &token, "name").await, "Ada Lovelace");
    let ready = async |status| {
        let is_so = wire::eventually(SOON, async || app.get("/readyz", &[]).await.status == status).await;
        assert!(is_so, "never {status}");
    };
    database.cut_off("one").await;
    ready(StatusCode::SERVICE_UNAVAILABLE).await;
    let me = wire::me(&app, &[("token", &token)]).await;
    assert_eq!((me.code(), me.reason().as_str()), (Code::Unavailable, "UNAVAILABLE"), "nothing is told from memory");
    database.connect().await.execute("update accounts set name = 'Another'").await.unwrap();
    database.let_in("one").await;
    ready(StatusCode::OK).await;
    assert_eq!(shown(&app, &token, "name").await, "Another");
    served.stop().await;
}
