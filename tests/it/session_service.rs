//! `SessionService/ListSessions`: which sessions are listed, their order and pages, and their times. Ending sessions is
//! in `session_revocation`, and the client of a session in `session_clients`.

use std::time::Duration;

use countersign::pb::session_service_client::SessionServiceClient;
use countersign::pb::{ListSessionsRequest, ListSessionsResponse, Session};
use countersign::server::RequestRouter;
use prost_types::Timestamp;
use serde_json::json;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

use crate::refresh::database;
use crate::support::app::{PASSWORD, START};
use crate::support::{SECRET, TestApp};
use crate::{forge, wire};

const HOUR: i64 = 3_600;

const NEXT_SECRET: &str = "--jwt-secret=the next secret of the tests, after a change";

/// The generated client of an app in process.
pub fn sessions(app: &TestApp) -> SessionServiceClient<RequestRouter> {
    SessionServiceClient::new(app.service.clone())
}

/// A request that carries a token.
pub fn with<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("token", token.parse().unwrap());
    request
}

/// The fresh token of an answer.
pub fn fresh<T>(response: &Response<T>) -> Option<&str> {
    response.metadata().get("token").map(|token| token.to_str().unwrap())
}

/// The session id of a token.
pub fn sid(token: &str) -> String {
    forge::claims(token)["sid"].as_str().unwrap().to_owned()
}

/// The account id of a token.
pub fn sub(token: &str) -> String {
    forge::claims(token)["sub"].as_str().unwrap().to_owned()
}

/// Signs in to a username account once more.
pub async fn login(app: &TestApp, username: &str) -> String {
    let answer = app.post("/api/auth/login", &json!({ "username": username, "password": PASSWORD })).await;
    answer.json()["token"].as_str().expect("logged in").to_owned()
}

/// A page. The answer must carry a fresh token of the same session.
pub async fn page(app: &TestApp, token: &str, request: ListSessionsRequest) -> Result<ListSessionsResponse, Status> {
    let response = sessions(app).list_sessions(with(token, request)).await?;
    assert_eq!(fresh(&response).map(sid), Some(sid(token)));
    Ok(response.into_inner())
}

/// All sessions of the caller.
pub async fn own(app: &TestApp, token: &str) -> Vec<Session> {
    page(app, token, ListSessionsRequest::default()).await.unwrap().sessions
}

/// The ids of these sessions.
pub fn ids(sessions: &[Session]) -> Vec<String> {
    sessions.iter().map(|session| session.id.clone()).collect()
}

fn after_start(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: START + seconds, nanos: 0 })
}

