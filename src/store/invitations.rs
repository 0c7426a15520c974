//! Invitations to a firm: a person without an account is asked to register there, with a role.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Listed, StoreError};
use crate::domain::{Email, Invitation, MailKind, NewAccount, NewMail, Role, TicketDigest};

/// The store of invitations.
#[async_trait]
pub trait InvitationStore: Send + Sync + 'static {
    /// Stores an invitation and queues its mail with the id `mail`. It replaces an earlier one of the same firm and
    /// address, and the link of that one becomes void. Returns false if there is no such firm. If an account has the
    /// address, the error is [`StoreError::HandleTaken`].
    async fn create_invitation(&self, invitation: &NewInvitation, mail: Uuid) -> Result<bool, StoreError>;

    /// Finds an invitation that can be accepted at `now`.
    async fn find_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError>;

    /// Finds the invitation that a ticket accepts, if both are good at `now`. The ticket is not used.
    async fn find_invitation_by_ticket(
        &self,
        digest: &TicketDigest,
        now: OffsetDateTime,
    ) -> Result<Option<Invitation>, StoreError>;

    /// Lists a page of the invitations of a firm that can be accepted, the newest first.
    async fn list_invitations(&self, firm_id: Uuid, page: &InvitationPage) -> Result<Listed<Invitation>, StoreError>;

    /// Revokes an invitation: its link becomes void, and its mail is not sent if it is still queued. Returns the
    /// invitation.
    async fn revoke_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError>;

    /// Uses a ticket: deletes the invitation and stores the account in its firm, with its role and its address. Returns
    /// false if the ticket is not good, or if firm, role or address of `account` differ from the invitation's. If an
    /// account has the address by now, the error is [`StoreError::HandleTaken`], and the ticket stays.
    async fn accept_invitation(
        &self,
        digest: &TicketDigest,
        account: &NewAccount,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;
}

/// An invitation that is about to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvitation {
    /// The id, which no other invitation may have.
    pub id: Uuid,
    /// The firm that the person is invited to.
    pub firm_id: Uuid,
    /// The address of the invited person.
    pub email: Email,
    /// The role that the account will have in the firm.
    pub role: Role,
    /// The account that invites; `None` from the command line.
    pub invited_by: Option<Uuid>,
    /// The time of the request, and of queueing the mail.
    pub created_at: OffsetDateTime,
    /// Until when the invitation can be accepted.
    pub expires_at: OffsetDateTime,
}

impl NewInvitation {
    /// The mail that brings the invitation, with the id `id`.
    pub(super) fn mail(&self, id: Uuid) -> NewMail {
        let (recipient, queued_at) = (self.email.clone(), self.created_at);
        NewMail { id, kind: MailKind::Invitation, recipient, subject: self.id, queued_at }
    }
}

/// Selects a page of the invitations of a firm.
#[derive(Debug, Clone, Copy)]
pub struct InvitationPage {
    /// The time and id of the invitation before the page; `None` for the first page.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// The largest number of invitations in the page.
    pub limit: u32,
    /// Leaves out invitations that have expired by then.
    pub now: OffsetDateTime,
}
