//! Answers services that ask about the token of somebody else, or that end its session (RFC 7662, RFC 7009). Separate
//! from `sessions` and `logout` because the caller is a service, which has no account.

use std::sync::Arc;

use super::core::Accounts;
use super::errors::{refuse_field, too_many};
use crate::domain::{Account, Action, AuthError, Call, Note};
use countersign_guard::revocations::Standing;
use countersign_guard::token::{Claims, TokenError, Tokens};

/// A token that a call would be accepted with.
#[derive(Debug)]
pub(crate) struct ActiveToken {
    /// The claims of the token.
    pub claims: Arc<Claims>,
    /// The account as it is now. The claims may describe it as it was.
    pub account: Arc<Account>,
}

/// Why a question about a token has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The token may be good or revoked: recent revocations or the keys could not be read, or a clock is wrong.
    #[error("tokens cannot be checked at the moment")]
    Unknown,
    /// The request was refused, or the service failed.
    #[error(transparent)]
    Failed(#[from] AuthError),
}

impl Accounts {
    /// Refuses if too many wrong service credentials came from the address of this call.
    pub(crate) fn require_credential_guess(&self, call: &Call) -> Result<(), AuthError> {
        self.budgets.wrong_credentials.of(call.client.address).require_room().map_err(too_many)
    }

    /// Counts a wrong service credential.
    pub(crate) fn count_wrong_credential(&self, call: &Call) {
        self.budgets.wrong_credentials.of(call.client.address).count_failure();
    }

    /// Returns the claims and the account of a token if a call with it would be accepted now. The token is not
    /// refreshed, and its use is not noted.
    pub(crate) async fn introspect(&self, token: &str, call: &Call) -> Result<Option<ActiveToken>, Unanswered> {
        let withdrawals = self.tokens.withdrawals();
        let claims = match self.keys.verify(token, Tokens::verify).await {
            Ok(claims) => claims,
            Err(error) => return self.judge(error, call).map(|()| None),
        };
        match self.revocations.standing(claims.sid, claims.sub, claims.epoch, Some(claims.exp)) {
            // Its key may have been revoked since the signature was verified.
            Standing::Live if self.tokens.withdrawals() == withdrawals => {}
            Standing::Revoked => return Ok(None),
            Standing::Live | Standing::Unknown => return Err(Unanswered::Unknown),
        }
        match self.who_is(claims.sub, claims.epoch).await {
            Ok(account) => Ok(Some(ActiveToken { claims, account })),
            Err(AuthError::AccountGone) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the session of a token, which may have expired, durably and at once. Succeeds if the session has ended
    /// already, and for a token that was not signed here, because neither can be used any more.
    pub(crate) async fn revoke_token(&self, token: &str, call: Call) -> Result<(), Unanswered> {
        let claims = match self.keys.verify(token, Tokens::verify_former).await {
            Ok(claims) => claims,
            Err(TokenError::Invalid) if self.open_device(token).is_some() => {
                return Err(refuse_field("token", "is a device value, which cannot be revoked").into());
            }
            Err(error) => return self.judge(error, &call),
        };
        if self.revocations.standing(claims.sid, claims.sub, claims.epoch, None) == Standing::Unknown {
            return Err(Unanswered::Unknown);
        }
        let note = Note::new(Action::Revoke, "ok", &call).on(claims.sub);
        Ok(self.end_session_of(&claims, note).await?)
    }

    /// Succeeds if a token with this error is certainly of no use. One that was not signed here is charged to the
    /// budget of the address, and refused when that is spent.
    ///
    /// Only such tokens are ever refused. Services pass on what strangers send them, so a stranger could otherwise keep
    /// a service from asking about the tokens of everybody else.
    fn judge(&self, error: TokenError, call: &Call) -> Result<(), Unanswered> {
        match error {
            TokenError::Invalid => {
                let address = self.budgets.wrong_tokens.of(call.client.address);
                address.require_room().map_err(too_many)?;
                address.count_failure();
                Ok(())
            }
            // By a clock that is an hour ahead, every token of an hour has expired.
            TokenError::Expired if !self.revocations.is_clock_off() => Ok(()),
            TokenError::Expired | TokenError::UnknownKey | TokenError::FromTheFuture { .. } => Err(Unanswered::Unknown),
        }
    }
}
