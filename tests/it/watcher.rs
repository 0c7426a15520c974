//! The client side of `WatchRevocations`: another service keeps a set of revocations up to date over a real socket, and
//! the set is careful with a server that is late, silent or gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use countersign::pb::session_service_server::{SessionService, SessionServiceServer};
use countersign::pb::{self, WatchRevocationsRequest, WatchRevocationsResponse};
use countersign_guard::clock::{Clock as _, ManualClock, SystemClock};
use countersign_guard::jwks::Answer;
use countersign_guard::revocations::{Revocations, Standing};
use countersign_guard::token::{Secret, Verifier};
use countersign_guard::watch::Watcher;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::codegen::BoxStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::forge;
use crate::support::network::Network;
use crate::support::{Binary, TestApp, binary};
use crate::watch::CREDENTIAL;
use crate::wire::eventually;

const SOON: Duration = Duration::from_secs(10);

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

/// A set that watches the server at `address`.
fn follow(address: SocketAddr, credential: &str) -> (Arc<Revocations>, JoinHandle<std::convert::Infallible>) {
    let set = Arc::new(Revocations::fed(Arc::new(SystemClock), Duration::from_secs(5)));
    let credential = Secret::parse(credential.to_owned()).unwrap();
    let watcher = Watcher::new(move || channel(address), &credential, Arc::clone(&set)).unwrap();
    (set, tokio::spawn(watcher.follow()))
}

fn ids(token: &str) -> (Uuid, Uuid, i64) {
    let claims = forge::claims(token);
    let id = |name: &str| claims[name].as_str().unwrap().parse().unwrap();
    (id("sid"), id("sub"), claims["epoch"].as_i64().unwrap())
}

fn is_dead(set: &Revocations, token: &str) -> bool {
    let (session, account, epoch) = ids(token);
    set.contains(session, account, epoch)
}

async fn register(address: SocketAddr, username: &str) -> String {
    let handle = Some(pb::register_request::Handle::Username(username.to_owned()));
    let request = pb::RegisterRequest { handle, password: "s3cur3pass".to_owned(), ..Default::default() };
    let mut client = pb::auth_service_client::AuthServiceClient::new(channel(address));
    client.register(request).await.unwrap().into_inner().token
}

async fn log_out(address: SocketAddr, token: &str) {
    let mut request = Request::new(pb::LogoutRequest {});
    request.metadata_mut().insert("token", token.parse().unwrap());
    pb::auth_service_client::AuthServiceClient::new(channel(address)).logout(request).await.unwrap();
}

