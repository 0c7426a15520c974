//! The client that a session shows: the `user-agent` of the client and the address of the connection, the same over
//! gRPC, gRPC-Web and both JSON APIs. Other headers have no effect.

use std::net::SocketAddr;

use axum::body::Body;
use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::{LoginRequest, login_request};
use http::{Method, Request};
use prost::Message as _;
use serde_json::{Value, json};
use tonic::transport::Endpoint;

use crate::session_service::own;
use crate::support::TestApp;
use crate::support::app::{PASSWORD, request};
use crate::support::http::{call, over_socket};
use crate::wire;

/// Headers by which a client might claim another address.
const LIES: [(&str, &str); 8] = [
    ("x-forwarded-for", "203.0.113.7"),
    ("forwarded", "for=203.0.113.7"),
    ("x-real-ip", "203.0.113.7"),
    ("client-address", "203.0.113.7"),
    ("clientaddress", "203.0.113.7"),
    ("client-label", "a lie"),
    ("x-user-agent", "a lie"),
    ("x-client-label", "a lie"),
];

/// Label and address of the newest session.
async fn newest(app: &TestApp, token: &str) -> (String, String) {
    let session = own(app, token).await.remove(0);
    (session.client_label, session.client_address)
}

async fn post(address: SocketAddr, path: &str, user_agent: &str, body: &Value) -> Value {
    let headers = [&LIES[..], &[("user-agent", user_agent)]].concat();
    let answer = call(address, Method::POST, path, &headers, body).await.unwrap();
    assert!(answer.status.is_success(), "{path}: {answer:?}");
    answer.json()
}

#[tokio::test]
async fn every_face_tells_the_client_and_the_address_that_the_sign_in_came_from() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let here = || "127.0.0.1".to_owned();

    let credentials = json!({ "username": "alice", "password": PASSWORD });
    for (path, label) in [("/api/auth/register", "Browser/1 (register)"), ("/api/auth/login", "Browser/1 (login)")] {
        app.clock.advance(1);
        let answer = post(served.address, path, label, &credentials).await;
        assert_eq!(newest(&app, answer["token"].as_str().unwrap()).await, (label.to_owned(), here()), "{path}");
    }

    let account = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "firm_name": "Engines" });
    post(served.address, "/auth/register", "Phone/1 (register)", &account).await;
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    let answer = post(served.address, "/auth/login", "Phone/1 (login)", &credentials).await;
    let token = answer["access_token"].as_str().unwrap();
    let newest_of_ada = newest(&app, token).await;
    assert_eq!(newest_of_ada, ("Phone/1 (login)".to_owned(), here()));
    assert_eq!(own(&app, token).await.len(), 1, "an email account's registration signs nobody in");

    app.clock.advance(1);
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    let channel = endpoint.user_agent("device/7").unwrap().connect().await.unwrap();
    let handle = Some(login_request::Handle::Username("alice".to_owned()));
    let message = LoginRequest { handle, password: PASSWORD.to_owned(), device: String::new() };
    let mut lying = tonic::Request::new(message.clone());
    for (name, value) in LIES {
        lying.metadata_mut().insert(name, value.parse().unwrap());
    }
    let mut client = AuthServiceClient::new(channel);
    let token = client.login(lying).await.unwrap().into_inner().token;
    let (label, address) = newest(&app, &token).await;
    assert!(label.starts_with("device/7 tonic/"), "{label}");
    assert_eq!(address, here());
    drop(client);

    app.clock.advance(1);
    let web = [("content-type", "application/grpc-web"), ("user-agent", "Browser/2 (web)")];
    let body = Body::from(wire::frame(&message.encode_to_vec()));
    let headers = [&LIES[..], &web].concat();
    let answer = over_socket(served.address, request(Method::POST, wire::LOGIN, &headers, body)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(newest(&app, &token).await, ("Browser/2 (web)".to_owned(), here()));
    served.stop().await;

    let app = app.restart(&[]).await;
    assert_eq!(newest(&app, &token).await, ("Browser/2 (web)".to_owned(), here()), "stored");
}

#[tokio::test]
async fn whatever_a_client_calls_itself_it_is_let_in_and_what_is_kept_is_short_and_visible() {
    let app = TestApp::start().await;
    let mut token = app.sign_in_username("alice").await;
    assert_eq!(newest(&app, &token).await, (String::new(), String::new()), "none was sent, and no network was there");
    let long = "\u{e4}".repeat(400);
    let body = json!({ "username": "alice", "password": PASSWORD }).to_string();
    for (sent, kept) in [
        ("  padded  ".as_bytes(), "padded"),
        (b"tab\tand \xff more", "taband \u{fffd} more"),
        ("bidi\u{202e}zero\u{200b}\u{feff}".as_bytes(), "bidizero"),
        (long.as_bytes(), &long[..400]),
        ("'; drop table sessions; --".as_bytes(), "'; drop table sessions; --"),
        (b"", ""),
    ] {
        app.clock.advance(1);
        let login = Request::post("/api/auth/login").header("content-type", "application/json");
        let login = login.header("user-agent", sent).body(Body::from(body.clone())).unwrap();
        let answer = app.send(login).await;
        token = answer.json()["token"].as_str().expect(kept).to_owned();
        assert_eq!(newest(&app, &token).await, (kept.to_owned(), String::new()));
    }
}
