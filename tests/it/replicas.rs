//! Two servers on one PostgreSQL database. A session that one server ends is refused by the other. A server without the
//! database refuses all tokens, and recovers by itself.

use std::time::Duration;

use axum::body::Body;
use countersign::pb::health::HealthCheckRequest;
use countersign::pb::health::health_check_response::ServingStatus;
use countersign::pb::health::health_client::HealthClient;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Executor as _;
use tokio::time::{Instant, sleep};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

use crate::support::app::{self, Served};
use crate::support::network::Network;
use crate::support::postgres::Database;
use crate::support::{PASSWORD, TestApp};
use crate::wire::eventually;
use countersign::pb::{LogoutRequest, MeRequest};

/// A replica on a socket, so that its revocation feed runs.
async fn replica(url: &str) -> (TestApp, Served) {
    let mut app = TestApp::with(&[&format!("--database-url={url}")]).await;
    let served = app.serve().await;
    (app, served)
}

async fn me(app: &TestApp, token: &str) -> StatusCode {
    app.get("/api/auth/me", &[("token", token)]).await.status
}

/// Waits until `path` answers with `status`, and returns how long that took.
async fn until(app: &TestApp, path: &str, token: &str, status: StatusCode) -> Duration {
    let begun = Instant::now();
    loop {
        let answer = app.get(path, &[("token", token)]).await;
        if answer.status == status {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{path} answers {}", answer.status);
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_on_one_replica_is_a_refusal_on_the_other_in_a_moment() {
    let Some(database) = Database::create().await else { return };
    let (here, _here) = replica(&database.url()).await;
    let (there, _there) = replica(&database.url()).await;
    let mut took = Vec::new();
    for round in 0..11 {
        let token = here.sign_in_username(&format!("alice {round}")).await;
        assert_eq!(me(&there, &token).await, StatusCode::NO_CONTENT);
        let answer = here.post_empty("/auth/logout", &[("token", &token)]).await;
        assert_eq!(answer.status, StatusCode::OK);
        took.push(until(&there, "/api/auth/me", &token, StatusCode::UNAUTHORIZED).await);
    }
    took.sort();
    assert!(took[10] < Duration::from_secs(1), "{took:?}");
    // The replica was notified. A replica that looks twice a second would take a quarter of a second.
    assert!(took[5] < Duration::from_millis(150), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disable_on_the_command_line_ends_sessions_on_every_replica() {
    let Some(database) = Database::create().await else { return };
    let (here, _here) = replica(&database.url()).await;
    let (there, _there) = replica(&database.url()).await;
    let token = here.sign_in_username("alice").await;
    let operator = here.operator().await;
    let account = operator.find(&countersign::domain::Handle::parse("alice").unwrap()).await.unwrap().unwrap();
    assert!(operator.set_status(account.id, countersign::domain::AccountStatus::Inactive, false).await.unwrap());
    for replica in [&here, &there] {
        let took = until(replica, "/auth/me", &token, StatusCode::UNAUTHORIZED).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lost_its_connections_gets_new_ones() {
    let Some(database) = Database::create().await else { return };
    let url = database.url_as("one", "superuser").await;
    let (here, _here) = replica(&url).await;
    let (there, _there) = replica(&database.url()).await;
    for round in 0..3 {
        let token = there.sign_in_username(&format!("alice {round}")).await;
        database.cut_off("one").await;
        database.let_in("one").await;
        there.post_empty("/auth/logout", &[("token", &token)]).await;
        until(&here, "/api/auth/me", &token, StatusCode::UNAUTHORIZED).await;
        until(&here, "/readyz", "", StatusCode::OK).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_server_is_outlived_and_loses_nothing() {
    let Some(database) = Database::create_alone().await else { return };
    let (here, _here) = replica(&database.url()).await;
    let (there, _there) = replica(&database.url()).await;
    let [ended, kept] = [here.sign_in_username("alice").await, here.sign_in_username("bobby").await];
    assert_eq!(here.post_empty("/auth/logout", &[("token", &ended)]).await.status, StatusCode::OK);
    until(&there, "/api/auth/me", &ended, StatusCode::UNAUTHORIZED).await;
    database.crash().await;
    for replica in [&here, &there] {
        // The sign-in comes first because it needs the database. A cached account is answered from memory until the
        // loss is noticed.
        signs_in_again(replica).await;
        until(replica, "/readyz", "", StatusCode::OK).await;
        until(replica, "/api/auth/me", &kept, StatusCode::NO_CONTENT).await;
        assert_eq!(me(replica, &ended).await, StatusCode::UNAUTHORIZED);
    }
}

/// Retries while the service is unavailable. Any other failure is an error.
async fn signs_in_again(app: &TestApp) {
    let begun = Instant::now();
    loop {
        let answer = app.post("/api/auth/login", &json!({ "username": "alice", "password": PASSWORD })).await;
        if answer.status == StatusCode::OK {
            return;
        }
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(begun.elapsed() < Duration::from_secs(10), "the database is back, and sign-ins fail");
        sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_cut_off_refuses_tokens_after_the_bound_and_comes_back_knowing_what_it_missed() {
    let Some(database) = Database::create().await else { return };
    let url = database.url_as("cut", "superuser").await;
    let (cut, _cut) = replica(&url).await;
    let (other, _other) = replica(&database.url()).await;
    let [ended, kept] = [cut.sign_in_username("alice").await, cut.sign_in_username("bobby").await];
    assert_eq!(me(&cut, &kept).await, StatusCode::NO_CONTENT);

    database.cut_off("cut").await;
    until(&cut, "/readyz", "", StatusCode::SERVICE_UNAVAILABLE).await;
    // Within the staleness bound, the token is checked against the known revocations. The call itself fails without the
    // database.
    let answer = cut.get("/api/auth/me", &[("token", &kept)]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.header("token").is_some(), "the token was found good");
    assert_eq!(other.post_empty("/auth/logout", &[("token", &ended)]).await.status, StatusCode::OK);

    cut.clock.elapse(5);
    refuses_as_unavailable(&cut, &kept).await;
    refuses_as_unavailable(&cut, &ended).await;
    // A missing or forged token still gets its usual refusal.
    for headers in [&[][..], &[("token", "forged")]] {
        assert_eq!(cut.get("/api/auth/me", headers).await.status, StatusCode::UNAUTHORIZED);
    }
    let mut health = HealthClient::new(cut.service.clone());
    for service in ["", "countersign.v1.AuthService"] {
        let check = HealthCheckRequest { service: service.to_owned() };
        let status = health.check(check).await.unwrap().into_inner().status;
        assert_eq!(status, i32::from(ServingStatus::NotServing as u8), "{service:?}");
    }

    database.let_in("cut").await;
    let begun = Instant::now();
    loop {
        // The good token comes first: the second answer alone could come from a set that has just caught up.
        let good = me(&cut, &kept).await;
        let dead = cut.get("/api/auth/me", &[("token", &ended)]).await;
        assert!(dead.header("token").is_none());
        if good == StatusCode::NO_CONTENT {
            assert_eq!(dead.status, StatusCode::UNAUTHORIZED, "it served before it had caught up");
            break;
        }
        assert_eq!(good, StatusCode::SERVICE_UNAVAILABLE, "never an answer that makes a client forget its token");
        assert!(begun.elapsed() < Duration::from_secs(5), "it does not come back");
        sleep(Duration::from_millis(5)).await;
    }
    until(&cut, "/readyz", "", StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_forgets_connections_to_a_host_that_has_vanished() {
    let Some(database) = Database::create().await else { return };
    let url = database.url();
    let host = url.split('@').nth(1).unwrap().split('/').next().unwrap();
    let network = Network::before(host).await;
    let (app, _served) = replica(&url.replace(host, &network.address.to_string())).await;
    let token = app.sign_in_username("alice").await;
    assert_eq!(me(&app, &token).await, StatusCode::NO_CONTENT);

    // Every connection waits for an answer when the network stops. Then the callers hang up.
    let mut behind = database.connect().await;
    behind.execute("begin; lock table accounts in access exclusive mode").await.unwrap();
    let calls = (0..8).map(|n| {
        let service = app.service.clone();
        tokio::spawn(async move {
            // Different unknown names, so that no call is answered from memory or waits for another one.
            let body = Body::from(format!(r#"{{"username":"nobody {n}","password":"s3cur3pass"}}"#));
            let json = [("content-type", "application/json")];
            let login = app::request(Method::POST, "/api/auth/login", &json, body);
            service.oneshot(login).await.unwrap().status()
        })
    });
    let calls: Vec<_> = calls.collect();
    // A separate connection: within a transaction, this view never changes.
    let mut watching = database.connect().await;
    let waiting = "select count(*) from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'";
    let all_wait = async || {
        sqlx::query_scalar::<_, i64>(waiting).bind(&database.name).fetch_one(&mut watching).await.unwrap() == 8
    };
    assert!(eventually(Duration::from_secs(2), all_wait).await);
    network.swallow();
    for call in calls {
        call.abort();
    }
    behind.execute("rollback").await.unwrap();
    // The server is reachable again, but the old connections are dead.
    network.connect_anew();
    let took = until(&app, "/api/auth/me", &token, StatusCode::NO_CONTENT).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_stops_at_once_and_leaves_no_connection_whether_the_database_is_there_or_not() {
    let Some(database) = Database::create().await else { return };
    let url = database.url_as("one", "superuser").await;
    for away in [false, true] {
        let (app, served) = replica(&url).await;
        app.sign_in_username(&format!("alice {away}")).await;
        if away {
            database.cut_off("one").await;
            until(&app, "/readyz", "", StatusCode::SERVICE_UNAVAILABLE).await;
        }
        let begun = Instant::now();
        served.stop().await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{away}: {:?}", begun.elapsed());
        let left = "select count(*) from pg_stat_activity where datname = $1 and application_name = 'countersign'";
        let mut behind = database.connect().await;
        while sqlx::query_scalar::<_, i64>(left).bind(&database.name).fetch_one(&mut behind).await.unwrap() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(8), "{away}: a connection is left");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Asserts UNAVAILABLE in both dialects and over gRPC, for a call that reads and one that writes, without a fresh
/// token.
async fn refuses_as_unavailable(app: &TestApp, token: &str) {
    let headers = [("token", token)];
    let said = "tokens cannot be checked at the moment: try again";
    for answer in [app.get("/api/auth/me", &headers).await, app.post_empty("/auth/logout", &headers).await] {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.header("token").is_none() && answer.header("www-authenticate").is_none(), "{answer:?}");
    }
    let answer = app.get("/auth/me", &headers).await;
    assert_eq!(
        (answer.status, answer.json()["error"].clone()),
        (StatusCode::SERVICE_UNAVAILABLE, json!("unavailable"))
    );
    assert_ne!(answer.json(), Value::Null);

    let mut grpc = app.grpc();
    let request = |token: &str| {
        let mut request = Request::new(());
        request.metadata_mut().insert("token", token.parse().unwrap());
        request
    };
    for status in [
        grpc.me(request(token).map(|()| MeRequest {})).await.unwrap_err(),
        grpc.logout(request(token).map(|()| LogoutRequest {})).await.unwrap_err(),
    ] {
        assert_eq!((status.code(), status.message()), (Code::Unavailable, said));
        assert_eq!(status.get_details_error_info().unwrap().reason, "UNAVAILABLE");
        assert!(status.metadata().get("token").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_restored_and_gives_numbers_out_again_is_read_anew() {
    let Some(database) = Database::create().await else { return };
    let url = database.url_as("one", "superuser").await;
    let (here, _here) = replica(&url).await;
    let (there, _there) = replica(&database.url()).await;
    let [before, after] = [there.sign_in_username("alice").await, there.sign_in_username("bobby").await];
    there.post_empty("/auth/logout", &[("token", &before)]).await;
    until(&here, "/api/auth/me", &before, StatusCode::UNAUTHORIZED).await;

    // The connection is replaced so fast that a replica that only looks at intervals notices nothing.
    let mut behind = database.connect().await;
    behind.execute("delete from revocations; alter table revocations alter seq restart").await.unwrap();
    database.cut_off("one").await;
    database.let_in("one").await;
    there.post_empty("/auth/logout", &[("token", &after)]).await;
    until(&here, "/api/auth/me", &after, StatusCode::UNAUTHORIZED).await;
}
