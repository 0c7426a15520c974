//! Messages about second factors as values of the domain, and the reverse: those of `CredentialService` and of the end
//! of a sign-in. Every function names all bad fields of its request at once.

use crate::accounts::{FactorMethod, OwnFactors, SecondFactorRequest, TypedProof};
use crate::domain::{AuthError, Password, RecoveryCode, TotpCode, Violations};
use crate::pb;

/// Parses the password of a request that has no other field.
pub(super) fn password(text: String) -> Result<Password, AuthError> {
    let mut bad = Violations::default();
    bad.check("password", Password::parse(text, 1)).ok_or(AuthError::Validation(bad))
}

/// Parses the code of a request that has no other field.
pub(super) fn code(text: String) -> Result<TotpCode, AuthError> {
    let mut bad = Violations::default();
    bad.check("code", TotpCode::parse(text)).ok_or(AuthError::Validation(bad))
}

/// Parses the ticket and the proof of a sign-in. Only its seal tells whether a text is a ticket.
pub(super) fn completion(request: pb::CompleteLoginRequest) -> Result<(String, TypedProof), AuthError> {
    use pb::complete_login_request::Proof;
    let mut bad = Violations::default();
    let ticket = match request.ticket {
        empty if empty.is_empty() => Err("is required"),
        ticket => Ok(ticket),
    };
    let ticket = bad.check("ticket", ticket);
    let proof = match request.proof {
        Some(Proof::TotpCode(code)) => bad.check("totp_code", TotpCode::parse(code)).map(TypedProof::Totp),
        Some(Proof::RecoveryCode(code)) => {
            bad.check("recovery_code", RecoveryCode::parse(code)).map(TypedProof::RecoveryCode)
        }
        None => bad.check("proof", Err("is required: send a totp_code or a recovery_code")),
    };
    ticket.zip(proof).ok_or(AuthError::Validation(bad))
}

/// What is left to do for a sign-in.
pub(super) fn asked(asked: SecondFactorRequest) -> pb::SecondFactor {
    let methods = asked.methods.into_iter().map(|method| match method {
        FactorMethod::Totp => pb::SecondFactorMethod::Totp.into(),
        FactorMethod::RecoveryCode => pb::SecondFactorMethod::RecoveryCode.into(),
    });
    pb::SecondFactor {
        ticket: asked.ticket,
        methods: methods.collect(),
        expires_in: asked.expires_in.as_secs().try_into().unwrap_or(i32::MAX),
    }
}

/// The second factors as their owner sees them.
pub(super) fn factors(factors: &OwnFactors) -> pb::GetSecondFactorsResponse {
    let recovery_codes_left = factors.recovery_codes.try_into().unwrap_or(i32::MAX);
    pb::GetSecondFactorsResponse { totp: factors.totp, recovery_codes_left }
}

/// Recovery codes for their owner.
pub(super) fn exposed(codes: &[RecoveryCode]) -> Vec<String> {
    codes.iter().map(RecoveryCode::expose).collect()
}