/// Asserts that a status names only this one field.
fn assert_bad_field(status: &Status, field: &str, name: &str) {
    assert_eq!(status.code(), Code::InvalidArgument, "{name}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "VALIDATION", "{name}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let [violation] = &violations[..] else { panic!("{name}: {violations:?}") };
    assert_eq!(violation.field, field, "{name}");
    assert_eq!(status.message(), format!("{field} {}", violation.description), "{name}");
    let fresh = status.metadata().get("token");
    assert!(fresh.is_some(), "{name}: the answer to an authenticated call carries a fresh token");
}

#[tokio::test]
async fn the_live_sessions_of_an_account_are_listed_the_newest_first_with_all_that_is_known() {
    let app = TestApp::start().await;
    let first = app.sign_in_username("alice").await;
    app.sign_in_username("bobby").await;
    app.clock.advance(60);
    let second = login(&app, "alice").await;
    app.clock.advance(60);
    let session = |token: &str, created: i64, last: i64, current: bool| Session {
        id: sid(token),
        account_id: sub(token),
        create_time: after_start(created),
        last_token_time: after_start(last),
        client_label: String::new(),
        client_address: String::new(),
        current,
    };
    let whole = |sessions| ListSessionsResponse { sessions, next_page_token: String::new() };
    let expected = whole(vec![session(&second, 60, 60, false), session(&first, 0, 0, true)]);
    assert_eq!(page(&app, &first, ListSessionsRequest::default()).await.unwrap(), expected);
    // The first page gave the first session a fresh token two minutes after the start. Naming the own account is the
    // same as naming none.
    let named = ListSessionsRequest { account_id: sub(&second), ..Default::default() };
    let expected = whole(vec![session(&second, 60, 60, true), session(&first, 0, 120, false)]);
    assert_eq!(page(&app, &second, named).await.unwrap(), expected);
}

#[tokio::test]
async fn what_has_ended_is_not_listed() {
    let app = TestApp::start().await;
    let idle = app.sign_in_username("alice").await;
    let gone = login(&app, "alice").await;
    let live = login(&app, "alice").await;
    assert_eq!(own(&app, &live).await.len(), 3);
    assert_eq!(wire::call(&app, wire::LOGOUT, &[("token", &gone)], &[]).await.code(), Code::Ok);
    let mut listed = ids(&own(&app, &live).await);
    listed.sort();
    let mut expected = [sid(&idle), sid(&live)];
    expected.sort();
    assert_eq!(listed, expected, "one logged out");

    app.clock.advance(HOUR - 1);
    let live = login(&app, "alice").await;
    app.clock.advance(31);
    // The last token of the first session expired half a minute ago. Session times may be late by as much.
    assert_eq!(ids(&own(&app, &live).await), [sid(&live)], "no token of the others is good any more");
}

#[tokio::test]
async fn pages_lead_to_the_end_without_gaps_while_sessions_come_and_go() {
    let app = TestApp::start().await;
    let mut tokens = vec![app.sign_in_username("alice").await];
    for number in 1..20 {
        // Some sessions begin in the same second.
        app.clock.advance(number % 3);
        tokens.push(login(&app, "alice").await);
    }
    let mut expected = ids(&own(&app, &tokens[0]).await);
    assert_eq!(expected.len(), 20);
    let (mut walked, mut page_token, mut sizes) = (Vec::new(), String::new(), Vec::new());
    loop {
        let request = ListSessionsRequest { page_size: 3, page_token, ..Default::default() };
        let answer = page(&app, &tokens[0], request).await.unwrap();
        sizes.push(answer.sessions.len());
        walked.extend(ids(&answer.sessions));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
        // A new session begins. The last session of this page ends, and so does one of a later page.
        app.clock.advance(1);
        login(&app, "alice").await;
        let unseen = expected.iter().rev().find(|id| !walked.contains(id) && **id != sid(&tokens[0])).cloned();
        for ended in walked.last().into_iter().chain(&unseen) {
            let token = tokens.iter().find(|token| sid(token) == *ended).unwrap();
            assert_eq!(wire::call(&app, wire::LOGOUT, &[("token", token)], &[]).await.code(), Code::Ok);
        }
        expected.retain(|id| Some(id) != unseen.as_ref());
    }
    assert_eq!(walked, expected, "each that lived all the time once, in order, and none that came later");
    assert!(sizes[..sizes.len() - 1].iter().all(|size| *size == 3), "{sizes:?}");
    assert!((1..=3).contains(sizes.last().unwrap()), "no empty last page: {sizes:?}");
}

#[tokio::test]
async fn a_page_has_fifty_sessions_unless_asked_for_others_and_never_more_than_two_hundred() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    for _ in 0..201 {
        login(&app, "alice").await;
    }
    for (page_size, expected) in [(0, 50), (1, 1), (199, 199), (200, 200), (201, 200), (i32::MAX, 200)] {
        let answer = page(&app, &token, ListSessionsRequest { page_size, ..Default::default() }).await.unwrap();
        assert_eq!((answer.sessions.len(), answer.next_page_token.is_empty()), (expected, false), "{page_size}");
    }
    for page_size in [-1, i32::MIN] {
        let request = ListSessionsRequest { page_size, ..Default::default() };
        let status = page(&app, &token, request).await.unwrap_err();
        assert_bad_field(&status, "page_size", &page_size.to_string());
    }
}

