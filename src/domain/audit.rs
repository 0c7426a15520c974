//! The events of the audit trail: the actor, the action, the account, the origin and the result. Separate from the log
//! because events are stored, searched and shown. Their types cannot hold text that a person typed: only fixed names,
//! ids, addresses and numbers.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Call, KeyId, Role};

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// A UUID of version 7. Of two events in one millisecond, the later one of a process has the larger id.
    pub id: Uuid,
    /// The time, in whole milliseconds.
    pub at: OffsetDateTime,
    /// The action and its result.
    pub note: Note,
}

/// An event as the code that acts reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What was done, or attempted without success.
    pub action: Action,
    /// The result: `ok`, or the reason of a failure; a fixed text.
    pub result: Cow<'static, str>,
    /// The account that acted; `None` for a caller that is not signed in, for the command line and for the server.
    pub actor: Option<Uuid>,
    /// The account that was acted on; it may have been deleted.
    pub account: Option<Uuid>,
    /// The firm that is concerned. The store looks it up when it is `None`.
    pub firm: Option<Uuid>,
    /// Where the action came from.
    pub origin: Origin,
    /// The `request-id` of the answer; `None` when the action did not come by the network.
    pub request_id: Option<Uuid>,
    /// Further details of the event.
    pub detail: Detail,
}

impl Note {
    /// Describes an action of a call.
    pub fn new(action: Action, result: &'static str, call: &Call) -> Self {
        let origin = call.client.address.map_or(Origin::Unknown, Origin::Address);
        Self { request_id: call.request_id, ..Self::from(action, result, origin) }
    }

    /// Describes an action without a call: of the command line, or of the server itself.
    pub fn from(action: Action, result: &'static str, origin: Origin) -> Self {
        let (actor, account, firm, request_id) = (None, None, None, None);
        let (result, detail) = (Cow::Borrowed(result), Detail::None);
        Self { action, result, actor, account, firm, origin, request_id, detail }
    }

    /// Names the account that acted.
    pub fn by(self, actor: impl Into<Option<Uuid>>) -> Self {
        Self { actor: actor.into(), ..self }
    }

    /// Names the account that was acted on.
    pub fn on(self, account: impl Into<Option<Uuid>>) -> Self {
        Self { account: account.into(), ..self }
    }

    /// Names the firm, for events of accounts that will be deleted.
    pub fn within(self, firm: Option<Uuid>) -> Self {
        Self { firm, ..self }
    }

    /// Adds further details of the event.
    pub fn with(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }
}

/// Defines the actions with their names, on which clients rely.
macro_rules! actions {
    ($($(#[$doc:meta])* $Action:ident = $name:literal,)+) => {
        /// An action. Each has a name for the log, the database and clients, which never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $Action,)+
        }

        impl Action {
            /// All actions, in the order of their definition.
            pub const ALL: &[Self] = &[$(Self::$Action,)+];

            /// Returns the name of the action.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Action => $name,)+
                }
            }
        }
    };
}

actions! {
    /// An account is registered.
    Register = "register",
    /// An account signs in.
    Login = "login",
    /// A session ends itself.
    Logout = "logout",
    /// A session, or all other sessions, are ended from another session; or a service ends the session of a token.
    Revoke = "revoke",
    /// An administrator or the command line creates an account.
    Create = "create",
    /// The name of a person changes.
    Rename = "rename",
    /// An account may no longer sign in.
    Disable = "disable",
    /// An account may sign in again.
    Enable = "enable",
    /// The role of an account in its firm changes.
    Role = "role",
    /// An account becomes a platform administrator.
    PlatformAdminGranted = "platform_admin_granted",
    /// An account is a platform administrator no longer.
    PlatformAdminRevoked = "platform_admin_revoked",
    /// An account is deleted for good.
    Delete = "delete",
    /// An administrator sets a password.
    PasswordSet = "password_set",
    /// The owner changes a password.
    PasswordChanged = "password_changed",
    /// A link to set a new password is requested.
    PasswordResetRequested = "password_reset_requested",
    /// A new password is set by such a link.
    PasswordReset = "password_reset",
    /// An authenticator app is confirmed: a sign-in needs its codes.
    TotpAdded = "totp_added",
    /// The owner removes the authenticator app.
    TotpRemoved = "totp_removed",
    /// The owner makes new recovery codes.
    RecoveryCodesMade = "recovery_codes_made",
    /// A recovery code finishes a sign-in.
    RecoveryCodeUsed = "recovery_code_used",
    /// An administrator or the command line removes the second factors of an account.
    SecondFactorsRemoved = "second_factors_removed",
    /// Another link to verify an address is requested.
    VerificationRequested = "verification_requested",
    /// An address is verified.
    EmailVerified = "email_verified",
    /// A change of the address is requested.
    EmailChangeRequested = "email_change_requested",
    /// The new address replaces the old one.
    EmailChanged = "email_changed",
    /// An address is invited to a firm.
    InvitationCreated = "invitation_created",
    /// An account joins a firm by an invitation.
    InvitationAccepted = "invitation_accepted",
    /// An invitation is withdrawn.
    InvitationRevoked = "invitation_revoked",
    /// Failed sign-ins are forgotten.
    AttemptsCleared = "attempts_cleared",
    /// Accounts are imported with their hashes.
    Import = "import",
    /// Accounts are exported with their hashes.
    Export = "export",
    /// A caller without the right attempts an administrator's action.
    Administer = "administer",
    /// A mail is given up.
    MailDead = "mail_dead",
    /// A mail that was given up is queued again.
    MailRetried = "mail_retried",
    /// A key is published, so that everybody knows it before it signs tokens.
    KeyPublished = "key_published",
    /// A key begins to sign tokens in place of the one before.
    KeyRotated = "key_rotated",
    /// The next key is to sign as soon as it has been published for long enough.
    KeyRotationRequested = "key_rotation_requested",
    /// A key is revoked, and all tokens that it signed are refused.
    KeyRevoked = "key_revoked",
    /// A key that no longer signs is removed, because its last token has expired.
    KeyRemoved = "key_removed",
    /// Tokens are signed with keys in place of the secret, or the reverse.
    AlgorithmSwitched = "algorithm_switched",
    /// The server starts, with the settings that the log shows at that moment.
    Start = "start",
    /// The server stops for any reason but a crash.
    Stop = "stop",
}

