//! Invitations to a firm: somebody without an account is asked to make one there, with a role.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Listed, StoreError};
use crate::domain::{Email, Invitation, NewAccount, Role, TicketDigest};

/// What the use cases and the worker need of invitations.
#[async_trait]
pub trait InvitationStore: Send + Sync + 'static {
    /// Stores an invitation in place of another of the same firm and address, whose link is void, and queues its mail with the
    /// id `mail`. Tells whether it did: not when there is no such firm. When an account has the address, that is
    /// [`StoreError::HandleTaken`].
    async fn create_invitation(&self, invitation: &NewInvitation, mail: Uuid) -> Result<bool, StoreError>;

    /// The invitation, if it can be accepted at `now`.
    async fn find_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError>;

    /// The invitation that a ticket accepts, both good at `now`, and still so afterwards.
    async fn find_invitation_by_ticket(
        &self,
        digest: &TicketDigest,
        now: OffsetDateTime,
    ) -> Result<Option<Invitation>, StoreError>;

    /// A page of the invitations of a firm that can be accepted, the newest first.
    async fn list_invitations(&self, firm_id: Uuid, page: &InvitationPage) -> Result<Listed<Invitation>, StoreError>;

    /// Takes an invitation back: its link is void, and mail that would bring another is not sent. Answers what it was.
    async fn revoke_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError>;

    /// Uses a ticket: the account is stored in the firm, with the role and the address of the invitation, which is gone. Tells
    /// whether it was: not when the ticket is no good, or `account` is not what was offered. When an account has the address
    /// by now, that is [`StoreError::HandleTaken`], and the ticket stays.
    async fn accept_invitation(
        &self,
        digest: &TicketDigest,
        account: &NewAccount,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;
}

/// An invitation about to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvitation {
    /// Its id.
    pub id: Uuid,
    /// Where to.
    pub firm_id: Uuid,
    /// Who.
    pub email: Email,
    /// As what.
    pub role: Role,
    /// By which account; `None` from the command line.
    pub invited_by: Option<Uuid>,
    /// Now.
    pub created_at: OffsetDateTime,
    /// Until when it can be accepted.
    pub expires_at: OffsetDateTime,
}

/// Which invitations of a firm to list.
#[derive(Debug, Clone, Copy)]
pub struct InvitationPage {
    /// Only those that come after the invitation of this time and id; `None` for the first page.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// At most so many.
    pub limit: u32,
    /// Only those that can be accepted then.
    pub now: OffsetDateTime,
}
