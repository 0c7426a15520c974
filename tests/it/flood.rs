//! A flood of sign-ins that the server has no room for. Each is refused before its body is read, and whoever goes on is
//! heard less often: on its connections, on new ones, and behind a trusted proxy, while everybody else is served.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::{LoginRequest, MeRequest, login_request};
use countersign::server::Limits;
use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpSocket;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::hash_lane::{COSTLIEST, flood};
use crate::sockets::{Raw, SOON, post};
use crate::support::TestApp;
use crate::support::app::{PASSWORD, Served};

const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

/// So many refusals that their sender is not heard for most of a second, the longest pause of a new connection. The
/// lane, which has hashed nothing yet, assumes 25 ms for a hash, so refused calls may come again every 25 ms.
const REFUSALS: usize = 30;

/// The least time from the first of that many refusals to the end of the pause after the last one.
const PAUSE: Duration = Duration::from_millis(25 * (REFUSALS as u64 - 1));

/// A served server with a lane that is busy for seconds and has no room, until the last of these is dropped.
async fn busy(flags: &[&str]) -> (TestApp, Served, impl Sized) {
    let mut app = TestApp::with(&[&["--hash-threads=1", "--hash-queue=1"], flags].concat()).await;
    let served = app.serve_with(Limits::default()).await;
    let waiting = flood(&app, 3, COSTLIEST).await;
    (app, served, waiting)
}

fn login() -> String {
    let (head, body) = post("/api/auth/login", "", &json!({ "username": "alice", "password": PASSWORD }));
    head + &body
}

/// Sends [`REFUSALS`] sign-ins at once, each on a connection of its own, and reads their refusals.
async fn refused(address: SocketAddr) -> Vec<Raw> {
    let refused = (0..REFUSALS).map(async |_| {
        let mut raw = Raw::saying(address, login()).await;
        let answer = raw.answer().await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")));
        assert_eq!(answer.header("connection"), None, "the connection stays usable");
        raw
    });
    join_all(refused).await
}

async fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// A sign-in that a trusted proxy passes on for this client.
async fn grpc_login(channel: &Channel, client: &str) -> Status {
    let handle = Some(login_request::Handle::Username("alice".to_owned()));
    let mut request = Request::new(LoginRequest { handle, password: PASSWORD.to_owned(), device: String::new() });
    request.metadata_mut().insert("x-forwarded-for", client.parse().unwrap());
    AuthServiceClient::new(channel.clone()).login(request).await.unwrap_err()
}

#[tokio::test]
async fn a_sign_in_without_room_is_refused_before_its_body_is_read() {
    let (_app, served, _waiting) = busy(&[]).await;
    for (path, status) in [
        ("/api/auth/login", 503),
        ("/api/auth/register", 503),
        ("/auth/login", 503),
        ("/auth/register", 503),
        ("/v1/sessions:login", 429),
        ("/v1/accounts", 429),
    ] {
        // The body is never sent.
        let (head, _) = post(path, "", &json!({}));
        let mut raw = Raw::saying(served.address, head).await;
        let answer = raw.answer().await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (status, Some("1")), "{path}");
        assert_eq!(answer.header("connection"), Some("close"), "{path}: another request cannot follow");
        assert!(answer.header("request-id").is_some() && answer.header("cache-control").is_some(), "{path}");
        raw.until_closed(SOON).await;
    }
    for web in ["application/grpc-web", "application/grpc-web-text"] {
        let head = format!(
            "POST /countersign.v1.AuthService/Login HTTP/1.1\r\nhost: a\r\ncontent-type: {web}\r\n\
             content-length: 9\r\n\r\n"
        );
        let answer = Raw::saying(served.address, head).await.answer().await;
        assert_eq!((answer.status.as_u16(), answer.header("grpc-status")), (200, Some("8")), "{web}");
    }
}

#[tokio::test]
async fn whoever_goes_on_is_heard_later_and_everybody_else_at_once() {
    let (_app, served, _waiting) = busy(&[]).await;
    let begun = Instant::now();
    let mut connections = refused(served.address).await;
    let asked = async |raw: &mut Raw| {
        raw.send(HEALTHZ).await;
        assert_eq!(raw.answer().await.status, 200, "the connection is still good");
        begun.elapsed()
    };
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = Raw::from(socket.connect(served.address).await.unwrap());
    let mut anew = Raw::connect(served.address).await;
    let latest = async { join_all(connections.iter_mut().map(asked)).await.into_iter().max() };
    let (others, anew, latest) = tokio::join!(asked(&mut other), asked(&mut anew), latest);
    assert!(anew > PAUSE, "{anew:?}: a new connection of the same address is not heard before");
    assert!(latest > Some(PAUSE), "{latest:?}");
    assert!(others < anew, "{others:?}: another address is served at once");
}

#[tokio::test]
async fn behind_a_trusted_proxy_only_the_streams_of_that_client_wait() {
    let (_app, served, _waiting) = busy(&["--trusted-proxies=127.0.0.1"]).await;
    let channel = channel(served.address).await;
    let begun = Instant::now();
    let first = grpc_login(&channel, "192.0.2.1").await;
    assert_eq!(first.code(), Code::ResourceExhausted);
    let flood = async {
        let all = join_all((0..REFUSALS).map(|_| grpc_login(&channel, "192.0.2.1"))).await;
        assert!(all.iter().all(|status| status.code() == Code::ResourceExhausted), "{all:?}");
        begun.elapsed()
    };
    let other = async {
        assert_eq!(grpc_login(&channel, "192.0.2.2").await.code(), Code::ResourceExhausted);
        let me = AuthServiceClient::new(channel.clone()).me(MeRequest {}).await.unwrap_err();
        assert_eq!(me.code(), Code::Unauthenticated);
        begun.elapsed()
    };
    let (flooded, other) = tokio::join!(flood, other);
    assert!(flooded > PAUSE, "{flooded:?}");
    assert!(other < flooded, "{other:?}: the connection is read meanwhile");

    // A proxy that does not name its clients is not left unread either.
    let mut proxy = Raw::connect(served.address).await;
    let _connections = refused(served.address).await;
    let begun = Instant::now();
    proxy.send(HEALTHZ).await;
    assert_eq!(proxy.answer().await.status, 200);
    assert!(begun.elapsed() < PAUSE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_has_arrived_meanwhile_on_one_connection_is_not_answered_all_at_once() {
    let (_app, served, _waiting) = busy(&[]).await;
    let channel = channel(served.address).await;
    let begun = Instant::now();
    for refusals in [2 * REFUSALS, REFUSALS] {
        let all = join_all((0..refusals).map(|_| grpc_login(&channel, "192.0.2.1"))).await;
        assert!(all.iter().all(|status| status.code() == Code::ResourceExhausted), "{all:?}");
    }
    // The first ones are followed by twice that pause, and most of the others by pauses of their own.
    assert!(begun.elapsed() > 2 * PAUSE + PAUSE / 2, "{:?}", begun.elapsed());
}
