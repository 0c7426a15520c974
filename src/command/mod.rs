//! The commands of the operator. `account`, `session`, `firm`, `attempts`, `keys`, `mail` and `audit` work with what
//! their names say and print it by `output`. `import` and `export` work with all accounts, `moving` and `backup` with a
//! whole database, `calibrate` with the machine, `passwords` with lists of passwords, `completions` and `manual` with
//! the command line itself, `health` with a running server.
//! `stop` hears the signals that end a command early.

mod account;
mod account_problems;
mod attempts;
mod audit;
mod backup;
mod calibrate;
mod completions;
mod export;
mod firm;
mod health;
mod import;
mod keys;
mod mail;
mod manual;
mod moving;
mod output;
mod passwords;
mod session;
mod stop;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use argon2_kernel::Kernel;
use countersign_guard::clock::{Clock, SetClock, SystemClock};
use uuid::Uuid;

use crate::accounts::{Operator, RotationError};
use crate::breaches::BreachesError;
use crate::config::{SettingFileError, Settings, SettingsError};
use crate::domain::{AuthError, UnreadableRow, with_cause};
use crate::hashing::HashError;
use crate::import::AccountFileError;
use crate::store::{self, BackupError, Listed, MoveError, OpenError, Purpose, Store};

pub(crate) use account::account;
pub(crate) use attempts::attempts;
pub(crate) use audit::audit;
pub(crate) use backup::backup;
pub(crate) use calibrate::calibrate;
pub(crate) use completions::completions;
pub(crate) use export::export;
pub(crate) use firm::firm;
use health::HealthError;
pub(crate) use health::health;
pub(crate) use import::import;
pub(crate) use keys::keys;
pub(crate) use mail::mail;
pub(crate) use manual::manual;
pub(crate) use moving::migrate_store;
pub(crate) use passwords::passwords;
pub(crate) use session::session;

/// Why a command failed. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A use case refused.
    #[error("{}", with_cause(.0))]
    Auth(AuthError),
    /// The firm of the account would be left without an administrator.
    #[error(
        "the account is the last active administrator of its firm, and nothing was changed: make another account an \
         administrator first, or add --force"
    )]
    LastAdministrator,
    /// There is no thread or no memory to hash with.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// An argument is not valid.
    #[error("the {0} {1}")]
    Invalid(&'static str, &'static str),
    /// The argument is only for accounts with an email address.
    #[error("a username account has no name and no firm: leave --name and --firm-name out")]
    NotAnEmailAccount,
    /// The account has no firm to have a role in.
    #[error("{0} is a username account, which has no role: only email accounts have one")]
    NoRole(String),
    /// No account has this sign-in name or id.
    #[error("there is no account {0}")]
    Unknown(String),
    /// The name is the stored name of one account and the sign-in name of another.
    #[error(
        "{0} names two accounts: an earlier version stored it as the username of {1}, and now {2} signs in with it; give the \
         id of the account in place of the name"
    )]
    Ambiguous(String, Uuid, Uuid),
    /// The account exists, but a column that the command needs cannot be read.
    #[error(
        "a column of the account {0} cannot be read: `countersign account list --problems` shows which; with its id the \
         account can still be disabled, renamed and deleted"
    )]
    Unreadable(String),
    /// Some rows could not be read; each was printed already.
    #[error(
        "{0} rows could not be read and were left out; for accounts, `countersign account list --problems` shows the reasons"
    )]
    LeftOut(usize),
    /// No session that is live has this id.
    #[error("there is no session {0}, or it has ended")]
    NoSession(Uuid),
    /// No firm has this id.
    #[error("there is no firm {0}")]
    NoFirm(Uuid),
    /// No invitation that can be accepted has this id.
    #[error("there is no open invitation {0}: it does not exist, was accepted or revoked, or has expired")]
    NoInvitation(Uuid),
    /// No mail that was given up has this id.
    #[error("there is no undelivered mail {0}: `countersign mail list` shows the ids")]
    NoMail(Uuid),
    /// No key has this id.
    #[error("there is no key {0}: `countersign keys list` shows the ids")]
    NoKey(String),
    /// The keys cannot be rotated or revoked.
    #[error("{}", key_problem(.0))]
    Keys(RotationError),
    /// The terminal or standard input cannot be read.
    #[error("cannot read the password: {0}")]
    Password(io::Error),
    /// A move to another database failed.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// A list of breached passwords cannot be used.
    #[error(transparent)]
    Breaches(#[from] BreachesError),
    /// The server's file of breached passwords cannot be used.
    #[error("BREACHED_PASSWORDS_FILE: {0}")]
    BreachedPasswordsFile(BreachesError),
    /// The settings contradict each other.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database was not copied.
    #[error(transparent)]
    SettingFile(#[from] SettingFileError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The file to import cannot be read.
    #[error(transparent)]
    AccountFile(#[from] AccountFileError),
    /// Some accounts were not imported; each was printed already.
    #[error(
        "{not} of {of} accounts were not imported: correct them and import the file again, which changes no stored account"
    )]
    NotAllImported {
        /// The number of collisions and refusals.
        not: u64,
        /// The number of all accounts.
        of: u64,
    },
    /// The report of an import cannot be written.
    #[error("cannot write the report: {0}")]
    Report(io::Error),
    /// The file of an export cannot be written.
    #[error("cannot write {}: {cause}", file.display())]
    Export {
        /// The file that the export was to create.
        file: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// The server is not ready, or does not answer.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// The manual pages cannot be written.
    #[error("cannot write the manual pages to {}: {cause}", folder.display())]
    Manual {
        /// The folder that was named.
        folder: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// Hashes would be shown on a terminal.
    #[error("the output is a terminal, which would show password hashes: name a file, or `-` to show them")]
    ToTerminal,
    /// A signal stopped an import.
    #[error("a signal stopped the import; the imported accounts stay, and the same command imports the rest")]
    ImportStopped,
    /// A signal stopped the command.
    #[error("a signal stopped the command before its end; no unfinished file was kept")]
    Stopped,
    /// Standard output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl From<AuthError> for CommandError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::LastAdministrator => Self::LastAdministrator,
            error => Self::Auth(error),
        }
    }
}

