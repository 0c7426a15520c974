//! `WatchRevocations`: which revocations a watching service gets, when, and which callers may watch. The client side is
//! in `watcher`.

use std::time::{Duration, Instant};

use countersign::pb::revocation::Target;
use countersign::pb::session_service_client::SessionServiceClient;
use countersign::pb::{Revocation, WatchRevocationsRequest, WatchRevocationsResponse};
use countersign::server::RequestRouter;
use http::StatusCode;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _};
use tonic::{Code, Request, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::forge;
use crate::support::postgres::Database;
use crate::support::{SECRET, TestApp};
use crate::wire::eventually;

pub const CREDENTIAL: &str = "the credential of a service that watches";
const ANOTHER: &str = "the credential of another one that watches";

type Watched = Streaming<WatchRevocationsResponse>;

/// An app on a socket, so that its revocation feed runs. [`CREDENTIAL`] may watch.
async fn start(flags: &[&str]) -> (TestApp, crate::support::app::Served) {
    let credentials = format!("--watch-credentials={ANOTHER}, {CREDENTIAL}");
    let mut app = TestApp::with(&[&[credentials.as_str()], flags].concat()).await;
    let served = app.serve().await;
    (app, served)
}

async fn watch(app: &TestApp, cursor: &str) -> Result<Watched, Status> {
    watch_as(app, &format!("Bearer {CREDENTIAL}"), cursor).await
}

async fn watch_as(app: &TestApp, authorization: &str, cursor: &str) -> Result<Watched, Status> {
    let mut client: SessionServiceClient<RequestRouter> = SessionServiceClient::new(app.service.clone());
    let mut request = Request::new(WatchRevocationsRequest { cursor: cursor.to_owned() });
    request.metadata_mut().insert("authorization", authorization.parse().unwrap());
    Ok(client.watch_revocations(request).await?.into_inner())
}

/// Reads up to the next heartbeat, and returns the revocations until then and the cursor there.
async fn until_heartbeat(watched: &mut Watched) -> (Vec<Revocation>, String) {
    let mut told = Vec::new();
    loop {
        let response = watched.message().await.unwrap().unwrap();
        told.extend(response.revocations);
        if response.complete_until.is_some() {
            return (told, response.cursor);
        }
    }
}

/// The session of a token, as a watch names it.
fn session(token: &str) -> Option<Target> {
    Some(Target::SessionId(forge::claims(token)["sid"].as_str().unwrap().to_owned()))
}

/// The targets of these revocations. A snapshot and the messages after it may repeat some.
fn targets(told: &[Revocation]) -> Vec<Option<Target>> {
    let mut targets: Vec<_> = told.iter().map(|revocation| revocation.target.clone()).collect();
    targets.dedup();
    targets
}

/// A cursor after all revocations: nothing comes after it.
async fn settled(app: &TestApp) -> String {
    let mut cursor = String::new();
    loop {
        let (told, after) = until_heartbeat(&mut watch(app, &cursor).await.unwrap()).await;
        if told.is_empty() {
            return after;
        }
        cursor = after;
    }
}

async fn log_out(app: &TestApp, token: &str) {
    assert_eq!(app.post_empty("/auth/logout", &[("token", token)]).await.status, StatusCode::OK);
}

async fn behind(app: &TestApp, statement: &str) {
    let options = SqliteConnectOptions::new().filename(app.database());
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_watch_begins_with_all_that_is_live_and_goes_on_with_each_new_one_as_it_is_acknowledged() {
    let (app, _served) = start(&[]).await;
    let [first, second] = [app.sign_in_username("alice").await, app.sign_in_username("bobby").await];
    log_out(&app, &first).await;
    let mut watched = watch(&app, "").await.unwrap();
    let (told, _) = until_heartbeat(&mut watched).await;
    assert_eq!(targets(&told), [session(&first)]);
    let expiry = told[0].expire_time.unwrap().seconds;
    assert!(expiry > forge::claims(&first)["exp"].as_i64().unwrap(), "remembered as long as any of its tokens");

    log_out(&app, &second).await;
    let acknowledged = Instant::now();
    // The first revocation may come again, because a watch may repeat some.
    while !targets(&watched.message().await.unwrap().unwrap().revocations).contains(&session(&second)) {}
    assert!(acknowledged.elapsed() < Duration::from_secs(1), "{:?}", acknowledged.elapsed());
}

#[tokio::test]
async fn the_end_of_all_sessions_of_an_account_is_told_as_one_with_the_epoch_that_survives() {
    let (app, _served) = start(&[]).await;
    let token = app.sign_in_username("alice").await;
    let mut watched = watch(&app, "").await.unwrap();
    until_heartbeat(&mut watched).await;
    let operator = app.operator().await;
    let alice = operator.find(&countersign::domain::Handle::parse("alice").unwrap()).await.unwrap().unwrap();
    assert!(operator.set_status(alice.id, countersign::domain::AccountStatus::Inactive, false).await.unwrap());
    let told = loop {
        let response = watched.message().await.unwrap().unwrap();
        if let Some(told) = response.revocations.into_iter().next() {
            break told;
        }
    };
    let Some(Target::Account(account)) = told.target else { panic!("{told:?}") };
    assert_eq!(account.account_id, alice.id.to_string());
    assert!(forge::claims(&token)["epoch"].as_i64().unwrap() < account.epoch);
}

#[tokio::test]
async fn a_heartbeat_comes_at_once_and_then_every_second_and_never_claims_the_future() {
    let (app, _served) = start(&[]).await;
    let began = Instant::now();
    let mut watched = watch(&app, "").await.unwrap();
    let end_of_backlog = watched.message().await.unwrap().unwrap();
    assert!(end_of_backlog.complete_until.is_none() && !end_of_backlog.cursor.is_empty());
    for beat in 0..3 {
        let response = watched.message().await.unwrap().unwrap();
        let waited = began.elapsed();
        assert!(waited < Duration::from_millis(1_500 * beat + 700), "{beat}: {waited:?}");
        assert!(response.revocations.is_empty());
        let claimed = response.complete_until.unwrap();
        // The app's clock stands still, so all of its heartbeats have the time of the call.
        assert_eq!((claimed.seconds, claimed.nanos), (0, 0));
    }
    app.clock.elapse(3);
    assert!(began.elapsed() < Duration::from_secs(5));
    loop {
        let claimed = watched.message().await.unwrap().unwrap().complete_until.unwrap();
        if claimed.seconds == 3 {
            break;
        }
        assert_eq!(claimed.seconds, 0);
    }
}

#[tokio::test]
async fn whoever_resumes_hears_what_it_missed_and_nothing_else() {
    let (app, _served) = start(&[]).await;
    let mut tokens = Vec::new();
    for name in ["alice", "bobby", "carol"] {
        tokens.push(app.sign_in_username(name).await);
    }
    log_out(&app, &tokens[0]).await;
    let cursor = settled(&app).await;
    log_out(&app, &tokens[1]).await;
    log_out(&app, &tokens[2]).await;
    let mut resumed = watch(&app, &cursor).await.unwrap();
    let (told, after) = until_heartbeat(&mut resumed).await;
    assert_eq!(targets(&told), [session(&tokens[1]), session(&tokens[2])]);
    let mut resumed = watch(&app, &after).await.unwrap();
    assert_eq!(until_heartbeat(&mut resumed).await.0, []);
}

#[tokio::test]
async fn a_cursor_of_a_database_that_was_restored_begins_anew() {
    let (app, _served) = start(&[]).await;
    let tokens = [app.sign_in_username("alice").await, app.sign_in_username("bobby").await];
    for token in &tokens {
        log_out(&app, token).await;
    }
    let cursor = settled(&app).await;
    // The database was restored: the same number belongs to another revocation.
    behind(&app, "update revocations set session_id = randomblob(16) where seq = 2").await;
    let mut resumed = watch(&app, &cursor).await.unwrap();
    let (told, _) = until_heartbeat(&mut resumed).await;
    assert!(told.len() >= 2, "everything that is live: {told:?}");
}

#[tokio::test]
async fn a_cursor_that_was_not_given_out_is_a_bad_field() {
    let (app, _served) = start(&[]).await;
    let mut watched = watch(&app, "").await.unwrap();
    let (_, cursor) = until_heartbeat(&mut watched).await;
    let foreign = app.sign_in_username("alice").await;
    for tampered in ["x", "1", &cursor[1..], &format!("{cursor}A"), &cursor.to_ascii_lowercase(), &foreign] {
        let status = watch(&app, tampered).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{tampered}");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "cursor");
    }
}

#[tokio::test]
async fn only_a_service_credential_opens_a_watch() {
    let (app, _served) = start(&[]).await;
    let token = app.sign_in_username("alice").await;
    for good in [format!("Bearer {CREDENTIAL}"), format!("bearer {ANOTHER}")] {
        until_heartbeat(&mut watch_as(&app, &good, "").await.unwrap()).await;
    }
    for bad in [
        format!("Bearer {token}"),
        format!("Bearer {SECRET}"),
        format!("Bearer {CREDENTIAL},"),
        format!("Bearer {ANOTHER}, {CREDENTIAL}"),
        format!("Bearer {}", &CREDENTIAL[1..]),
        CREDENTIAL.replace(' ', "-"),
        "Bearer ".to_owned(),
    ] {
        let status = watch_as(&app, &bad, "").await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{bad}");
        assert_eq!(status.get_details_error_info().unwrap().reason, "TOKEN_INVALID", "{bad}");
    }
    let status = watch_as(&app, "Basic YTpi", "").await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "TOKEN_MISSING", "that one is for somebody else");
    // A service credential is no token.
    let answer = app.get("/api/auth/me", &[("authorization", &format!("Bearer {CREDENTIAL}"))]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nobody_watches_where_no_credential_is_set() {
    let app = TestApp::start().await;
    for authorization in [format!("Bearer {CREDENTIAL}"), "Bearer x".to_owned()] {
        let status = watch_as(&app, &authorization, "").await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert!(status.message().contains("WATCH_CREDENTIALS"), "{}", status.message());
    }
}

#[tokio::test]
async fn a_reader_that_falls_behind_is_dropped_and_may_resume() {
    let (app, _served) = start(&[]).await;
    let mut watched = watch(&app, "").await.unwrap();
    let (_, cursor) = until_heartbeat(&mut watched).await;
    // More revocations than the ring holds, written directly into the database. They expire in the year 2100.
    let many = 300_000;
    behind(
        &app,
        &format!(
            "insert into revocations (session_id, expires_at)
             with recursive n(i) as (select 1 union all select i + 1 from n where i < {many})
             select randomblob(16), 4102444800000 from n"
        ),
    )
    .await;
    let mut told = 0;
    // The slow watch does not read until the feed has read everything. A second watch shows when that is.
    let mut other = watch(&app, "").await.unwrap();
    while told < many {
        match other.message().await {
            Ok(response) => told += response.unwrap().revocations.len(),
            // On a busy machine, the second watch may be too slow itself.
            Err(_) => (other, told) = (watch(&app, "").await.unwrap(), 0),
        }
    }
    let status = loop {
        match watched.message().await {
            Ok(response) => assert!(response.is_some(), "an end without a status"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "this watch fell behind: watch again from its last cursor");
    let mut resumed = watch(&app, &cursor).await.unwrap();
    assert_eq!(until_heartbeat(&mut resumed).await.0.len(), many);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_one_replica_is_good_at_another() {
    let Some(database) = Database::create().await else { return };
    let flag = format!("--database-url={}", database.url());
    let (here, _here) = start(&[&flag]).await;
    let (there, _there) = start(&[&flag]).await;
    let [first, second] = [here.sign_in_username("alice").await, here.sign_in_username("bobby").await];
    log_out(&here, &first).await;
    let cursor = settled(&here).await;
    log_out(&here, &second).await;
    let mut resumed = watch(&there, &cursor).await.unwrap();
    let (told, _) = until_heartbeat(&mut resumed).await;
    assert_eq!(targets(&told), [session(&second)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_when_the_server_has_lost_its_database_and_begins_again_when_it_is_back() {
    let Some(database) = Database::create().await else { return };
    let url = database.url_as("cut", "superuser").await;
    let (app, _served) = start(&[&format!("--database-url={url}")]).await;
    let mut watched = watch(&app, "").await.unwrap();
    let (_, cursor) = until_heartbeat(&mut watched).await;
    database.cut_off("cut").await;
    while app.get("/readyz", &[]).await.status == StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    app.clock.elapse(5);
    let ended = loop {
        if let Err(status) = watched.message().await {
            break status;
        }
    };
    for status in [ended, watch(&app, &cursor).await.unwrap_err()] {
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.get_details_error_info().unwrap().reason, "UNAVAILABLE");
    }
    database.let_in("cut").await;
    while watch(&app, &cursor).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_watch_does_not_hold_up_a_shutdown() {
    let (app, served) = start(&[]).await;
    let mut watched = watch(&app, "").await.unwrap();
    until_heartbeat(&mut watched).await;
    served.stop().await;
    let status = loop {
        if let Err(status) = watched.message().await {
            break status;
        }
    };
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "this watch was interrupted: watch again from its last cursor");
    assert_eq!(watch(&app, "").await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_dropped_after_a_while() {
    let app = TestApp::with(&[&format!("--watch-credentials={CREDENTIAL}")]).await;
    tokio::time::pause();
    let mut watched = watch(&app, "").await.unwrap();
    until_heartbeat(&mut watched).await;
    // Paused time advances when all tasks are idle.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let status = loop {
        if let Err(status) = watched.message().await {
            break status;
        }
    };
    assert_eq!(status.message(), "this watch fell behind: watch again from its last cursor");
}

#[tokio::test]
async fn there_is_a_most_that_watch_and_whoever_ends_makes_room() {
    let (app, _served) = start(&[]).await;
    let mut watching = Vec::new();
    let refused = loop {
        match watch(&app, "").await {
            Ok(watched) => watching.push(watched),
            Err(status) => break status,
        }
    };
    assert_eq!((watching.len(), refused.code()), (256, Code::Unavailable));
    assert_eq!(refused.message(), "too many services watch this replica: try again, or watch another replica");
    watching.truncate(200);
    // Earlier than the next heartbeat.
    assert!(eventually(Duration::from_millis(500), async || watch(&app, "").await.is_ok()).await);
}

#[tokio::test]
async fn one_whose_snapshot_was_overtaken_by_news_goes_on_from_its_cursor() {
    let (app, _served) = start(&[]).await;
    log_out(&app, &app.sign_in_username("alice").await).await;
    settled(&app).await;
    let mut watched = watch(&app, "").await.unwrap();
    // The watch sends the snapshot and its cursor, even if more has happened since.
    let mut cursor = String::new();
    while cursor.is_empty() {
        let response = watched.message().await.unwrap().unwrap();
        assert!(response.complete_until.is_none());
        cursor = response.cursor;
    }
    assert_eq!(until_heartbeat(&mut watch(&app, &cursor).await.unwrap()).await.0, []);
}
