//! What happened: who did what, on whom, from where, and how it ended. Apart from the log because it is kept, asked for and
//! shown, so it has types that cannot hold what a person typed: names of ours, ids, addresses and numbers.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Call, Role};

/// Something that happened, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// A UUID of version 7. Of events in the same millisecond, the one that a process noted later has the larger.
    pub id: Uuid,
    /// When, to the millisecond.
    pub at: OffsetDateTime,
    /// What, and how it ended.
    pub note: Note,
}

/// Something that happened, as the one who does it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What.
    pub action: Action,
    /// How it ended: `ok`, or why not; a text of ours.
    pub result: Cow<'static, str>,
    /// Who: an account. `None` for who is not signed in, for the command line and for the server itself.
    pub actor: Option<Uuid>,
    /// On whom: an account, that may be gone.
    pub account: Option<Uuid>,
    /// The firm that it concerns; the store looks it up unless it is told.
    pub firm: Option<Uuid>,
    /// From where.
    pub origin: Origin,
    /// As in the answer's `request-id`; `None` when it did not come by the network.
    pub request_id: Option<Uuid>,
    /// What else there is to say.
    pub detail: Detail,
}

impl Note {
    /// Of what a call does.
    pub fn new(action: Action, result: &'static str, call: &Call) -> Self {
        let origin = call.client.address.map_or(Origin::Unknown, Origin::Address);
        Self { request_id: call.request_id, ..Self::from(action, result, origin) }
    }

    /// Of what no call does: the command line, or the server by itself.
    pub fn from(action: Action, result: &'static str, origin: Origin) -> Self {
        let (actor, account, firm, request_id) = (None, None, None, None);
        let (result, detail) = (Cow::Borrowed(result), Detail::None);
        Self { action, result, actor, account, firm, origin, request_id, detail }
    }

    /// Who did it.
    pub fn by(self, actor: impl Into<Option<Uuid>>) -> Self {
        Self { actor: actor.into(), ..self }
    }

    /// To whom.
    pub fn on(self, account: impl Into<Option<Uuid>>) -> Self {
        Self { account: account.into(), ..self }
    }

    /// In which firm, where the store cannot look it up: the account will be gone.
    pub fn within(self, firm: Option<Uuid>) -> Self {
        Self { firm, ..self }
    }

    /// What else there is to say.
    pub fn with(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }
}

/// Defines the actions with their names, which are contract.
macro_rules! actions {
    ($($(#[$doc:meta])* $Action:ident = $name:literal,)+) => {
        /// What can happen. Each has a name for the log, the database and clients, which never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $Action,)+
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$Action,)+];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Action => $name,)+
                }
            }
        }
    };
}

actions! {
    /// Somebody registers.
    Register = "register",
    /// Somebody signs in.
    Login = "login",
    /// A session is ended by itself.
    Logout = "logout",
    /// A session, or all others, are ended from another one.
    Revoke = "revoke",
    /// An account is made for somebody.
    Create = "create",
    /// A person is called otherwise.
    Rename = "rename",
    /// An account may no longer sign in.
    Disable = "disable",
    /// An account may sign in again.
    Enable = "enable",
    /// An account may do something else in its firm.
    Role = "role",
    /// An account administers the whole service from now on.
    PlatformAdminGranted = "platform_admin_granted",
    /// It does so no more.
    PlatformAdminRevoked = "platform_admin_revoked",
    /// An account is gone for good.
    Delete = "delete",
    /// An administrator sets a password.
    PasswordSet = "password_set",
    /// Somebody changes the own password.
    PasswordChanged = "password_changed",
    /// Somebody asks for a link to set a new password.
    PasswordResetRequested = "password_reset_requested",
    /// Somebody sets a new password with such a link.
    PasswordReset = "password_reset",
    /// Somebody asks for another link to verify an address.
    VerificationRequested = "verification_requested",
    /// An address is verified.
    EmailVerified = "email_verified",
    /// Somebody asks for another address.
    EmailChangeRequested = "email_change_requested",
    /// The other address counts.
    EmailChanged = "email_changed",
    /// Somebody is invited to a firm.
    InvitationCreated = "invitation_created",
    /// Somebody joins a firm by an invitation.
    InvitationAccepted = "invitation_accepted",
    /// An invitation is withdrawn.
    InvitationRevoked = "invitation_revoked",
    /// Failed sign-ins are forgotten.
    AttemptsCleared = "attempts_cleared",
    /// Accounts are taken in with their hashes.
    Import = "import",
    /// Accounts are given out with their hashes.
    Export = "export",
    /// Somebody wants to do what only an administrator may.
    Administer = "administer",
    /// A mail is given up.
    MailDead = "mail_dead",
    /// A mail that was given up is tried again.
    MailRetried = "mail_retried",
    /// The server starts, with the settings that the log tells at this moment.
    Start = "start",
    /// The server stops.
    Stop = "stop",
}

impl Action {
    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text)
    }
}

/// From where something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The client's address.
    Address(IpAddr),
    /// `countersign …`
    CommandLine,
    /// The server by itself.
    Server,
    /// A call in process, as tests make them.
    Unknown,
}

impl Origin {
    /// The reverse of its display.
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

/// What else there is to say of an event. None of these can hold a secret, or anything that somebody typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// The session that began or ended.
    Session(Uuid),
    /// So many live sessions ended.
    Sessions(u64),
    /// The new role.
    Role(Role),
    /// The invitation.
    Invitation(Uuid),
    /// The mail.
    Mail(Uuid),
    /// So many accounts came or went.
    Accounts(u64),
}

impl Detail {
    /// The reverse of its display.
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
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Action, Detail, Origin, Role};

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
        ] {
            assert_eq!(Detail::parse(&detail.to_string()), Some(detail));
        }
        let addresses = ["127.0.0.1", "2001:db8::1"].map(|text| Origin::Address(text.parse().unwrap()));
        for origin in [Origin::CommandLine, Origin::Server, Origin::Unknown].into_iter().chain(addresses) {
            assert_eq!(Origin::parse(&origin.to_string()), Some(origin));
        }
        for text in ["session x", "role owner", "sessions", "anything", "none ", "sessions 01"] {
            assert_eq!(Detail::parse(text), None, "{text}");
            assert_eq!(Origin::parse(text), None, "{text}");
        }
        assert_eq!(Action::parse("no such thing"), None);
    }
}
