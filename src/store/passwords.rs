//! Passwords that are replaced by others. Apart from accounts because each of these ends sessions, and each makes sign-ins
//! lose that began before it.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Credentials, EndedSession, StoreError};
use crate::domain::{NewMail, PasswordHash};

/// What changing and setting passwords needs.
#[async_trait]
pub trait PasswordStore: Send + Sync + 'static {
    /// The account and what its password is checked against, whatever its status.
    async fn credentials_of(&self, id: Uuid) -> Result<Option<Credentials>, StoreError>;

    /// Gives an account another password, unless another was set since `seen`, or it is not active. Ends its sessions but
    /// `except`, as [`AccountStore::end_sessions`](super::AccountStore::end_sessions) does, forgets failed attempts, and voids its
    /// tickets; `None` when
    /// nothing was changed.
    async fn change_password(
        &self,
        seen: &Credentials,
        new: &PasswordHash,
        except: Uuid,
        from: OffsetDateTime,
    ) -> Result<Option<Vec<EndedSession>>, StoreError>;

    /// Queues the mail of a change of address, unless `session_id` has ended, or the account has another password or another
    /// epoch by now, or is not active: what was proved before counts no longer then. Tells whether it still does.
    async fn queue_email_change(
        &self,
        seen: &Credentials,
        session_id: Uuid,
        mail: &NewMail,
    ) -> Result<bool, StoreError>;

    /// Sets the password of an account, whatever it was. Failed attempts are forgotten, its tickets are void, all its sessions end, and the new epoch is answered; their tokens are
    /// refused until `until`. `None` when there is no such account.
    async fn set_password(
        &self,
        id: Uuid,
        new: &PasswordHash,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError>;
}
