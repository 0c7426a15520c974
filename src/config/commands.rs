//! What to do with accounts, sessions, firms and the audit trail from the command line. Apart from the settings, which are
//! the same for every command.

use clap::Subcommand;

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
    },
    /// List all accounts: id, status, time of registration, username or email
    List,
    /// Keep an account from signing in and end all its sessions
    Disable {
        /// A username or an email address
        handle: String,
    },
    /// Let a disabled account sign in again
    Enable {
        /// A username or an email address
        handle: String,
    },
    /// Change what an email account may do within its firm and end all its sessions
    Role {
        /// An email address
        handle: String,
        /// The new role
        #[arg(value_parser = ["admin", "user", "viewer"])]
        role: String,
    },
    /// Delete an account for good and end all its sessions
    Delete {
        /// A username or an email address
        handle: String,
    },
}
