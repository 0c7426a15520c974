//! Opening a database on a PostgreSQL server: reached, recognised, migrated. Apart from the statements because everything
//! here happens once and fails with a sentence for the operator.

use std::str::FromStr as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::PostgresStore;
use super::listen::Announcements;
use super::pools::Pools;
use crate::store::{OpenError, migrations};

pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(migrations::postgres);

/// How long a server may take to answer at the start.
const WAIT_FOR_AN_ANSWER: Duration = Duration::from_secs(5);

/// What the server holds every statement of ours to: the slowest takes milliseconds. The third is for a process that stops
/// half-way through a transaction, whose locks would otherwise stop everybody else.
const LIMITS: [(&str, &str); 6] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "10s"),
    // Of a process that has vanished: its connections count until the server has noticed.
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
];

/// A migration may take its time; a replica that waits for another's may not wait for ever.
const MIGRATION_LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "0"),
    ("lock_timeout", "60s"),
    // "… already exists, skipping" is news to nobody.
    ("client_min_messages", "warning"),
];

/// What `DATABASE_URL` may say after its `?`; the driver would ignore anything else.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

impl PostgresStore {
    /// Opens the database of `url` (`postgres://USER:PASSWORD@HOST:PORT/DATABASE`) and brings its schema up to date. Of
    /// several that open it at once, one does that and the others wait.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let options = parse(url)?;
        let server = Server::of(&options);
        // At once: over TLS, the driver takes a tenth of a second for each.
        let migrating = server.connect(options.clone().options(MIGRATION_LIMITS));
        let (mut connection, other) = tokio::try_join!(migrating, server.connect(options.clone()))?;
        server.require_version(&mut connection).await?;
        server.require_locks(&mut connection, other).await?;
        // Under an advisory lock that sqlx takes for the database.
        MIGRATIONS.run(&mut connection).await.map_err(|error| server.not_migrated(error))?;
        // It has done its work; how it ends changes nothing.
        let _ = connection.close().await;

        let options = options.options(LIMITS);
        let losses = Arc::default();
        Ok(Self {
            pools: Pools::new(options.clone(), Arc::clone(&losses)),
            announcements: Announcements::new(options, losses),
            mail: tokio::sync::Notify::new(),
        })
    }
}

/// Nothing of what the driver says about a bad address is passed on: it might quote the password.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, OpenError> {
    // A raw `/`, `?` or `#` in a password ends what a URL's reader takes for the host, and the rest of the password would
    // be told as a name of something.
    let address = url.split_once("://").map_or("", |(_, rest)| rest);
    if address.find(['/', '?', '#']).is_some_and(|end| address[end..].contains('@')) {
        return Err(OpenError::BadServerUrl);
    }
    for parameter in url.split_once('?').map_or("", |(_, query)| query).split('&').filter(|text| !text.is_empty()) {
        let name = parameter.split('=').next().unwrap_or_default();
        if !PARAMETERS.contains(&name) && !name.starts_with("options[") {
            return Err(OpenError::UnknownParameter(name.to_owned()));
        }
    }
    let options = PgConnectOptions::from_str(url).map_err(|_| OpenError::BadServerUrl)?;
    if options.get_database().is_none() {
        return Err(OpenError::BadServerUrl);
    }
    let named = options.get_application_name().is_some();
    // A log of ours has no SQL in it.
    let options = options.disable_statement_logging();
    Ok(if named { options } else { options.application_name("countersign") })
}

/// What may be told of a server.
pub(super) struct Server {
    /// `countersign at db.example.com:5432`
    pub database: String,
    user: String,
}

impl Server {
    pub fn of(options: &PgConnectOptions) -> Self {
        let name = options.get_database().unwrap_or_default();
        let place = match options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        Self { database: format!("{name} at {place}"), user: options.get_username().to_owned() }
    }

    pub async fn connect(&self, options: PgConnectOptions) -> Result<PgConnection, OpenError> {
        match tokio::time::timeout(WAIT_FOR_AN_ANSWER, options.connect()).await {
            Ok(connected) => connected.map_err(|error| self.not_opened(error)),
            Err(_elapsed) => {
                let cause = format!("no answer within {} s", WAIT_FOR_AN_ANSWER.as_secs()).into();
                Err(OpenError::Unreachable { database: self.database.clone(), cause })
            }
        }
    }

    pub async fn require_version(&self, connection: &mut PgConnection) -> Result<(), OpenError> {
        let (number, version): (i32, String) =
            sqlx::query_as("select current_setting('server_version_num')::int, current_setting('server_version')")
                .fetch_one(connection)
                .await
                .map_err(|error| self.not_opened(error))?;
        if number >= 130_000 {
            return Ok(());
        }
        Err(OpenError::TooOld { database: self.database.clone(), version })
    }

    /// Some databases that speak PostgreSQL's protocol take its advisory locks and hold nothing: there, a revocation could
    /// be missed, and nobody would ever notice.
    pub async fn require_locks(&self, connection: &mut PgConnection, mut other: PgConnection) -> Result<(), OpenError> {
        // Of this session only, so that two that start at once do not meet.
        let key = "select pg_backend_pid()::bigint";
        let failed = |error| self.not_opened(error);
        let key: i64 = sqlx::query_scalar(key).fetch_one(&mut *connection).await.map_err(failed)?;
        let mut tx = connection.begin().await.map_err(failed)?;
        sqlx::query("select pg_advisory_xact_lock($1)").bind(key).execute(&mut *tx).await.map_err(failed)?;
        let try_too = sqlx::query_scalar("select pg_try_advisory_xact_lock($1)");
        let both: bool = try_too.bind(key).fetch_one(&mut other).await.map_err(failed)?;
        tx.rollback().await.map_err(failed)?;
        let _ = other.close().await;
        if both { Err(OpenError::NoLocks(self.database.clone())) } else { Ok(()) }
    }

    fn not_migrated(&self, error: MigrateError) -> OpenError {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.not_opened(error),
            other => OpenError::migrating(self.database.clone(), other),
        }
    }

    pub fn not_opened(&self, error: sqlx::Error) -> OpenError {
        let (database, user) = (self.database.clone(), self.user.clone());
        let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
        let cause = match error {
            sqlx::Error::Io(cause) => return OpenError::Unreachable { database, cause: cause.into() },
            sqlx::Error::Database(cause) => cause.message().to_owned().into(),
            other => other.into(),
        };
        match code.as_str() {
            "28000" | "28P01" => OpenError::Refused { database, user, cause },
            "3D000" => OpenError::NoDatabase(database),
            "42501" => OpenError::NotOwner { database, user, cause },
            "25006" => OpenError::ReadOnly(database),
            // Starting or stopping, full, or closed to everybody.
            "57P01" | "57P02" | "57P03" | "53300" | "55000" => OpenError::Unreachable { database, cause },
            _ => OpenError::Failed { database, cause },
        }
    }
}
