//! gRPC over a real socket, gRPC-Web as browsers use it, and requests that are neither.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::pb::account::Identity;
use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::{
    LoginRequest, LogoutRequest, MeRequest, MeResponse, RegisterRequest, Role, login_request, register_request,
};
use countersign::server::RequestRouter;
use http::{Method, StatusCode};
use prost::Message as _;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::support::app::{PASSWORD, START, Served, request};
use crate::support::http::over_socket;
use crate::support::{Answer, TestApp};
use crate::{forge, wire};

async fn connect(served: &Served) -> AuthServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    AuthServiceClient::new(endpoint.connect().await.unwrap())
}

fn register(handle: register_request::Handle, name: &str, firm_name: &str) -> RegisterRequest {
    RegisterRequest {
        handle: Some(handle),
        password: PASSWORD.to_owned(),
        name: name.to_owned(),
        firm_name: firm_name.to_owned(),
    }
}

fn with<T>(name: &'static str, value: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(name, value.parse().unwrap());
    request
}

fn token(metadata: &MetadataMap) -> Option<String> {
    metadata.get("token").map(|token| token.to_str().unwrap().to_owned())
}

fn assert_reason(status: &Status, code: Code, reason: &str) {
    let info = status.get_details_error_info().unwrap();
    assert_eq!((status.code(), info.reason.as_str()), (code, reason));
    assert_eq!((info.domain.as_str(), info.metadata.len()), ("countersign.v1", 0));
}

#[tokio::test]
async fn a_username_account_registers_is_told_who_it_is_and_logs_out() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let mut client = connect(&served).await;
    let new = register(register_request::Handle::Username(" Alice ".to_owned()), "", "");
    let registered = client.register(new).await.unwrap();
    assert_eq!(token(registered.metadata()), None, "in the body only");
    let registered = registered.into_inner();
    assert_eq!(registered.expires_in, 3_600);
    let account = registered.account.unwrap();
    let Some(Identity::UsernameIdentity(identity)) = &account.identity else { panic!("{account:?}") };
    assert_eq!(identity.username, "alice");
    assert_eq!(account.create_time.as_ref().unwrap().seconds, START);

    app.clock.advance(60);
    let me = client.me(with("token", &registered.token, MeRequest {})).await.unwrap();
    let fresh = token(me.metadata()).expect("in the initial metadata");
    assert_ne!(fresh, registered.token);
    assert_eq!(me.into_inner().account.as_ref(), Some(&account));
    assert_eq!(forge::claims(&fresh)["sub"], account.id);

    let bearer = format!("Bearer {fresh}");
    let done = client.logout(with("authorization", &bearer, LogoutRequest {})).await.unwrap();
    assert_eq!(token(done.metadata()), None);
    for token in [&registered.token, &fresh] {
        let status = client.me(with("token", token, MeRequest {})).await.unwrap_err();
        assert_reason(&status, Code::Unauthenticated, "TOKEN_INVALID");
    }
    drop(client);
    served.stop().await;
}

#[tokio::test]
async fn an_email_account_registers_without_a_token_and_logs_in() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let mut client = connect(&served).await;
    let handle = register_request::Handle::Email("Ada@Example.com".to_owned());
    let registered = client.register(register(handle, "Ada Lovelace", "Analytical")).await.unwrap().into_inner();
    assert_eq!((registered.token.as_str(), registered.expires_in), ("", 0));

    let handle = Some(login_request::Handle::Email("ADA@example.com".to_owned()));
    let login =
        client.login(LoginRequest { handle, password: PASSWORD.to_owned(), device: String::new() }).await.unwrap();
    assert_eq!(token(login.metadata()), None, "in the body only");
    let login = login.into_inner();
    assert_eq!(login.expires_in, 86_400);
    let account = login.account.unwrap();
    assert_eq!(Some(&account), registered.account.as_ref());
    let Some(Identity::EmailIdentity(identity)) = &account.identity else { panic!("{account:?}") };
    assert_eq!((identity.email.as_str(), identity.name.as_str()), ("ada@example.com", "Ada Lovelace"));
    assert_eq!((identity.firm_name.as_str(), identity.role()), ("Analytical", Role::Admin));
    let me = client.me(with("token", &login.token, MeRequest {})).await.unwrap();
    assert!(token(me.metadata()).is_some());
    assert_eq!(me.into_inner().account, Some(account));
    drop(client);
    served.stop().await;
}