/// What to do about keys that cannot be rotated or revoked.
fn key_problem(error: &RotationError) -> String {
    match error {
        RotationError::NoNextKey => {
            "there is no next key: a server makes it when it starts with TOKEN_ALGORITHM set to ES256, \
                                     RS256 or EdDSA, and runs"
                .to_owned()
        }
        RotationError::Store(error) => with_cause(error),
        other => other.to_string(),
    }
}

impl CommandError {
    /// The error about a key that was named.
    fn of_key(kid: String, error: RotationError) -> Self {
        if matches!(error, RotationError::Unknown) { Self::NoKey(kid) } else { Self::Keys(error) }
    }

    /// Returns the exit code of the process: 3 when the named thing does not exist, else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Unknown(_)
            | Self::NoSession(_)
            | Self::NoFirm(_)
            | Self::NoInvitation(_)
            | Self::NoMail(_)
            | Self::NoKey(_) => 3,
            _ => 1,
        }
    }
}

/// Opens a database that must exist.
async fn operator(
    settings: &Settings,
    work: impl AsyncFnOnce(&Operator) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    operator_for(settings, Purpose::OperateExisting, work).await
}

async fn operator_for(
    settings: &Settings,
    purpose: Purpose,
    work: impl AsyncFnOnce(&Operator) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let store = store::open(&settings.database_url()?, purpose).await?;
    let result = match operator_on(&store).await {
        Ok(operator) => work(&operator).await,
        Err(error) => Err(error),
    };
    store.close().await;
    result
}

/// Uses the clock of the database: revocations are kept for a time that counts from now, and the clock of an operator's
/// machine may be wrong.
async fn operator_on(store: &Arc<dyn Store>) -> Result<Operator, CommandError> {
    let clock: Arc<dyn Clock> = match store.time().await.map_err(AuthError::from)? {
        Some(time) => Arc::new(SetClock::to(time)),
        None => Arc::new(SystemClock),
    };
    Ok(Operator::new(Arc::clone(store), clock))
}

/// Prints every item that `read` returns, page after page. Rows that cannot be read are printed on standard error, and
/// make the command fail at its end.
async fn all<T, P>(
    mut read: impl AsyncFnMut(Option<P>) -> Result<Listed<T>, AuthError>,
    place: impl Fn(&T) -> P,
    mut show: impl FnMut(&T) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let (mut after, mut left_out) = (None, 0);
    loop {
        let page = read(after).await?;
        left_out += tell(&page.unreadable);
        page.found.iter().try_for_each(&mut show)?;
        after = page.found.last().map(&place);
        if page.is_last {
            return require_all(left_out);
        }
    }
}

/// Fails when rows were left out, so that a script notices.
fn require_all(left_out: usize) -> Result<(), CommandError> {
    if left_out == 0 { Ok(()) } else { Err(CommandError::LeftOut(left_out)) }
}

/// Prints the rows that cannot be read on standard error, and returns their number.
fn tell(unreadable: &[UnreadableRow]) -> usize {
    for row in unreadable {
        let _ = writeln!(io::stderr(), "countersign: {row}");
    }
    unreadable.len()
}

/// Returns the code that hashes passwords. A command has no log, so its warning is printed on standard error.
fn kernel(settings: &Settings) -> Result<Kernel, HashError> {
    let warn = |warning: &str| drop(writeln!(io::stderr(), "countersign: {warning}"));
    Ok(settings.hash_kernel.kernel(warn)?)
}

/// Prints like `println!`, but returns an error when the output is closed early: `countersign account list | head`.
fn say(line: &str) -> Result<(), CommandError> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
