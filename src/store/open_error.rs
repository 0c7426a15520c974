//! Why a database could not be opened: every sentence about it that an operator may read, for both engines. The
//! password of a database's address is in none of them.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use sqlx::migrate::MigrateError;

/// Why a database could not be opened. Each message tells the operator what to do.
#[derive(Debug)]
pub enum OpenError {
    /// The address has neither scheme.
    UnknownEngine,
    /// The address is not of the form `sqlite:FILE`.
    BadUrl,
    /// The file does not exist, and the purpose requires one.
    Missing(PathBuf),
    /// The database is gone or empty, but files beside it show that it was there.
    Lost {
        /// The path of the database.
        path: PathBuf,
        /// What is left of the database's own file.
        state: LostState,
        /// The file beside it that is still there.
        remains: PathBuf,
    },
    /// The schema is older than this version's, and may not be changed for this purpose.
    Outdated(String),
    /// Another process is writing to the database.
    InUse(String),
    /// The file cannot be created or written.
    CannotWrite {
        /// The path of the database, or of the file of its lock.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// Another server is serving the database.
    Served(PathBuf),
    /// The address is not of the form `postgres://…`.
    BadServerUrl(BadServerUrl),
    /// The address has an unknown parameter, such as `sslmod=require`. To ignore a misspelt one would be dangerous.
    UnknownParameter {
        /// The name as the address has it.
        name: String,
        /// The parameter that was most likely meant.
        meant: Option<&'static str>,
    },
    /// A parameter of the address has a wrong value, or is not supported.
    Parameter {
        /// The name of the parameter.
        name: &'static str,
        /// What is wrong with its value, or why it is not supported.
        problem: &'static str,
    },
    /// No server answers at the address.
    Unreachable {
        /// The database with its host and port.
        database: String,
        /// The error of the last attempt to connect.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The server has no certificate that the address demands.
    NotTrusted {
        /// The database with its host and port.
        database: String,
        /// The error of the last attempt to connect.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The server refused the user or the password.
    Refused {
        /// The database with its host and port.
        database: String,
        /// The user that tried to sign in.
        user: String,
        /// The error that the database server answered.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The server refused the user, and the file with the password cannot be used.
    PasswordFile {
        /// The database with its host and port.
        database: String,
        /// The user that tried to sign in.
        user: String,
        /// The error that the database server answered.
        cause: Box<dyn Error + Send + Sync>,
        /// The path of the file, and why it cannot be used.
        problem: String,
    },
    /// The database cannot store every character.
    Encoding {
        /// The database with its host and port.
        database: String,
        /// The name of its encoding, such as LATIN1.
        encoding: String,
    },
    /// The server has no such database.
    NoDatabase(String),
    /// The user may not write in the database.
    NotOwner {
        /// The database with its host and port.
        database: String,
        /// The user that tried to sign in.
        user: String,
        /// The error that the database server answered.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The server is read-only, as a standby is.
    ReadOnly(String),
    /// The server is older than PostgreSQL 13.
    TooOld {
        /// The database with its host and port.
        database: String,
        /// The version that the server reports.
        version: String,
    },
    /// The server speaks PostgreSQL's protocol but its advisory locks do not hold.
    NoLocks(String),
    /// The schema was written by a later version.
    Newer(String),
    /// A migration that was applied differs from this version's.
    Changed {
        /// The path of the database, or its name with host and port.
        database: String,
        /// The number of the migration.
        version: i64,
    },
    /// The engine refused for another reason.
    Failed {
        /// The path of the database, or its name with host and port.
        database: String,
        /// The error of the engine or of a migration.
        cause: Box<dyn Error + Send + Sync>,
    },
}

/// The part of a PostgreSQL server's address that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadServerUrl {
    /// The form as a whole; most often characters of the password.
    Password,
    /// There are several hosts.
    SeveralHosts,
    /// An IPv6 address has no brackets.
    Brackets,
    /// The port is not a number.
    Port,
    /// The name of the database is missing.
    NoDatabase,
}

impl fmt::Display for BadServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => "percent-encode special characters of the password, for example @ as %40",
            Self::SeveralHosts => {
                "it names several hosts, which is not supported: name one address that always leads to the primary server"
            }
            Self::Brackets => "write an IPv6 address in brackets, as in [::1]:5432",
            Self::Port => "the port is no number",
            Self::NoDatabase => "it names no database",
        })
    }
}

/// The state of a database that was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostState {
    /// There is no file.
    Missing,
    /// The file has no bytes.
    Empty,
    /// The file is a database without our tables.
    Bare,
}