#[tokio::test]
async fn a_failure_has_its_code_its_reason_and_every_bad_field_at_once() {
    use register_request::Handle::{Email, Username};
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    app.sign_in_email("ada@example.com").await;
    let mut client = app.grpc();
    let bad = |handle, password: &str| RegisterRequest { handle, password: password.to_owned(), ..Default::default() };
    for (name, message, fields) in [
        ("nothing", bad(None, ""), &["handle", "password"][..]),
        ("a short name and password", bad(Some(Username("al".to_owned())), "abcd"), &["username", "password"]),
        (
            "all of an email account",
            bad(Some(Email("x".to_owned())), "short"),
            &["email", "password", "name", "firm_name"],
        ),
        (
            "what a username account has not",
            register(Username("bobby".to_owned()), "Bob", "Bob & Sons"),
            &["name", "firm_name"],
        ),
    ] {
        let status = client.register(message).await.unwrap_err();
        assert_reason(&status, Code::InvalidArgument, "VALIDATION");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        let mut named: Vec<_> = violations.iter().map(|bad| bad.field.as_str()).collect();
        let mut expected = fields.to_vec();
        named.sort_unstable();
        expected.sort_unstable();
        assert_eq!(named, expected, "{name}");
        assert!(violations.iter().all(|bad| !bad.description.is_empty()), "{name}");
    }
    for handle in [Username("ALICE".to_owned()), Email("ada@EXAMPLE.com".to_owned())] {
        let named = if matches!(handle, Email(_)) { ("Ada", "Other") } else { ("", "") };
        let status = client.register(register(handle, named.0, named.1)).await.unwrap_err();
        assert_reason(&status, Code::AlreadyExists, "HANDLE_TAKEN");
    }
    let status = client.login(LoginRequest::default()).await.unwrap_err();
    assert_reason(&status, Code::InvalidArgument, "VALIDATION");
    assert_eq!(status.get_details_bad_request().unwrap().field_violations.len(), 2);
}

#[tokio::test]
async fn registration_that_is_closed_is_said_before_anything_else() {
    let app = TestApp::with(&["--allow-registration=TRUE"]).await;
    let status = app.grpc().register(RegisterRequest::default()).await.unwrap_err();
    assert_reason(&status, Code::PermissionDenied, "REGISTRATION_CLOSED");
    assert_eq!(app.hasher.runs(), 0);
}

#[tokio::test]
async fn an_answer_with_a_token_in_its_body_is_for_no_cache() {
    let app = TestApp::start().await;
    let username = "alice".to_owned();
    let message = register(register_request::Handle::Username(username.clone()), "", "").encode_to_vec();
    let registered = wire::call(&app, "/countersign.v1.AuthService/Register", &[], &message).await;
    let handle = Some(login_request::Handle::Username(username));
    let message = LoginRequest { handle, password: PASSWORD.to_owned(), device: String::new() }.encode_to_vec();
    let login = wire::call(&app, wire::LOGIN, &[], &message).await;
    for (name, reply) in [("Register", registered), ("Login", login)] {
        assert_eq!(reply.code(), Code::Ok, "{name}");
        let cache_control = reply.headers.get("cache-control").map(|value| value.to_str().unwrap());
        assert_eq!(cache_control, Some("no-store"), "{name}");
    }
}

