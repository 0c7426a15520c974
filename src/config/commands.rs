//! What to do with accounts, sessions, firms, failed sign-ins, mail and the audit trail from the command line. Apart
//! from the settings, which are the same for every command.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::{duration, number};

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people to read
    Table,
    /// For programs: one JSON object on each line
    Json,
}

/// A command and the form of its output.
#[derive(Debug, Args)]
pub struct Printed<C: Subcommand> {
    /// How the result is printed
    #[arg(long, value_enum, default_value = "table", global = true)]
    pub output: Output,
    /// The command that is run.
    #[command(subcommand)]
    pub command: C,
}

/// The commands for accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Create an account, whether registration is open or not; safe to repeat
    ///
    /// The command asks for the password, or reads it from standard input if that is not a terminal.
    Create {
        /// A username or an email address; it is an email address if it contains an @
        handle: String,
        /// The person's name, for an email account
        #[arg(long, default_value = "")]
        name: String,
        /// The name of the new firm, for an email account
        #[arg(long, default_value = "")]
        firm_name: String,
        /// The id of an existing firm, in place of --firm-name
        #[arg(long, conflicts_with = "firm_name")]
        firm: Option<Uuid>,
        /// The role of the account in the firm of --firm
        #[arg(long, default_value = "user", value_parser = ["admin", "user", "viewer"], requires = "firm")]
        role: String,
        /// Treat the email address as verified
        #[arg(long)]
        verified: bool,
    },
    /// List accounts: id, status, time of registration, username or email
    List {
        /// Only accounts of this firm
        #[arg(long)]
        firm: Option<Uuid>,
        /// Only accounts with a username or email that begins with this; the list is ordered by it
        #[arg(long)]
        prefix: Option<String>,
        /// Only accounts with this role
        #[arg(long, value_parser = ["admin", "user", "viewer"])]
        role: Option<String>,
        /// Only accounts with this status
        #[arg(long, value_parser = ["active", "inactive"])]
        status: Option<String>,
        /// The largest number of accounts to list [default: all]
        #[arg(long, value_parser = number::<1_000_000_000>)]
        limit: Option<usize>,
        /// List problems in place of accounts: id, column, value, reason, and the command that repairs it
        #[arg(long, conflicts_with_all = ["firm", "prefix", "role", "status", "limit"])]
        problems: bool,
    },
    /// Show everything about an account
    Show {
        /// A username, an email address, or an id
        handle: String,
    },
    /// Keep an account from signing in and end all its sessions
    Disable {
        /// A username, an email address, or an id
        handle: String,
        /// Do it also if the firm of the account is left without an administrator
        #[arg(long)]
        force: bool,
    },
    /// Let a disabled account sign in again
    Enable {
        /// A username, an email address, or an id
        handle: String,
    },
    /// Change the role of an email account in its firm and end all its sessions
    Role {
        /// An email address, or an id
        handle: String,
        /// The new role in the firm
        #[arg(value_parser = ["admin", "user", "viewer"])]
        role: String,
        /// Do it also if the firm of the account is left without an administrator
        #[arg(long)]
        force: bool,
    },
    /// Change the username of an account, or the person's name of an email account; ends no session
    Rename {
        /// A username, an email address, or an id
        handle: String,
        /// The new username or name
        name: String,
    },
    /// Set the password of an account and end all its sessions
    ///
    /// The command asks for the password, or reads it from standard input if that is not a terminal.
    Password {
        /// A username, an email address, or an id
        handle: String,
    },
    /// Make an account a platform administrator, or revoke that
    #[command(subcommand)]
    PlatformAdmin(PlatformAdminCommand),
    /// Remove the second factors of an account whose owner has lost them; ends no session
    RemoveSecondFactors {
        /// A username, an email address, or an id
        handle: String,
    },
    /// Delete an account for good and end all its sessions
    Delete {
        /// A username, an email address, or an id
        handle: String,
        /// Do it also if the firm of the account is left without an administrator
        #[arg(long)]
        force: bool,
    },
}

