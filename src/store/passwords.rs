//! Passwords that are replaced by others. A capability of its own, because each of these methods ends sessions and
//! makes sign-ins with the old password fail, even those that have begun.

use async_trait::async_trait;
use sqlx::{ColumnIndex, Decode, Row, Type};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Credentials, EndedSession, StoreError};
use crate::domain::{NameKind, NewMail, PasswordHash};

/// The rows of [`PasswordStore::hash_costs`] as values. A hash that cannot be read is the problem of its own account.
pub(super) fn costs<'r, R: Row>(rows: &'r [R]) -> Vec<(NameKind, PasswordHash, u64)>
where
    usize: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
{
    let read = |row: &'r R| -> Option<_> {
        let (is_email, text, number): (bool, &str, i64) =
            (row.try_get(0).ok()?, row.try_get(1).ok()?, row.try_get(2).ok()?);
        let kind = if is_email { NameKind::Email } else { NameKind::Username };
        Some((kind, PasswordHash::parse(text).ok()?, number.unsigned_abs()))
    };
    rows.iter().filter_map(read).collect()
}

/// The store of changed passwords.
#[async_trait]
pub trait PasswordStore: Send + Sync + 'static {
    /// Finds an account and its stored hash by its id, whatever its status.
    async fn credentials_of(&self, id: Uuid) -> Result<Option<Credentials>, StoreError>;

    /// Counts the stored hashes by the kind of the account's name, the scheme and the cost. Returns one hash of each
    /// sort, with the number of hashes like it.
    async fn hash_costs(&self) -> Result<Vec<(NameKind, PasswordHash, u64)>, StoreError>;

    /// Changes the password of an active account. Ends its sessions but `except`, as
    /// [`SessionStore::end_sessions`](super::SessionStore::end_sessions) does, forgets its failed guesses, and voids
    /// its tickets. Returns `None` and changes nothing if another password was set since `seen`.
    async fn change_password(
        &self,
        seen: &Credentials,
        new: &PasswordHash,
        except: Uuid,
        from: OffsetDateTime,
    ) -> Result<Option<Vec<EndedSession>>, StoreError>;

    /// Queues the mail of a change of address. Returns false and queues nothing if the proof of the password no longer
    /// counts: the session has ended, or the account is inactive, or it has another password or epoch than `seen`.
    async fn queue_email_change(
        &self,
        seen: &Credentials,
        session_id: Uuid,
        mail: &NewMail,
    ) -> Result<bool, StoreError>;

    /// Sets the password of an account, whatever it was. Ends all its sessions (their tokens are refused until
    /// `until`), forgets its failed guesses, and voids its tickets. Returns the new epoch, or `None` if there is no
    /// such account.
    async fn set_password(
        &self,
        id: Uuid,
        new: &PasswordHash,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError>;
}
