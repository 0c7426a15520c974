//! Lists and ends the sessions of an account, for its owner or for an administrator. Separate from signing in and out
//! because one account may name another here, and one place decides whether it may ([`Accounts::require_seen`]).

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::actor::Actor;
use super::administration::Reach;
use super::core::{AFTERLIFE, Accounts};
use super::page_tokens::{cut_page, parse_page_token};
use super::tasks::run_to_end;
use crate::domain::{Action, AuthError, Call, Detail, Note, StoredSession};
use crate::store::SessionPage;
use countersign_guard::revocations::{Revocation, Standing};
use countersign_guard::token::Claims;

/// How long after a token was minted the session's time may not yet be written, with a margin. For so long, a session
/// is still listed although its last stored token has expired: showing an expired session is better than hiding a live
/// one.
const MAX_WRITE_DELAY: Duration = Duration::from_secs(30);

/// A page of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionList {
    /// The newest first, each with the time of its latest token as far as this process knows it.
    pub sessions: Vec<StoredSession>,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
}

/// Why a stream must end: the reason for which its token would be refused now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionEnd {
    /// The session was ended, for example by a logout.
    #[error("the session has ended")]
    Revoked,
    /// The token of the stream has expired.
    #[error("the token has expired")]
    Expired,
    /// Recent revocations could not be read from the database.
    #[error("revocations cannot be read at the moment, so the session cannot be checked: try again")]
    Unknown,
}

impl Accounts {
    /// Refuses to continue a stream once its token would be refused. Called for each message of a stream.
    ///
    /// The expiry of the token counts, and not the end of its session. A stream shows no further token, and a session
    /// is no longer listed once its last token has expired: its owner could not find it to end it while the stream went
    /// on. The headers of the stream carry a fresh token, with which the client can call again.
    pub(crate) fn require_session(&self, claims: &Claims) -> Result<(), SessionEnd> {
        let standing = self.revocations.standing(claims.sid, claims.sub, claims.epoch, Some(claims.exp));
        if self.tokens.has_expired(claims) && !self.revocations.is_clock_off() {
            return Err(SessionEnd::Expired);
        }
        match standing {
            Standing::Live => Ok(()),
            Standing::Revoked => Err(SessionEnd::Revoked),
            Standing::Unknown => Err(SessionEnd::Unknown),
        }
    }

    /// Up to `limit` live sessions of an account, or of the actor if `account_id` is `None`; from the newest when
    /// `page_token` is empty.
    pub(crate) async fn list_sessions(
        &self,
        actor: &Actor,
        account_id: Option<Uuid>,
        limit: u32,
        page_token: &str,
    ) -> Result<SessionList, AuthError> {
        let account_id = self.require_seen(actor, account_id.unwrap_or(actor.account_id), "account").await?;
        let query = format!("sessions of {account_id}");
        let after = parse_page_token(page_token, |token| self.open_position(&query, token))?;
        let now = self.clock.now();
        // One row more than asked for tells whether another page follows.
        let page = SessionPage { after, limit: limit.saturating_add(1), now, tokens_since: now - MAX_WRITE_DELAY };
        let (mut sessions, last) = cut_page(self.store.list_sessions(account_id, &page).await?.logged(), limit);
        let next_page_token = last.map_or_else(String::new, |StoredSession { session, .. }| {
            self.seal_position(&query, (session.created_at, session.id))
        });
        for stored in &mut sessions {
            stored.last_token_at = self.last_token_at(stored);
        }
        Ok(SessionList { sessions, next_page_token })
    }

    /// Ends a session of the actor or of an account that the actor administers, durably and at once.
    pub(crate) async fn revoke_session(&self, actor: &Actor, id: Uuid, call: Call) -> Result<(), AuthError> {
        let found = self.store.find_session(id).await?;
        // Checked even if no session was found: an actor with a deleted account is told so in any case.
        let owner = found.as_ref().map_or(Uuid::nil(), |found| found.session.account_id);
        self.require_seen(actor, owner, "session").await?;
        let now = self.clock.now();
        let session = found.ok_or(AuthError::NotFound("session"))?.session;
        if session.expires_at <= now {
            return Err(AuthError::NotFound("session"));
        }
        let until = now + AFTERLIFE + session.token_lifetime;
        let (this, by) = (self.clone(), actor.account_id);
        run_to_end(async move {
            this.store.end_session(id, until).await?;
            this.revocations.insert(Revocation::Session(id), until);
            let note = Note::new(Action::Revoke, "ok", &call).by(by).on(session.account_id);
            this.audit.note(note.with(Detail::Session(id)));
            Ok(())
        })
        .await
    }

    /// Ends all sessions of the actor except the calling one, or all sessions of an account that the actor administers.
    /// Durably, in one transaction, and at once. Returns how many of them were live.
    pub(crate) async fn revoke_other_sessions(
        &self,
        actor: &Actor,
        account_id: Option<Uuid>,
        call: Call,
    ) -> Result<usize, AuthError> {
        let account_id = self.require_seen(actor, account_id.unwrap_or(actor.account_id), "account").await?;
        let except = (account_id == actor.account_id).then_some(actor.session_id);
        let (this, by) = (self.clone(), actor.account_id);
        run_to_end(async move {
            let now = this.clock.now();
            let ended = this.store.end_sessions(account_id, except, now + AFTERLIFE).await?;
            for ended in &ended {
                this.revocations.insert(Revocation::Session(ended.stored.session.id), ended.until);
            }
            let live = ended.iter().filter(|ended| this.is_live(&ended.stored, now)).count();
            let note = Note::new(Action::Revoke, "ok", &call).by(by).on(account_id);
            this.audit.note(note.with(Detail::Sessions(live as u64)));
            Ok(live)
        })
        .await
    }

    /// Refuses unless the actor may see the sessions of `account_id`: its own, or those of an account that it
    /// administers, as the store has it now. For every other account the answer is the same as for one that does not
    /// exist: nothing of this kind was found.
    async fn require_seen(&self, actor: &Actor, account_id: Uuid, kind: &'static str) -> Result<Uuid, AuthError> {
        let own = self.find_actor(actor).await?;
        if account_id == own.id {
            return Ok(account_id);
        }
        match self.store.find_outline(account_id).await? {
            Some(other) if Reach::of(&own).is_some_and(|reach| reach.commands(&other)) => Ok(account_id),
            _ => Err(AuthError::NotFound(kind)),
        }
    }

    fn last_token_at(&self, stored: &StoredSession) -> OffsetDateTime {
        self.activity.last(stored.session.id).unwrap_or(stored.last_token_at).max(stored.last_token_at)
    }

    /// Whether a listing would show the session.
    fn is_live(&self, stored: &StoredSession, now: OffsetDateTime) -> bool {
        let last_expiry = self.last_token_at(stored) + stored.session.token_lifetime;
        stored.session.expires_at > now && last_expiry > now - MAX_WRITE_DELAY
    }
}