/// The real binary, which can be started again at the same address.
fn server(dir: &std::path::Path, address: Option<SocketAddr>) -> Binary {
    let mut command = binary::command(dir);
    command.env("ALLOW_REGISTRATION", "true").env("WATCH_CREDENTIALS", CREDENTIAL);
    if let Some(address) = address {
        command.env("LISTEN_ADDR", address.to_string());
    }
    Binary::spawn(&mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_is_known_to_another_service_within_a_second_and_also_one_that_it_slept_through() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = server(dir.path(), None);
    let address = running.address;
    let [first, second, kept] =
        [register(address, "alice").await, register(address, "bobby").await, register(address, "carol").await];
    let (set, following) = follow(address, CREDENTIAL);
    assert!(set.is_stale(), "until it has caught up, nobody is let in");
    assert!(eventually(SOON, async || !set.is_stale()).await);
    assert!(!is_dead(&set, &first));

    log_out(address, &first).await;
    let acknowledged = Instant::now();
    assert!(eventually(SOON, async || is_dead(&set, &first)).await);
    assert!(acknowledged.elapsed() < Duration::from_secs(1), "{:?}", acknowledged.elapsed());

    // The watcher is disconnected. When it is back, it gets the revocation that another server stored meanwhile.
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    let elsewhere = server(dir.path(), None);
    log_out(elsewhere.address, &second).await;
    drop(elsewhere);
    assert!(!is_dead(&set, &second));
    let _back = server(dir.path(), Some(address));
    assert!(eventually(SOON, async || is_dead(&set, &second)).await);
    assert!(!is_dead(&set, &kept));
    following.abort();
}

#[tokio::test]
async fn with_a_wrong_credential_the_set_stays_stale_however_often_it_asks() {
    let app = TestApp::with(&[&format!("--watch-credentials={CREDENTIAL}")]).await;
    let asked = Arc::new(AtomicU32::new(0));
    let (service, counting) = (app.service.clone(), Arc::clone(&asked));
    let connect = move || {
        counting.fetch_add(1, Ordering::SeqCst);
        service.clone()
    };
    let set = Arc::new(Revocations::fed(Arc::new(SystemClock), Duration::from_secs(5)));
    let wrong = Secret::parse("not the credential of any service here".to_owned()).unwrap();
    let following = tokio::spawn(Watcher::new(connect, &wrong, Arc::clone(&set)).unwrap().follow());
    assert!(eventually(SOON, async || asked.load(Ordering::SeqCst) >= 2).await);
    assert!(set.is_stale() && set.complete_until().is_none());
    following.abort();
}

/// A server that sends what the test tells it to.
struct Scripted(mpsc::UnboundedSender<(String, mpsc::Sender<Result<WatchRevocationsResponse, Status>>)>);

#[tonic::async_trait]
impl SessionService for Scripted {
    type WatchRevocationsStream = BoxStream<WatchRevocationsResponse>;

    async fn watch_revocations(
        &self,
        request: Request<WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        let (say, said) = mpsc::channel(8);
        self.0.send((request.into_inner().cursor, say)).unwrap();
        let stream = futures_util::stream::unfold(said, async |mut said| Some((said.recv().await?, said)));
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_sessions(
        &self,
        _: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_session(
        &self,
        _: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_other_sessions(
        &self,
        _: Request<pb::RevokeOtherSessionsRequest>,
    ) -> Result<Response<pb::RevokeOtherSessionsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn introspect_token(
        &self,
        _: Request<pb::IntrospectTokenRequest>,
    ) -> Result<Response<pb::IntrospectTokenResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn revoke_token(
        &self,
        _: Request<pb::RevokeTokenRequest>,
    ) -> Result<Response<pb::RevokeTokenResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

fn heartbeat(cursor: &str, seconds: i64) -> Result<WatchRevocationsResponse, Status> {
    let complete_until = Some(prost_types::Duration { seconds, nanos: 0 });
    Ok(WatchRevocationsResponse { cursor: cursor.to_owned(), complete_until, ..Default::default() })
}

#[tokio::test]
async fn a_heartbeat_is_believed_for_when_it_was_said_and_a_lost_watch_is_resumed_from_the_last_cursor() {
    let (calls, mut called) = mpsc::unbounded_channel();
    let clock = ManualClock::at(0);
    clock.elapse(100);
    let set = Arc::new(Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5)));
    let credential = Secret::parse(CREDENTIAL.to_owned()).unwrap();
    let service = SessionServiceServer::new(Scripted(calls));
    let following =
        tokio::spawn(Watcher::new(move || service.clone(), &credential, Arc::clone(&set)).unwrap().follow());

    let (cursor, say) = called.recv().await.unwrap();
    assert_eq!(cursor, "");
    say.send(heartbeat("one", 0)).await.unwrap();
    assert!(eventually(SOON, async || !set.is_stale()).await);
    // The next heartbeat was sent three seconds into the call, and took seven seconds.
    clock.elapse(10);
    assert!(set.is_stale());
    say.send(heartbeat("two", 3)).await.unwrap();
    assert!(eventually(SOON, async || set.complete_until() == Some(Duration::from_secs(103))).await);
    assert!(set.is_stale(), "what it says is too old to judge by");
    // A server with a faster monotonic clock claims a time that has not come yet.
    say.send(heartbeat("", 1_000)).await.unwrap();
    assert!(eventually(SOON, async || set.complete_until() == Some(Duration::from_secs(110))).await);
    // A server that had lost its database before the call, and before this clock began, proves nothing about now.
    say.send(heartbeat("", -200)).await.unwrap();
    say.send(heartbeat("", -50)).await.unwrap();
    assert!(eventually(SOON, async || set.complete_until() == Some(Duration::from_secs(50))).await);

    say.send(Err(Status::unavailable("this watch fell behind"))).await.unwrap();
    let (cursor, say) = called.recv().await.unwrap();
    assert_eq!(cursor, "two", "an empty one means that it has not changed");
    assert_eq!(clock.elapsed(), Duration::from_secs(110));
    clock.elapse(10);
    say.send(heartbeat("three", 1)).await.unwrap();
    assert!(eventually(SOON, async || set.complete_until() == Some(Duration::from_secs(111))).await);
    // A stream that ends without a status ends the call, too.
    drop(say);
    assert_eq!(called.recv().await.unwrap().0, "three");
    following.abort();
}

#[tokio::test]
async fn a_service_whose_clock_differs_from_its_servers_by_more_than_is_tolerated_judges_nothing() {
    let (calls, mut called) = mpsc::unbounded_channel();
    let clock = ManualClock::at(10_000);
    let set = Arc::new(Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5)));
    let credential = Secret::parse(CREDENTIAL.to_owned()).unwrap();
    let service = SessionServiceServer::new(Scripted(calls));
    let following =
        tokio::spawn(Watcher::new(move || service.clone(), &credential, Arc::clone(&set)).unwrap().follow());
    let (_, say) = called.recv().await.unwrap();
    let standing = || set.standing(Uuid::nil(), Uuid::nil(), 0, None);
    let said = async |seconds: i64| {
        let server_time = Some(prost_types::Timestamp { seconds, nanos: 0 });
        say.send(heartbeat("", 0).map(|response| WatchRevocationsResponse { server_time, ..response })).await.unwrap();
    };
    // A server of a version without this field.
    say.send(heartbeat("", 0)).await.unwrap();
    assert!(eventually(SOON, async || standing() == Standing::Live).await);
    for (time, expected) in [
        (13_600, Standing::Unknown),
        (10_060, Standing::Live),
        (6_400, Standing::Unknown),
        (9_940, Standing::Live),
        (10_000, Standing::Live),
    ] {
        said(time).await;
        assert!(eventually(SOON, async || standing() == expected).await, "{time}");
    }
    clock.advance(-3_600);
    assert_eq!(standing(), Standing::Unknown, "it was set, and nobody had to say so");
    following.abort();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_left() {
    let (calls, mut called) = mpsc::unbounded_channel();
    let set = Arc::new(Revocations::fed(Arc::new(SystemClock), Duration::from_secs(5)));
    let credential = Secret::parse(CREDENTIAL.to_owned()).unwrap();
    let service = SessionServiceServer::new(Scripted(calls));
    let following = tokio::spawn(Watcher::new(move || service.clone(), &credential, set).unwrap().follow());
    let (_, _kept_open) = called.recv().await.unwrap();
    // Paused time advances when all tasks are idle.
    let (_, _again) = called.recv().await.unwrap();
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_host_has_vanished_is_left_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let running = server(dir.path(), None);
    let network = Network::before(&running.address.to_string()).await;
    let (set, following) = follow(network.address, CREDENTIAL);
    assert!(eventually(SOON, async || !set.is_stale()).await);
    network.swallow();
    network.connect_anew();
    // The old connection stays open but silent.
    let then = SystemClock.elapsed();
    assert!(eventually(SOON, async || set.complete_until() > Some(then)).await);
    following.abort();
}

#[tokio::test]
async fn a_first_call_that_was_slow_to_connect_is_made_again_so_that_its_age_does_not_count() {
    let (calls, mut called) = mpsc::unbounded_channel();
    let clock = ManualClock::at(0);
    let set = Arc::new(Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5)));
    let credential = Secret::parse(CREDENTIAL.to_owned()).unwrap();
    let service = SessionServiceServer::new(Scripted(calls));
    // Connecting takes four seconds, and happens once.
    let connecting = clock.clone();
    let once = std::sync::Once::new();
    let slow = tower::util::MapRequest::new(service, move |request| {
        once.call_once(|| connecting.elapse(4));
        request
    });
    let slow = Arc::new(std::sync::Mutex::new(Some(slow)));
    let connect = move || slow.lock().unwrap().take().expect("one connection");
    let following = tokio::spawn(Watcher::new(connect, &credential, Arc::clone(&set)).unwrap().follow());
    let (_, _first) = called.recv().await.unwrap();
    let (_, say) = called.recv().await.unwrap();
    say.send(heartbeat("", 0)).await.unwrap();
    assert!(eventually(SOON, async || set.complete_until() == Some(Duration::from_secs(4))).await);
    following.abort();
}

