//! Opens a database on a PostgreSQL server: reached, checked, migrated. Everything here happens once, at the start, and
//! each error is a sentence for the operator.

use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::listen::Announcements;
use super::pools::Pools;
use super::{PostgresStore, address, password_file};
use crate::store::{OpenError, migrations};

pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(migrations::postgres);

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

impl PostgresStore {
    /// Opens the database of `url` (`postgres://USER:PASSWORD@HOST:PORT/DATABASE`) and brings its schema up to date. If
    /// several processes open it at once, one migrates and the others wait.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let (options, server) = address::parse(url)?;
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

/// A server as error messages describe it, without a password.
pub(super) struct Server {
    /// For example `countersign at db.example.com:5432`.
    pub database: String,
    pub connect_timeout: Duration,
    user: String,
    /// Whether the address has a password, so that the driver looks for no other.
    has_password: bool,
}

impl Server {
    pub(super) fn of(options: &PgConnectOptions, connect_timeout: Duration, has_password: bool) -> Self {
        let name = options.get_database().unwrap_or_default();
        let (host, port) = (options.get_host(), options.get_port());
        let place = match options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None if host.contains(':') => format!("[{host}]:{port}"),
            None => format!("{host}:{port}"),
        };
        let user = options.get_username().to_owned();
        Self { database: format!("{name} at {place}"), user, connect_timeout, has_password }
    }

    pub(super) async fn connect(&self, options: PgConnectOptions) -> Result<PgConnection, OpenError> {
        match tokio::time::timeout(self.connect_timeout, options.connect()).await {
            Ok(connected) => connected.map_err(|error| self.not_opened(error)),
            Err(_elapsed) => {
                let cause = format!("no answer within {} s", self.connect_timeout.as_secs()).into();
                Err(OpenError::Unreachable { database: self.database.clone(), cause })
            }
        }
    }

    /// Fails if the server is too old, or the database cannot store every character. SQL_ASCII stores bytes unchanged.
    pub(super) async fn require_version(&self, connection: &mut PgConnection) -> Result<(), OpenError> {
        let (number, version, encoding): (i32, String, String) = sqlx::query_as(
            "select current_setting('server_version_num')::int, current_setting('server_version'),
                 current_setting('server_encoding')",
        )
        .fetch_one(connection)
        .await
        .map_err(|error| self.not_opened(error))?;
        let database = self.database.clone();
        if number < 130_000 {
            return Err(OpenError::TooOld { database, version });
        }
        if !["UTF8", "SQL_ASCII"].contains(&&*encoding) {
            return Err(OpenError::Encoding { database, encoding });
        }
        Ok(())
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
            // A certificate that does not fit, or a server without TLS: that does not pass.
            sqlx::Error::Io(cause) if cause.kind() == io::ErrorKind::InvalidData => {
                return OpenError::NotTrusted { database, cause: cause.into() };
            }
            sqlx::Error::Tls(cause) => return OpenError::NotTrusted { database, cause },
            sqlx::Error::Io(cause) => return OpenError::Unreachable { database, cause: cause.into() },
            sqlx::Error::Database(cause) => cause.message().to_owned().into(),
            other => other.into(),
        };
        match code.as_str() {
            "28000" | "28P01"
                if !self.has_password
                    && let Some(problem) = password_file::problem() =>
            {
                OpenError::PasswordFile { database, user, cause, problem }
            }
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
