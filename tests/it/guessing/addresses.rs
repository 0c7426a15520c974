//! The separate budgets of an address for failed sign-ins, registrations and requests for mail. Behind a trusted proxy,
//! the address is the client's and not the proxy's.

use std::net::{IpAddr, SocketAddr};

use countersign::domain::{AccountStatus, Handle};
use countersign::grpc::ClientAddress;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, PASSWORD, TestApp, WRONG, message, retry_after};
use crate::hash_lane::{COSTLIEST, flood};
use crate::support::app::request;
use crate::support::http::call;
use crate::wire;

/// A call of the JSON APIs from an address.
async fn post(app: &TestApp, from: &str, path: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("host", "a")];
    let mut request = request(Method::POST, path, &headers, body.to_string().into());
    request.extensions_mut().insert(ClientAddress(from.parse::<IpAddr>().unwrap()));
    app.send(request).await
}

async fn login(app: &TestApp, from: &str, name: &str, password: &str) -> Answer {
    post(app, from, "/api/auth/login", &json!({ "username": name, "password": password })).await
}

#[tokio::test]
async fn an_address_may_fail_so_often_an_hour_at_however_many_names() {
    let app = TestApp::with(&["--login-failures-per-address=4"]).await;
    app.sign_in_username("alice").await;
    let home = "192.0.2.1";
    for _ in 0..20 {
        assert_eq!(login(&app, home, "alice", PASSWORD).await.status, StatusCode::OK, "a success costs nothing");
    }
    for name in ["alice", "nobody", "nobody else"] {
        assert_eq!(login(&app, home, name, WRONG).await.status, StatusCode::UNAUTHORIZED);
    }
    // A gRPC call from the same address uses the same budget.
    let mut fourth = wire::request(wire::LOGIN, &[], &message("yet another", WRONG));
    fourth.extensions_mut().insert(ClientAddress(home.parse().unwrap()));
    assert_eq!(wire::send(&app, fourth).await.reason(), "INVALID_CREDENTIALS");
    let before = app.hasher.runs();
    for name in ["alice", "nobody"] {
        let answer = login(&app, home, name, PASSWORD).await;
        let text = "too many attempts: try again after the time in Retry-After";
        let body = json!({ "statusCode": 429, "error": "Too Many Requests", "message": text });
        answer.assert(name, 429, &[("retry-after", "900")], &body);
    }
    assert_eq!(app.hasher.runs(), before);
    assert_eq!(login(&app, "192.0.2.2", "alice", PASSWORD).await.status, StatusCode::OK, "another address");
    app.clock.elapse(900);
    assert_eq!(login(&app, home, "nobody", WRONG).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(retry_after(&login(&app, home, "nobody", WRONG).await), 900);
}

#[tokio::test]
async fn the_right_password_of_a_disabled_account_is_charged_to_its_name_and_not_to_the_address() {
    let app = TestApp::with(&["--login-failures-per-address=4"]).await;
    app.sign_in_username("alice").await;
    app.sign_in_username("bobby").await;
    let operator = app.operator().await;
    let alice = operator.find(&Handle::parse("alice").unwrap()).await.unwrap().unwrap();
    operator.set_status(alice.id, AccountStatus::Inactive, false).await.unwrap();
    let home = "192.0.2.1";
    let wrong = login(&app, home, "alice", WRONG).await;
    for _ in 1..10 {
        let right = login(&app, home, "alice", PASSWORD).await;
        assert_eq!((right.status, right.json()), (StatusCode::UNAUTHORIZED, wrong.json()));
    }
    // Ten failures of the name are free, whatever the passwords were.
    assert_eq!(retry_after(&login(&app, home, "alice", PASSWORD).await), 30);
    // One of the address's four failures was used.
    for name in ["nobody", "nobody else", "yet another"] {
        assert_eq!(login(&app, home, name, WRONG).await.status, StatusCode::UNAUTHORIZED, "{name}");
    }
    assert_eq!(login(&app, home, "bobby", PASSWORD).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn whoever_is_right_is_never_taken_for_a_guesser_however_many_sign_in_at_once() {
    let app = TestApp::with(&["--login-failures-per-address=2", "--hash-queue=1000"]).await;
    app.sign_in_username("alice").await;
    let logins = (0..100).map(|_| login(&app, "192.0.2.1", "alice", PASSWORD));
    let answers: Vec<_> = join_all(logins).await.into_iter().map(|answer| answer.status).collect();
    assert_eq!(answers, [StatusCode::OK; 100]);
}

#[tokio::test]
async fn of_many_guesses_at_once_from_an_address_or_its_network_no_more_are_tried_than_may_fail() {
    let one = |_| "192.0.2.1".to_owned();
    let of_a_48 = |guess| format!("2001:db8:0:{guess:x}::1");
    for (from, tried) in [(one as fn(u32) -> String, 3), (of_a_48, 3 * 16)] {
        let app = TestApp::with(&["--login-failures-per-address=3", "--hash-queue=1000"]).await;
        app.sign_in_username("alice").await;
        let before = app.hasher.runs();
        let addresses: Vec<_> = (0..200).map(from).collect();
        let names: Vec<_> = (0..200).map(|guess| format!("nobody {guess}")).collect();
        let logins = addresses.iter().zip(&names).map(|(from, name)| login(&app, from, name, WRONG));
        let answers: Vec<_> = join_all(logins).await.into_iter().map(|answer| answer.status).collect();
        let count = |status| answers.iter().filter(|answer| **answer == status).count();
        assert_eq!(count(StatusCode::UNAUTHORIZED), tried, "{answers:?}");
        assert_eq!(count(StatusCode::TOO_MANY_REQUESTS), 200 - tried, "{answers:?}");
        assert_eq!(app.hasher.runs() - before, tried as u64);
        // The network is refused at an address without failures, too. Other networks are not.
        let refused = login(&app, &from(201), "alice", PASSWORD).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(login(&app, "198.51.100.1", "alice", PASSWORD).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn without_a_setting_it_is_a_hundred_and_of_ipv6_a_64_is_one_address() {
    let app = TestApp::with(&["--login-failures-per-address=100"]).await;
    for failure in 0..100 {
        let from = format!("2001:db8:0:1::{failure:x}");
        let answer = login(&app, &from, &format!("nobody {failure}"), WRONG).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{failure}");
    }
    assert_eq!(retry_after(&login(&app, "2001:db8:0:1:ffff::", "nobody", WRONG).await), 36);
    assert_eq!(login(&app, "2001:db8:0:2::1", "nobody", WRONG).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_was_refused_for_the_sake_of_an_account_costs_the_address_nothing() {
    let app = TestApp::with(&["--login-failures-per-address=12"]).await;
    for _ in 0..10 {
        login(&app, "192.0.2.1", "nobody", WRONG).await;
    }
    for _ in 0..20 {
        assert_eq!(retry_after(&login(&app, "192.0.2.1", "nobody", WRONG).await), 30);
    }
    for _ in 0..2 {
        assert_eq!(login(&app, "192.0.2.1", "somebody", WRONG).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(retry_after(&login(&app, "192.0.2.1", "somebody", WRONG).await), 300);
}

#[tokio::test]
async fn an_address_may_register_so_often_an_hour_whatever_comes_of_it() {
    let app = TestApp::with(&["--registrations-per-address=3", "--login-failures-per-address=1"]).await;
    let new = |name: &str| json!({ "username": name, "password": PASSWORD });
    let email = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "firm_name": "Engines" });
    let (home, away) = ("192.0.2.1", "192.0.2.2");
    let register = async |from: &str, name: &str| post(&app, from, "/api/auth/register", &new(name)).await;
    for malformed in ["", "a"] {
        assert_eq!(register(home, malformed).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(register(home, "alice").await.status, StatusCode::OK);
    assert_eq!(register(home, "alice").await.status, StatusCode::CONFLICT, "taken");
    assert_eq!(post(&app, home, "/auth/register", &email).await.status, StatusCode::CREATED);
    let before = app.hasher.runs();
    for name in ["alice", "bobby"] {
        let answer = register(home, name).await;
        assert_eq!((answer.status, retry_after(&answer)), (StatusCode::TOO_MANY_REQUESTS, 1_200), "{name}");
    }
    let answer = post(&app, home, "/auth/register", &email).await;
    let text = "too many attempts: try again after the time in Retry-After";
    let body = json!({ "detail": text, "error_code": "too_many_requests", "error": "too_many_requests" });
    answer.assert("the email API", 429, &[("retry-after", "1200")], &body);
    assert_eq!(app.hasher.runs(), before);
    // Signing in has a separate budget, and so has each other address.
    assert_eq!(login(&app, home, "alice", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(register(away, "bobby").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_account_that_finds_no_room_to_hash_was_not_registered_and_costs_nothing() {
    let app = TestApp::with(&["--registrations-per-address=2", "--hash-threads=1", "--hash-queue=1"]).await;
    let admin = app.sign_in_email("ada@example.com").await;
    let register = async |name: &str| {
        post(&app, "192.0.2.1", "/api/auth/register", &json!({ "username": name, "password": PASSWORD })).await.status
    };
    let create = async |name: &str| {
        let body = json!({ "email": format!("{name}@example.com"), "name": "Bob", "password": PASSWORD }).to_string();
        let headers = [("content-type", "application/json"), ("host", "a"), ("token", &admin)];
        let mut request = request(Method::POST, "/v1/admin/accounts", &headers, body.into());
        request.extensions_mut().insert(ClientAddress(IpAddr::from([192, 0, 2, 1])));
        app.send(request).await.status
    };
    let mut waiting = flood(&app, 2, COSTLIEST).await;
    for attempt in 0..5 {
        assert_eq!(register("alice").await, StatusCode::SERVICE_UNAVAILABLE, "{attempt}");
        assert_eq!(create("bobby").await, StatusCode::TOO_MANY_REQUESTS, "{attempt}: OVERLOADED, as this API has it");
    }
    waiting.shutdown().await;
    assert_eq!(register("alice").await, StatusCode::OK);
    assert_eq!(create("bobby").await, StatusCode::OK);
    assert_eq!(register("carol").await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn an_address_may_ask_for_mail_so_often_an_hour_known_or_unknown() {
    let app = TestApp::with(&["--mail-requests-per-address=4"]).await;
    app.sign_in_email("ada@example.com").await;
    for (path, email) in [
        ("/v1/passwords:requestReset", "ada@example.com"),
        ("/v1/passwords:requestReset", "nobody@example.com"),
        ("/v1/emails:resendVerification", "ada@example.com"),
        ("/v1/emails:resendVerification", "nobody@example.com"),
    ] {
        assert_eq!(post(&app, "192.0.2.1", path, &json!({ "email": email })).await.status, StatusCode::OK, "{path}");
    }
    for email in ["ada@example.com", "nobody@example.com"] {
        let answer = post(&app, "192.0.2.1", "/v1/passwords:requestReset", &json!({ "email": email })).await;
        assert_eq!((answer.status, retry_after(&answer)), (StatusCode::TOO_MANY_REQUESTS, 900));
    }
}

/// A login over a socket, with a header that claims a client address.
async fn claiming(address: SocketAddr, claim: &str, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password });
    call(address, Method::POST, "/api/auth/login", &[("x-forwarded-for", claim)], &body).await.unwrap()
}

#[tokio::test]
async fn only_a_trusted_proxy_says_where_a_request_comes_from() {
    let flags = ["--login-failures-per-address=2"];
    let trusting = ["--login-failures-per-address=2", "--trusted-proxies=10.0.0.0/8, 127.0.0.1"];
    for (flags, is_believed) in [(&flags[..], false), (&trusting[..], true)] {
        let mut app = TestApp::with(flags).await;
        app.sign_in_username("alice").await;
        let served = app.serve().await;
        for client in ["198.51.100.1, 192.0.2.1", "192.0.2.1, 10.1.2.3"] {
            assert_eq!(claiming(served.address, client, "nobody", WRONG).await.status, StatusCode::UNAUTHORIZED);
        }
        let answer = claiming(served.address, "192.0.2.1:4711", "alice", PASSWORD).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        let elsewhere = claiming(served.address, "192.0.2.1, 192.0.2.2", "alice", PASSWORD).await;
        assert_eq!(elsewhere.status == StatusCode::OK, is_believed, "{}", elsewhere.json());
        if is_believed {
            // The account's list of sessions also shows the client's address.
            let token = elsewhere.json()["token"].as_str().unwrap().to_owned();
            let sessions = app.get("/v1/sessions", &[("token", &token)]).await.json();
            let addresses: Vec<_> =
                sessions["sessions"].as_array().unwrap().iter().map(|session| &session["clientAddress"]).collect();
            assert!(addresses.contains(&&json!("192.0.2.2")), "{sessions}");
        }
        served.stop().await;
    }
}
