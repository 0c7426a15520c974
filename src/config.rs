//! The command line and the settings: one clap struct, environment first, and every check of a value in one place. Only
//! `main`, `command` and `server` know it; components take plain parameters.

mod audit;
mod bounds;
mod budgets;
mod calibrate;
mod commands;
mod cors;
mod import;
mod mail;
mod origin;
mod policy;
mod proxies;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use argon2::Params;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use countersign_guard::clock::Skew;
use countersign_guard::revocations::MAX_STALENESS;
use countersign_guard::token::MAX_LIFETIME;
use secrecy::SecretString;

use crate::domain::LowerThanPreset;
use crate::hashing::cost;
use crate::hashing::kernel::{self, KernelSetting};

pub use audit::AuditSettings;
pub use bounds::{BoundSettings, BoundsError};
pub use budgets::BudgetSettings;
pub use calibrate::CalibrateArgs;
pub use commands::{
    AccountCommand, AttemptsCommand, AuditCommand, FirmCommand, MailCommand, Output, PlatformAdminCommand, Printed,
    SessionCommand,
};
pub use cors::{CorsSettings, RequestHeader};
pub use import::{ExportArgs, ImportArgs, ImportFormat};
pub use mail::MailSettings;
pub use origin::Origin;
pub use policy::{PasswordsCommand, PolicySettings};
pub use proxies::ProxySettings;
pub use tls::{IncompleteTls, TlsSettings};

/// What a caller of the command line may build upon.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 2 the command line or a setting cannot work; 3 there is no such account, \
                          session, firm, invitation or mail.";

/// A gRPC authentication service: accounts sign in with a username or an email and a password and get a JWT.
// No `Debug`: an address of a database may hold a password.
#[derive(Parser)]
#[command(name = "countersign", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// How it runs.
    #[command(flatten)]
    pub settings: Settings,
    /// What to do; `serve` when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve gRPC, gRPC-Web and both JSON APIs (the default)
    Serve(ServeArgs),
    /// Work with accounts, beside a running server or without one
    Account(Printed<AccountCommand>),
    /// Work with sessions
    Session(Printed<SessionCommand>),
    /// Work with firms
    Firm(Printed<FirmCommand>),
    /// Work with failed sign-ins
    Attempts(Printed<AttemptsCommand>),
    /// Work with mail that was given up
    Mail(Printed<MailCommand>),
    /// Ask the audit trail
    Audit(Printed<AuditCommand>),
    /// Print what makes a shell complete commands and flags
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Work with lists of breached passwords
    #[command(subcommand)]
    Passwords(PasswordsCommand),
    /// Copy everything into another, empty database, of the same engine or the other
    ///
    /// Stop the servers first. Both databases are given by their addresses, as in DATABASE_URL; `--from` is only read.
    MigrateStore {
        /// The database to copy
        #[arg(long, value_name = "URL")]
        from: SecretString,
        /// The database to copy it to, which must hold nothing yet
        #[arg(long, value_name = "URL")]
        to: SecretString,
    },
    /// Copy the SQLite database of DATABASE_URL to a new file, beside a running server or without one
    Backup {
        /// The file to make
        file: PathBuf,
    },
    /// Take in accounts with their hashes, beside a running server or without one; safe to repeat
    Import(ImportArgs),
    /// Give out all accounts with their hashes, a JSON object a line
    Export(ExportArgs),
    /// Measure what passwords may cost on this machine, and recommend HASH_PARAMS
    Calibrate(CalibrateArgs),
}

/// How to serve, this time.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// Make a new, empty SQLite database where there was one that was deleted or emptied
    #[arg(long)]
    pub new_database: bool,
}

