//! The first documented API: every row of its contract.

use http::StatusCode;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn who_registers_is_signed_in() {
    let app = TestApp::start().await;
    let answer = app.post("/api/auth/register", &json!({ "username": "Alice", "password": "s3cur3pass" })).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("token"), None, "not sent on register");
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(answer.json(), json!({ "token": token }));

    let me = app.get("/api/auth/me", &[("token", &token)]).await;
    assert_eq!((me.status, me.body.as_ref()), (StatusCode::NO_CONTENT, &b""[..]));
    assert_eq!(me.header("access-control-expose-headers"), Some("Token"));
    app.get("/api/auth/me", &[("token", &me.token())]).await;
}
