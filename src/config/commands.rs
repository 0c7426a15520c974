//! What to do with accounts, sessions, firms, failed sign-ins, mail and the audit trail from the command line. Apart from the
//! settings, which are the same for every command.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::{duration, number};

/// How what was found is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// For programs: one JSON object a line
    Json,
}

/// Something to do, and how it is told.
#[derive(Debug, Args)]
pub struct Printed<C: Subcommand> {
    /// How the result is printed
    #[arg(long, value_enum, default_value = "table", global = true)]
    pub output: Output,
    /// What to do.
    #[command(subcommand)]
    pub command: C,
}

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Create an account, whether registration is open or not; safe to repeat
    ///
    /// The password is asked for, or read from standard input when that is no terminal.
    Create {
        /// A username, or an email address (which has an @)
        handle: String,
        /// The person's name, for an email account
        #[arg(long, default_value = "")]
        name: String,
        /// The name of the new firm, for an email account
        #[arg(long, default_value = "")]
        firm_name: String,
        /// In place of --firm-name, the id of a firm that is there
        #[arg(long, conflicts_with = "firm_name")]
        firm: Option<Uuid>,
        /// What it may do in the firm of --firm
        #[arg(long, default_value = "user", value_parser = ["admin", "user", "viewer"], requires = "firm")]
        role: String,
        /// The email address needs no proof any more
        #[arg(long)]
        verified: bool,
    },
    /// List accounts: id, status, time of registration, username or email
    List {
        /// Only those of this firm
        #[arg(long)]
        firm: Option<Uuid>,
        /// Only those whose username or email begins so; they are listed by it
        #[arg(long)]
        prefix: Option<String>,
        /// Only those with this role
        #[arg(long, value_parser = ["admin", "user", "viewer"])]
        role: Option<String>,
        /// Only those with this status
        #[arg(long, value_parser = ["active", "inactive"])]
        status: Option<String>,
        /// At most so many [default: all]
        #[arg(long, value_parser = number::<1_000_000_000>)]
        limit: Option<usize>,
        /// In place of accounts, what is wrong with any: id, column, value, why, and the command that mends it
        #[arg(long, conflicts_with_all = ["firm", "prefix", "role", "status", "limit"])]
        problems: bool,
    },
    /// Show all about an account
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
    /// Change what an email account may do within its firm and end all its sessions
    Role {
        /// An email address, or an id
        handle: String,
        /// The new role
        #[arg(value_parser = ["admin", "user", "viewer"])]
        role: String,
    },
    /// Change the username of an account, or the name of the person of an email account; ends no session
    Rename {
        /// A username, an email address, or an id
        handle: String,
        /// The new name
        name: String,
    },
    /// Set the password of an account and end all its sessions
    ///
    /// The password is asked for, or read from standard input when that is no terminal.
    Password {
        /// A username, an email address, or an id
        handle: String,
    },
    /// Let an account administer the whole service, or no longer
    #[command(subcommand)]
    PlatformAdmin(PlatformAdminCommand),
    /// Delete an account for good and end all its sessions
    Delete {
        /// A username, an email address, or an id
        handle: String,
    },
}

/// Who administers the whole service.
#[derive(Debug, Subcommand)]
pub enum PlatformAdminCommand {
    /// It does from now on
    Grant {
        /// A username, an email address, or an id
        handle: String,
    },
    /// It does no longer
    Revoke {
        /// A username, an email address, or an id
        handle: String,
    },
}

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List the live sessions of an account, the newest first: id, beginning, latest token, address, program
    List {
        /// A username, an email address, or an id
        handle: String,
    },
    /// End one session, or all of an account
    End {
        /// The id of a session
        #[arg(required_unless_present = "all_of")]
        id: Option<Uuid>,
        /// A username, an email address, or an id: ends all its sessions
        #[arg(long, value_name = "HANDLE", conflicts_with = "id")]
        all_of: Option<String>,
    },
}

/// What to do with firms.
#[derive(Debug, Subcommand)]
pub enum FirmCommand {
    /// List firms: id, time of their making, number of accounts, name
    List,
    /// Show a firm
    Show {
        /// Its id
        id: Uuid,
    },
    /// Invite an email address to a firm; a running server sends the link
    Invite {
        /// The firm's id
        id: Uuid,
        /// Who is invited
        email: String,
        /// What the account will be allowed
        #[arg(long, default_value = "user", value_parser = ["admin", "user", "viewer"])]
        role: String,
    },
    /// List the invitations to a firm that can be accepted, the newest first: id, making, end, role, email
    Invitations {
        /// The firm's id
        id: Uuid,
    },
    /// Withdraw an invitation: its link is void
    Revoke {
        /// The invitation's id
        invitation: Uuid,
    },
}

/// What to do with failed sign-ins.
#[derive(Debug, Subcommand)]
pub enum AttemptsCommand {
    /// List what has used its free attempts up: failures, the latest, until when it is blocked, what was tried, whose it is
    ///
    /// What was tried is `login`, or `change` where a password was asked for within a session. The names that were tried are
    /// not kept: of one that nobody has, there is nothing to show.
    List,
    /// Show how many sign-ins have failed in a row, and when the next may be tried
    Show {
        /// A username or an email address
        handle: String,
    },
    /// Forget them, so that the next may be tried at once
    Clear {
        /// A username or an email address
        handle: String,
    },
}

/// What to do with mail.
#[derive(Debug, Subcommand)]
pub enum MailCommand {
    /// List the mails that were given up: id, when, number of attempts, kind, recipient, why
    List,
    /// Have mail that was given up tried again, by a running server or the next one that starts
    Retry {
        /// The id of a mail
        #[arg(required_unless_present = "all")]
        id: Option<Uuid>,
        /// All that was given up
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}

/// What to do with the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List what happened, the newest first: time, action, result, who, on whom, from where, detail
    List {
        /// Only what this account did and what was done to it: a username, an email address, or an id
        #[arg(long)]
        account: Option<String>,
        /// Only what concerns this firm
        #[arg(long)]
        firm: Option<Uuid>,
        /// Only this action, as in `login`
        #[arg(long)]
        action: Option<String>,
        /// Only what happened so long ago or later, as in 90s, 15m, 1h or 30d
        #[arg(long, value_parser = duration)]
        since: Option<Duration>,
        /// At most so many
        #[arg(long, default_value = "100", value_parser = number::<1_000_000_000>)]
        limit: usize,
    },
}
