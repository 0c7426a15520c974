//! The guard, proved from the schema: every RPC that the descriptors know, and what they do not know, is called without
//! a good token. A new RPC is guarded until someone says otherwise *here*.

use countersign::pb;
use http::Response;
use http::header::HeaderMap;
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

use crate::support::{SECRET, TestApp};
use crate::{forge, wire};

/// What anyone may call.
pub const PUBLIC: [&str; 11] = [
    "/countersign.v1.AuthService/AcceptInvitation",
    "/countersign.v1.AuthService/Login",
    "/countersign.v1.AuthService/Register",
    "/countersign.v1.AuthService/RequestPasswordReset",
    "/countersign.v1.AuthService/ResendVerification",
    "/countersign.v1.AuthService/ResetPassword",
    "/countersign.v1.AuthService/VerifyEmail",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Asks for a service credential: no token is one, and what it says of a token is always the same.
pub const WATCH: &str = "/countersign.v1.SessionService/WatchRevocations";

/// Ends sessions: a token that has expired or whose session has ended is good enough for that.
const ENDING: &str = "/countersign.v1.AuthService/Logout";

/// Guarded although no descriptor knows them; among them, public ones written in other ways.
const UNKNOWN: [&str; 15] = [
    "/countersign.v1.AuthService/NoSuchMethod",
    "/countersign.v1.NoSuchService/Login",
    "/no.such.Service/Method",
    "/grpc.health.v1.Health/NoSuchMethod",
    // Of a later version of that protocol than the one served here.
    "/grpc.health.v1.Health/List",
    "/grpc.reflection.v1.ServerReflection/NoSuchMethod",
    "/countersign.v1.AuthService/Login/",
    "//countersign.v1.AuthService/Login",
    "/countersign.v1.AuthService//Login",
    "/countersign.v1.AuthService/login",
    "/countersign.v1.authservice/Login",
    "/countersign.v1.AuthService/%4Cogin",
    "/countersign.v1.AuthService/Me/../Login",
    "/countersign.v1.AuthService",
    "/",
];

#[tokio::test]
async fn every_rpc_but_the_public_ones_refuses_whoever_has_no_good_token() {
    let app = TestApp::start().await;
    let revoked = app.sign_in_username("revoked").await;
    assert_eq!(wire::call(&app, wire::LOGOUT, &[("token", &revoked)], &[]).await.code(), Code::Ok);
    let mut claims = forge::claims(&app.sign_in_username("expired").await);
    claims["iat"] = (claims["iat"].as_i64().unwrap() - 7_200).into();
    claims["auth_time"] = claims["iat"].clone();
    claims["exp"] = (claims["exp"].as_i64().unwrap() - 7_200).into();
    let expired = forge::token(&claims);

    let credentials: [(&str, wire::Headers, &str); 5] = [
        ("no token", &[], "TOKEN_MISSING"),
        ("garbage", &[("token", "garbage")], "TOKEN_INVALID"),
        ("the secret itself", &[("token", SECRET)], "TOKEN_INVALID"),
        ("expired", &[("token", &expired)], "TOKEN_EXPIRED"),
        ("revoked", &[("token", &revoked)], "TOKEN_INVALID"),
    ];
    let paths: Vec<_> = methods().into_iter().chain(UNKNOWN.map(String::from)).collect();
    assert!(paths.iter().filter(|path| path.starts_with("/countersign.v1.AuthService/")).count() >= 4);
    for path in &paths {
        for (name, headers, reason) in credentials {
            let response = head(&app, path, headers).await;
            assert_eq!(response.headers().get("token"), None, "{path} with {name}");
            let status = status(response.headers());
            if PUBLIC.contains(&path.as_str()) {
                assert_ne!(status.map(|status| status.code()), Some(Code::Unauthenticated), "{path} with {name}");
                continue;
            }
            if path == ENDING && ["expired", "revoked"].contains(&name) {
                assert_eq!(status.map(|status| status.code()), None, "{path} with {name}");
                continue;
            }
            let status = status.unwrap_or_else(|| panic!("{path} with {name} was let in"));
            assert_eq!(status.code(), Code::Unauthenticated, "{path} with {name}");
            let info = status.get_details_error_info().unwrap();
            let reason = if path == WATCH && name == "expired" { "TOKEN_INVALID" } else { reason };
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, pb::ERROR_DOMAIN), "{path} with {name}");
        }
    }
}

