//! Opens a database on a PostgreSQL server: reached, checked, migrated. Everything here happens once, at the start, and
//! each error is a sentence for the operator.

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

/// How long the server may take to accept a connection at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The limits that the server enforces on our connections; the slowest of our statements takes milliseconds. The third
/// one ends a transaction whose process has stopped half-way: its locks would block all others.
const LIMITS: [(&str, &str); 6] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "10s"),
    // The connections of a process that has vanished take up slots until the server notices.
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
];

/// The limits during a migration, which may take long. A replica that waits for another's migration gives up at some
/// time.
const MIGRATION_LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "0"),
    ("lock_timeout", "60s"),
    // Suppresses the notices "… already exists, skipping".
    ("client_min_messages", "warning"),
];

/// The parameters that may follow the `?` of `DATABASE_URL`. The driver would ignore others silently.
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
    /// Opens the database of `url` (`postgres://USER:PASSWORD@HOST:PORT/DATABASE`) and brings its schema up to date. If
    /// several processes open it at once, one migrates and the others wait.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let options = parse(url)?;
        let server = Server::of(&options);
        // Both connections at once: over TLS, the driver takes a tenth of a second for each.
        let migrating = server.connect(options.clone().options(MIGRATION_LIMITS));
        let (mut connection, other) = tokio::try_join!(migrating, server.connect(options.clone()))?;
        server.require_version(&mut connection).await?;
        server.require_locks(&mut connection, other).await?;
        // sqlx takes an advisory lock for this.
        MIGRATIONS.run(&mut connection).await.map_err(|error| server.not_migrated(error))?;
        // An error changes nothing: the connection has done its work.
        let _ = connection.close().await;

        let options = options.options(LIMITS);
        let losses = Arc::default();
        Ok(Self {
            pools: Pools::new(options.clone(), Arc::clone(&losses)),
            announcements: Announcements::new(options, losses),
            mail_queued: tokio::sync::Notify::new(),
        })
    }
}

/// Parses an address. The driver's own error about a bad one is not passed on, because it might quote the password.
pub(super) fn parse(url: &str) -> Result<PgConnectOptions, OpenError> {
    // A raw `/`, `?` or `#` in a password ends the host for a parser of URLs. The rest of the password would then
    // appear in messages as the name of a database.
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
    // Our logs contain no SQL.
    let options = options.disable_statement_logging();
    Ok(if named { options } else { options.application_name("countersign") })
}

/// A server as error messages describe it, without a password.
pub(super) struct Server {
    /// For example `countersign at db.example.com:5432`.
    pub database: String,
    user: String,
}

impl Server {
    pub(super) fn of(options: &PgConnectOptions) -> Self {
        let name = options.get_database().unwrap_or_default();
        let place = match options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        Self { database: format!("{name} at {place}"), user: options.get_username().to_owned() }
    }

    pub(super) async fn connect(&self, options: PgConnectOptions) -> Result<PgConnection, OpenError> {
        match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
            Ok(connected) => connected.map_err(|error| self.not_opened(error)),
            Err(_elapsed) => {
                let cause = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()).into();
                Err(OpenError::Unreachable { database: self.database.clone(), cause })
            }
        }
    }

    pub(super) async fn require_version(&self, connection: &mut PgConnection) -> Result<(), OpenError> {
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

    /// Fails if advisory locks do not hold. Some databases that speak PostgreSQL's protocol accept the statement and
    /// lock nothing. There, a revocation could be missed without any sign.
    pub(super) async fn require_locks(
        &self,
        connection: &mut PgConnection,
        mut other: PgConnection,
    ) -> Result<(), OpenError> {
        // A key of this session only, so that two processes that start at once do not block each other.
        let key = "select pg_backend_pid()::bigint";
        let failed = |error| self.not_opened(error);
        let key: i64 = sqlx::query_scalar(key).fetch_one(&mut *connection).await.map_err(failed)?;
        let mut tx = connection.begin().await.map_err(failed)?;
        sqlx::query("select pg_advisory_xact_lock($1)").bind(key).execute(&mut *tx).await.map_err(failed)?;
        let try_too = sqlx::query_scalar("select pg_try_advisory_xact_lock($1)");
        let both_got_it: bool = try_too.bind(key).fetch_one(&mut other).await.map_err(failed)?;
        tx.rollback().await.map_err(failed)?;
        let _ = other.close().await;
        if both_got_it { Err(OpenError::NoLocks(self.database.clone())) } else { Ok(()) }
    }

    fn not_migrated(&self, error: MigrateError) -> OpenError {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.not_opened(error),
            other => OpenError::migrating(self.database.clone(), other),
        }
    }

    pub(super) fn not_opened(&self, error: sqlx::Error) -> OpenError {
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
            // The server is starting, stopping, or full, or accepts no connections to the database.
            "57P01" | "57P02" | "57P03" | "53300" | "55000" => OpenError::Unreachable { database, cause },
            _ => OpenError::Failed { database, cause },
        }
    }
}
