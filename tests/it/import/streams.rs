//! `ImportAccounts` and `ExportAccounts` streams that end early have a status other than OK.

use std::time::Duration;

use axum::body::Body;
use countersign::pb;
use countersign::pb::admin_service_client::AdminServiceClient;
use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::{ExportAccountsRequest, ExportAccountsResponse, ImportAccountsRequest, ImportAccountsResponse};
use countersign::store::AccountPage;
use futures_util::stream;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{advance, pause, resume};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

use super::rpcs::{by_username, import, make_platform_admin, request};
use crate::session_service::with;
use crate::support::app;
use crate::support::{Answer, TestApp};

/// Waits until all tasks are idle, then advances time by more than a reader or a writer may take.
async fn too_long() {
    yield_now().await;
    pause();
    advance(Duration::from_secs(31)).await;
    resume();
    // Tasks whose time has passed run before the test goes on.
    yield_now().await;
}

/// An app with more accounts than fit into a few messages, and the token of a platform administrator.
async fn start() -> (TestApp, String) {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    make_platform_admin(&app, true).await;
    let requests =
        (0..3).map(|m| request(&(0..100).map(|n| by_username(&format!("user{m}x{n}"))).collect::<Vec<_>>(), false));
    import(&app, &token, requests.collect()).await.unwrap();
    (app, token)
}

async fn begin_export(app: &TestApp, token: &str) -> Streaming<ExportAccountsResponse> {
    let mut client = AdminServiceClient::new(app.service.clone());
    client.export_accounts(with(token, ExportAccountsRequest {})).await.unwrap().into_inner()
}

/// A running import, and the sender of its requests.
async fn begin_import(
    app: &TestApp,
    token: &str,
) -> (mpsc::Sender<ImportAccountsRequest>, Streaming<ImportAccountsResponse>) {
    let (sender, receiver) = mpsc::channel(1);
    let requests = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let mut client = AdminServiceClient::new(app.service.clone());
    (sender, client.import_accounts(with(token, requests)).await.unwrap().into_inner())
}

/// The number of messages, and how the stream ended.
async fn read<T>(mut responses: Streaming<T>) -> (usize, Result<(), Status>) {
    let mut count = 0;
    loop {
        match responses.message().await {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, Ok(())),
            Err(status) => return (count, Err(status)),
        }
    }
}

async fn log_out(app: &TestApp, token: &str) {
    AuthServiceClient::new(app.service.clone()).logout(with(token, pb::LogoutRequest {})).await.unwrap();
}

/// Ends the session in this way.
async fn end(how: &str, app: &TestApp, token: &str) {
    match how {
        "logout" => log_out(app, token).await,
        "expiry" => app.clock.advance(3_600),
        "not knowing" => app.clock.elapse(3_600),
        _ => unreachable!(),
    }
}

const ENDS: [(&str, Code, &str); 3] = [
    ("logout", Code::Unauthenticated, "TOKEN_INVALID"),
    ("expiry", Code::Unauthenticated, "TOKEN_EXPIRED"),
    ("not knowing", Code::Unavailable, "UNAVAILABLE"),
];

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test]
async fn an_export_ends_with_its_session() {
    for (how, code, why) in ENDS {
        let (app, token) = start().await;
        let mut responses = begin_export(&app, &token).await;
        responses.message().await.unwrap().unwrap();
        end(how, &app, &token).await;
        let (count, ended) = read(responses).await;
        let status = ended.expect_err(how);
        assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{how}");
        assert!(count <= 2, "{count} messages were on their way");
    }
}

#[tokio::test]
async fn an_import_ends_with_its_session_and_stores_nothing_after_it() {
    for (how, code, why) in ENDS {
        let app = TestApp::start().await;
        let token = app.sign_in_username("alice").await;
        make_platform_admin(&app, true).await;
        let (requests, mut responses) = begin_import(&app, &token).await;
        requests.send(request(&[by_username("bobby")], false)).await.unwrap();
        assert_eq!(responses.message().await.unwrap().unwrap().imported_count, 1);
        end(how, &app, &token).await;
        requests.send(request(&[by_username("carol")], false)).await.unwrap();
        let status = read(responses).await.1.expect_err(how);
        assert_eq!((status.code(), reason(&status).as_str()), (code, why), "{how}");
        assert_eq!(stored(&app).await, 2, "{how}");
    }
}

#[tokio::test]
async fn over_rest_an_export_that_is_cut_says_so_in_its_last_line() {
    let (app, token) = start().await;
    let get = app::request(Method::GET, "/v1/admin/accounts:export", &[("token", &token)], Body::empty());
    let answer = app.service.clone().oneshot(get).await.unwrap();
    log_out(&app, &token).await;
    let answer = Answer::read(answer).await;
    assert_eq!(answer.status, StatusCode::OK, "it had begun");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], Code::Unauthenticated as i32, "{last}");
}

#[tokio::test]
async fn who_stops_reading_an_export_is_told_that_it_had_not_all() {
    let (app, token) = start().await;
    let mut responses = begin_export(&app, &token).await;
    responses.message().await.unwrap().unwrap();
    // The first page has been read from the database, so the sender waits for its reader.
    too_long().await;
    let (count, ended) = read(responses).await;
    let status = ended.unwrap_err();
    assert_eq!((count, status.code(), reason(&status).as_str()), (1, Code::Unavailable, "UNAVAILABLE"));
    assert!(status.message().starts_with("the client did not read a response for 30 s"), "{status}");
}

#[tokio::test]
async fn who_sends_an_import_and_does_not_read_is_told_that_not_all_was_stored() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    make_platform_admin(&app, true).await;
    let (tell, mut asked) = watch::channel(0);
    // Requests are made one at a time, so the test knows which one was asked for.
    let requests = stream::unfold((0, tell), async |(number, tell)| {
        yield_now().await;
        tell.send_replace(number);
        (number < 5).then(|| (request(&[by_username(&format!("user{number}"))], false), (number + 1, tell)))
    });
    let mut client = AdminServiceClient::new(app.service.clone());
    let responses = client.import_accounts(with(&token, requests)).await.unwrap().into_inner();
    // At this point the first request is stored, and its answer has not been read.
    asked.wait_for(|number| *number == 1).await.unwrap();
    too_long().await;
    let (count, ended) = read(responses).await;
    assert_eq!((count, ended.unwrap_err().code()), (1, Code::Unavailable));
    assert_eq!(stored(&app).await, 2, "what was stored was answered");
}

#[tokio::test]
async fn an_import_whose_sender_pauses_for_too_long_ends_with_an_error() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    make_platform_admin(&app, true).await;
    let (_requests, responses) = begin_import(&app, &token).await;
    too_long().await;
    let (count, ended) = read(responses).await;
    assert_eq!((count, ended.unwrap_err().code()), (0, Code::DeadlineExceeded));
}

async fn stored(app: &TestApp) -> usize {
    app.operator().await.list(&AccountPage { limit: 100, ..AccountPage::default() }).await.unwrap().found.len()
}
