//! The command line and the settings: one clap struct, and every check of a value in one place. Only `main`, `command`,
//! `server` and `transport` use it; all other modules take plain parameters.

mod arguments;
mod audit;
mod bounds;
mod budgets;
mod calibrate;
mod commands;
mod cors;
mod database;
mod env_file;
mod health;
mod help;
mod import;
mod listen;
mod log;
mod mail;
mod names;
mod origin;
mod policy;
mod proxies;
pub(crate) mod secret_file;
mod service_manager;
mod services;
mod tls;
mod tokens;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use argon2::Params;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use countersign_guard::clock::Skew;
use secrecy::SecretString;

use crate::domain::LowerThanPreset;
use crate::domain::password_hash::HashCost;
use crate::hashing::cost;
use crate::hashing::kernel::{self, KernelSetting};

pub use arguments::ArgumentsError;
pub(crate) use audit::AuditSettings;
pub(crate) use bounds::BoundSettings;
pub use bounds::BoundsError;
pub(crate) use budgets::BudgetSettings;
pub(crate) use calibrate::CalibrateArgs;
pub use commands::Output;
pub(crate) use commands::{
    AccountCommand, AttemptsCommand, AuditCommand, FirmCommand, KeysCommand, MailCommand, PlatformAdminCommand,
    Printed, SessionCommand,
};
pub(crate) use cors::{CorsSettings, RequestHeader};
pub(crate) use database::DatabaseSettings;
pub use env_file::EnvFileError;
pub(crate) use health::{HealthArgs, ServerAddress, reachable};
pub(crate) use import::{ExportArgs, ImportArgs, ImportFormat};
pub use log::{LogFormat, LogLevel, LogSettings};
pub(crate) use mail::MailSettings;
pub use names::UnreadVariable;
pub(crate) use origin::AllowedOrigin;
pub(crate) use policy::{PasswordsCommand, PolicySettings};
pub(crate) use proxies::ProxySettings;
pub use secret_file::SettingFileError;
pub(crate) use service_manager::has_service_manager;
pub(crate) use services::ServiceSettings;
pub(crate) use tls::{IncompleteTls, TlsSettings};
pub use tokens::TokenSettingsError;
pub(crate) use tokens::{TokenAlgorithm, TokenSettings};
use values::{duration, number, shutdown_delay, skew, staleness, token_lifetime};

/// The exit codes, which scripts may rely on.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 2 the command line or a setting is wrong; 3 no such account, \
                          session, firm, invitation or mail.";

/// A gRPC authentication service: accounts sign in with a username or an email and a password and get a JWT.
// No `Debug`, because the address of a database may hold a password.
#[derive(Parser)]
#[command(name = "countersign", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// The settings of this run.
    #[command(flatten)]
    pub settings: Settings,
    /// The command to run; `serve` when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve gRPC, gRPC-Web, REST and both JSON APIs (the default)
    Serve(ServeArgs),
    /// Ask the running server whether it is ready to serve calls
    ///
    /// The command ends with exit code 0 if the server is ready, and with 1 if it is not or does not answer. It asks at
    /// LISTEN_ADDR, with TLS if there is a TLS_CERT_FILE, and does not verify the certificate: nothing secret is sent.
    Health(HealthArgs),
    /// Work with accounts, beside a running server or without one
    Account(Printed<AccountCommand>),
    /// List and end the sessions of accounts
    Session(Printed<SessionCommand>),
    /// Work with firms and invitations to them
    Firm(Printed<FirmCommand>),
    /// Show and forget failed sign-ins
    Attempts(Printed<AttemptsCommand>),
    /// Work with mail that could not be delivered
    Mail(Printed<MailCommand>),
    /// List, rotate and revoke the keys that sign tokens
    Keys(Printed<KeysCommand>),
    /// Read the audit trail
    Audit(Printed<AuditCommand>),
    /// Print a script that makes a shell complete commands and flags
    Completions {
        /// The name of the shell
        shell: Shell,
    },
    /// Write the manual pages of all commands, for man(1)
    Manual {
        /// The folder to write them to, which must exist
        folder: PathBuf,
    },
    /// Work with lists of breached passwords
    #[command(subcommand)]
    Passwords(PasswordsCommand),
    /// Copy everything into another, empty database, of the same engine or of the other
    ///
    /// Stop the servers first. Both databases are given by their addresses, as in DATABASE_URL; `--from` is only read.
    MigrateStore {
        /// The database to copy from
        #[arg(long, value_name = "URL")]
        from: SecretString,
        /// The database to copy to, which must be empty
        #[arg(long, value_name = "URL")]
        to: SecretString,
    },
    /// Copy the SQLite database of DATABASE_URL to a new file, beside a running server or without one
    Backup {
        /// The file to create
        file: PathBuf,
    },
    /// Import accounts with their password hashes, beside a running server or without one; safe to repeat
    Import(ImportArgs),
    /// Export all accounts with their password hashes, one JSON object on each line
    Export(ExportArgs),
    /// Measure how long password hashes take on this machine, and recommend HASH_PARAMS
    Calibrate(CalibrateArgs),
}

