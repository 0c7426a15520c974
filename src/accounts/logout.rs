//! Logout: a caller ends the session of its own token. Separate from `sessions`, in which a session is named by its id:
//! here the token may have expired, and every repetition succeeds as well.

use std::time::Duration;

use super::core::{AFTERLIFE, Accounts};
use super::tasks::run_to_end;
use crate::domain::{Action, AuthError, Call, Detail, Note};
use countersign_guard::revocations::Revocation;
use countersign_guard::token::{Claims, MAX_LIFETIME};

impl Accounts {
    /// Ends the session of a token, which may have expired, durably and at once. Succeeds if the session has ended
    /// already.
    pub(crate) async fn logout(&self, claims: &Claims, call: Call) -> Result<(), AuthError> {
        let note = Note::new(Action::Logout, "ok", &call).by(claims.sub).on(claims.sub);
        self.end_session_of(claims, note).await
    }

    /// As [`Self::logout`], and describes the event by `note`.
    pub(super) async fn end_session_of(&self, claims: &Claims, note: Note) -> Result<(), AuthError> {
        let Claims { sid: session_id, sub: account_id, epoch, iat, exp, .. } = *claims;
        if self.revocations.contains(session_id, account_id, epoch) {
            return Ok(());
        }
        // The revocation of a session may be forgotten once the session's last token has expired. A token that has not
        // expired is always revoked.
        if self.tokens.has_expired(claims) && self.store.find_session(session_id).await?.is_none() {
            return Ok(());
        }
        // All tokens of a session have the lifetime of this one. The session may receive another token while this call
        // waits for the database, so the revocation is kept for longer than that lifetime.
        let token_lifetime = Duration::from_secs(exp.saturating_sub(iat).try_into().unwrap_or(0));
        let until = self.clock.now() + token_lifetime.min(MAX_LIFETIME) + AFTERLIFE;
        let this = self.clone();
        run_to_end(async move {
            this.store.end_session(session_id, until).await?;
            this.revocations.insert(Revocation::Session(session_id), until);
            this.audit.note(note.with(Detail::Session(session_id)));
            Ok(())
        })
        .await
    }
}
