//! The steps of second factors in the conversation of `real`. Separate from `steps` because both sides have other
//! secrets and tickets, so that what needs a right code is compared as a refusal.

use crate::steps::Step;
use crate::steps::Token::{As, None};

const BEGIN: &str = "POST /v1/me/totp:begin";
const CONFIRM: &str = "POST /v1/me/totp:confirm";
const DELETE: &str = "POST /v1/me/totp:delete";
const CODES: &str = "POST /v1/me/recoveryCodes:make";
const COMPLETE: &str = "POST /v1/sessions:completeLogin";
const PASSWORD: &str = r#"{"password": "s3cur3pass"}"#;

/// The routes that no step of this conversation can end in success.
pub const REFUSED: [&str; 5] = [CONFIRM, DELETE, CODES, COMPLETE, "POST /v1/admin/accounts/x:removeSecondFactors"];

/// The steps, in this order.
pub const STEPS: &[Step] = &[
    Step::post("POST /v1/accounts", r#"{"username": "tess", "password": "s3cur3pass"}"#)
        .keeps(&[("tess", "/token"), ("tess_id", "/account/id")]),
    Step::get("GET /v1/me/secondFactors", As("{tess}")),
    Step::get("GET /v1/me/secondFactors", None),
    Step::post(CONFIRM, r#"{"code": "287082"}"#).with(As("{tess}")),
    Step::post(BEGIN, PASSWORD).with(As("{tess}")),
    Step::post(BEGIN, r#"{"password": "another-pass"}"#).with(As("{tess}")),
    Step::post(BEGIN, "{}").with(As("{tess}")),
    Step::post(BEGIN, PASSWORD),
    Step::post(CONFIRM, r#"{"code": "28708"}"#).with(As("{tess}")),
    Step::post(CONFIRM, "{}").with(As("{tess}")),
    Step::post(DELETE, PASSWORD).with(As("{tess}")),
    Step::post(DELETE, "{}").with(As("{tess}")),
    Step::post(CODES, PASSWORD).with(As("{tess}")),
    Step::post(CODES, "{}").with(As("{tess}")),
    Step::get("GET /v1/me/secondFactors", As("{tess}")),
    // CompleteLogin.
    Step::post(COMPLETE, r#"{"ticket": "nothing", "totpCode": "287082"}"#),
    Step::post(COMPLETE, r#"{"ticket": "nothing", "recovery_code": "aaaa-aaaa-aaaa-aaaa"}"#),
    Step::post(COMPLETE, r#"{"ticket": "nothing", "totpCode": "28708"}"#),
    Step::post(COMPLETE, r#"{"ticket": "nothing"}"#),
    Step::post(COMPLETE, r#"{"totpCode": "287082"}"#),
    Step::post(COMPLETE, ""),
    // RemoveSecondFactors.
    Step::post("POST /v1/admin/accounts/{tess_id}:removeSecondFactors", "{}").with(As("{olga}")),
    Step::post("POST /v1/admin/accounts/{tess_id}:removeSecondFactors", "{}").with(As("{frank}")),
    Step::post("POST /v1/admin/accounts/{tess_id}:removeSecondFactors", "{}"),
    Step::post("POST /v1/admin/accounts/x:removeSecondFactors", "{}").with(As("{olga}")),
];
