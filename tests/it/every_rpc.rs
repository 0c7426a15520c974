//! The guard, checked against the schema. Every RPC of the descriptors, and paths that no descriptor has, are called
//! without a good token, and must answer as their `method_rules` say.

use std::collections::{BTreeMap, BTreeSet};

use countersign::pb;
use countersign::pb::MethodRules;
use countersign::pb::method_rules::Credential;
use http::Response;
use http::header::HeaderMap;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

use crate::support::{SECRET, TestApp};
use crate::{forge, wire};

/// Guarded paths that no descriptor has. Among them are public paths in other spellings.
const UNKNOWN: [&str; 14] = [
    "/countersign.v1.AuthService/NoSuchMethod",
    "/countersign.v1.NoSuchService/Login",
    "/no.such.Service/Method",
    "/grpc.health.v1.Health/NoSuchMethod",
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
async fn every_rpc_but_the_public_ones_refuses_a_caller_without_a_good_token() {
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
    let unknown = UNKNOWN.map(|path| (path.to_owned(), Credential::Unspecified));
    let paths: Vec<_> = served().into_iter().chain(unknown).collect();
    for wanted in [
        Credential::Unspecified,
        Credential::None,
        Credential::FormerToken,
        Credential::Service,
        Credential::Introspection,
    ] {
        assert!(paths.iter().any(|&(_, credential)| credential == wanted), "{wanted:?}");
    }
    for (path, credential) in &paths {
        for (name, headers, reason) in credentials {
            let response = head(&app, path, headers).await;
            assert_eq!(response.headers().get("token"), None, "{path} with {name}");
            let status = status(response.headers());
            if *credential == Credential::None {
                assert_ne!(status.map(|status| status.code()), Some(Code::Unauthenticated), "{path} with {name}");
                continue;
            }
            if *credential == Credential::FormerToken && ["expired", "revoked"].contains(&name) {
                assert_eq!(status.map(|status| status.code()), None, "{path} with {name}");
                continue;
            }
            let status = status.unwrap_or_else(|| panic!("{path} with {name} was let in"));
            assert_eq!(status.code(), Code::Unauthenticated, "{path} with {name}");
            let info = status.get_details_error_info().unwrap();
            // A token, expired or not, is no service credential.
            let is_service = [Credential::Service, Credential::Introspection].contains(credential);
            let reason = if is_service && name == "expired" { "TOKEN_INVALID" } else { reason };
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, pb::ERROR_DOMAIN), "{path} with {name}");
        }
    }
}

#[tokio::test]
async fn the_public_ones_are_all_there() {
    let app = TestApp::start().await;
    for (path, _) in served().into_iter().filter(|&(_, credential)| credential == Credential::None) {
        let status = status(head(&app, &path, &[]).await.headers());
        assert_ne!(status.map(|status| status.code()), Some(Code::Unimplemented), "{path}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_unimplemented_for_a_caller_and_the_answer_carries_a_fresh_token() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    app.clock.advance(60);
    for path in &UNKNOWN[..5] {
        let reply = wire::call(&app, path, &[("token", &token)], &[]).await;
        assert_eq!(reply.code(), Code::Unimplemented, "{path}");
        let fresh = reply.token().unwrap_or_else(|| panic!("{path}: no fresh token"));
        assert_ne!(fresh, token);
        assert_eq!(reply.headers["cache-control"], "no-store", "{path}");
        assert_eq!(wire::me(&app, &[("token", fresh)]).await.code(), Code::Ok, "{path}");
    }
}

#[test]
fn every_reason_that_the_rules_of_an_rpc_name_is_one_and_is_named_once() {
    for rpc in rpcs(pb::DESCRIPTORS) {
        let rules = MethodRules::of(&rpc);
        let named: Vec<_> = rules.reasons.iter().map(|&number| pb::ErrorReason::try_from(number)).collect();
        assert!(
            named.iter().all(|reason| reason.is_ok_and(|reason| reason != pb::ErrorReason::Unspecified)),
            "{rpc:?}"
        );
        let all = rules.all_reasons();
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{}: {all:?}", rpc.full_name());
    }
}

#[test]
fn the_comment_of_an_rpc_says_no_token_is_needed_if_and_only_if_its_rules_do() {
    for rpc in rpcs(pb::DESCRIPTORS) {
        let comment = comment(&rpc);
        let credential = MethodRules::of(&rpc).credential();
        let of_services = [Credential::Service, Credential::Introspection];
        let sentences = [("Needs no token", &[Credential::None][..]), ("Needs a service credential", &of_services)];
        for (sentence, wanted) in sentences {
            assert_eq!(comment.contains(sentence), wanted.contains(&credential), "{}: {sentence:?}", rpc.full_name());
        }
    }
}

/// The path of every RPC that is served, and the credential that it needs.
fn served() -> BTreeMap<String, Credential> {
    let ours = rpcs(pb::DESCRIPTORS).into_iter().map(|rpc| (path(&rpc), MethodRules::of(&rpc).credential()));
    let others = [
        pb::HEALTH_DESCRIPTORS,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    // These services have no `method_rules`, and anybody may call them.
    let others = others.into_iter().flat_map(rpcs).map(|rpc| (path(&rpc), Credential::None));
    ours.chain(others).collect()
}

pub fn rpcs(descriptors: &[u8]) -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(descriptors).unwrap();
    let rpcs: Vec<_> = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    assert!(!rpcs.is_empty());
    rpcs
}

fn path(rpc: &MethodDescriptor) -> String {
    format!("/{}/{}", rpc.parent_service().full_name(), rpc.name())
}

/// The comment above an RPC in its proto file.
pub fn comment(rpc: &MethodDescriptor) -> String {
    let file = rpc.parent_file().file_descriptor_proto().clone();
    let locations = file.source_code_info.unwrap().location;
    let location = locations.iter().find(|location| location.path == rpc.path()).unwrap();
    let lines: Vec<_> =
        location.leading_comments().lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n")
}

/// The head of an answer. The body may be an endless stream.
async fn head(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Response<impl http_body::Body> {
    app.service.clone().oneshot(wire::request(path, headers, &[])).await.unwrap()
}

fn status(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers)
}