/// How it runs. Each setting is an environment variable and a flag; the flag wins.
#[derive(Clone, Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// Where to listen, as IP:PORT
    #[arg(long, env, global = true, default_value = "127.0.0.1:3008")]
    pub listen_addr: SocketAddr,

    /// TLS on that port.
    #[command(flatten)]
    pub tls: TlsSettings,

    /// Mail.
    #[command(flatten)]
    pub mail: MailSettings,

    /// The database, as sqlite:FILE or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, env, global = true, hide_env_values = true, default_value = "sqlite:countersign.db")]
    pub database_url: String,

    /// What tokens are signed with, 32 bytes or more [default: made once and kept beside the database, if that is a file]
    #[arg(long, env, global = true, hide_env_values = true, conflicts_with = "jwt_secret_file")]
    pub jwt_secret: Option<SecretString>,

    /// A file that holds JWT_SECRET
    #[arg(long, env, global = true)]
    pub jwt_secret_file: Option<PathBuf>,

    /// The secret before this one: its tokens are still accepted
    #[arg(long, env, global = true, hide_env_values = true, conflicts_with = "jwt_secret_previous_file")]
    pub jwt_secret_previous: Option<SecretString>,

    /// A file that holds JWT_SECRET_PREVIOUS
    #[arg(long, env, global = true)]
    pub jwt_secret_previous_file: Option<PathBuf>,

    /// Secrets of 32 bytes or more, separated by commas, one for each service that may watch revocations
    #[arg(long, env, global = true, hide_env_values = true, conflicts_with = "watch_credentials_file")]
    pub watch_credentials: Option<SecretString>,

    /// A file that holds WATCH_CREDENTIALS, one a line
    #[arg(long, env, global = true)]
    pub watch_credentials_file: Option<PathBuf>,

    /// Whether strangers may register: exactly `true` opens, anything else closes
    #[arg(long, env, global = true, default_value = "false")]
    pub allow_registration: String,

    /// Whether an account with an email address may log in only after it was verified
    #[arg(long, env, global = true, default_value = "false", action = clap::ArgAction::Set)]
    pub require_verified_email: bool,

    /// How long a token of a username sign-in lives
    #[arg(long, env, global = true, default_value = "1h", value_parser = token_lifetime)]
    pub username_token_lifetime: Duration,

    /// How long a token of an email sign-in lives
    #[arg(long, env, global = true, default_value = "24h", value_parser = token_lifetime)]
    pub email_token_lifetime: Duration,

    /// How long after a sign-in its last token expires, however often it was refreshed
    #[arg(long, env, global = true, default_value = "30d", value_parser = duration)]
    pub session_max_lifetime: Duration,

    /// How long revocations may have gone unread before tokens are refused as UNAVAILABLE
    #[arg(long, env, global = true, default_value = "5s", value_parser = staleness)]
    pub revocation_staleness: Duration,

    /// How far the clocks of two replicas may be apart, at most 120s; further away, tokens are refused as UNAVAILABLE
    #[arg(long, env, global = true, default_value = "60s", value_parser = skew)]
    pub clock_skew: Skew,

    /// What new passwords must be.
    #[command(flatten)]
    pub passwords: PolicySettings,

    /// What hashing a password costs, as `countersign calibrate` recommends: KiB of memory, passes, lanes
    #[arg(long, env, global = true, default_value = "m=19456,t=2,p=1", value_parser = cost::parse)]
    pub hash_params: Params,

    /// What hashes them: auto, avx512, avx2 or portable. Auto is the fastest of these that the processor has
    #[arg(long, env, global = true, default_value = "auto", value_parser = kernel::parse)]
    pub hash_kernel: KernelSetting,

    /// How many threads hash passwords [default: as many as there are cores]
    #[arg(long, env, global = true, value_parser = number::<1_024>)]
    pub hash_threads: Option<usize>,

    /// How many passwords may wait for a thread
    #[arg(long, env, global = true, default_value = "128", value_parser = number::<100_000>)]
    pub hash_queue: usize,

    /// Guessing budgets by address.
    #[command(flatten)]
    pub budgets: BudgetSettings,

    /// Whose word is taken for an address.
    #[command(flatten)]
    pub proxies: ProxySettings,

    /// CORS.
    #[command(flatten)]
    pub cors: CorsSettings,

    /// What clients may hold at a time.
    #[command(flatten)]
    pub bounds: BoundSettings,

    /// Whether the server describes its services to grpcurl and its like
    #[arg(long, env, global = true, default_value = "true", action = clap::ArgAction::Set)]
    pub grpc_reflection: bool,

    /// Whether the server describes its JSON APIs, at /openapi.json and /docs
    #[arg(long, env, global = true, default_value = "true", action = clap::ArgAction::Set)]
    pub api_docs: bool,

    /// What is kept of what happened.
    #[command(flatten)]
    pub audit: AuditSettings,

    /// Where to tell Prometheus how it is doing, as IP:PORT [default: nowhere]
    #[arg(long, env, global = true)]
    pub metrics_addr: Option<SocketAddr>,

    /// How log lines look
    #[arg(long, env, global = true, value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// For machines: one JSON object a line
    Json,
}

