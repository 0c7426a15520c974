//! The steps of administrators in the conversation of `real`. Separate from `steps` because they need a platform
//! administrator, which no request can make.

use std::collections::HashMap;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::steps::Step;
use crate::steps::Token::{As, Bearer, None};
use crate::support::TestApp;

/// Makes a platform administrator, an administrator of a firm, and an account with another role.
pub async fn prepare(app: &TestApp) -> HashMap<&'static str, String> {
    // Accounts with the same time would be listed in any order.
    app.clock.advance(1);
    let olga = app.sign_in_username("olga").await;
    // The command line makes a platform administrator, and no request can. The test does it in the database.
    let mut database =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(app.database())).await.unwrap();
    let made = sqlx::query("update accounts set platform_admin = 1 where username = 'olga'");
    assert_eq!(made.execute(&mut database).await.unwrap().rows_affected(), 1);
    app.clock.advance(1);
    let frank = app.sign_in_email("frank@example.com").await;
    app.clock.advance(1);
    HashMap::from([("olga", olga), ("frank", frank), ("nobody", app.sign_in_username("no admin").await)])
}

const ACCOUNTS: &str = "POST /v1/admin/accounts";
const INVITE: &str = "POST /v1/admin/invitations";
const CLEAR: &str = "POST /v1/admin/attempts:clear";

