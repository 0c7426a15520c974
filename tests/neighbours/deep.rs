//! One long run: Envoy in front of a tonic service and of one over HTTP, a page in a real browser and grpcurl as the
//! clients, from the sign-in past the first expiry to the logout. Separate because its clients are programs of others.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::envoy::envoy_for;
use crate::proxy::{Proxy, Server, free_address, is_installed, program};
use crate::service::{IDENTITY, over_grpc, over_http};
use crate::support::{PASSWORD, token};

/// Longer than the time between two calls of a page on a loaded machine.
const LIFETIME: Duration = Duration::from_secs(8);

#[tokio::test]
async fn envoy_guards_two_services_for_a_page_and_for_grpcurl_from_the_sign_in_to_the_logout() {
    let (server, app, greeter, page) =
        (Server::with(LIFETIME, &[]), over_http().await, over_grpc().await, free_address().await);
    let origin = format!("http://localhost:{}", page.port());
    let Some(proxy) = envoy_for(&origin, &server, app, greeter.address).await else { return };
    server.sign_in("alice").await;
    server.sign_in("bob").await;
    tokio::join!(play_page(&proxy, page.port(), "alice"), play_grpcurl(&proxy, "bob"));
    for call in &*greeter.calls.lock().unwrap() {
        assert!(!call.contains_key("token"), "the service does not get the token: {call:?}");
    }
}

/// `page.mjs` signs in, keeps the newest token that the page reads, and ends with a logout.
async fn play_page(proxy: &Proxy, port: u16, username: &str) {
    let (chromium, mut node) = (program("CHROMIUM", "chromium"), program("NODE", "node"));
    if !is_installed(&chromium, "Chromium") || !is_installed(&node, "Node") {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/neighbours/page.mjs");
    node.env("CHROMIUM", chromium.get_program()).arg(script).arg(format!("http://{}", proxy.address));
    let output = run(node.arg(port.to_string()).args([username, PASSWORD])).await;
    assert!(output.status.success(), "{}", text(&output));
}

/// grpcurl does the same with the service over gRPC. Its token is as good for the one over HTTP.
async fn play_grpcurl(proxy: &Proxy, username: &str) {
    if !is_installed(&program("GRPCURL", "grpcurl"), "grpcurl") {
        return;
    }
    let nobody = grpcurl(proxy, "neighbours.WhoAmI/Ask", &json!({}), None).await;
    assert!(nobody.contains("Code: Unauthenticated") && nobody.contains("TOKEN_MISSING"), "{nobody}");
    let login = json!({ "username": username, "password": PASSWORD });
    let login = grpcurl(proxy, "countersign.v1.AuthService/Login", &login, None).await;
    let first = message(&login)["token"].as_str().unwrap().to_owned();

    let answer = ask(proxy, &first).await;
    let claims = token::claims(&first);
    let identity: Value = serde_json::from_str(message(&answer)["headers"].as_str().unwrap()).unwrap();
    let expected = [claims["sub"].clone(), claims["sid"].clone(), json!(username), json!(""), json!(""), json!("")];
    assert_eq!(IDENTITY.map(|name| identity[name].clone()), expected);

    let mut newest = fresh(&answer);
    let refused = loop {
        newest = fresh(&ask(proxy, &newest).await);
        let http = proxy.get("/accounts", &[("token", &newest)]).await;
        assert_eq!(http.status, 200, "the token is good for both services");
        newest = http.token();
        let old = ask(proxy, &first).await;
        if old.contains("ERROR:") {
            break old;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(refused.contains("Code: Unauthenticated") && refused.contains("TOKEN_EXPIRED"), "{refused}");
    assert_eq!(proxy.get("/accounts", &[("token", &first)]).await.status, 401, "the first token has expired");
    newest = fresh(&ask(proxy, &newest).await);
    assert_eq!(token::claims(&newest)["sid"], claims["sid"], "the session goes on");

    let logout = grpcurl(proxy, "countersign.v1.AuthService/Logout", &json!({}), Some(&newest)).await;
    assert!(!logout.contains("ERROR:"), "{logout}");
    let refused = ask(proxy, &newest).await;
    assert!(refused.contains("Code: Unauthenticated") && refused.contains("TOKEN_INVALID"), "{refused}");
    assert_eq!(proxy.get("/accounts", &[("token", &newest)]).await.status, 401);
}

async fn ask(proxy: &Proxy, token: &str) -> String {
    grpcurl(proxy, "neighbours.WhoAmI/Ask", &json!({}), Some(token)).await
}

/// What grpcurl prints about a call through the proxy.
async fn grpcurl(proxy: &Proxy, method: &str, message: &Value, token: Option<&str>) -> String {
    let mut grpcurl = program("GRPCURL", "grpcurl");
    grpcurl.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-plaintext", "-v", "-max-time", "30"]);
    for folder in ["proto", "tests/neighbours"] {
        grpcurl.args(["-import-path", folder]);
    }
    for file in ["countersign/v1/auth_service.proto", "google/rpc/error_details.proto", "who_am_i.proto"] {
        grpcurl.args(["-proto", file]);
    }
    for header in token.map(|token| format!("token: {token}")).iter().chain([&"x-auth-role: admin".to_owned()]) {
        grpcurl.args(["-H", header]);
    }
    grpcurl.args(["-d", &message.to_string()]).arg(proxy.address.to_string()).arg(method);
    text(&run(&mut grpcurl).await)
}

/// The fresh token among the headers of an answer.
#[track_caller]
fn fresh(printed: &str) -> String {
    let headers = printed.split_once("Response headers received:").unwrap_or_else(|| panic!("{printed}")).1;
    let tokens: Vec<_> = headers.lines().filter_map(|line| line.strip_prefix("token: ")).collect();
    let [token] = tokens[..] else { panic!("one fresh token: {printed}") };
    token.to_owned()
}

/// The message of an answer.
#[track_caller]
fn message(printed: &str) -> Value {
    let contents = printed.split_once("Response contents:").unwrap_or_else(|| panic!("{printed}")).1;
    serde_json::Deserializer::from_str(contents).into_iter().next().unwrap().unwrap()
}

/// Runs a command beside the services of this test.
async fn run(command: &mut Command) -> Output {
    let mut command = std::mem::replace(command, Command::new(""));
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).join("\n")
}
