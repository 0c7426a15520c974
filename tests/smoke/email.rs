//! The email API of the shipped program: `/auth/…`.

use http::Method;
use serde_json::json;

use crate::support::PASSWORD;
use crate::{ask, post, serve, token_in};

#[tokio::test]
async fn an_email_account_registers_signs_in_refreshes_and_logs_out() {
    let (_dir, server) = serve();
    let new = json!({
        "email": "Ann@Example.com", "password": PASSWORD, "name": "Ann", "firm_name": "Example Capital",
    });
    let registered = post(&server, "/auth/register", &new).await;
    let body = registered.json();
    assert_eq!((registered.status.as_u16(), &body["user"]["email"]), (201, &json!("ann@example.com")));
    assert_eq!(body["message"], "Account created successfully. Please check your email to verify.");
    assert!(!body.to_string().contains("access_token"), "{body}");

    let wrong = post(&server, "/auth/login", &json!({ "email": "ann@example.com", "password": "wrong-pass" })).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["error_code"]), (400, &json!("invalid_credentials")));
    let login = post(&server, "/auth/login", &json!({ "email": "ann@example.com", "password": PASSWORD })).await;
    let first = token_in(&login, "access_token");
    let body = login.json();
    assert_eq!(
        (login.status.as_u16(), &body["expires_in"], &body["user"]["role"]),
        (200, &json!(86_400), &json!("admin"))
    );

    let me = ask(&server, Method::GET, "/auth/me", &[("authorization", &format!("Bearer {first}"))]).await;
    let body = me.json();
    assert_eq!((me.status.as_u16(), &body["firm_name"]), (200, &json!("Example Capital")));
    let since = body["created_at"].as_str().unwrap();
    let format = &time::format_description::well_known::Rfc3339;
    assert!(since.ends_with('Z') && time::OffsetDateTime::parse(since, format).is_ok(), "{since}");

    let refreshed = ask(&server, Method::POST, "/auth/refresh", &[("authorization", &format!("Bearer {first}"))]).await;
    assert_eq!((refreshed.status.as_u16(), &refreshed.json()["token_type"]), (200, &json!("bearer")));
    let last = token_in(&refreshed, "access_token");

    let logout = ask(&server, Method::POST, "/auth/logout", &[("authorization", &format!("Bearer {last}"))]).await;
    assert_eq!((logout.status.as_u16(), &logout.json()["message"]), (200, &json!("Logged out successfully")));
    for token in [&last, &first] {
        let me = ask(&server, Method::GET, "/auth/me", &[("authorization", &format!("Bearer {token}"))]).await;
        assert_eq!((me.status.as_u16(), &me.json()["error_code"]), (401, &json!("invalid_token")));
        assert!(me.header("www-authenticate").unwrap().contains("Bearer"));
    }
}