#[tokio::test]
async fn the_public_ones_are_all_there() {
    let app = TestApp::start().await;
    let known = methods();
    for path in PUBLIC {
        assert!(known.iter().any(|method| method == path), "{path} is public and in no descriptor");
        let status = status(head(&app, path, &[]).await.headers());
        assert_ne!(status.map(|status| status.code()), Some(Code::Unimplemented), "{path}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_unimplemented_for_a_caller_and_the_answer_carries_a_fresh_token() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    app.clock.advance(60);
    for path in &UNKNOWN[..6] {
        let reply = wire::call(&app, path, &[("token", &token)], &[]).await;
        assert_eq!(reply.code(), Code::Unimplemented, "{path}");
        let fresh = reply.token().unwrap_or_else(|| panic!("{path}: no fresh token"));
        assert_ne!(fresh, token);
        assert_eq!(reply.headers["cache-control"], "no-store", "{path}");
        assert_eq!(wire::me(&app, &[("token", fresh)]).await.code(), Code::Ok, "{path}");
    }
}

#[test]
fn every_rpc_says_whether_it_needs_a_token_and_lists_its_reasons() {
    for file in files(pb::DESCRIPTORS, "countersign.v1") {
        let locations = &file.source_code_info.as_ref().expect("source info").location;
        for (service_index, service) in (0..).zip(&file.service) {
            for (index, method) in (0..).zip(&service.method) {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                // Field 6 of a file is its services, field 2 of a service its methods.
                let location = locations.iter().find(|location| location.path == [6, service_index, 2, index]);
                let comment = location.map(|location| location.leading_comments()).unwrap_or_default();
                let needs = match path.as_str() {
                    WATCH => "Needs a service credential",
                    public if PUBLIC.contains(&public) => "Needs no token",
                    _ => "Needs a token",
                };
                assert!(comment.contains(needs), "the comment of {path} must say {needs:?}");
                let reasons = comment.split_once("Reasons:").unwrap_or_else(|| panic!("{path} lists no reasons")).1;
                let named: Vec<_> = reasons.split('`').skip(1).step_by(2).collect();
                assert!(!named.is_empty(), "{path}");
                for reason in named {
                    let known = pb::ErrorReason::from_reason(reason) != pb::ErrorReason::Unspecified;
                    assert!(known, "{path}: {reason} is no reason");
                }
            }
        }
    }
}

/// The full paths of every method of every service that is served.
fn methods() -> Vec<String> {
    let sets = [
        files(pb::DESCRIPTORS, "countersign.v1"),
        files(tonic_health::pb::FILE_DESCRIPTOR_SET, "grpc.health.v1"),
        files(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET, "grpc.reflection.v1"),
        files(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET, "grpc.reflection.v1alpha"),
    ];
    let mut methods = Vec::new();
    for file in sets.iter().flatten() {
        for service in &file.service {
            for method in &service.method {
                methods.push(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    methods
}

fn files(descriptors: &[u8], package: &str) -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(descriptors).unwrap();
    let files: Vec<_> = set.file.into_iter().filter(|file| file.package() == package).collect();
    assert!(!files.is_empty(), "{package}");
    files
}

/// The beginning of an answer, which may be a stream without end.
async fn head(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Response<impl http_body::Body> {
    app.service.clone().oneshot(wire::request(path, headers, &[])).await.unwrap()
}

fn status(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers)
}
