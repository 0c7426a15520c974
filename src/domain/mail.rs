//! Mail that is to be sent: its kind and its recipient, but no text. The secret in a link is made when the mail is sent
//! (`mail/`), so the queue holds no secret.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Email, TicketPurpose};

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// For a new account: a link that verifies its address.
    VerifyEmail,
    /// For an account that asked for it: a link that sets a new password.
    ResetPassword,
    /// For the new address of an account: a link that verifies it.
    ChangeEmail,
    /// For the former address of an account: a notice of the change.
    EmailChanged,
    /// For an account: a notice that its password was changed.
    PasswordChanged,
    /// For an account: a notice that a sign-in needs a code of an authenticator app from now on.
    SecondFactorAdded,
    /// For an account: a notice that the password alone signs in again.
    SecondFactorRemoved,
    /// For an account: a notice that it has new recovery codes.
    RecoveryCodesMade,
    /// For an account: a notice that few recovery codes are left.
    RecoveryCodesFew,
    /// For an address that is invited to a firm: a link that creates the account.
    Invitation,
}

impl MailKind {
    /// All kinds, in the order of their definition.
    pub const ALL: [Self; 10] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::ChangeEmail,
        Self::EmailChanged,
        Self::PasswordChanged,
        Self::SecondFactorAdded,
        Self::SecondFactorRemoved,
        Self::RecoveryCodesMade,
        Self::RecoveryCodesFew,
        Self::Invitation,
    ];

    /// Returns the spelling in the database, the templates and the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::EmailChanged => "email_changed",
            Self::PasswordChanged => "password_changed",
            Self::SecondFactorAdded => "second_factor_added",
            Self::SecondFactorRemoved => "second_factor_removed",
            Self::RecoveryCodesMade => "recovery_codes_made",
            Self::RecoveryCodesFew => "recovery_codes_few",
            Self::Invitation => "invitation",
        }
    }

    /// Reads what [`Self::as_str`] returns.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the purpose of the link in the mail, or `None` for a notice, which has no link.
    pub fn purpose(self) -> Option<TicketPurpose> {
        match self {
            Self::VerifyEmail => Some(TicketPurpose::VerifyEmail),
            Self::ResetPassword => Some(TicketPurpose::ResetPassword),
            Self::ChangeEmail => Some(TicketPurpose::ChangeEmail),
            Self::Invitation => Some(TicketPurpose::Invitation),
            Self::EmailChanged
            | Self::PasswordChanged
            | Self::SecondFactorAdded
            | Self::SecondFactorRemoved
            | Self::RecoveryCodesMade
            | Self::RecoveryCodesFew => None,
        }
    }
}

/// A mail that is about to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMail {
    /// The id of the mail in the queue, the audit trail and the log.
    pub id: Uuid,
    /// The kind, which decides the template and the purpose of its link.
    pub kind: MailKind,
    /// The address that the mail is sent to.
    pub recipient: Email,
    /// The id of what the mail is about when the address alone does not tell: the account for a change of email and for
    /// notices, the invitation for an invitation. It is nil for the two kinds that strangers can ask for, so that
    /// asking does the same for every address.
    pub subject: Uuid,
    /// The time of queueing.
    pub queued_at: OffsetDateTime,
}

impl NewMail {
    /// Makes a mail for which the address is enough: [`MailKind::VerifyEmail`] or [`MailKind::ResetPassword`].
    pub fn to_address(id: Uuid, kind: MailKind, recipient: Email, queued_at: OffsetDateTime) -> Self {
        Self { id, kind, recipient, subject: Uuid::nil(), queued_at }
    }
}
