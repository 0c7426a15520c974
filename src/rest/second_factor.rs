//! The end of a sign-in with a second factor, as both dialects have it: the fields of the request, and those that the
//! refusal of a right password adds to the dialect's error body. Separate because neither contract documents them, so
//! both dialects have the same.

use serde_json::{Value, json};

use super::body::{FieldProblem, Fields};
use crate::pb::complete_login_request::Proof;
use crate::pb::{CompleteLoginRequest, SecondFactor, SecondFactorMethod};

/// The code of the refusal of a right password that needs a second factor.
pub(super) const REQUIRED: &str = "second_factor_required";

/// The text of that refusal.
pub(super) const REQUIRED_TEXT: &str =
    "the password is right: finish with a code of your second factor and this ticket";

/// Takes the ticket and the code of a request. If there are two codes, neither is sent on, and the RPC refuses the
/// call.
pub(super) fn completion(fields: &mut Fields) -> CompleteLoginRequest {
    let ticket = fields.text("ticket");
    let (totp, recovery) = (fields.optional("totp_code"), fields.optional("recovery_code"));
    let proof = match (totp, recovery) {
        (Some(code), None) => Some(Proof::TotpCode(code)),
        (None, Some(code)) => Some(Proof::RecoveryCode(code)),
        (Some(_), Some(_)) => {
            fields.refuse("proof", FieldProblem::Not("must be a totp_code or a recovery_code, not both"));
            None
        }
        (None, None) => None,
    };
    CompleteLoginRequest { ticket, proof }
}

/// Adds the ticket, its lifetime in seconds and the possible proofs to the error body of a dialect.
pub(super) fn add(body: &mut Value, asked: &SecondFactor) {
    let methods = asked.methods().filter_map(|method| match method {
        SecondFactorMethod::Totp => Some("totp"),
        SecondFactorMethod::RecoveryCode => Some("recovery_code"),
        SecondFactorMethod::Unspecified => None,
    });
    let methods: Vec<_> = methods.collect();
    body["ticket"] = json!(asked.ticket);
    body["expires_in"] = json!(asked.expires_in);
    body["methods"] = json!(methods);
}
