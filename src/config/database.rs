//! The settings of the database. Separate because they are one decision.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::secret_file::{self, SettingFileError};
use super::{Settings, duration};

/// The address of the database, and the patience with it.
// No `Debug`, because the address may hold a password.
#[derive(Clone, Args)]
pub(crate) struct DatabaseSettings {
    /// The database: sqlite:FILE or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    ///
    /// The server creates a missing SQLite file, and migrates the schema when it starts.
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "sqlite:countersign.db",
        conflicts_with = "database_url_file"
    )]
    pub database_url: String,

    /// A file that holds DATABASE_URL
    #[arg(long, env, global = true)]
    pub database_url_file: Option<PathBuf>,

    /// How long the server waits when it starts and PostgreSQL cannot be reached yet; 0s means not at all
    #[arg(long, env, global = true, default_value = "30s", value_parser = wait)]
    pub database_wait: Duration,
}

impl Settings {
    /// Returns the address of the database, from its setting or its file.
    pub fn database_url(&self) -> Result<String, SettingFileError> {
        let DatabaseSettings { database_url, database_url_file: file, .. } = &self.database;
        let given = Some(database_url.as_str()).filter(|_| file.is_none());
        Ok(secret_file::value("DATABASE_URL", given, file.as_deref())?.unwrap_or_default())
    }
}

/// Reads a [`duration`] to wait, or none at all.
fn wait(text: &str) -> Result<Duration, &'static str> {
    if text == "0s" { Ok(Duration::ZERO) } else { duration(text) }
}