#[tokio::test]
async fn a_verifier_fetches_its_keys_when_the_server_says_that_they_have_changed() {
    let (calls, mut called) = mpsc::unbounded_channel();
    let fetched = Arc::new(AtomicU32::new(0));
    let fetches = Arc::clone(&fetched);
    let fetch = move || {
        fetches.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, &str>(Answer { body: br#"{"keys":[]}"#.to_vec(), max_age: None }) }
    };
    let verifier = Verifier::from_jwks_by(fetch, "https://auth.example.com").unwrap();
    let set = Arc::new(Revocations::fed(Arc::new(SystemClock), Duration::from_secs(5)));
    let credential = Secret::parse(CREDENTIAL.to_owned()).unwrap();
    let service = SessionServiceServer::new(Scripted(calls));
    let watcher = Watcher::new(move || service.clone(), &credential, Arc::clone(&set)).unwrap();
    let following = tokio::spawn(watcher.with_verifier(verifier).follow());
    let (_, say) = called.recv().await.unwrap();
    assert!(eventually(SOON, async || fetched.load(Ordering::SeqCst) == 1).await);
    let said = async |account: Uuid| {
        let account = pb::AccountRevocation { account_id: account.to_string(), epoch: 0 };
        let revocation = pb::Revocation {
            target: Some(pb::revocation::Target::Account(account)),
            expire_time: Some(prost_types::Timestamp { seconds: i64::from(i32::MAX), nanos: 0 }),
        };
        say.send(Ok(WatchRevocationsResponse { revocations: vec![revocation], ..Default::default() })).await.unwrap();
    };
    said(Uuid::from_u128(1)).await;
    assert!(eventually(SOON, async || set.len() == 1).await);
    assert_eq!(fetched.load(Ordering::SeqCst), 1, "a revocation of an account says nothing about keys");
    said(Uuid::nil()).await;
    assert!(eventually(SOON, async || fetched.load(Ordering::SeqCst) == 2).await);
    following.abort();
}
