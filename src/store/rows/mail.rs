//! The rows of what is sent by mail: the outbox, tickets and invitations.

use uuid::Uuid;

use super::{from_millis, from_row, impossible};
use crate::domain::{Email, Firm, FirmName, MailKind, Role, TicketPurpose};
use crate::store::{ClaimedMail, DeadMail, Invitation, StoreError, StoredTicket};

/// A row of the outbox with the columns that sending needs.
pub(in crate::store) struct ClaimedRow {
    id: Uuid,
    kind: String,
    recipient: String,
    subject: Uuid,
    attempts: i64,
}

from_row!(ClaimedRow: id, kind, recipient, subject, attempts);

impl ClaimedRow {
    pub(crate) fn into_claimed(self) -> Result<ClaimedMail, StoreError> {
        let impossible = |column| impossible("outbox", column, self.id);
        Ok(ClaimedMail {
            id: self.id,
            kind: MailKind::parse(&self.kind).ok_or_else(|| impossible("kind"))?,
            recipient: Email::stored(self.recipient).ok_or_else(|| impossible("recipient"))?,
            subject: self.subject,
            attempt: self.attempts.try_into().map_err(|_| impossible("attempts"))?,
        })
    }
}

/// A row of the outbox that was given up.
pub(in crate::store) struct DeadRow {
    id: Uuid,
    kind: String,
    recipient: String,
    attempts: i64,
    queued_at: i64,
    due_at: i64,
    cause: Option<String>,
}

from_row!(DeadRow: id, kind, recipient, attempts, queued_at, due_at, cause);

impl DeadRow {
    pub(crate) fn into_dead(self) -> Result<DeadMail, StoreError> {
        let impossible = |column| impossible("outbox", column, self.id);
        Ok(DeadMail {
            id: self.id,
            kind: MailKind::parse(&self.kind).ok_or_else(|| impossible("kind"))?,
            recipient: Email::stored(self.recipient).ok_or_else(|| impossible("recipient"))?,
            attempts: self.attempts.try_into().map_err(|_| impossible("attempts"))?,
            queued_at: from_millis(self.queued_at).ok_or_else(|| impossible("queued_at"))?,
            died_at: from_millis(self.due_at).ok_or_else(|| impossible("due_at"))?,
            cause: self.cause.unwrap_or_default(),
        })
    }
}

pub(in crate::store) struct TicketRow {
    purpose: String,
    account_id: Option<Uuid>,
    invitation_id: Option<Uuid>,
    email: String,
    expires_at: i64,
}

from_row!(TicketRow: purpose, account_id, invitation_id, email, expires_at);

impl TicketRow {
    pub(crate) fn into_ticket(self) -> Result<StoredTicket, StoreError> {
        // An error names the row by its time: a digest is what a ticket is looked up by, and belongs in no log.
        let impossible = |column| impossible("tickets", column, self.expires_at);
        Ok(StoredTicket {
            purpose: TicketPurpose::parse(&self.purpose).ok_or_else(|| impossible("purpose"))?,
            account_id: self.account_id,
            invitation_id: self.invitation_id,
            email: Email::stored(self.email).ok_or_else(|| impossible("email"))?,
            expires_at: from_millis(self.expires_at).ok_or_else(|| impossible("expires_at"))?,
        })
    }
}

pub(in crate::store) struct InvitationRow {
    id: Uuid,
    firm_id: Uuid,
    firm_name: String,
    email: String,
    role: String,
    invited_by: Option<Uuid>,
    created_at: i64,
    expires_at: i64,
}

from_row!(InvitationRow: id, firm_id, firm_name, email, role, invited_by, created_at, expires_at);

impl InvitationRow {
    pub(crate) fn into_invitation(self) -> Result<Invitation, StoreError> {
        let impossible = |column| impossible("invitations", column, self.id);
        Ok(Invitation {
            id: self.id,
            firm: Firm {
                id: self.firm_id,
                name: FirmName::stored(self.firm_name).ok_or_else(|| impossible("firm_id"))?,
            },
            email: Email::stored(self.email).ok_or_else(|| impossible("email"))?,
            role: Role::parse(&self.role).ok_or_else(|| impossible("role"))?,
            invited_by: self.invited_by,
            created_at: from_millis(self.created_at).ok_or_else(|| impossible("created_at"))?,
            expires_at: from_millis(self.expires_at).ok_or_else(|| impossible("expires_at"))?,
        })
    }
}
