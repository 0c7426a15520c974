//! The commands for accounts, sessions, firms, failed sign-ins, mail and the audit trail. Separate from the settings,
//! which are the same for every command.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::{duration, number};

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people to read
    Table,
    /// JSON for programs, one object a line
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
    /// The password is asked for on a terminal, and read from standard input otherwise.
    Create {
        /// A username, or an email address (which has an @)
        handle: String,
        /// The person's name, for an email account
        #[arg(long, default_value = "")]
        name: String,
        /// The name of the new firm, for an email account
        #[arg(long, default_value = "")]
        firm_name: String,
        /// The id of an existing firm, instead of --firm-name
        #[arg(long, conflicts_with = "firm_name")]
        firm: Option<Uuid>,
        /// The role of the account in the firm of --firm
        #[arg(long, default_value = "user", value_parser = ["admin", "user", "viewer"], requires = "firm")]
        role: String,
        /// The email address counts as verified
        #[arg(long)]
        verified: bool,
    },
    /// List accounts: id, status, time of registration, username or email
    List {
        /// Only accounts of this firm
        #[arg(long)]
        firm: Option<Uuid>,
        /// Only accounts with a username or email that begins so, in that order
        #[arg(long)]
        prefix: Option<String>,
        /// Only accounts with this role
        #[arg(long, value_parser = ["admin", "user", "viewer"])]
        role: Option<String>,
        /// Only accounts with this status
        #[arg(long, value_parser = ["active", "inactive"])]
        status: Option<String>,
        /// The largest number of accounts [default: all]
        #[arg(long, value_parser = number::<1_000_000_000>)]
        limit: Option<usize>,
        /// List what is wrong with accounts instead: id, column, value, reason, and the command that mends it
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
    },
    /// Let a disabled account sign in again
    Enable {
        /// A username, an email address, or an id
        handle: String,
    },
    /// Change the role of an email account within its firm and end all its sessions
    Role {
        /// An email address, or an id
        handle: String,
        /// The role that it gets
        #[arg(value_parser = ["admin", "user", "viewer"])]
        role: String,
    },
    /// Change the username of an account, or the person's name of an email account; ends no session
    Rename {
        /// A username, an email address, or an id
        handle: String,
        /// The name that it gets
        name: String,
    },
    /// Set the password of an account and end all its sessions
    ///
    /// The password is asked for on a terminal, and read from standard input otherwise.
    Password {
        /// A username, an email address, or an id
        handle: String,
    },
    /// Let an account administer the whole service, or take that right away
    #[command(subcommand)]
    PlatformAdmin(PlatformAdminCommand),
    /// Delete an account for good and end all its sessions
    Delete {
        /// A username, an email address, or an id
        handle: String,
    },
}

/// The commands that grant and revoke platform administration.
#[derive(Debug, Subcommand)]
pub enum PlatformAdminCommand {
    /// Let the account administer the whole service
    Grant {
        /// A username, an email address, or an id
        handle: String,
    },
    /// Take the right to administer the service away
    Revoke {
        /// A username, an email address, or an id
        handle: String,
    },
}

/// The commands for sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List the live sessions of an account, the newest first: id, start, latest token, address, program
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
    /// List firms: id, time of creation, number of accounts, name
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
        /// The role that the account will have
        #[arg(long, default_value = "user", value_parser = ["admin", "user", "viewer"])]
        role: String,
    },
    /// List the open invitations to a firm, the newest first: id, time of creation, expiry, role, email
    Invitations {
        /// The id of the firm
        id: Uuid,
    },
    /// Withdraw an invitation, so that its link is void
    Revoke {
        /// The id of the invitation
        invitation: Uuid,
    },
}

/// The commands for failed sign-ins.
#[derive(Debug, Subcommand)]
pub enum AttemptsCommand {
    /// List the accounts that have used up their free attempts: failures, the latest, blocked until, kind, account
    ///
    /// The kind is `login`, or `change` where a password was asked for within a session. Names that were tried are not
    /// stored, so a name without an account is not shown.
    List,
    /// Show how many sign-ins have failed in a row, and when the next one is allowed
    Show {
        /// A username or an email address
        handle: String,
    },
    /// Forget the failed sign-ins, so that the next one is allowed at once
    Clear {
        /// A username or an email address
        handle: String,
    },
}

/// The commands for undelivered mail.
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// List the mails that were given up: id, time, attempts, kind, recipient, reason
    List,
    /// Queue mail that was given up again, for a running server or the next one that starts
    Retry {
        /// The id of a mail
        #[arg(required_unless_present = "all")]
        id: Option<Uuid>,
        /// Every mail that was given up
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}

/// The commands for the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List events, the newest first: time, action, result, actor, subject, address, detail
    List {
        /// Only events by or about this account: a username, an email address, or an id
        #[arg(long)]
        account: Option<String>,
        /// Only events about this firm
        #[arg(long)]
        firm: Option<Uuid>,
        /// Only this action, as in `login`
        #[arg(long)]
        action: Option<String>,
        /// Only events that are at most this old, as in 90s, 15m, 1h or 30d
        #[arg(long, value_parser = duration)]
        since: Option<Duration>,
        /// The largest number of events
        #[arg(long, default_value = "100", value_parser = number::<1_000_000_000>)]
        limit: usize,
    },
}
