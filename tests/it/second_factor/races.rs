//! Codes and tickets that are used at once, on one server and on two replicas: one sign-in succeeds.

use std::os::unix::fs::PermissionsExt as _;

use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{Authenticator, call, complete, enrol, reason, ticket, totp};
use crate::support::postgres::Database;
use crate::support::{PASSWORD, TestApp};

const AT_ONCE: usize = 32;

/// Completes sign-ins at once, on each app in turn, and returns the reasons of those that failed.
async fn race(apps: &[&TestApp], calls: &[(String, Value)]) -> Vec<String> {
    let all = calls.iter().zip(apps.iter().cycle()).map(|((ticket, proof), app)| complete(app, ticket, proof));
    let answers = join_all(all).await;
    answers.iter().filter(|answer| answer.status != StatusCode::OK).map(reason).collect()
}

/// Races a code with many tickets, a ticket with many codes, and a recovery code with many tickets.
async fn race_everything(apps: &[&TestApp], authenticator: &Authenticator, codes: &[String]) {
    let app = apps[0];
    let tickets = join_all((0..AT_ONCE).map(|_| ticket(app))).await;
    let recovery: Vec<_> = tickets.iter().map(|ticket| (ticket.clone(), json!({ "recoveryCode": codes[0] }))).collect();
    let code = totp(&authenticator.code_in(app, 30));
    let one_code: Vec<_> = tickets.iter().map(|ticket| (ticket.clone(), code.clone())).collect();
    let last = ticket(app).await;
    let one_ticket: Vec<_> = codes[1..].iter().map(|code| (last.clone(), json!({ "recoveryCode": code }))).collect();
    for (name, calls) in [("recovery code", recovery), ("code", one_code), ("ticket", one_ticket)] {
        let refused = race(apps, &calls).await;
        assert_eq!(refused.len(), calls.len() - 1, "{name}: {refused:?}");
        // The count of failures is reached by some of them.
        let known = ["SECOND_FACTOR_INVALID", "TICKET_INVALID", "TOO_MANY_ATTEMPTS"];
        assert!(refused.iter().all(|reason| known.contains(&reason.as_str())), "{name}: {refused:?}");
        app.operator().await.clear_attempts(&countersign::domain::Handle::parse("alice").unwrap()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_32_that_use_one_code_or_one_ticket_at_once_one_signs_in() {
    let app = TestApp::start().await;
    let (authenticator, codes) = enrol(&app, &app.sign_in_username("alice").await).await;
    race_everything(&[&app], &authenticator, &codes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_32_that_use_one_code_or_one_ticket_at_once_on_two_replicas_one_signs_in() {
    let Some(database) = Database::create().await else { return };
    let master = NamedTempFile::new().unwrap();
    std::fs::set_permissions(master.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(master.path(), "a master secret of the tests, with 32 bytes or more").unwrap();
    let flags =
        [format!("--database-url={}", database.url()), format!("--master-secret-file={}", master.path().display())];
    let flags = [&*flags[0], &*flags[1]];
    let (mut here, mut there) = (TestApp::with(&flags).await, TestApp::with(&flags).await);
    let (_here, _there) = (here.serve().await, there.serve().await);
    let (authenticator, codes) = enrol(&here, &here.sign_in_username("alice").await).await;
    race_everything(&[&here, &there], &authenticator, &codes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_master_secret_postgresql_offers_no_app() {
    let Some(database) = Database::create().await else { return };
    let mut app = TestApp::with(&[&format!("--database-url={}", database.url())]).await;
    let _served = app.serve().await;
    let token = app.sign_in_username("alice").await;
    let refused = call(&app, "/v1/me/totp:begin", &token, &json!({ "password": PASSWORD })).await;
    assert_eq!((refused.status, &*reason(&refused)), (StatusCode::BAD_REQUEST, "SECOND_FACTOR_NOT_OFFERED"));
}