impl fmt::Display for LostState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Empty => "is empty",
            Self::Bare => "has no tables",
        })
    }
}

impl Error for OpenError {}

/// The message about the database of the setting `DATABASE_URL`.
impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.about("DATABASE_URL"))
    }
}

impl OpenError {
    /// The message for an operator who knows the database's address as `url`, for example as the name of a setting.
    pub(super) fn about(&self, url: &str) -> String {
        match self {
            Self::UnknownEngine => {
                format!("{url} must begin with `sqlite:` or `postgres://`, as in `sqlite:countersign.db`")
            }
            Self::BadUrl => format!("{url} must be `sqlite:` and the path of a file, as in `sqlite:countersign.db`"),
            Self::Missing(path) => format!("there is no database {}; check {url}", path.display()),
            Self::Lost { path, state, remains } => format!(
                "the database {0} {state}, but {1} is there, so there was a database: mount its disk, or remove {0}-wal and \
                 -shm and restore a backup; if a new database is meant, start with `countersign serve --new-database`",
                path.display(),
                remains.display()
            ),
            Self::Outdated(database) => format!(
                "the schema of the database {database} is older than this version: start this version's server on it \
                 once, which migrates the schema"
            ),
            Self::InUse(database) => {
                format!("another process is writing to the database {database}; stop it first, or try again")
            }
            Self::CannotWrite { path, cause } => format!(
                "cannot write the database {}: {cause}; check that its folder exists and that this user may write there",
                path.display()
            ),
            Self::Served(path) => format!(
                "another server is serving {}; stop that one first (the command line works beside it)",
                path.display()
            ),
            Self::BadServerUrl(why) => {
                format!("{url} must be `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; {why}")
            }
            Self::UnknownParameter { name, meant: Some(meant) } => {
                format!("{url} has a parameter `{name}` that is unknown; did you mean `{meant}`?")
            }
            Self::UnknownParameter { name, meant: None } => {
                format!("{url} has a parameter `{name}` that is unknown; leave it out")
            }
            Self::Parameter { name, problem } => format!("{url}: the parameter `{name}` {problem}"),
            Self::Unreachable { database, cause } => format!(
                "cannot reach the database {database}: {cause}; check {url}, and that PostgreSQL is running there"
            ),
            Self::NotTrusted { database, cause } => format!(
                "cannot reach the database {database} over TLS: {cause}; check sslmode and sslrootcert in {url}"
            ),
            Self::Refused { database, user, cause } => {
                format!(
                    "the database {database} refused the user {user}: {cause}; check the user and the password in {url}"
                )
            }
            Self::PasswordFile { database, user, cause, problem } => format!(
                "the database {database} refused the user {user}: {cause}; {problem}; where the file cannot be changed, \
                 put the whole address with its password into the file of DATABASE_URL_FILE"
            ),
            Self::Encoding { database, encoding } => format!(
                "the database {database} has the encoding {encoding}, and this service needs UTF8: create it with \
                 `createdb --encoding=UTF8 --template=template0`"
            ),
            Self::NoDatabase(database) => {
                format!("there is no database {database}; create it (`createdb`), or correct {url}")
            }
            Self::NotOwner { database, user, cause } => {
                format!("the user {user} may not write to the database {database}: {cause}; make that user its owner")
            }
            Self::ReadOnly(database) => {
                format!("the database {database} is read-only; {url} must name the primary server")
            }
            Self::TooOld { database, version } => {
                format!("the database {database} runs PostgreSQL {version}; version 13 or later is needed")
            }
            Self::NoLocks(database) => format!(
                "the database {database} gave the same advisory lock to two sessions, so revocations could be missed; \
                 {url} must name a PostgreSQL server, or another one that keeps advisory locks"
            ),
            Self::Newer(database) => format!(
                "the database {database} was written by a newer version of countersign; start that version or a later one"
            ),
            Self::Changed { database, version } => format!(
                "migration {version} of the database {database} differs from this version's; it was made by a modified \
                 build: restore that build or a backup"
            ),
            Self::Failed { database, cause } => format!(
                "cannot open the database {database}: {cause}; check that it is a database and that this user may write to it"
            ),
        }
    }

    /// Translates an error of bringing the schema up to date.
    pub(super) fn migrating(database: String, error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(_) => Self::Newer(database),
            MigrateError::VersionMismatch(version) => Self::Changed { database, version },
            other => Self::Failed { database, cause: other.into() },
        }
    }
}