/// The flags of `serve` that are not settings.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// Create a new, empty SQLite database in place of one that was deleted or emptied
    #[arg(long)]
    pub new_database: bool,

    /// Serve with another JWT_SECRET than before, although the one before is lost: everybody is signed out
    #[arg(long)]
    pub accept_new_secret: bool,
}

/// The settings. Each is an environment variable and a flag; the flag wins.
#[derive(Clone, Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// A file of settings, one NAME=VALUE on each line: they count where neither a flag nor a variable is set
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,

    /// The variables that `env_file` sets.
    #[arg(skip)]
    pub(crate) set_by_file: Vec<String>,

    /// The address to listen on, as IP:PORT
    #[arg(long, env, global = true, default_value = "127.0.0.1:3008", value_parser = listen::address)]
    pub(crate) listen_addr: SocketAddr,

    #[command(flatten)]
    pub(crate) tls: TlsSettings,

    #[command(flatten)]
    pub(crate) mail: MailSettings,

    #[command(flatten)]
    pub(crate) database: DatabaseSettings,

    /// The secret that signs tokens, 32 bytes or more; required with PostgreSQL [default: generated once and kept
    /// beside the SQLite file]
    #[arg(long, env, global = true, hide_env_values = true, conflicts_with = "jwt_secret_file")]
    pub(crate) jwt_secret: Option<SecretString>,

    /// A file that holds JWT_SECRET
    #[arg(long, env, global = true)]
    pub(crate) jwt_secret_file: Option<PathBuf>,

    /// The previous secret: tokens signed with it are still accepted, and replaced by tokens signed with JWT_SECRET
    #[arg(long, env, global = true, hide_env_values = true, conflicts_with = "jwt_secret_previous_file")]
    pub(crate) jwt_secret_previous: Option<SecretString>,

    /// A file that holds JWT_SECRET_PREVIOUS
    #[arg(long, env, global = true)]
    pub(crate) jwt_secret_previous_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) tokens: TokenSettings,

    #[command(flatten)]
    pub(crate) services: ServiceSettings,

    /// Whether anybody may register, by any API: exactly `true` opens registration, anything else closes it
    #[arg(long, env, global = true, default_value = "false")]
    pub(crate) allow_registration: String,

    /// Whether an account with an email address can sign in only after the address was verified
    #[arg(long, env, global = true, default_value = "false", action = clap::ArgAction::Set)]
    pub(crate) require_verified_email: bool,

    /// The lifetime of a token after a sign-in with a username, at most 90d
    #[arg(long, env, global = true, default_value = "1h", value_parser = token_lifetime)]
    pub(crate) username_token_lifetime: Duration,

    /// The lifetime of a token after a sign-in with an email address, at most 90d
    #[arg(long, env, global = true, default_value = "24h", value_parser = token_lifetime)]
    pub(crate) email_token_lifetime: Duration,

    /// The time from a sign-in to the expiry of its last token, however often the token is refreshed
    #[arg(long, env, global = true, default_value = "30d", value_parser = duration)]
    pub(crate) session_max_lifetime: Duration,

    /// How long revocations may stay unread, at most 60s, before tokens are refused as UNAVAILABLE
    #[arg(long, env, global = true, default_value = "5s", value_parser = staleness)]
    pub(crate) revocation_staleness: Duration,

    /// How far apart the clocks of two replicas may be, at most 120s; beyond it, tokens are refused as UNAVAILABLE
    #[arg(long, env, global = true, default_value = "60s", value_parser = skew)]
    pub(crate) clock_skew: Skew,

    #[command(flatten)]
    pub(crate) passwords: PolicySettings,

    /// The cost of hashing a password with argon2id: KiB of memory, passes, lanes. `countersign calibrate` recommends
    /// a value; a value below the OWASP recommendation is refused
    #[arg(long, env, global = true, default_value = "m=19456,t=2,p=1", value_parser = cost::parse)]
    pub(crate) hash_params: Params,

    /// The most that an imported hash of another system may cost: KiB of memory, and the work of argon2id with that
    /// memory and so many passes; at most m=2097152,t=4
    #[arg(long, env, global = true, default_value = "m=2097152,t=1", value_parser = cost::parse_import)]
    pub(crate) import_hash_cost: HashCost,

    /// The code that hashes passwords: auto, avx512, avx2 or portable; auto is the fastest that the processor supports;
    /// with more than one lane it is always portable
    #[arg(long, env, global = true, default_value = "auto", value_parser = kernel::parse)]
    pub(crate) hash_kernel: KernelSetting,

    /// The number of threads that hash passwords; each holds the memory of one hash [default: the number of cores]
    #[arg(long, env, global = true, value_parser = number::<1_024>)]
    pub(crate) hash_threads: Option<usize>,

    /// How many sign-ins may wait for a hashing thread; a quarter of the queue is reserved for networks without a
    /// recent sign-in [default: 768 for each hashing thread]
    #[arg(long, env, global = true, value_parser = number::<100_000>)]
    pub(crate) hash_queue: Option<usize>,

    #[command(flatten)]
    pub(crate) budgets: BudgetSettings,

    #[command(flatten)]
    pub(crate) proxies: ProxySettings,

    #[command(flatten)]
    pub(crate) cors: CorsSettings,

    #[command(flatten)]
    pub(crate) bounds: BoundSettings,

    /// Whether gRPC server reflection (v1 and v1alpha) is on, which tools such as grpcurl need
    #[arg(long, env, global = true, default_value = "true", action = clap::ArgAction::Set)]
    pub(crate) grpc_reflection: bool,

    /// Whether Envoy may ask for decisions by its filter ext_authz, over gRPC (envoy.service.auth.v3.Authorization)
    #[arg(long, env, global = true, default_value = "false", action = clap::ArgAction::Set)]
    pub(crate) ext_authz: bool,

    /// Whether the server serves the description of its JSON APIs at /openapi.json and /docs
    #[arg(long, env, global = true, default_value = "true", action = clap::ArgAction::Set)]
    pub(crate) api_docs: bool,

    #[command(flatten)]
    pub(crate) audit: AuditSettings,

    /// The address where Prometheus reads GET /metrics, as IP:PORT, always without TLS [default: no metrics]
    #[arg(long, env, global = true, value_parser = listen::address)]
    pub(crate) metrics_addr: Option<SocketAddr>,

    /// How long the server goes on serving after SIGTERM while its health is NOT_SERVING, at most 5m, so that load
    /// balancers send clients elsewhere first
    #[arg(long, env, global = true, default_value = "0s", value_parser = shutdown_delay)]
    pub(crate) shutdown_delay: Duration,

    /// The settings of the log.
    #[command(flatten)]
    pub(crate) log: LogSettings,
}