#[tokio::test]
async fn a_page_token_is_good_for_its_account_on_every_replica_and_nothing_else_is_one() {
    let app = TestApp::start().await;
    let alice = app.sign_in_username("alice").await;
    let bobby = app.sign_in_username("bobby").await;
    for name in ["alice", "bobby", "alice"] {
        login(&app, name).await;
    }
    let one = |page_token: &str| ListSessionsRequest {
        page_size: 1,
        page_token: page_token.to_owned(),
        ..Default::default()
    };
    let good = page(&app, &alice, one("")).await.unwrap().next_page_token;
    let foreign = page(&app, &bobby, one("")).await.unwrap().next_page_token;
    // The page token is accepted with another page size, and by another process with the same secret.
    let rest = page(&app, &alice, ListSessionsRequest { page_size: 9, ..one(&good) }).await.unwrap();
    assert_eq!((rest.sessions.len(), rest.next_page_token.as_str()), (2, ""));
    let app = app.restart(&[]).await;
    assert_eq!(page(&app, &alice, ListSessionsRequest { page_size: 9, ..one(&good) }).await.unwrap().sessions.len(), 2);

    let (payload, signature) = good.split_once('.').unwrap();
    let mut bad = vec![foreign.clone(), alice.clone(), "x".to_owned(), ".".to_owned(), " ".to_owned()];
    bad.extend([payload.to_owned(), format!("{payload}."), format!(".{signature}"), format!("{signature}.{payload}")]);
    bad.extend([format!("{good}="), format!("{good} "), good.to_uppercase(), good.repeat(2), "x".repeat(60_000)]);
    bad.push(format!("{}.{signature}", foreign.split_once('.').unwrap().0));
    bad.extend((0..good.len()).map(|cut| good[..cut].to_owned()).filter(|cut| !cut.is_empty()));
    for (at, _) in good.char_indices() {
        let other = if good.as_bytes()[at] == b'A' { "B" } else { "A" };
        bad.push([&good[..at], other, &good[at + 1..]].concat());
    }
    for page_token in bad {
        let status = page(&app, &alice, one(&page_token)).await.unwrap_err();
        assert_bad_field(&status, "page_token", &page_token);
    }

    // The page token is accepted by a process with a new secret and this one as the previous.
    let app = app.restart(&[&format!("--jwt-secret-previous={SECRET}"), NEXT_SECRET]).await;
    let answer = page(&app, &alice, ListSessionsRequest { page_size: 9, ..one(&good) }).await.unwrap();
    assert_eq!(answer.sessions.len(), 2);
}

#[tokio::test]
async fn the_time_of_the_last_token_moves_with_every_call_and_survives_a_restart() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let token = app.sign_in_username("alice").await;
    let asking = login(&app, "alice").await;
    let last = async |app: &TestApp, asking: &str| {
        own(app, asking).await.into_iter().find(|session| session.id == sid(&token)).unwrap().last_token_time
    };
    for (name, path) in [("Me", wire::ME), ("what fails", "/countersign.v1.AuthService/NoSuchMethod")] {
        app.clock.advance(60);
        let before = last(&app, &asking).await;
        let reply = wire::call(&app, path, &[("token", &token)], &[]).await;
        assert!(reply.token().is_some(), "{name}");
        let now = after_start(forge::claims(reply.token().unwrap())["iat"].as_i64().unwrap() - START);
        assert_ne!(before, now, "{name}");
        assert_eq!(last(&app, &asking).await, now, "{name}: at once on the same replica");
    }
    app.clock.advance(60);
    let refused = wire::me(&app, &[("token", &token), ("authorization", "Bearer x")]).await;
    assert_eq!(refused.token(), None);
    assert_eq!(last(&app, &asking).await, after_start(120), "no token, no news");

    served.stop().await;
    let app = app.restart(&[]).await;
    assert_eq!(last(&app, &asking).await, after_start(120), "written when the server stopped");
}

#[tokio::test]
async fn the_time_of_the_last_token_is_written_while_the_server_runs() {
    let mut app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    app.clock.advance(60);
    assert!(wire::me(&app, &[("token", &token)]).await.token().is_some());
    let mut other = database(&app).await;
    let mut written = async || {
        let query = sqlx::query_scalar::<_, i64>("select last_token_at from sessions");
        query.fetch_one(&mut other).await.unwrap() / 1_000 - START
    };
    assert_eq!(written().await, 0, "no call writes");
    // The first batch is written at once, later ones every ten seconds.
    let served = app.serve().await;
    assert!(wire::eventually(Duration::from_secs(5), async || written().await == 60).await);
    served.stop().await;
}

#[tokio::test]
async fn a_session_that_is_kept_alive_by_calls_stays_listed_for_as_long() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let token = app.sign_in_username("alice").await;
    app.clock.advance(HOUR - 1);
    assert!(wire::me(&app, &[("token", &token)]).await.token().is_some());
    served.stop().await;
    let app = app.restart(&[]).await;
    app.clock.advance(HOUR - 1);
    let asking = login(&app, "alice").await;
    assert_eq!(ids(&own(&app, &asking).await), [sid(&asking), sid(&token)], "its latest token has a second left");
}
