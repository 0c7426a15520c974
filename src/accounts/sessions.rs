//! The sessions of an account, listed and ended: by whoever owns them, or by an administrator. Apart
//! from signing in and out because here one account may speak of another, and who may is decided in one place
//! ([`Accounts::require_seen`]).

use std::time::Duration;

use countersign_guard::revocations::{Revocation, Standing};
use countersign_guard::token::Claims;
use time::OffsetDateTime;
use uuid::Uuid;

use super::administration::Reach;
use super::places::{cut, opened};
use super::{AFTERLIFE, Accounts, uninterrupted};
use crate::domain::{Action, AuthError, Call, Detail, Note};
use crate::store::{SessionPage, StoredSession};

/// How much later than its token was minted a session's time may be written, with a margin: for so long a session is
/// still listed that looks as if its last token had expired. Better than hiding one that lives.
const WRITTEN_WITHIN: Duration = Duration::from_secs(30);

/// Who asks, as a verified token says: the account, the sign-in, and the account's epoch then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// Whose token it is.
    pub account_id: Uuid,
    /// The session that asks.
    pub session_id: Uuid,
    /// Of the account at sign-in.
    pub epoch: i64,
}

/// Sessions, the newest first, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionList {
    /// With the time of the latest token, as far as this process can know.
    pub sessions: Vec<StoredSession>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// Why a call that lasts may go on no longer: what would be said of its token if it were shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionEnd {
    /// By a logout, or whatever else ends sessions.
    #[error("the session has ended")]
    Revoked,
    /// The token has.
    #[error("the token has expired")]
    Expired,
    /// What was revoked of late could not be read.
    #[error("whether the session has ended is not known")]
    Unknown,
}

impl Accounts {
    /// Refuses a call that has begun once its token would not be let in any more: asked of each message of a stream.
    ///
    /// The token's own expiry counts, not the ceiling of its session. A stream shows no other token, and a session whose
    /// last token has expired is listed no more: whoever wanted to end it would not find it while its stream went on. The
    /// answer of a stream carries a fresh token as it begins, with which its caller begins again.
    pub fn require_session(&self, claims: &Claims) -> Result<(), SessionEnd> {
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

    /// Up to `limit` live sessions of an account, `None` for the actor's own; from the beginning when `page_token` is
    /// empty.
    pub async fn list_sessions(
        &self,
        actor: &Actor,
        account_id: Option<Uuid>,
        limit: u32,
        page_token: &str,
    ) -> Result<SessionList, AuthError> {
        let account_id = self.require_seen(actor, account_id.unwrap_or(actor.account_id)).await?;
        let after = opened(page_token, |token| self.open_place(&purpose(account_id), token))?;
        let now = self.clock.now();
        // One more than asked for tells whether there is another page.
        let page = SessionPage { after, limit: limit.saturating_add(1), now, tokens_since: now - WRITTEN_WITHIN };
        let (mut sessions, last) = cut(self.store.list_sessions(account_id, &page).await?.logged(), limit);
        let next_page_token = last.map_or_else(String::new, |StoredSession { session, .. }| {
            self.seal_place(&purpose(account_id), (session.created_at, session.id))
        });
        for stored in &mut sessions {
            stored.last_token_at = self.last_token_at(stored);
        }
        Ok(SessionList { sessions, next_page_token })
    }

    /// Ends a session of the actor, or of an account that the actor administers; durably and at once.
    pub async fn revoke_session(&self, actor: &Actor, id: Uuid, call: Call) -> Result<(), AuthError> {
        let found = self.store.find_session(id).await?;
        // The actor is looked at in any case: one who is gone is told so, whatever it asked for.
        let owner = found.as_ref().map_or(Uuid::nil(), |found| found.session.account_id);
        self.require_seen(actor, owner).await?;
        let now = self.clock.now();
        let session = found.ok_or(AuthError::NotFound)?.session;
        if session.expires_at <= now {
            return Err(AuthError::NotFound);
        }
        let until = now + AFTERLIFE + session.token_lifetime;
        let (this, by) = (self.clone(), actor.account_id);
        uninterrupted(async move {
            this.store.end_session(id, until).await?;
            this.revocations.insert(Revocation::Session(id), until);
            let note = Note::new(Action::Revoke, "ok", &call).by(by).on(session.account_id);
            this.audit.note(note.with(Detail::Session(id)));
            Ok(())
        })
        .await
    }

    /// Ends all sessions of the actor but the one that asks; or all of an account that the actor administers. Durably,
    /// in one transaction, and at once; tells how many of them were live.
    pub async fn revoke_other_sessions(
        &self,
        actor: &Actor,
        account_id: Option<Uuid>,
        call: Call,
    ) -> Result<usize, AuthError> {
        let account_id = self.require_seen(actor, account_id.unwrap_or(actor.account_id)).await?;
        let except = (account_id == actor.account_id).then_some(actor.session_id);
        let (this, by) = (self.clone(), actor.account_id);
        uninterrupted(async move {
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

    /// Refuses unless the actor may see the sessions of `account_id`: its own, or, if the store says at this moment that
    /// it is an administrator, those of whom it administers. Whatever else it asks for does not exist, as far as it is told.
    async fn require_seen(&self, actor: &Actor, account_id: Uuid) -> Result<Uuid, AuthError> {
        let own = self.find_active(actor.account_id, actor.epoch).await?;
        if account_id == own.id {
            return Ok(account_id);
        }
        match self.store.find_outline(account_id).await? {
            Some(other) if Reach::of(&own).is_some_and(|reach| reach.commands(&other)) => Ok(account_id),
            _ => Err(AuthError::NotFound),
        }
    }

    fn last_token_at(&self, stored: &StoredSession) -> OffsetDateTime {
        self.activity.last(stored.session.id).unwrap_or(stored.last_token_at).max(stored.last_token_at)
    }

    /// What a listing shows, said of one session.
    fn is_live(&self, stored: &StoredSession, now: OffsetDateTime) -> bool {
        let last_expiry = self.last_token_at(stored) + stored.session.token_lifetime;
        stored.session.expires_at > now && last_expiry > now - WRITTEN_WITHIN
    }
}

fn purpose(account_id: Uuid) -> String {
    format!("sessions of {account_id}")
}
