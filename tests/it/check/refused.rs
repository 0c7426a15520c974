//! What `Check` refuses, and in which form: by the protocol of the client, what is not understood, and trouble of the
//! server.

use std::net::SocketAddr;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use countersign::pb::envoy::service::auth::v3::CheckResponse;
use countersign::pb::envoy::service::auth::v3::check_response::HttpResponse;
use prost::Message as _;
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{Asked, CHECK, ON, ask, connect, denied, passed, question, shown};
use crate::sockets::{Raw, SOON};
use crate::support::TestApp;
use crate::wire;

#[tokio::test]
async fn a_refusal_has_the_form_that_its_client_can_read() {
    let asked = Asked::start().await;
    let text = "the token is not valid: sign in again";
    let details = json!([
        { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "TOKEN_INVALID", "domain": "countersign.v1" }
    ]);
    let json = json!({ "code": 16, "message": text, "details": details }).to_string();
    for (content_type, body, headers) in [
        ("", &*json, &["cache-control", "content-type", "www-authenticate"][..]),
        ("application/json", &json, &["cache-control", "content-type", "www-authenticate"]),
        ("application/grpc", text, &["cache-control", "grpc-status", "grpc-status-details-bin"]),
        ("application/grpc+proto", text, &["cache-control", "grpc-status", "grpc-status-details-bin"]),
        (
            "application/grpc-web+proto",
            text,
            &["cache-control", "grpc-status", "grpc-message", "grpc-status-details-bin"],
        ),
    ] {
        let sent = [("token", "garbage"), ("content-type", content_type)];
        let answer = asked.get(if content_type.is_empty() { &sent[..1] } else { &sent }, &[]).await;
        let status = answer.status.clone().unwrap();
        assert_eq!((status.code, &*status.message), (16, text));
        let denied = denied(answer);
        assert_eq!((denied.status.unwrap().code, &*denied.body), (401, body), "{content_type}");
        let found = shown(&denied.headers);
        assert_eq!(found.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), headers, "{content_type}");
        for (name, value, _) in found {
            match &*name {
                "cache-control" => assert_eq!(value, "no-store"),
                "content-type" => assert_eq!(value, "application/json"),
                "www-authenticate" => assert_eq!(value, "Bearer error=\"invalid_token\""),
                "grpc-status" => assert_eq!(value, "16"),
                "grpc-message" => assert_eq!(value, "the%20token%20is%20not%20valid:%20sign%20in%20again"),
                _ => {
                    let details = STANDARD_NO_PAD.decode(value).unwrap().into();
                    let status = Status::with_details(Code::Unauthenticated, text, details);
                    assert_eq!(status.get_details_error_info().unwrap().reason, "TOKEN_INVALID");
                }
            }
        }
    }
    let none = denied(asked.get(&[], &[]).await);
    assert!(shown(&none.headers).iter().any(|(name, value, _)| name == "www-authenticate" && value == "Bearer"));
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let asked = Asked::start().await;
    let token = asked.app.sign_in_username("alice").await;
    let good = question("GET", &[("token", &token)], &[("policy", "public")]);
    let mut bare = good.clone();
    bare.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap().headers.clear();
    let mut no_http = good.clone();
    no_http.attributes.as_mut().unwrap().request.as_mut().unwrap().http = None;
    let encoded = good.encode_to_vec();
    // Another `attributes`, which is merged with the first: its field 9, or a `request` with a field 3, or an `http`
    // with a field 14.
    let with = |more: &[u8]| [&encoded, more].concat();
    for (name, message) in [
        ("no headers", bare.encode_to_vec()),
        ("no HTTP", no_http.encode_to_vec()),
        ("nothing", Vec::new()),
        ("an unknown field of the question", with(&[0x12, 0])),
        ("an unknown attribute", with(&[0x0a, 2, 0x4a, 0])),
        ("an unknown field of the request", with(&[0x0a, 4, 0x22, 2, 0x1a, 0])),
        ("an unknown field of HTTP", with(&[0x0a, 6, 0x22, 4, 0x12, 2, 0x72, 0])),
        ("a number in place of the headers", with(&[0x0a, 6, 0x22, 4, 0x12, 2, 0x18, 1])),
        ("a header with a third part", with(&[0x0a, 8, 0x22, 6, 0x12, 4, 0x1a, 2, 0x1a, 0])),
        ("an extension that is no text", with(&[0x0a, 5, 0x52, 3, 0x0a, 1, 0xff])),
        ("half a message", encoded[..encoded.len() - 1].to_vec()),
        ("garbage", b"garbage".to_vec()),
    ] {
        let reply = wire::call(&asked.app, CHECK, &[], &message).await;
        assert_eq!(reply.code(), Code::Ok, "{name}");
        let denied = denied(CheckResponse::decode(reply.message.unwrap()).unwrap());
        assert_eq!(denied.status.unwrap().code, 403, "{name}");
        assert!(denied.body.contains("INSUFFICIENT_PERMISSIONS"), "{name}: {}", denied.body);
    }
    // What Envoy sends and what decides nothing: peers, metadata, TLS, the body; the id and the size of the request.
    let known = [0x0a, 0, 0x12, 0, 0x5a, 0, 0x62, 0, 0x6a, 0, 0x22, 6, 0x12, 4, 0x48, 1, 0x5a, 0];
    let known = with(&[&[0x0a, u8::try_from(known.len()).unwrap()], &known[..]].concat());
    let reply = wire::call(&asked.app, CHECK, &[], &known).await;
    passed(CheckResponse::decode(reply.message.unwrap()).unwrap());
}

