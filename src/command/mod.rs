//! What an operator does from the command line: `account` with accounts, `import` and `export` with all of them, `moving`
//! and `backup` with all of a database, `calibrate` with the machine, `passwords` with lists of them. `stop` is the
//! signals that end it early.

mod account;
mod backup;
mod calibrate;
mod export;
mod import;
mod moving;
mod passwords;
mod stop;

use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::breaches::BreachesError;
use crate::config::SettingsError;
use crate::domain::{AuthError, Handle};
use crate::hashing::HashError;
use crate::import::SourceError;
use crate::store::{BackupError, MoveError, OpenError};

pub use account::account;
pub use backup::backup;
pub use calibrate::calibrate;
pub use export::export;
pub use import::import;
pub use moving::migrate_store;
pub use passwords::passwords;

/// Why a command did not do it. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The database.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A use case.
    #[error("{}{}", .0, cause(.0))]
    Auth(#[from] AuthError),
    /// No thread or no memory to hash with.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// An argument.
    #[error("the {0} {1}")]
    Invalid(&'static str, &'static str),
    /// An argument of the other kind of account.
    #[error("a username account has no name and no firm: leave --name and --firm-name out")]
    NotAnEmailAccount,
    /// Has no firm to have a role in.
    #[error("{0} is a username account, which has no role: only email accounts have one")]
    NoRole(Handle),
    /// Nobody signs in with it.
    #[error("there is no account {0}")]
    Unknown(Handle),
    /// The terminal, or standard input.
    #[error("cannot read the password: {0}")]
    Password(io::Error),
    /// Moving.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// A list of passwords, or the filter of one.
    #[error(transparent)]
    Breaches(#[from] BreachesError),
    /// The list that new passwords are looked up in.
    #[error("BREACHED_PASSWORDS_FILE: {0}")]
    BreachedPasswordsFile(BreachesError),
    /// Settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The file to import.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What was not imported has been told by now.
    #[error("{not} of {of} accounts were not imported; to repeat it with what was corrected is safe")]
    NotAllImported {
        /// Collisions and refusals.
        not: u64,
        /// All.
        of: u64,
    },
    /// The report of an import.
    #[error("cannot write the report: {0}")]
    Report(io::Error),
    /// The file of an export.
    #[error("cannot write {}: {cause}", file.display())]
    Export {
        /// As given.
        file: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Where everybody can read them.
    #[error("password hashes are not for a screen: name a file, or - if you mean it")]
    ToTerminal,
    /// An import by Ctrl-C, or a service manager.
    #[error("stopped before the end; what was imported stays, and to begin again goes on from there")]
    ImportStopped,
    /// Ctrl-C, or a service manager.
    #[error("stopped before it was done; nothing was kept")]
    Stopped,
    /// Standard output.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// What a use case's error hides from clients, the operator may see.
fn cause(error: &AuthError) -> String {
    std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default()
}

/// As `println!`, but for an output that is closed early: `countersign account list | head`.
fn say(line: &str) -> Result<(), CommandError> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
