//! The metrics: on a separate listener, off by default, with numbers and without names.

use std::net::SocketAddr;

use axum::body::Body;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::app::{request, rest_paths};
use crate::support::http::over_socket;
use crate::support::{Answer, Binary, PASSWORD, SECRET, TestApp, binary};

async fn get(address: SocketAddr, path: &str) -> Answer {
    over_socket(address, request(Method::GET, path, &[], Body::empty())).await
}

/// The address of the metrics, from the log.
pub fn metrics_of(server: &Binary) -> SocketAddr {
    let events: Vec<Value> =
        server.log.lock().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let url = events.iter().find(|event| event["event"] == "metrics").unwrap()["url"].as_str().unwrap().to_owned();
    url.trim_start_matches("http://").trim_end_matches("/metrics").parse().unwrap()
}

/// The value of a metric in the text of all.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.split(' ').next() == Some(name)).expect(name);
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A gauge of a server that tells its metrics at this address.
pub async fn gauge(metrics: SocketAddr, name: &str) -> usize {
    let text = String::from_utf8(get(metrics, "/metrics").await.body.to_vec()).unwrap();
    value(&text, name) as usize
}

#[tokio::test]
async fn the_set_and_the_password_lane_are_told_on_an_address_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("JWT_SECRET", SECRET),
        ("ALLOW_REGISTRATION", "true"),
        ("METRICS_ADDR", "127.0.0.1:0"),
        ("HASH_THREADS", "3"),
        ("HASH_KERNEL", "portable"),
        ("HASH_QUEUE", "7"),
    ];
    let server = Binary::spawn(binary::command(dir.path()).envs(settings));
    let metrics = metrics_of(&server);

    let account = Body::from(json!({ "username": "alice", "password": PASSWORD }).to_string());
    let json = [("content-type", "application/json")];
    let registered = over_socket(server.address, request(Method::POST, "/api/auth/register", &json, account)).await;
    let token = registered.json()["token"].as_str().unwrap().to_owned();
    over_socket(server.address, request(Method::POST, "/auth/logout", &[("token", &token)], Body::empty())).await;

    let answer = get(metrics, "/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let value = |name: &str| value(&text, name);
    assert!(value("countersign_revocations") >= 1.0);
    assert!((value("countersign_revocation_watchers")).abs() < 0.5);
    assert!((0.0..5.0).contains(&value("countersign_revocations_age_seconds")));
    for (name, expected) in [
        ("countersign_hash_waiting", 0.0),
        ("countersign_hash_running", 0.0),
        ("countersign_hash_threads", 3.0),
        ("countersign_hash_capacity", 7.0),
        ("countersign_hash_kernel{kernel=\"portable\"}", 1.0),
        ("countersign_hash_wait_seconds_count", 1.0),
        ("countersign_hash_run_seconds_count", 1.0),
        ("countersign_hash_run_seconds_bucket{le=\"+Inf\"}", 1.0),
        ("countersign_hash_refused_total{cause=\"full\"}", 0.0),
        ("countersign_hash_refused_total{cause=\"deadline\"}", 0.0),
        ("countersign_hash_refused_total{cause=\"displaced\"}", 0.0),
        ("countersign_hash_dropped_total{cause=\"gone\"}", 0.0),
        ("countersign_hash_dropped_total{cause=\"late\"}", 0.0),
        ("countersign_streams", 0.0),
        ("countersign_body_bytes", 0.0),
        ("countersign_refused_total{bound=\"connections\"}", 0.0),
        ("countersign_refused_total{bound=\"calls\"}", 0.0),
        ("countersign_refused_total{bound=\"streams\"}", 0.0),
        ("countersign_refused_total{bound=\"bodies\"}", 0.0),
    ] {
        assert!((value(name) - expected).abs() < 0.5, "{name}: {}", value(name));
    }
    assert!(value("countersign_hash_run_seconds_sum") > 0.0);
    // The last call may not have been subtracted yet.
    assert!(value("countersign_connections") >= 0.0 && value("countersign_calls") < 1.5);
    // Zero if the thread has been idle for seconds.
    let memory = value("countersign_hash_memory_bytes");
    assert!(memory < 0.5 || (memory - 19_456.0 * 1_024.0).abs() < 0.5, "{memory}");
    assert!(!text.contains("alice"));

    // The metrics listener serves nothing else, and the other listener serves no metrics.
    for (address, path) in [(metrics, "/healthz"), (metrics, "/auth/me"), (server.address, "/metrics")] {
        let answer = get(address, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn every_rpc_and_every_route_is_counted_by_how_it_ended_and_nobody_can_add_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("JWT_SECRET", SECRET), ("ALLOW_REGISTRATION", "true"), ("METRICS_ADDR", "127.0.0.1:0")];
    let server = Binary::spawn(binary::command(dir.path()).envs(settings));
    let metrics = metrics_of(&server);
    let json = [("content-type", "application/json")];
    let alice = || Body::from(json!({ "username": "alice", "password": PASSWORD }).to_string());
    for path in ["/api/auth/register", "/api/auth/register", "/api/auth/login"] {
        over_socket(server.address, request(Method::POST, path, &json, alice())).await;
    }
    for path in ["/api/auth/me", "/healthz", "/alice", "/alice/secret", "/countersign.v1.AuthService/Alice"] {
        get(server.address, path).await;
    }
    // A path that is spelt in another way counts as itself, and a wrong method under its path.
    get(server.address, "/API/auth/ME/").await;
    for path in ["/v1/sessions/alices", "/api/auth/me", "/auth/invitations/alices"] {
        over_socket(server.address, request(Method::PUT, path, &[], Body::empty())).await;
    }
    for session in ["alices", "alices-other"] {
        let delete = request(Method::DELETE, &format!("/v1/sessions/{session}"), &[], Body::empty());
        over_socket(server.address, delete).await;
    }
    for invitation in ["alices", "%61lices"] {
        let delete = request(Method::DELETE, &format!("/auth/invitations/{invitation}"), &[], Body::empty());
        over_socket(server.address, delete).await;
    }
    let text = String::from_utf8(get(metrics, "/metrics").await.body.to_vec()).unwrap();
    for line in [
        r#"countersign_http_calls_total{route="/v1/sessions/{session_id}",status="401"} 2"#,
        r#"countersign_http_calls_total{route="/auth/invitations/{id}",status="401"} 2"#,
        r#"countersign_rpc_calls_total{method="/countersign.v1.AuthService/Register",code="OK"} 1"#,
        r#"countersign_rpc_calls_total{method="/countersign.v1.AuthService/Register",code="ALREADY_EXISTS"} 1"#,
        r#"countersign_rpc_calls_total{method="/countersign.v1.AuthService/Login",code="OK"} 1"#,
        r#"countersign_rpc_calls_total{method="/countersign.v1.AuthService/Me",code="UNAUTHENTICATED"} 2"#,
        r#"countersign_rpc_duration_seconds_count{method="/countersign.v1.AuthService/Register"} 2"#,
        r#"countersign_http_calls_total{route="/api/auth/register",status="200"} 1"#,
        r#"countersign_http_calls_total{route="/api/auth/register",status="409"} 1"#,
        r#"countersign_http_calls_total{route="/api/auth/me",status="401"} 2"#,
        r#"countersign_http_calls_total{route="/api/auth/me",status="405"} 1"#,
        r#"countersign_http_calls_total{route="/v1/sessions/{session_id}",status="405"} 1"#,
        r#"countersign_http_calls_total{route="/auth/invitations/{id}",status="405"} 1"#,
        r#"countersign_http_calls_total{route="/healthz",status="200"} 1"#,
        r#"countersign_http_calls_total{route="other",status="404"} 2"#,
        r#"countersign_http_calls_total{route="other",status="405"} 1"#,
        r#"countersign_http_duration_seconds_count{route="other"} 3"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.to_lowercase().contains("alice"));
}

#[tokio::test]
async fn every_path_of_the_json_apis_is_counted_under_its_own_name() {
    // With HS256, there is no metadata of the issuer.
    let app = TestApp::with(&["--token-algorithm=ES256", "--issuer=https://auth.example.com"]).await;
    for path in rest_paths() {
        let answer = app.get(path, &[]).await;
        assert_ne!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}