/// The steps, in this order.
pub const STEPS: &[Step] = &[
    // CreateAccount.
    Step::post(ACCOUNTS, r#"{"username": "made", "password": "s3cur3pass"}"#),
    Step::post(ACCOUNTS, r#"{"username": "made", "password": "s3cur3pass"}"#).with(As("{nobody}")),
    Step::post(ACCOUNTS, r#"{"username": "made", "password": "s3cur3pass"}"#)
        .with(As("{olga}"))
        .keeps(&[("made", "/account/account/id")]),
    Step::post(ACCOUNTS, r#"{"username": "made", "password": "s3cur3pass"}"#).with(As("{olga}")),
    Step::post(ACCOUNTS, r#"{"username": "made too", "password": "s3cur3pass", "role": "ROLE_USER"}"#)
        .with(As("{olga}")),
    Step::post(ACCOUNTS, r#"{"email": "m@example.com", "password": "s3cur3pass", "name": "M", "role": "ROLE_VIEWER"}"#)
        .with(Bearer("{frank}"))
        .keeps(&[("member", "/account/account/id"), ("firm", "/account/account/emailIdentity/firmId")]),
    Step::post(
        ACCOUNTS,
        r#"{"email": "n@example.com", "password": "s3cur3pass", "name": "N", "role": 2, "firmId": "{firm}"}"#,
    )
    .with(As("{olga}")),
    Step::post(ACCOUNTS, r#"{"email": "o@example.com", "password": "s3cur3pass", "name": "O", "role": 77}"#)
        .with(As("{frank}")),
    Step::post(ACCOUNTS, r#"{"email": "o@example.com", "password": "s3cur3pass", "name": "O", "role": "OWNER"}"#)
        .with(As("{frank}")),
    Step::post(ACCOUNTS, r#"{"email": "o@example.com", "emailVerified": "yes"}"#).with(As("{frank}")),
    Step::post(ACCOUNTS, r#"{"account": {"platformAdmin": true}}"#).with(As("{frank}")),
    // GetAccount.
    Step::get("GET /v1/admin/accounts/{made}", As("{olga}")),
    Step::get("GET /v1/admin/accounts/{made}", As("{frank}")),
    Step::get("GET /v1/admin/accounts/{member}", As("{frank}")),
    Step::get("GET /v1/admin/accounts/{member}", None),
    Step::get("GET /v1/admin/accounts/x", As("{olga}")),
    Step::get("GET /v1/admin/accounts/a%2Fb", As("{olga}")),
    // ListAccounts.
    Step::get("GET /v1/admin/accounts?firmId={firm}", As("{olga}")),
    Step::get("GET /v1/admin/accounts", As("{frank}")),
    Step::get("GET /v1/admin/accounts?role=ROLE_VIEWER&status=ACCOUNT_STATUS_ACTIVE", As("{frank}")),
    Step::get("GET /v1/admin/accounts?role=3", As("{frank}")),
    Step::get("GET /v1/admin/accounts?role=ROLE_OWNER", As("{frank}")),
    Step::get("GET /v1/admin/accounts?handlePrefix=M", As("{frank}")),
    Step::get("GET /v1/admin/accounts?pageSize=1", As("{frank}")).keeps(&[("accounts_page", "/nextPageToken")]),
    Step::get("GET /v1/admin/accounts?pageSize=1&pageToken={accounts_page}", As("{frank}")),
    Step::get("GET /v1/admin/accounts?pageSize=-1", As("{frank}")),
    Step::get("GET /v1/admin/accounts?pageToken=x", As("{frank}")),
    Step::get("GET /v1/admin/accounts", As("{nobody}")),
    // UpdateAccount.
    Step::post("PATCH /v1/admin/accounts/{member}", r#"{"name": "Mary", "role": "ROLE_USER"}"#).with(As("{frank}")),
    Step::post("PATCH /v1/admin/accounts/{member}", r#"{"name": ""}"#).with(As("{frank}")),
    Step::post("PATCH /v1/admin/accounts/{member}", r#"{"name": null}"#).with(As("{frank}")),
    Step::post("PATCH /v1/admin/accounts/{member}", r#"{"status": "ACCOUNT_STATUS_INACTIVE"}"#).with(As("{frank}")),
    Step::post("PATCH /v1/admin/accounts/{made}", r#"{"name": "Mary"}"#).with(As("{olga}")),
    Step::post("PATCH /v1/admin/accounts/{made}", "{}").with(As("{frank}")),
    Step::post("PATCH /v1/admin/accounts/{made}", r#"{"platformAdmin": true}"#).with(As("{olga}")),
    Step::post("PUT /v1/admin/accounts/{made}", "{}").with(As("{olga}")),
    // SetPassword.
    Step::post("POST /v1/admin/accounts/{made}:setPassword", r#"{"password": "an0ther-pass"}"#).with(As("{olga}")),
    Step::post("POST /v1/admin/accounts/{made}:setPassword", r#"{"password": "x"}"#).with(As("{olga}")),
    Step::post("POST /v1/admin/accounts/{made}:setPassword", r#"{"password": "an0ther-pass"}"#).with(As("{frank}")),
    Step::post("POST /v1/admin/accounts/{made}:setPassword", "{}"),
    // ListFirms.
    Step::get("GET /v1/admin/firms", As("{frank}")),
    Step::get("GET /v1/admin/firms?pageSize=1", As("{olga}")).keeps(&[("firms_page", "/nextPageToken")]),
    Step::get("GET /v1/admin/firms?pageSize=1&page_token={firms_page}", As("{olga}")),
    Step::get("GET /v1/admin/firms?pageSize=x", As("{olga}")),
    Step::get("GET /v1/admin/firms", None),
    // Invitations.
    Step::post(INVITE, r#"{"email": "inga@example.com"}"#),
    Step::post(INVITE, r#"{"email": "inga@example.com"}"#).with(As("{nobody}")),
    Step::post(INVITE, r#"{"email": "inga@example.com", "role": "ROLE_ADMIN"}"#)
        .with(As("{frank}"))
        .keeps(&[("invited", "/invitation/id")]),
    Step::post(INVITE, r#"{"email": "frank@example.com"}"#).with(As("{frank}")),
    Step::post(INVITE, r#"{"email": "inga"}"#).with(As("{frank}")),
    Step::get("GET /v1/admin/invitations", As("{frank}")),
    Step::get("GET /v1/admin/invitations?firmId={firm}&pageSize=5", As("{olga}")),
    Step::get("GET /v1/admin/invitations?pageToken=x", As("{frank}")),
    Step::get("DELETE /v1/admin/invitations/{invited}", None),
    Step::get("DELETE /v1/admin/invitations/x", As("{frank}")),
    Step::get("DELETE /v1/admin/invitations/{invited}", As("{frank}")),
    Step::get("DELETE /v1/admin/invitations/{invited}", As("{frank}")),
    // The number of attempts depends on steps that only one side took.
    Step::get("GET /v1/admin/attempts?handle=made", As("{olga}")),
    Step::get("GET /v1/admin/attempts?handle=made", As("{frank}")),
    Step::get("GET /v1/admin/attempts", As("{olga}")),
    Step::post(CLEAR, r#"{"handle": "made"}"#).with(As("{olga}")),
    Step::post(CLEAR, "{}").with(As("{olga}")),
    Step::post(CLEAR, r#"{"handle": "made"}"#),
    // The signing keys, of which there are none, because the secret signs.
    Step::get("GET /v1/admin/signingKeys", As("{olga}")),
    Step::get("GET /v1/admin/signingKeys", As("{frank}")),
    Step::get("GET /v1/admin/signingKeys", None),
    Step::post("POST /v1/admin/signingKeys:rotate", "{}").with(As("{olga}")),
    Step::post("POST /v1/admin/signingKeys:rotate", "{}").with(As("{frank}")),
    Step::get("DELETE /v1/admin/signingKeys/x", As("{olga}")),
    Step::get("DELETE /v1/admin/signingKeys/x", As("{frank}")),
    Step::get("DELETE /v1/admin/signingKeys/x", None),
    // ListAuditEvents, for a time without events: events are written a little later, and only one side has some.
    Step::get("GET /v1/admin/auditEvents?endTime=1970-01-02T00:00:00Z", As("{olga}")),
    Step::get("GET /v1/admin/auditEvents?startTime=yesterday", As("{olga}")),
    Step::get("GET /v1/admin/auditEvents", None),
    // ExportAccounts.
    Step::get("GET /v1/admin/accounts:export", As("{frank}")),
    Step::get("GET /v1/admin/accounts:export", None),
    Step::get("GET /v1/admin/accounts:export", As("{olga}")),
    // DeleteAccount.
    Step::get("DELETE /v1/admin/accounts/{made}", As("{frank}")),
    Step::get("DELETE /v1/admin/accounts/{made}", As("{olga}")),
    Step::get("DELETE /v1/admin/accounts/{made}", As("{olga}")),
];
