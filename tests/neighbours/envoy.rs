//! Envoy, which asks over gRPC, before a service over HTTP and a tonic service.

use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::{LoginRequest, LogoutRequest, MeRequest, login_request};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::proxy::{Addresses, LIFETIME, Proxy, Server, configure, free_address, program};
use crate::scenes::{Traits, play};
use crate::service::{GrpcService, identity, over_grpc, over_http, who_am_i};
use crate::support::{PASSWORD, token};

/// The origin of the pages that `examples/proxies/envoy.yaml` lets call.
const ORIGIN: &str = "https://app.example.com";

async fn envoy(server: &Server, app: SocketAddr, greeter: SocketAddr) -> Option<Proxy> {
    envoy_for(ORIGIN, server, app, greeter).await
}

/// Envoy, for pages of this origin.
pub async fn envoy_for(origin: &str, server: &Server, app: SocketAddr, greeter: SocketAddr) -> Option<Proxy> {
    let ports = [("port_value: 9000", port(app)), ("port_value: 9001", port(greeter)), (ORIGIN, origin.to_owned())];
    start(server, "envoy.yaml", &ports).await
}

/// Envoy with a configuration in which these addresses are replaced, beside its own and that of Countersign.
pub async fn start(server: &Server, name: &str, addresses: Addresses<'_>) -> Option<Proxy> {
    let address = free_address().await;
    let own = [("port_value: 3008", port(server.address())), ("port_value: 8080", port(address))];
    let config = configure(server.dir.path(), name, &[&own, addresses].concat());
    let mut envoy = program("ENVOY", "envoy");
    envoy.arg("-c").arg(config).args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "warning"]);
    Proxy::start("Envoy", address, envoy).await
}

pub fn port(address: SocketAddr) -> String {
    format!("port_value: {}", address.port())
}

#[tokio::test]
async fn envoy_guards_a_service_over_http() {
    let (server, app) = (Server::start(), over_http().await);
    let Some(proxy) = envoy(&server, app, free_address().await).await else { return };
    play(server, proxy, &Traits { hands_on: true, keeps_token: false, tells_reason: true, away: 503 }).await;
}

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("token", token.parse().unwrap());
    request.metadata_mut().insert("x-auth-role", "admin".parse().unwrap());
    request
}

/// Calls the tonic service, and returns the metadata of its answer.
async fn call(channel: &Channel, fail: bool, token: &str) -> Result<MetadataMap, Status> {
    let metadata = with_token((), token).into_parts().0;
    who_am_i(channel, fail, metadata).await.map(|answer| answer.metadata().clone())
}

fn token_of(metadata: &MetadataMap) -> String {
    let all: Vec<_> = metadata.get_all("token").iter().map(|token| token.to_str().unwrap().to_owned()).collect();
    assert_eq!(all.len(), 1, "{metadata:?}");
    all.into_iter().next().unwrap()
}

#[tokio::test]
async fn envoy_guards_a_tonic_service_from_the_sign_in_to_the_logout() {
    let (server, greeter) = (Server::start(), over_grpc().await);
    let Some(proxy) = envoy(&server, free_address().await, greeter.address).await else { return };
    server.sign_in("alice").await;
    let channel = Endpoint::from_shared(format!("http://{}", proxy.address)).unwrap().connect().await.unwrap();
    let mut auth = AuthServiceClient::new(channel.clone());
    let handle = Some(login_request::Handle::Username("alice".to_owned()));
    let login = LoginRequest { handle, password: PASSWORD.to_owned(), device: String::new() };
    let first = auth.login(login).await.unwrap().into_inner().token;

    let (begun, mut newest) = (Instant::now(), first.clone());
    while begun.elapsed() < LIFETIME + Duration::from_secs(1) {
        newest = token_of(&call(&channel, false, &newest).await.unwrap());
        let failed = call(&channel, true, &newest).await.unwrap_err();
        assert_eq!(failed.code(), Code::NotFound, "the service's own failure");
        newest = token_of(failed.metadata());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    auth.me(with_token(MeRequest {}, &newest)).await.expect("it is a token of ours");
    seen_by_the_service(&greeter, &first);

    for (token, reason) in [(&*first, "TOKEN_EXPIRED"), ("garbage", "TOKEN_INVALID")] {
        refused(call(&channel, false, token).await.unwrap_err(), reason);
    }
    let nobody = who_am_i(&channel, false, MetadataMap::new()).await.unwrap_err();
    refused(nobody, "TOKEN_MISSING");
    auth.logout(with_token(LogoutRequest {}, &newest)).await.unwrap();
    refused(call(&channel, false, &newest).await.unwrap_err(), "TOKEN_INVALID");
    drop(server);
    let away = call(&channel, false, &newest).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable, "an outage is no decision: {away:?}");
}

fn seen_by_the_service(greeter: &GrpcService, token: &str) {
    let claims = token::claims(token);
    let calls = greeter.calls.lock().unwrap();
    assert!(calls.len() > 2);
    for call in &*calls {
        let headers = call.as_ref().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let headers: Vec<_> = headers.collect();
        let [account, session, username, others @ ..] = identity(&headers);
        assert_eq!(
            (account.as_str(), session.as_str()),
            (claims["sub"].as_str().unwrap(), claims["sid"].as_str().unwrap())
        );
        assert_eq!((username.as_str(), others), ("alice", [const { String::new() }; 3]));
        assert!(!headers.iter().any(|(name, _)| name == "token"), "{headers:?}");
    }
}

/// Asserts that a call was refused with a status that its client can read.
#[track_caller]
fn refused(status: Status, reason: &str) {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("{status:?}"));
    assert_eq!(
        (status.code(), info.reason.as_str(), info.domain.as_str()),
        (Code::Unauthenticated, reason, "countersign.v1")
    );
    assert!(status.message().contains("token"), "{status:?}");
    assert_eq!(status.metadata().get("token"), None);
}
