//! gRPC of the shipped program by the generated clients, and one call in gRPC-Web as a browser makes it.

use axum::body::Body;
use countersign::pb::account::Identity;
use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::health::HealthCheckRequest;
use countersign::pb::health::health_check_response::ServingStatus;
use countersign::pb::health::health_client::HealthClient;
use countersign::pb::session_service_client::SessionServiceClient;
use countersign::pb::{
    ListSessionsRequest, LoginRequest, LogoutRequest, MeRequest, RegisterRequest, RegisterResponse,
    RevokeOtherSessionsRequest, WatchRevocationsRequest, login_request, register_request,
};
use futures_util::stream;
use http::Method;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::support::app::request;
use crate::support::http::over_socket;
use crate::support::{Binary, PASSWORD};
use crate::{assert_token, serve};

const AUTH_SERVICE: &str = "countersign.v1.AuthService";

async fn channel(server: &Binary) -> Channel {
    Endpoint::from_shared(format!("http://{}", server.address)).unwrap().connect().await.unwrap()
}

pub async fn register(server: &Binary, username: &str) -> Result<Response<RegisterResponse>, Status> {
    let new = RegisterRequest {
        handle: Some(register_request::Handle::Username(username.to_owned())),
        password: PASSWORD.to_owned(),
        ..RegisterRequest::default()
    };
    AuthServiceClient::new(channel(server).await).register(new).await
}

fn login(password: &str) -> LoginRequest {
    let handle = Some(login_request::Handle::Username("alice".to_owned()));
    LoginRequest { handle, password: password.to_owned(), ..LoginRequest::default() }
}

/// A call that carries a token in `header`.
fn with<T>(header: &'static str, token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(header, token.parse().unwrap());
    request
}

fn token_of(metadata: &MetadataMap) -> Option<&str> {
    metadata.get("token").map(|token| token.to_str().unwrap())
}

/// Asserts that a call was refused for its token, and that the answer has no fresh one.
#[track_caller]
fn assert_unauthenticated<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) {
    let status = answer.unwrap_err();
    assert_eq!((status.code(), token_of(status.metadata())), (Code::Unauthenticated, None));
}

#[tokio::test]
async fn reflection_lists_the_services_and_health_says_that_they_serve() {
    let (_dir, server) = serve();
    let mut reflection = ServerReflectionClient::new(channel(&server).await);
    let list = MessageRequest::ListServices(String::new());
    let question = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut answers = reflection.server_reflection_info(stream::iter([question])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    for service in [AUTH_SERVICE, "grpc.health.v1.Health"] {
        assert!(list.service.iter().any(|listed| listed.name == service), "{service}: {list:?}");
    }
    let mut health = HealthClient::new(channel(&server).await);
    for service in ["", AUTH_SERVICE] {
        let asked = HealthCheckRequest { service: service.to_owned() };
        assert_eq!(health.check(asked).await.unwrap().into_inner().status(), ServingStatus::Serving, "{service:?}");
    }
}

#[tokio::test]
async fn an_account_registers_signs_in_slides_and_logs_out() {
    let (_dir, server) = serve();
    assert_token(&register(&server, "alice").await.unwrap().into_inner().token);
    assert_eq!(register(&server, "alice").await.unwrap_err().code(), Code::AlreadyExists);

    let mut client = AuthServiceClient::new(channel(&server).await);
    assert_unauthenticated(client.login(login("wrong-pass")).await);
    let signed_in = client.login(login(PASSWORD)).await.unwrap();
    assert_eq!(token_of(signed_in.metadata()), None, "in the body only");
    let first = signed_in.into_inner().token;
    assert_token(&first);

    assert_unauthenticated(client.me(MeRequest {}).await);
    let me = client.me(with("token", &first, MeRequest {})).await.unwrap();
    let slid = token_of(me.metadata()).unwrap().to_owned();
    assert_token(&slid);
    let account = me.into_inner().account.unwrap();
    assert!(matches!(account.identity, Some(Identity::UsernameIdentity(identity)) if identity.username == "alice"));
    client.me(with("authorization", &format!("Bearer {slid}"), MeRequest {})).await.unwrap();

    let mut sessions = SessionServiceClient::new(channel(&server).await);
    let listed = sessions.list_sessions(with("token", &slid, ListSessionsRequest::default())).await.unwrap();
    assert!(listed.into_inner().sessions.iter().any(|session| session.current));
    sessions.revoke_other_sessions(with("token", &slid, RevokeOtherSessionsRequest::default())).await.unwrap();
    assert_unauthenticated(sessions.watch_revocations(with("token", &slid, WatchRevocationsRequest::default())).await);

    let logout = client.logout(with("token", &slid, LogoutRequest {})).await.unwrap();
    assert_eq!(token_of(logout.metadata()), None);
    for token in [&slid, &first] {
        assert_unauthenticated(client.me(with("token", token, MeRequest {})).await);
    }
}

#[tokio::test]
async fn a_browser_calls_by_grpc_web_and_reads_a_fresh_token() {
    let (_dir, server) = serve();
    let token = register(&server, "alice").await.unwrap().into_inner().token;
    let headers = [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1"), ("token", token.as_str())];
    // The frame of an empty message: a flag and a length of four bytes.
    let me = request(Method::POST, &format!("/{AUTH_SERVICE}/Me"), &headers, Body::from(vec![0; 5]));
    let answer = over_socket(server.address, me).await;
    assert_token(&answer.token());
    let body = String::from_utf8_lossy(&answer.body);
    assert!(body.replace(": ", ":").contains("grpc-status:0"), "{body}");
}
