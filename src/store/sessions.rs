//! Sessions: opening one at a sign-in, listing them, and ending them.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Budget, Listed, StoreError};
use crate::domain::{Session, StoredSession};

/// The store of sessions.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Stores a session, unless one of two things happened since its password was verified: the account changed (it is
    /// inactive, in a later epoch, or has another password or other second factors), or too many guesses failed. So a
    /// sign-in that races with a disable or a change of the password loses, in whichever order they commit. On success
    /// the failures before it are forgotten in the same transaction.
    async fn open_session(&self, opening: &Opening) -> Result<Opened, StoreError>;

    /// Finds a session that has not been ended.
    async fn find_session(&self, id: Uuid) -> Result<Option<StoredSession>, StoreError>;

    /// Lists a page of the live sessions of an account, the newest first.
    async fn list_sessions(&self, account_id: Uuid, page: &SessionPage) -> Result<Listed<StoredSession>, StoreError>;

    /// Ends a session; its tokens are refused until `until`. Ending it twice is no error.
    async fn end_session(&self, id: Uuid, until: OffsetDateTime) -> Result<(), StoreError>;

    /// Ends all sessions of an account but `except`, and returns them. The tokens of each are refused for one token
    /// lifetime after `from`.
    async fn end_sessions(
        &self,
        account_id: Uuid,
        except: Option<Uuid>,
        from: OffsetDateTime,
    ) -> Result<Vec<EndedSession>, StoreError>;

    /// Stores when sessions were last given a token. An earlier time than the stored one is ignored, and so is a
    /// session that has ended.
    async fn note_last_tokens(&self, times: &[(Uuid, OffsetDateTime)]) -> Result<(), StoreError>;
}

/// A sign-in that is to become a session.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The session to store, with the epoch that its account had when the password was verified.
    pub session: Session,
    /// The count of the credentials that were verified ([`Credentials`](super::Credentials)).
    pub password_changes: i64,
    /// The count of the second factors that were asked for, or that there were none of.
    pub factor_changes: i64,
    /// The budget that the guess was admitted with; `None` if no password was guessed.
    pub budget: Option<Budget>,
}

impl Opening {
    /// The counts of the credentials: of the password and of the second factors.
    pub(super) fn seen(&self) -> (i64, i64) {
        (self.password_changes, self.factor_changes)
    }
}

/// The result of [`SessionStore::open_session`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The session is stored, and the failures before it are forgotten.
    Open,
    /// The account has changed since the password was verified. Nothing is stored.
    Ended,
    /// Too many guesses have failed since this one was admitted. Nothing is stored.
    Spent,
}

impl Opened {
    /// Whether the session is stored.
    pub fn is_open(self) -> bool {
        self == Self::Open
    }
}

/// Selects a page of the sessions of an account.
#[derive(Debug, Clone, Copy)]
pub struct SessionPage {
    /// The time and id of the session before the page; `None` for the first page.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// The largest number of sessions in the page.
    pub limit: u32,
    /// Leaves out sessions that have reached their longest time by then.
    pub now: OffsetDateTime,
    /// Leaves out sessions that have no token which expires after this time.
    pub tokens_since: OffsetDateTime,
}

/// A session that has just been ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSession {
    /// The session as it was.
    pub stored: StoredSession,
    /// When its last token has expired, so that its revocation may be forgotten.
    pub until: OffsetDateTime,
}