#[tokio::test]
async fn a_message_over_64_kibibytes_is_refused() {
    let app = TestApp::start().await;
    for (name, bytes, code) in [
        ("at most", 64 * 1_024, Code::InvalidArgument),
        ("a byte more", 64 * 1_024 + 1, Code::OutOfRange),
        ("a megabyte", 1_024 * 1_024, Code::OutOfRange),
    ] {
        let overhead = RegisterRequest { password: "x".repeat(bytes - 100), ..Default::default() }.encoded_len();
        let password = "x".repeat(2 * bytes - 100 - overhead);
        let message = RegisterRequest { password, ..Default::default() }.encode_to_vec();
        assert_eq!(message.len(), bytes);
        let before = app.hasher.runs();
        let reply = wire::call(&app, "/countersign.v1.AuthService/Register", &[], &message).await;
        assert_eq!((reply.code(), app.hasher.runs() - before), (code, 0), "{name}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_message_is_refused_at_once_and_harms_nobody() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let message = LoginRequest { password: PASSWORD.to_owned(), ..Default::default() }.encode_to_vec();
    let good = wire::frame(&message);
    for (name, body, code) in [
        ("nothing", Vec::new(), Code::InvalidArgument),
        ("half a frame's head", good[..3].to_vec(), Code::InvalidArgument),
        ("half a message", good[..good.len() - 1].to_vec(), Code::InvalidArgument),
        ("a length beyond all bounds", [&[0, 0xff, 0xff, 0xff, 0xff][..], &message].concat(), Code::OutOfRange),
        ("compressed, as nobody agreed", [&[1], &good[1..]].concat(), Code::InvalidArgument),
        ("a flag that does not exist", [&[0xff], &good[1..]].concat(), Code::InvalidArgument),
        ("no protobuf", wire::frame(b"\xff\xff\xff\xff"), Code::InvalidArgument),
    ] {
        for (path, headers) in [(wire::LOGIN, &[][..]), (wire::ME, &[("token", token.as_str())])] {
            let mut request = wire::request(path, headers, &[]);
            *request.body_mut() = Body::from(body.clone());
            let reply = wire::send(&app, request).await;
            assert_eq!(reply.code(), code, "{name} to {path}");
            assert_eq!(reply.token().is_some(), path == wire::ME, "{name} to {path}");
        }
    }
    assert_eq!(wire::me(&app, &[("token", &token)]).await.code(), Code::Ok);
}

/// The frames of a gRPC-Web body: messages, and the trailers.
fn frames(mut body: &[u8]) -> (Vec<&[u8]>, String) {
    let (mut messages, mut trailers) = (Vec::new(), String::new());
    while let [flags, a, b, c, d, rest @ ..] = body {
        let (frame, rest) = rest.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        match flags {
            0x00 => messages.push(frame),
            0x80 => trailers = String::from_utf8(frame.to_vec()).unwrap(),
            other => panic!("a frame of kind {other:#x}"),
        }
        body = rest;
    }
    assert!(body.is_empty());
    (messages, trailers)
}

/// Decodes a text body, in which each chunk is padded separately.
fn decode_text(body: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(body).unwrap();
    let groups: Vec<_> = text.as_bytes().chunks(4).map(|group| STANDARD.decode(group).unwrap()).collect();
    groups.concat()
}

#[tokio::test]
async fn a_browser_speaks_grpc_web_over_http_1_and_reads_the_fresh_token() {
    let mut app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let served = app.serve().await;
    let origin = ("origin", "http://localhost:5173");
    for content_type in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "Application/gRPC-Web+Proto; charset=utf-8",
    ] {
        let is_text = content_type.contains("text");
        let body = || {
            let frame = wire::frame(&[]);
            Body::from(if is_text { STANDARD.encode(frame).into_bytes() } else { frame })
        };
        // The answer has the form that the client accepts.
        let headers = [("content-type", content_type), ("accept", content_type), ("x-grpc-web", "1"), origin];
        let caller = [&headers[..], &[("token", token.as_str())]].concat();
        let answer = over_socket(served.address, request(Method::POST, wire::ME, &caller, body())).await;
        assert_eq!(answer.status, StatusCode::OK, "{content_type}");
        assert_eq!(wire::me(&app, &[("token", &answer.token())]).await.code(), Code::Ok, "{content_type}");
        let exposed = answer.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
        for name in ["token", "grpc-status", "grpc-message"] {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{content_type}: {name}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin.1), "{content_type}");
        let bytes = if is_text { decode_text(&answer.body) } else { answer.body.to_vec() };
        let (messages, trailers) = frames(&bytes);
        let account = MeResponse::decode(messages[0]).unwrap().account.unwrap();
        assert_eq!(account.id, forge::claims(&token)["sub"], "{content_type}");
        assert!(trailers.contains("grpc-status:0") || trailers.contains("grpc-status: 0"), "{trailers:?}");

        let stranger = over_socket(served.address, request(Method::POST, wire::ME, &headers, body())).await;
        assert_eq!((stranger.status, stranger.header("token")), (StatusCode::OK, None), "{content_type}");
        assert_eq!(stranger.header("grpc-status"), Some("16"), "{content_type}");
    }
    served.stop().await;
}