/// The commands that grant and revoke platform administration.
#[derive(Debug, Subcommand)]
pub enum PlatformAdminCommand {
    /// Make the account a platform administrator
    Grant {
        /// A username, an email address, or an id
        handle: String,
    },
    /// Revoke the rights of a platform administrator
    Revoke {
        /// A username, an email address, or an id
        handle: String,
    },
}

/// The commands for sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List the live sessions of an account, the newest first: id, start, time of the latest token, address, client
    List {
        /// A username, an email address, or an id
        handle: String,
    },
    /// End one session, or all sessions of an account
    End {
        /// The id of a session
        #[arg(required_unless_present = "all_of")]
        id: Option<Uuid>,
        /// A username, an email address, or an id: all its sessions end
        #[arg(long, value_name = "HANDLE", conflicts_with = "id")]
        all_of: Option<String>,
    },
}

/// The commands for firms.
#[derive(Debug, Subcommand)]
pub enum FirmCommand {
    /// List firms: id, creation time, number of accounts, name
    List,
    /// Show one firm by its id
    Show {
        /// The id of the firm
        id: Uuid,
    },
    /// Invite an email address to a firm; a running server sends the link
    Invite {
        /// The id of the firm
        id: Uuid,
        /// The email address to invite
        email: String,
        /// The role of the new account
        #[arg(long, default_value = "user", value_parser = ["admin", "user", "viewer"])]
        role: String,
    },
    /// List the open invitations to a firm, the newest first: id, creation time, expiry, role, email
    Invitations {
        /// The id of the firm
        id: Uuid,
    },
    /// Withdraw an invitation: its link stops working
    Revoke {
        /// The id of the invitation
        invitation: Uuid,
    },
}

/// The commands for the keys of tokens.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the keys that sign and verify tokens, the oldest first: id, algorithm, state, publication, begin, end
    List,
    /// Let the next key sign in place of the current one; nobody is signed out
    ///
    /// The next key signs at once if it has been published for an hour. Otherwise a running server does it when that
    /// hour is over.
    Rotate {
        /// Do not wait: services that verify tokens by themselves may refuse the tokens of the key until they look
        /// again
        #[arg(long)]
        now: bool,
    },
    /// Revoke a key that was stolen: every token that it signed is refused from now on
    Revoke {
        /// The id of the key, which tokens have as kid; write -- before one that is taken for a flag
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

/// The commands for failed sign-ins.
#[derive(Debug, Subcommand)]
pub enum AttemptsCommand {
    /// List the names without free attempts: failures, time of the latest, end of the wait, kind of attempt, account
    ///
    /// The kind is `login`, `change` if a password was asked for within a session, or `code` if the second factor of a
    /// sign-in was asked for. The names themselves are not stored, so the list shows only names of accounts.
    List,
    /// Show how many sign-ins failed in a row, and when the next attempt is allowed
    Show {
        /// A username or an email address
        handle: String,
    },
    /// Forget the failed sign-ins, so that the next attempt is allowed at once
    Clear {
        /// A username or an email address
        handle: String,
    },
}

/// The commands for undelivered mail.
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// List the mails that could not be delivered: id, time, number of attempts, kind, recipient, reason
    List,
    /// Queue mail again that could not be delivered; a running server sends it, or the next one that starts
    Retry {
        /// The id of a mail
        #[arg(required_unless_present = "all")]
        id: Option<Uuid>,
        /// All mail that could not be delivered
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}

/// The commands for the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List events, the newest first: time, action, result, caller, account concerned, address, detail
    List {
        /// Only events that this account caused or that concern it: a username, an email address, or an id
        #[arg(long)]
        account: Option<String>,
        /// Only events that concern this firm
        #[arg(long)]
        firm: Option<Uuid>,
        /// Only events with this action, such as `login`
        #[arg(long)]
        action: Option<String>,
        /// Only events of this last period, as in 90s, 15m, 1h or 30d
        #[arg(long, value_parser = duration)]
        since: Option<Duration>,
        /// The largest number of events to list
        #[arg(long, default_value = "100", value_parser = number::<1_000_000_000>)]
        limit: usize,
    },
}
