//! `AdminService` over gRPC: the same rules as over REST, and a change of role that races sign-ins. Separate from
//! `administration` to keep both files short.

use std::sync::Arc;

use countersign::pb::admin_service_client::AdminServiceClient;
use countersign::pb::{GetAccountRequest, ListAccountsRequest, Role, UpdateAccountRequest};
use http::{Method, StatusCode};
use serde_json::json;
use tonic::{Code, Request};

use crate::administration::Cast;
use crate::support::app::PASSWORD;

fn with_token<T>(cast: &Cast, who: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("token", cast.token(who).parse().unwrap());
    request
}

#[tokio::test]
async fn the_generated_client_is_told_the_same() {
    let cast = Cast::assemble().await;
    let mut admin = AdminServiceClient::new(cast.app.service.clone());
    for (who, whom, code) in [
        ("root", "two", Code::Ok),
        ("boss", "stranger", Code::Ok),
        ("one", "user", Code::Ok),
        ("one", "two", Code::NotFound),
        ("two", "one", Code::NotFound),
        ("user", "user", Code::PermissionDenied),
        ("viewer", "user", Code::PermissionDenied),
        ("stranger", "user", Code::PermissionDenied),
    ] {
        let asked = GetAccountRequest { account_id: cast.id(whom).to_owned() };
        let got =
            admin.get_account(with_token(&cast, who, asked)).await.map_or_else(|status| status.code(), |_| Code::Ok);
        assert_eq!(got, code, "{who} gets {whom}");
        let change = UpdateAccountRequest { account_id: cast.id(whom).to_owned(), ..UpdateAccountRequest::default() };
        let changed = admin.update_account(with_token(&cast, who, change)).await;
        assert_eq!(changed.map_or_else(|status| status.code(), |_| Code::Ok), code, "{who} changes {whom}");
    }
    let negative = ListAccountsRequest { page_size: -1, ..ListAccountsRequest::default() };
    let refused = admin.list_accounts(with_token(&cast, "root", negative)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sign_ins_that_race_a_change_of_role_none_lives_with_the_role_before() {
    let cast = Arc::new(Cast::assemble().await);
    let roles = [Role::Viewer, Role::User];
    for round in 0..8 {
        let logging_in: Vec<_> = (0..4)
            .map(|_| {
                let cast = Arc::clone(&cast);
                tokio::spawn(async move {
                    let body = json!({ "email": "user@one.example", "password": PASSWORD });
                    cast.app.post("/auth/login", &body).await.json()["access_token"].as_str().map(str::to_owned)
                })
            })
            .collect();
        let role = roles[round % 2];
        let change = UpdateAccountRequest {
            account_id: cast.id("user").to_owned(),
            role: role.into(),
            ..UpdateAccountRequest::default()
        };
        let mut admin = AdminServiceClient::new(cast.app.service.clone());
        admin.update_account(with_token(&cast, "one", change)).await.unwrap();
        for login in logging_in {
            let Some(token) = login.await.unwrap() else { continue };
            let me = cast.app.get("/auth/me", &[("token", &token)]).await;
            let expected = if role == Role::Viewer { "viewer" } else { "user" };
            assert!(me.status == StatusCode::UNAUTHORIZED || me.json()["role"] == expected, "{}", me.json());
        }
    }
}

/// Anybody who may register administers the new firm. Therefore no administrator of a firm may mark an address as
/// verified.
#[tokio::test]
async fn only_a_platform_administrator_vouches_for_an_address() {
    let cast = Cast::assemble().await;
    let new = |firm: &str| {
        json!({
            "email": "victim@example.com", "password": PASSWORD, "name": "V", "emailVerified": true, "firmId": firm,
        })
    };
    let refused = cast.ask("one", Method::POST, "accounts", &new("")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.json());
    let made = cast.ask("root", Method::POST, "accounts", &new(&cast.firms[0])).await;
    assert_eq!(made.json()["account"]["account"]["emailIdentity"]["emailVerified"], true, "{}", made.json());
}
