//! Mail that is to be sent: what about and to whom, and nothing of what it will say. The secret in a link is made when it
//! is sent (`mail/`), so that a queue of mail is no treasure.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Email, TicketPurpose};

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// To a new account: a link that proves that mail arrives.
    VerifyEmail,
    /// To whoever asked for it: a link that sets a new password.
    ResetPassword,
    /// To an address that an account wants to change to: a link that proves that mail arrives there.
    ChangeEmail,
    /// To the address that an account had before: a notice.
    EmailChanged,
    /// To an account: a notice.
    PasswordChanged,
    /// To somebody who is asked to join a firm: a link that makes the account.
    Invitation,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::ChangeEmail,
        Self::EmailChanged,
        Self::PasswordChanged,
        Self::Invitation,
    ];

    /// As the database, the templates and the log spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::EmailChanged => "email_changed",
            Self::PasswordChanged => "password_changed",
            Self::Invitation => "invitation",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What the link in it is good for; `None` of a notice, which has none.
    pub fn purpose(self) -> Option<TicketPurpose> {
        match self {
            Self::VerifyEmail => Some(TicketPurpose::VerifyEmail),
            Self::ResetPassword => Some(TicketPurpose::ResetPassword),
            Self::ChangeEmail => Some(TicketPurpose::ChangeEmail),
            Self::Invitation => Some(TicketPurpose::Invitation),
            Self::EmailChanged | Self::PasswordChanged => None,
        }
    }
}

/// A mail about to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMail {
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub kind: MailKind,
    /// To whom.
    pub recipient: Email,
    /// Whom or what it is about, when the address alone does not tell: the account of a change of email and of a notice,
    /// the invitation of one. Nil for the two that strangers can ask for, so that asking is the same for every address.
    pub subject: Uuid,
    /// Now.
    pub queued_at: OffsetDateTime,
}

impl NewMail {
    /// One that an address is enough for: [`MailKind::VerifyEmail`] or [`MailKind::ResetPassword`].
    pub fn to_address(id: Uuid, kind: MailKind, recipient: Email, queued_at: OffsetDateTime) -> Self {
        Self { id, kind, recipient, subject: Uuid::nil(), queued_at }
    }
}