#[tokio::test]
async fn a_call_without_exactly_one_plain_message_fails() {
    let app = TestApp::with(&[ON]).await;
    let good = wire::frame(&question("GET", &[], &[("policy", "public")]).encode_to_vec());
    for (name, body, code) in [
        ("nothing", Vec::new(), Code::InvalidArgument),
        ("half a prefix", good[..3].to_vec(), Code::InvalidArgument),
        ("half a message", good[..good.len() - 1].to_vec(), Code::InvalidArgument),
        ("two messages", good.repeat(2), Code::InvalidArgument),
        ("a compressed message, which was not announced", [&[1], &good[1..]].concat(), Code::InvalidArgument),
        ("a megabyte", wire::frame(&[0; 1_024 * 1_024]), Code::OutOfRange),
    ] {
        let mut request = wire::request(CHECK, &[], &[]);
        *request.body_mut() = Body::from(body);
        assert_eq!(wire::send(&app, request).await.code(), code, "{name}");
    }
    let compressed = wire::call(&app, CHECK, &[("grpc-encoding", "gzip")], &good[5..]).await;
    assert_eq!(compressed.code(), Code::Unimplemented);
    assert_eq!(compressed.headers["grpc-accept-encoding"], "identity");
}

#[tokio::test]
async fn trouble_of_the_server_is_told_as_such_and_never_as_a_failed_call() {
    let app = TestApp::with(&[ON]).await;
    let token = app.sign_in_username("alice").await;
    let ask = async |headers: &[(&str, &str)]| {
        let reply = wire::call(&app, CHECK, &[], &question("GET", headers, &[]).encode_to_vec()).await;
        assert_eq!(reply.code(), Code::Ok);
        denied(CheckResponse::decode(reply.message.unwrap()).unwrap())
    };
    // The feed of this app does not run.
    app.clock.elapse(5);
    let page = ask(&[("token", &token)]).await;
    assert_eq!((page.status.unwrap().code, page.body.contains("UNAVAILABLE")), (503, true), "{}", page.body);
    let call = ask(&[("token", &token), ("content-type", "application/grpc")]).await;
    assert_eq!((call.status.unwrap().code, &*call.body), (503, "tokens cannot be checked at the moment: try again"));
    assert!(shown(&call.headers).iter().any(|(name, value, _)| name == "grpc-status" && value == "14"));
    let of_public = question("GET", &[("token", &token)], &[("policy", "public")]).encode_to_vec();
    let reply = wire::call(&app, CHECK, &[], &of_public).await;
    let public = denied(CheckResponse::decode(reply.message.unwrap()).unwrap());
    assert_eq!(public.status.unwrap().code, 503, "the token may be good, so it is not passed over");

    let late = wire::call(&app, CHECK, &[("grpc-timeout", "0n")], &question("GET", &[], &[]).encode_to_vec()).await;
    let late = denied(CheckResponse::decode(late.message.unwrap()).unwrap());
    assert_eq!((late.status.unwrap().code, &*late.body), (503, "the call ran out of time"));
}

#[tokio::test]
async fn without_a_database_nothing_is_decided() {
    let app = TestApp::with(&[ON]).await;
    let token = app.sign_in_username("alice").await;
    std::fs::rename(app.database(), app.database().with_extension("away")).unwrap();
    let is_refused = wire::eventually(SOON, async || {
        let reply = wire::call(&app, CHECK, &[], &question("GET", &[("token", &token)], &[]).encode_to_vec()).await;
        let answer = CheckResponse::decode(reply.message.unwrap()).unwrap();
        matches!(answer.http_response, Some(HttpResponse::DeniedResponse(denied)) if denied.status.unwrap().code == 503)
    });
    assert!(is_refused.await);
}

#[tokio::test]
async fn a_proxys_own_address_has_any_number_of_questions_and_another_is_told_to_try_again() {
    let begin = async |address: SocketAddr, is_rest: bool| {
        let head = if is_rest { "POST /v1/forward-auth/public HTTP/1.1" } else { "POST /auth/login HTTP/1.1" };
        let head = format!(
            "{head}\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n"
        );
        Raw::saying(address, head).await
    };
    for (proxies, expected) in [("127.0.0.1", 0), ("192.0.2.1", 503)] {
        let flags = [ON, "--max-calls-per-address=1", &format!("--trusted-proxies={proxies}")];
        let mut app = TestApp::with(&flags).await;
        let served = app.serve().await;
        let channel = connect(served.address).await;
        let mut busy = begin(served.address, false).await;
        assert!(busy.head().await.unwrap().starts_with("HTTP/1.1 100 "));
        let answer = ask(&channel, question("GET", &[], &[("policy", "public")])).await.unwrap();
        match expected {
            0 => drop(passed(answer)),
            _ => {
                let denied = denied(answer);
                assert_eq!(denied.status.unwrap().code, expected);
                assert_eq!(denied.body, "too many requests are under way: try again in 1 s");
            }
        }
        let answer = begin(served.address, true).await.answer().await;
        assert_eq!(answer.status.as_u16(), if expected == 0 { 204 } else { 429 });
    }
}