#[tokio::test]
async fn what_is_not_grpc_is_told_what_to_change() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let grpc = Some("application/grpc");
    for (name, method, path, content_type, status, header) in [
        ("GET", Method::GET, wire::ME, None, 405, Some(("allow", "POST"))),
        ("GET of gRPC", Method::GET, wire::ME, grpc, 405, Some(("allow", "POST"))),
        ("PUT", Method::PUT, wire::LOGIN, grpc, 405, Some(("allow", "POST"))),
        ("no content type", Method::POST, wire::ME, None, 415, None),
        ("JSON", Method::POST, wire::LOGIN, Some("application/json"), 415, None),
        ("gRPC-Web as JSON", Method::POST, wire::LOGIN, Some("application/grpc-web+json"), 415, None),
        ("gRPC over HTTP/1.1", Method::POST, wire::ME, grpc, 426, Some(("upgrade", "h2c"))),
        ("gRPC over HTTP/1.1", Method::POST, "/no.such/Method", grpc, 426, Some(("upgrade", "h2c"))),
    ] {
        let headers: Vec<_> = content_type.map(|value| ("content-type", value)).into_iter().collect();
        let answer: Answer = over_socket(served.address, request(method, path, &headers, Body::empty())).await;
        assert_eq!(answer.status.as_u16(), status, "{name}");
        assert_eq!(answer.json()["statusCode"], status, "{name}: a JSON body");
        assert_eq!(answer.header("grpc-status"), None, "{name}");
        if let Some((header, value)) = header {
            assert_eq!(answer.header(header), Some(value), "{name}");
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn a_grpc_path_over_http_2_takes_no_other_content_type() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    for content_type in ["application/json", "text/plain", "application/grpcx", "application/grpc+json", ""] {
        let mut request = wire::request(wire::ME, &[("token", &token)], &[]);
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        let answer = app.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.header("token")), (415, None), "{content_type:?}");
    }
}

#[tokio::test]
async fn requests_may_be_compressed_and_unpack_to_a_message_at_most() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Deflate] {
        let client: AuthServiceClient<RequestRouter> = AuthServiceClient::new(app.service.clone());
        let mut client = client.send_compressed(encoding);
        let handle = Some(login_request::Handle::Username("alice".to_owned()));
        let login = LoginRequest { handle, password: PASSWORD.to_owned(), device: String::new() };
        assert!(client.login(login).await.is_ok(), "{encoding:?}");
        let bomb = RegisterRequest { password: "x".repeat(10_000_000), ..Default::default() };
        assert_eq!(client.register(bomb).await.unwrap_err().code(), Code::ResourceExhausted, "{encoding:?}");
    }
    let unknown = wire::call(&app, wire::LOGIN, &[("grpc-encoding", "snappy")], &[]).await;
    assert_eq!(unknown.code(), Code::Unimplemented);
    assert_eq!(unknown.headers["grpc-accept-encoding"], "gzip,deflate,identity");
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_exceeded_before_anything_is_done() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    for timeout in ["0n", "1n"] {
        let reply = wire::me(&app, &[("token", &token), ("grpc-timeout", timeout)]).await;
        assert_eq!(reply.code(), Code::DeadlineExceeded, "{timeout}");
    }
}