/// Settings that contradict each other, or that are most likely mistakes.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A variable with a name that is nearly that of a setting.
    #[error("unknown setting {found} in the environment: did you mean {meant}?")]
    Misspelt {
        /// The name of the variable.
        found: String,
        /// The name of the nearest setting.
        meant: String,
    },
    /// A token that would outlive its session.
    #[error("{0} must not be longer than SESSION_MAX_LIFETIME")]
    LongerThanSession(&'static str),
    /// The settings of what signs tokens.
    #[error(transparent)]
    Tokens(#[from] TokenSettingsError),
    /// A minimum length below that of the policy.
    #[error(transparent)]
    Policy(#[from] LowerThanPreset),
    /// Hashing that needs more memory than there is.
    #[error(transparent)]
    Memory(#[from] cost::MemoryError),
    /// Limits that contradict each other, or that allow more memory than there is.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
}

impl Settings {
    /// Whether strangers may register: only exactly `true` opens registration.
    pub fn registration_open(&self) -> bool {
        self.allow_registration == "true"
    }

    /// Returns how many threads hash passwords: as many as there are cores, unless memory is short or the setting says
    /// so.
    pub fn hash_threads(&self) -> usize {
        self.hash_threads.unwrap_or_else(|| cost::threads(&self.hash_params))
    }

    /// Returns how many passwords may wait for those threads. With the default parameters of hashes, that many take
    /// some five seconds.
    pub(crate) fn hash_queue(&self) -> usize {
        self.hash_queue.unwrap_or_else(|| self.hash_threads().saturating_mul(768))
    }

    /// Checks the settings against each other and against the memory of the machine, and looks for misspelt names of
    /// settings in `environment`, the names of all variables of the process. Returns those that are set in vain.
    pub fn check(&self, environment: impl Iterator<Item = String>) -> Result<Vec<UnreadVariable>, SettingsError> {
        for (name, lifetime) in [
            ("USERNAME_TOKEN_LIFETIME", self.username_token_lifetime),
            ("EMAIL_TOKEN_LIFETIME", self.email_token_lifetime),
        ] {
            if lifetime > self.session_max_lifetime {
                return Err(SettingsError::LongerThanSession(name));
            }
        }
        self.issuer()?;
        self.passwords.policy()?;
        cost::require_memory(&self.hash_params, self.hash_threads())?;
        self.bounds.check(self.hash_threads())?;
        names::check(environment.chain(self.set_by_file.iter().cloned()))
    }
}

#[cfg(test)]
mod tests;
