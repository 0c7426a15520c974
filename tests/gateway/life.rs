//! The steps about the life of an account in the conversation of `real`. Separate from `steps` because they need the
//! tokens of mails, and accounts of their own.

use std::collections::HashMap;

use countersign::domain::TicketPurpose::{ChangeEmail, Invitation, ResetPassword, VerifyEmail};

use crate::steps::Step;
use crate::steps::Token::{As, Bearer, None};
use crate::support::TestApp;
use crate::support::ticket::{invited, sent};

const GAIL: &str = "gail@example.com";
const RITA: &str = "rita@example.com";

/// Makes the accounts, and returns their tokens and the one-time tokens of their mails.
pub async fn prepare(app: &TestApp) -> HashMap<&'static str, String> {
    let gail = app.sign_in_email(GAIL).await;
    // Accounts with the same time would be listed in any order.
    app.clock.advance(1);
    let rita = app.sign_in_email(RITA).await;
    app.clock.advance(1);
    let username = app.sign_in_username("ulla").await;
    invited(app, GAIL, "ivan@example.com").await;
    HashMap::from([
        ("gail", gail),
        ("rita", rita),
        ("ulla", username),
        ("verify", sent(app, VerifyEmail, GAIL, GAIL).await),
        ("verify2", sent(app, VerifyEmail, GAIL, GAIL).await),
        ("reset", sent(app, ResetPassword, GAIL, GAIL).await),
        ("reset2", sent(app, ResetPassword, RITA, RITA).await),
        ("change", sent(app, ChangeEmail, GAIL, "gail.new@example.com").await),
        ("invitation", sent(app, Invitation, "ivan@example.com", "ivan@example.com").await),
    ])
}

const VERIFY: &str = "POST /v1/emails:verify";
const RESEND: &str = "POST /v1/emails:resendVerification";
const CHANGE_EMAIL: &str = "POST /v1/me:changeEmail";
const CHANGE: &str = "POST /v1/me:changePassword";
const FORGOT: &str = "POST /v1/passwords:requestReset";
const RESET: &str = "POST /v1/passwords:reset";
const ACCEPT: &str = "POST /v1/invitations:accept";

/// The steps, in this order.
pub const STEPS: &[Step] = &[
    // VerifyEmail.
    Step::post(VERIFY, ""),
    Step::post(VERIFY, r#"{"oneTimeToken": 5}"#),
    Step::post(VERIFY, r#"{"token": "{verify}"}"#),
    Step::post(VERIFY, r#"{"oneTimeToken": "nobodys"}"#),
    Step::post(VERIFY, r#"{"oneTimeToken": "{reset}"}"#),
    Step::post(VERIFY, r#"{"oneTimeToken": "{verify}"}"#),
    Step::post(VERIFY, r#"{"one_time_token": "{verify}"}"#),
    Step::get("GET /v1/emails:verify?oneTimeToken={verify2}", None),
    Step::post("POST /v1/emails:verify?oneTimeToken=nobodys", "{}"),
    Step::post("POST /v1/emails", "{}"),
    // ResendVerification.
    Step::post(RESEND, r#"{"email": "gail@example.com"}"#),
    Step::post(RESEND, r#"{"email": "nobody@example.com"}"#),
    Step::post(RESEND, r#"{"email": "nobody"}"#),
    Step::post(RESEND, "{}"),
    // ChangeEmail.
    Step::post(CHANGE_EMAIL, r#"{"newEmail": "gail.new@example.com", "password": "s3cur3pass"}"#),
    Step::post(CHANGE_EMAIL, r#"{"newEmail": "gail.new@example.com", "password": "s3cur3pass"}"#).with(As("{gail}")),
    Step::post(CHANGE_EMAIL, r#"{"newEmail": "ann@example.com", "password": "s3cur3pass"}"#).with(Bearer("{gail}")),
    Step::post(CHANGE_EMAIL, r#"{"newEmail": "gail.new@example.com", "password": "wr0ng-pass"}"#).with(As("{gail}")),
    Step::post(CHANGE_EMAIL, r#"{"newEmail": "gail", "password": ""}"#).with(As("{gail}")),
    Step::post(CHANGE_EMAIL, r#"{"newEmail": "ulla@example.com", "password": "s3cur3pass"}"#).with(As("{ulla}")),
    Step::post(VERIFY, r#"{"oneTimeToken": "{change}"}"#),
    // ChangePassword.
    Step::post(CHANGE, r#"{"currentPassword": "s3cur3pass", "newPassword": "an0ther-pass"}"#),
    Step::post(CHANGE, r#"{"currentPassword": "s3cur3pass", "newPassword": "x"}"#).with(As("{ulla}")),
    Step::post(CHANGE, r#"{"currentPassword": "wr0ng-pass", "newPassword": "an0ther-pass"}"#).with(As("{ulla}")),
    Step::post(CHANGE, r#"{"currentPassword": null}"#).with(As("{ulla}")),
    Step::post(CHANGE, r#"{"currentPassword": "s3cur3pass", "newPassword": "an0ther-pass"}"#).with(As("{ulla}")),
    Step::post(CHANGE, r#"{"currentPassword": "s3cur3pass", "newPassword": "an0ther-pass"}"#).with(As("{ulla}")),
    // RequestPasswordReset and ResetPassword. The first link went to an address that has changed.
    Step::post(FORGOT, r#"{"email": "gail.new@example.com"}"#),
    Step::post(FORGOT, r#"{"email": "nobody@example.com"}"#),
    Step::post(FORGOT, r#"{"email": ["gail.new@example.com"]}"#),
    Step::post(FORGOT, ""),
    Step::post(RESET, r#"{"oneTimeToken": "{reset}", "newPassword": "an0ther-pass"}"#),
    Step::post(RESET, r#"{"oneTimeToken": "", "newPassword": "7 chars"}"#),
    Step::post(RESET, r#"{"oneTimeToken": "{reset2}", "newPassword": "an0ther-pass"}"#),
    Step::post(RESET, r#"{"oneTimeToken": "{reset2}", "newPassword": "an0ther-pass"}"#),
    Step::get("GET /v1/me", As("{gail}")),
    Step::get("GET /v1/me", As("{rita}")),
    // AcceptInvitation.
    Step::post(ACCEPT, r#"{"oneTimeToken": "{invitation}", "name": "", "password": "s3cur3pass"}"#),
    Step::post(ACCEPT, r#"{"oneTimeToken": "{verify2}", "name": "Ivan", "password": "s3cur3pass"}"#),
    Step::post(
        ACCEPT,
        r#"{"oneTimeToken": "{invitation}", "name": "Ivan", "password": "s3cur3pass", "role": "ROLE_ADMIN"}"#,
    ),
    Step::post(ACCEPT, r#"{"oneTimeToken": "{invitation}", "name": "Ivan", "password": "s3cur3pass"}"#),
    Step::post(ACCEPT, r#"{"oneTimeToken": "{invitation}", "name": "Ivan", "password": "s3cur3pass"}"#),
];
