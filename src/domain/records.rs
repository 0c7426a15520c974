//! Accounts, firms, sessions, invitations and mails as administrators, owners and operators read them, and the changes
//! that administrators make. Separate from `account` because they describe stored rows and not the identity itself.

use std::fmt;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Account, AccountStatus, Email, Firm, Identity, MailKind, PersonName, Role, Session, Username};

/// An account as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// The account without its password hash.
    pub account: Account,
    /// Whether the account has a password.
    pub has_password: bool,
    /// Whether a sign-in needs a second factor.
    pub second_factor: bool,
}

/// A change of an account. A field that is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// The new name of the person.
    pub name: Option<PersonName>,
    /// The new username of a username account.
    pub username: Option<Username>,
    /// The new role in the firm.
    pub role: Option<Role>,
    /// The new status, which decides whether the account may sign in.
    pub status: Option<AccountStatus>,
    /// Who makes the change.
    pub authority: Authority,
}

/// The authority by which an account is changed or deleted. It decides what keeps the change from being made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Authority {
    /// The operator. The last active administrator of a firm with other active accounts stays one.
    #[default]
    Operator,
    /// The operator, who insists: nothing keeps the change from being made.
    Forced,
    /// An account, which must still be active. The last active administrator stays one here, too.
    Account(Uuid),
}

/// An account before and after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// The account before the change.
    pub before: Outline,
    /// The account after the change. Its epoch is higher if its sessions were ended.
    pub after: Outline,
    /// Whether the name or the username is a new one.
    pub renamed: bool,
    /// The whole account; `None` if it cannot be read.
    pub record: Option<AccountRecord>,
}

impl Updated {
    /// Whether anything was changed.
    pub fn is_change(&self) -> bool {
        self.renamed || self.before != self.after
    }
}

/// The part of an account that decides who may change it, and which can always be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// The id of the account.
    pub id: Uuid,
    /// The firm and the role of an email account; `None` for a username account.
    pub member: Option<(Uuid, Role)>,
    /// Whether the account may sign in.
    pub status: AccountStatus,
    /// The epoch of the account.
    pub epoch: i64,
    /// Whether the account is a platform administrator.
    pub platform_admin: bool,
}

impl Outline {
    /// The firm that the account administers, if it may sign in.
    pub fn administered_firm(&self) -> Option<Uuid> {
        match self.member {
            Some((firm, Role::Admin)) if self.status == AccountStatus::Active => Some(firm),
            _ => None,
        }
    }
}

impl From<&Account> for Outline {
    fn from(account: &Account) -> Self {
        let member = match &account.identity {
            Identity::Email { firm, role, .. } => Some((firm.id, *role)),
            Identity::Username(_) => None,
        };
        let Account { id, status, epoch, platform_admin, .. } = *account;
        Self { id, member, status, epoch, platform_admin }
    }
}

/// A firm as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmRecord {
    pub firm: Firm,
    /// When the firm was created.
    pub created_at: OffsetDateTime,
    /// The number of its accounts.
    pub accounts: u64,
}

/// A session as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// The session as its sign-in stored it.
    pub session: Session,
    /// When its latest token was minted, as far as that has been written.
    pub last_token_at: OffsetDateTime,
}

/// An invitation as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The id of the invitation.
    pub id: Uuid,
    /// The firm that the person is invited to.
    pub firm: Firm,
    /// The address of the invited person.
    pub email: Email,
    /// The role that the account will have in the firm.
    pub role: Role,
    /// The account that sent the invitation, which may be deleted by now; `None` for the command line.
    pub invited_by: Option<Uuid>,
    /// When the invitation was created.
    pub created_at: OffsetDateTime,
    /// Until when the invitation can be accepted.
    pub expires_at: OffsetDateTime,
}

/// A mail that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadMail {
    /// The id of the mail.
    pub id: Uuid,
    /// The kind of the mail.
    pub kind: MailKind,
    /// The address that it was for.
    pub recipient: Email,
    /// The number of attempts to send it.
    pub attempts: u32,
    /// When the mail was queued.
    pub queued_at: OffsetDateTime,
    /// When the mail was given up.
    pub died_at: OffsetDateTime,
    /// The reason of the last failure.
    pub cause: String,
}

/// The result of an import for one account, or the result that it would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Imported {
    /// The account is new and was stored.
    New,
    /// The same account, with the same id and name, was stored before. It was not changed.
    Unchanged,
    /// Another account has the same username or email.
    HandleTaken,
    /// Another account has the same id.
    IdTaken,
}

impl Imported {
    /// The reason why the account was not stored; empty if it was stored or unchanged.
    pub fn problem(self) -> &'static str {
        match self {
            Self::New | Self::Unchanged => "",
            Self::HandleTaken => "another account has this username or email",
            Self::IdTaken => "another account has this id",
        }
    }
}

/// A row with a value that this service cannot have written, or that a newer version has written. It names the place of
/// the value and never the value itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRow {
    /// The table of the row.
    pub table: &'static str,
    /// The key of the row.
    pub row: String,
    /// The column with the value.
    pub column: String,
}

impl fmt::Display for UnreadableRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "impossible value in {}.{} of row {}", self.table, self.column, self.row)
    }
}

impl std::error::Error for UnreadableRow {}
