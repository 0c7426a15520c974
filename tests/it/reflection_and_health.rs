//! The reflection service for tools such as grpcurl, the health service for load balancers, and the probes.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign::pb::health::health_check_response::ServingStatus;
use countersign::pb::health::health_client::HealthClient;
use countersign::pb::health::{HealthCheckRequest, HealthListRequest};
use countersign::server::Limits;
use prost::Message as _;
use serde_json::json;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::support::TestApp;
use crate::wire;

/// Tests one version of the protocol. The versions differ only in their package.
macro_rules! reflects {
    ($test:ident, $version:ident, $path:literal) => {
        #[tokio::test]
        async fn $test() {
            use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
            use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
            use tonic_reflection::pb::$version::{ExtensionRequest, ServerReflectionRequest, ServerReflectionResponse};
            let ask = async |app: &TestApp, question| {
                let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
                let reply = wire::call(app, $path, &[], &request.encode_to_vec()).await;
                let answer = reply.message.map(|message| ServerReflectionResponse::decode(message).unwrap());
                (reply.status.code(), answer.and_then(|answer| answer.message_response))
            };
            let app = TestApp::start().await;
            let (_, answer) = ask(&app, MessageRequest::ListServices(String::new())).await;
            let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
            let mut names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
            names.retain(|name| !name.starts_with("grpc.reflection."));
            names.sort_unstable();
            let ours = ["AdminService", "AuthService", "CredentialService", "KeyService", "SessionService"]
                .map(|name| format!("countersign.v1.{name}"));
            assert_eq!(names[..5], ours);
            assert_eq!(names[5..], ["grpc.health.v1.Health"]);

            let symbol = |name: &str| MessageRequest::FileContainingSymbol(format!("countersign.v1.{name}"));
            let extension = |extension_number| {
                let containing_type = "google.protobuf.MethodOptions".to_owned();
                MessageRequest::FileContainingExtension(ExtensionRequest { containing_type, extension_number })
            };
            let all = |name: &str| MessageRequest::AllExtensionNumbersOfType(name.to_owned());
            for question in ["AuthService", "AuthService.Login", "Account", "Account.id", "LoginRequest.handle"]
                .into_iter()
                .chain(["ErrorReason", "ERROR_REASON_VALIDATION", "method_rules"])
                .map(symbol)
                .chain([MessageRequest::FileByFilename("countersign/v1/auth_service.proto".to_owned())])
                .chain([extension(72_295_728)])
            {
                let (_, answer) = ask(&app, question.clone()).await;
                let found = matches!(answer, Some(MessageResponse::FileDescriptorResponse(_)));
                assert!(found, "{question:?}: {answer:?}");
            }
            let (_, answer) = ask(&app, all("google.protobuf.MethodOptions")).await;
            let Some(MessageResponse::AllExtensionNumbersResponse(found)) = answer else { panic!("{answer:?}") };
            assert!(found.extension_number.contains(&72_295_728), "{found:?}");

            let misses = [
                symbol("ErrorReason.ERROR_REASON_VALIDATION"),
                symbol("Nothing"),
                extension(1),
                all("countersign.v1.Nothing"),
                MessageRequest::FileByFilename("nothing.proto".to_owned()),
            ];
            // All of them in one stream, which goes on after each.
            let frames = misses.iter().flat_map(|question| {
                let message_request = Some(question.clone());
                wire::frame(&ServerReflectionRequest { host: String::new(), message_request }.encode_to_vec())
            });
            let mut request = wire::request($path, &[], &[]);
            *request.body_mut() = axum::body::Body::from(frames.collect::<Vec<u8>>());
            let reply = wire::send(&app, request).await;
            assert_eq!(reply.status.code(), Code::Ok);
            let codes = wire::messages(&reply).map(|message| {
                let answer = ServerReflectionResponse::decode(message).unwrap().message_response;
                let Some(MessageResponse::ErrorResponse(error)) = answer else { panic!("{answer:?}") };
                error.error_code
            });
            assert_eq!(codes.collect::<Vec<_>>(), [Code::NotFound as i32; 5]);

            let app = TestApp::with(&["--grpc-reflection=false"]).await;
            let (code, answer) = ask(&app, MessageRequest::ListServices(String::new())).await;
            assert_eq!((code, answer), (Code::Unimplemented, None), "switched off");
        }
    };
}

