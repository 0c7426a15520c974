//! Passwords that are replaced by others. Apart from accounts because each of these ends sessions, and each makes sign-ins
//! lose that began before it.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Credentials, EndedSession, StoreError};
use crate::domain::PasswordHash;

/// What changing and setting passwords needs.
#[async_trait]
pub trait PasswordStore: Send + Sync + 'static {
    /// The account and what its password is checked against, whatever its status.
    async fn credentials_of(&self, id: Uuid) -> Result<Option<Credentials>, StoreError>;

    /// Gives an account another password, unless another was set since `seen`, or it is not active. Ends its sessions but
    /// `except`, as [`AccountStore::end_sessions`](super::AccountStore::end_sessions) does, and voids its tickets; `None` when
    /// nothing was changed.
    async fn change_password(
        &self,
        seen: &Credentials,
        new: &PasswordHash,
        except: Uuid,
        from: OffsetDateTime,
    ) -> Result<Option<Vec<EndedSession>>, StoreError>;

    /// Sets the password of an account, whatever it was. All its sessions end, its tickets are void, and the new epoch is answered; their tokens are
    /// refused until `until`. `None` when there is no such account.
    async fn set_password(
        &self,
        id: Uuid,
        new: &PasswordHash,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError>;
}