impl Action {
    /// Reads what [`Self::as_str`] returns.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text)
    }
}

/// Where an action came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The address of the client.
    Address(IpAddr),
    /// A command of `countersign`.
    CommandLine,
    /// The server itself, without a caller.
    Server,
    /// A call within the process, as tests make them.
    Unknown,
}

impl Origin {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let named = [Self::CommandLine, Self::Server, Self::Unknown].into_iter();
        named.chain(text.parse().map(Self::Address)).find(|origin| origin.to_string() == text)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::CommandLine => f.write_str("command line"),
            Self::Server => f.write_str("server"),
            Self::Unknown => Ok(()),
        }
    }
}

/// Further details of an event. No variant can hold a secret, or text that a person typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The action has no further details.
    None,
    /// The session that began or ended.
    Session(Uuid),
    /// The number of live sessions that ended.
    Sessions(u64),
    /// The role that the account has from now on.
    Role(Role),
    /// The id of the invitation.
    Invitation(Uuid),
    /// The id of the mail.
    Mail(Uuid),
    /// The number of accounts that were imported or exported.
    Accounts(u64),
    /// The id of the key.
    Key(KeyId),
}

impl Detail {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, value) = text.split_once(' ').unwrap_or((text, ""));
        let detail = match kind {
            "" => Self::None,
            "session" => Self::Session(Uuid::try_parse(value).ok()?),
            "sessions" => Self::Sessions(value.parse().ok()?),
            "role" => Self::Role(Role::parse(value)?),
            "invitation" => Self::Invitation(Uuid::try_parse(value).ok()?),
            "mail" => Self::Mail(Uuid::try_parse(value).ok()?),
            "accounts" => Self::Accounts(value.parse().ok()?),
            "key" => Self::Key(KeyId::parse(value)?),
            _ => return None,
        };
        (detail.to_string() == text).then_some(detail)
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Session(id) => write!(f, "session {id}"),
            Self::Sessions(count) => write!(f, "sessions {count}"),
            Self::Role(role) => write!(f, "role {}", role.as_str()),
            Self::Invitation(id) => write!(f, "invitation {id}"),
            Self::Mail(id) => write!(f, "mail {id}"),
            Self::Accounts(count) => write!(f, "accounts {count}"),
            Self::Key(id) => write!(f, "key {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Action, Detail, KeyId, Origin, Role};

    #[test]
    fn what_is_stored_is_read_as_what_it_was() {
        for (at, action) in Action::ALL.iter().enumerate() {
            let name = action.as_str();
            assert_eq!(Action::parse(name), Some(*action));
            assert!(name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(Action::ALL[..at].iter().all(|other| other.as_str() != name), "{name} twice");
        }
        let id = Uuid::from_u128(7);
        for detail in [
            Detail::None,
            Detail::Session(id),
            Detail::Sessions(12),
            Detail::Role(Role::Viewer),
            Detail::Invitation(id),
            Detail::Mail(id),
            Detail::Accounts(0),
            Detail::Key(KeyId::parse(&"A".repeat(43)).unwrap()),
        ] {
            assert_eq!(Detail::parse(&detail.to_string()), Some(detail));
        }
        let addresses = ["127.0.0.1", "2001:db8::1"].map(|text| Origin::Address(text.parse().unwrap()));
        for origin in [Origin::CommandLine, Origin::Server, Origin::Unknown].into_iter().chain(addresses) {
            assert_eq!(Origin::parse(&origin.to_string()), Some(origin));
        }
        for text in ["session x", "role owner", "sessions", "anything", "none ", "sessions 01", "key A"] {
            assert_eq!(Detail::parse(text), None, "{text}");
            assert_eq!(Origin::parse(text), None, "{text}");
        }
        assert_eq!(Action::parse("no such thing"), None);
    }
}
