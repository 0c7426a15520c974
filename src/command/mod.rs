//! What an operator does from the command line: `account`, `session`, `firm`, `attempts`, `mail` and `audit` with what their
//! names say, printed by `output`; `import` and `export` with all accounts, `moving` and `backup` with all of a database,
//! `calibrate` with the machine, `passwords` with lists of them, `completions` for the shell. `stop` is the signals that
//! end it early.

mod account;
mod account_problems;
mod attempts;
mod audit;
mod backup;
mod calibrate;
mod completions;
mod export;
mod firm;
mod import;
mod mail;
mod moving;
mod output;
mod passwords;
mod session;
mod stop;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use argon2_kernel::Kernel;
use uuid::Uuid;

use crate::accounts::Operator;
use crate::breaches::BreachesError;
use crate::clock::{Clock, SetClock, SystemClock};
use crate::config::{Settings, SettingsError};
use crate::domain::{AuthError, UnreadableRow};
use crate::hashing::HashError;
use crate::import::SourceError;
use crate::store::{self, BackupError, Listed, MoveError, OpenError, Purpose, Store};

pub use account::account;
pub use attempts::attempts;
pub use audit::audit;
pub use backup::backup;
pub use calibrate::calibrate;
pub use completions::completions;
pub use export::export;
pub use firm::firm;
pub use import::import;
pub use mail::mail;
pub use moving::migrate_store;
pub use passwords::passwords;
pub use session::session;

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
    NoRole(String),
    /// Nobody signs in with it, or has it as id.
    #[error("there is no account {0}")]
    Unknown(String),
    /// One account has it as its stored name, and another one answers to it.
    #[error(
        "{0} is the name that an earlier version stored for the account {1}, and leads to the account {2} now: name the one \
         that is meant by its id"
    )]
    Ambiguous(String, Uuid, Uuid),
    /// The account is there, but not what the command needs of it.
    #[error(
        "the account {0} cannot be read: see `countersign account list --problems`; by its id it can be disabled, renamed \
         and deleted"
    )]
    Unreadable(String),
    /// They have been told of by now.
    #[error(
        "{0} rows could not be read and are left out; of accounts, `countersign account list --problems` tells more"
    )]
    LeftOut(usize),
    /// No session has this id.
    #[error("there is no session {0}, or it has ended")]
    NoSession(Uuid),
    /// No firm has this id.
    #[error("there is no firm {0}")]
    NoFirm(Uuid),
    /// No invitation has this id.
    #[error("there is no invitation {0}, or it can be accepted no more")]
    NoInvitation(Uuid),
    /// No mail with this id was given up.
    #[error("there is no mail {0} that was given up")]
    NoMail(Uuid),
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

impl CommandError {
    /// What the process ends with: 3 when there is no such thing as was named, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unknown(_) | Self::NoSession(_) | Self::NoFirm(_) | Self::NoInvitation(_) | Self::NoMail(_) => 3,
            _ => 1,
        }
    }
}

/// Works with a database that must be there.
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
    let store = store::open(&settings.database_url, purpose).await?;
    let result = match operator_on(&store).await {
        Ok(operator) => work(&operator).await,
        Err(error) => Err(error),
    };
    store.close().await;
    result
}

/// By the clock of the database. What a command ends is remembered for a time that is counted from now, and the clock of an
/// operator's machine may be wrong without anybody's having noticed.
async fn operator_on(store: &Arc<dyn Store>) -> Result<Operator, CommandError> {
    let clock: Arc<dyn Clock> = match store.time().await.map_err(AuthError::from)? {
        Some(time) => Arc::new(SetClock::to(time)),
        None => Arc::new(SystemClock),
    };
    Ok(Operator::new(Arc::clone(store), clock))
}

/// Shows all that `read` gives, page after page: `place` is where one ends. What cannot be read is told where errors go, and
/// makes the command fail at its end.
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

/// What was shown or written is whole but for those that were told of; whoever goes on from here should know.
fn require_all(left_out: usize) -> Result<(), CommandError> {
    if left_out == 0 { Ok(()) } else { Err(CommandError::LeftOut(left_out)) }
}

/// Tells where errors go of what could not be read, and how much that is.
fn tell(unreadable: &[UnreadableRow]) -> usize {
    for row in unreadable {
        let _ = writeln!(io::stderr(), "countersign: {row}");
    }
    unreadable.len()
}

/// What a use case's error hides from clients, the operator may see.
fn cause(error: &AuthError) -> String {
    std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default()
}

/// What passwords are hashed with. A command has no log, so what there is to say of it goes where errors go.
fn kernel(settings: &Settings) -> Result<Kernel, HashError> {
    let warn = |warning: &str| drop(writeln!(io::stderr(), "countersign: {warning}"));
    Ok(settings.hash_kernel.kernel(warn)?)
}

/// As `println!`, but for an output that is closed early: `countersign account list | head`.
fn say(line: &str) -> Result<(), CommandError> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