reflects!(
    reflection_v1_lists_and_describes_the_services_unless_switched_off,
    v1,
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
);
reflects!(
    reflection_v1alpha_lists_and_describes_the_services_unless_switched_off,
    v1alpha,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
);

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn health_is_told_per_service_and_overall() {
    let app = TestApp::start().await;
    let mut health = HealthClient::new(app.service.clone());
    for service in [
        "",
        "countersign.v1.AdminService",
        "countersign.v1.AuthService",
        "countersign.v1.CredentialService",
        "countersign.v1.KeyService",
        "countersign.v1.SessionService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ] {
        let status = health.check(of(service)).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service:?}");
    }
    for service in ["countersign.v1.NoSuchService", "countersign.v1", "grpc.health.v1"] {
        let status = health.check(of(service)).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{service:?}");
    }
    let app = TestApp::with(&["--grpc-reflection=false"]).await;
    let status = HealthClient::new(app.service.clone()).check(of("grpc.reflection.v1.ServerReflection")).await;
    assert_eq!(status.unwrap_err().code(), Code::NotFound, "a service that is switched off");
}

#[tokio::test]
async fn the_list_of_health_has_what_check_answers_of_each_service_and_of_the_server() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let listed = health.list(HealthListRequest {}).await.unwrap();
    assert_eq!(listed.metadata().get("token"), None);
    let statuses = listed.into_inner().statuses;
    let names: BTreeSet<_> = statuses.keys().map(String::as_str).collect();
    let ours = ["AdminService", "AuthService", "CredentialService", "KeyService", "SessionService"];
    let ours = ours.map(|name| format!("countersign.v1.{name}"));
    let others = ["", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];
    let others = others.into_iter().chain(["grpc.reflection.v1alpha.ServerReflection"]);
    assert_eq!(names, ours.iter().map(String::as_str).chain(others).collect());
    for (service, listed) in statuses {
        assert_eq!(listed.status(), ServingStatus::Serving, "{service:?}");
        assert_eq!(health.check(of(&service)).await.unwrap().into_inner(), listed, "{service:?}");
    }
    let app = TestApp::with(&["--grpc-reflection=false"]).await;
    let listed = HealthClient::new(app.service.clone()).list(HealthListRequest {}).await.unwrap().into_inner();
    assert!(!listed.statuses.keys().any(|service| service.contains("reflection")), "{listed:?}");
}

#[tokio::test]
async fn the_watch_of_an_unknown_service_says_so_and_goes_on() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let mut watch = health.watch(of("countersign.v1.NoSuchService")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
    let stopping = tokio::spawn(served.stop());
    assert!(watch.message().await.unwrap().is_none(), "it ends with the server, and says nothing twice");
    stopping.await.unwrap();
}

#[tokio::test]
async fn who_watches_health_is_told_of_a_shutdown_and_does_not_hold_it_up() {
    let mut app = TestApp::start().await;
    let served = app.serve_with(Limits { drain: Duration::from_secs(60), ..Limits::default() }).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let mut watches = Vec::new();
    for service in ["", "countersign.v1.AuthService", "countersign.v1.SessionService"] {
        let mut watch = health.watch(of(service)).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving, "{service:?}");
        watches.push(watch);
    }
    assert_eq!(app.get("/readyz", &[]).await.status, 200);
    let stopping = tokio::spawn(served.stop());
    for watch in &mut watches {
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
        assert!(watch.message().await.unwrap().is_none());
    }
    let answer = app.get("/readyz", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (503, json!({ "status": "not ready" })));
    assert_eq!(app.get("/healthz", &[]).await.status, 200, "the process lives");
    tokio::time::timeout(Duration::from_secs(10), stopping).await.expect("nobody is waited for").unwrap();
    drop(watches);
}

#[tokio::test]
async fn the_probes_answer_without_a_token_and_take_get_only() {
    let app = TestApp::start().await;
    for (path, body) in [("/healthz", json!({ "status": "alive" })), ("/readyz", json!({ "status": "ready" }))] {
        let answer = app.get(path, &[("token", "garbage")]).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, body), "{path}");
        assert_eq!((answer.header("token"), answer.header("cache-control")), (None, Some("no-store")), "{path}");
        let answer = app.post(path, &json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET,HEAD")), "{path}");
        assert_eq!(app.get(&format!("{path}/"), &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_token_is_no_more_needed_for_health_than_it_is_read() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let reply = wire::call(&app, "/grpc.health.v1.Health/Check", &[("token", &token)], &[]).await;
    assert_eq!((reply.code(), reply.token()), (Code::Ok, None));
}