/// Settings that do not go together, or that nobody can have meant.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Looks like a setting and is none.
    #[error("unknown setting {found} in the environment: did you mean {meant}?")]
    Misspelt {
        /// As found.
        found: String,
        /// The nearest setting.
        meant: String,
    },
    /// A token that would outlive its session.
    #[error("{0} must not be longer than SESSION_MAX_LIFETIME")]
    LongerThanSession(&'static str),
    /// PASSWORD_POLICY and PASSWORD_MIN_LENGTH.
    #[error(transparent)]
    Policy(#[from] LowerThanPreset),
    /// HASH_THREADS and HASH_PARAMS.
    #[error(transparent)]
    Memory(#[from] cost::MemoryError),
    /// What clients may hold at a time.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
}

impl Settings {
    /// Whether strangers may register: "only exactly `true` opens".
    pub fn registration_open(&self) -> bool {
        self.allow_registration == "true"
    }

    /// How many threads hash passwords: as many as there are cores, unless memory is short or it is set.
    pub fn hash_threads(&self) -> usize {
        self.hash_threads.unwrap_or_else(|| cost::threads(&self.hash_params))
    }

    /// Checks what no single value can tell. `environment` is the names of all variables.
    pub fn check(&self, environment: impl Iterator<Item = String>) -> Result<(), SettingsError> {
        for (name, lifetime) in [
            ("USERNAME_TOKEN_LIFETIME", self.username_token_lifetime),
            ("EMAIL_TOKEN_LIFETIME", self.email_token_lifetime),
        ] {
            if lifetime > self.session_max_lifetime {
                return Err(SettingsError::LongerThanSession(name));
            }
        }
        self.passwords.policy()?;
        cost::require_memory(&self.hash_params, self.hash_threads())?;
        self.bounds.check()?;
        let command = Cli::command();
        let known: Vec<_> = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str()).collect();
        for found in environment.filter(|name| !known.contains(&name.as_str())) {
            // One slip of the finger; two in long names. Or what the setting would be if it were no file.
            let is_near = |known: &str| strsim::osa_distance(&found, known) <= known.len() / 8;
            if let Some(meant) = known.iter().find(|&&at| is_near(at) || at.strip_suffix("_FILE") == Some(&found)) {
                return Err(SettingsError::Misspelt { found, meant: (*meant).to_owned() });
            }
        }
        Ok(())
    }
}

/// `90s`, `15m`, `1h`, `30d`: a positive whole number and a unit, at most ten years.
fn duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "write a whole number and a unit, as in 90s, 15m, 1h or 30d, of at most 3650d";
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => return Err(FORM),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FORM);
    }
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or(FORM)?;
    if (1..=3_650 * 86_400).contains(&seconds) { Ok(Duration::from_secs(seconds)) } else { Err(FORM) }
}

/// A whole number from 1 to `MOST`.
fn number<const MOST: usize>(text: &str) -> Result<usize, String> {
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("write a whole number from 1 to {MOST}"))
}

/// A [`duration`] that a token may live.
fn token_lifetime(text: &str) -> Result<Duration, &'static str> {
    let lifetime = duration(text)?;
    if lifetime <= MAX_LIFETIME { Ok(lifetime) } else { Err("a token may live for at most 90d") }
}

/// A [`duration`] that two clocks may be apart, or none at all.
fn skew(text: &str) -> Result<Skew, &'static str> {
    let skew = if text == "0s" { Duration::ZERO } else { duration(text)? };
    Skew::parse(skew).ok_or("clocks may be apart by at most 120s")
}

/// A [`duration`] that revocations may go unread.
fn staleness(text: &str) -> Result<Duration, &'static str> {
    let bound = duration(text)?;
    if bound <= MAX_STALENESS { Ok(bound) } else { Err("revocations may go unread for at most 60s") }
}

#[cfg(test)]
mod tests;
