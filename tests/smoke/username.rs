//! The username API of the shipped program: `/api/auth/…`.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD};
use crate::{ask, assert_token, grpc, post, serve, token_in, username_account};

/// Asserts the documented shape of a refusal, which carries no token.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16) {
    assert_eq!((answer.status.as_u16(), &answer.json()["statusCode"]), (status, &json!(status)));
    assert_eq!(answer.header("token"), None);
}

#[tokio::test]
async fn a_username_account_registers_and_signs_in() {
    let (_dir, server) = serve();
    let registered = post(&server, "/api/auth/register", &username_account("bob", PASSWORD)).await;
    assert_eq!((registered.status.as_u16(), registered.header("token")), (200, None));
    token_in(&registered, "token");
    assert_refused(&post(&server, "/api/auth/register", &username_account("BOB", PASSWORD)).await, 409);
    assert_refused(&post(&server, "/api/auth/login", &username_account("bob", "wrong-pass")).await, 401);
    let login = post(&server, "/api/auth/login", &username_account("bob", PASSWORD)).await;
    assert_eq!((login.status.as_u16(), &login.json()["user"]), (200, &json!("bob")));
    token_in(&login, "token");
}

#[tokio::test]
async fn an_account_that_grpc_registered_signs_in() {
    let (_dir, server) = serve();
    grpc::register(&server, "alice").await.unwrap();
    let login = post(&server, "/api/auth/login", &username_account("Alice", PASSWORD)).await;
    assert_eq!((login.status.as_u16(), &login.json()["user"]), (200, &json!("alice")));
}

#[tokio::test]
async fn every_me_answers_the_next_token_to_either_carrier() {
    let (_dir, server) = serve();
    let registered = post(&server, "/api/auth/register", &username_account("bob", PASSWORD)).await;
    let mut token = token_in(&registered, "token");
    for (method, carrier) in
        [(Method::GET, "token"), (Method::GET, "token"), (Method::GET, "authorization"), (Method::HEAD, "token")]
    {
        let credential = if carrier == "token" { token } else { format!("Bearer {token}") };
        let headers = [(carrier, credential.as_str()), ("origin", "http://localhost:5173")];
        let me = ask(&server, method.clone(), "/api/auth/me", &headers).await;
        assert_eq!((me.status.as_u16(), me.json()), (204, Value::Null), "{method} {carrier}");
        let exposed = me.header("access-control-expose-headers").unwrap().to_lowercase();
        assert!(exposed.contains("token"), "a browser may read it: {exposed}");
        token = me.token();
        assert_token(&token);
    }
    assert_refused(&ask(&server, Method::GET, "/api/auth/me", &[]).await, 401);
}
