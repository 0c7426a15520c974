//! One side of a move from a database to another: what each engine must do for it (`sqlite/moving.rs`,
//! `postgres/moving.rs`). A file without a part in the move itself, so that `open` and the engines need not know
//! `moving`.

use async_trait::async_trait;
use sqlx::migrate::Migrator;

use super::tables::{RowValues, Table, Value};
use super::{OpenError, StoreError};

/// The side of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MoveSide {
    /// Everything is read from this database.
    Source,
    /// Everything is written to this database.
    Target,
}

/// A database that is moved from or to, on one connection and in one transaction. Unless that is committed, nothing has
/// changed, not even the schema.
#[async_trait]
pub(super) trait MoveEndpoint: Send {
    /// Identifies the database among all of its engine, whichever address leads to it.
    fn identity(&self) -> &str;

    /// Begins the transaction. It reads one snapshot, and no other process writes to a target meanwhile. Fails if a
    /// server is serving the database and the engine can tell.
    async fn begin(&mut self, side: MoveSide) -> Result<(), OpenError>;

    /// Whether a table exists, in any version of the schema, and has rows.
    async fn has_rows(&mut self, table: &Table) -> Result<bool, StoreError>;

    /// Brings the schema up to date.
    async fn migrate(&mut self) -> Result<(), OpenError>;

    /// Reads a page of a table in the order of its key, after the row with the key `after`.
    async fn read(&mut self, table: &Table, after: Option<&Value>) -> Result<Vec<RowValues>, StoreError>;

    /// Inserts rows as they are.
    async fn write(&mut self, table: &Table, rows: &[RowValues]) -> Result<(), StoreError>;

    /// Commits everything that was written.
    async fn commit(&mut self) -> Result<(), StoreError>;

    /// Closes the connection. Without a commit, a file that was created for the move is removed.
    async fn close(self: Box<Self>);
}

/// Fails unless a database has this version's schema. `applied` are the rows of [`APPLIED`]: versions and checksums. A
/// move checks its source in this way, because it must not change it.
pub(super) fn require_current(
    database: &str,
    migrations: &Migrator,
    applied: &[(i64, Vec<u8>)],
) -> Result<(), OpenError> {
    let database = database.to_owned();
    if applied.iter().any(|(version, _)| !migrations.version_exists(*version)) {
        return Err(OpenError::Newer(database));
    }
    for migration in migrations.iter() {
        match applied.iter().find(|(version, _)| *version == migration.version) {
            None => return Err(OpenError::Outdated(database)),
            Some((version, checksum)) if **checksum != *migration.checksum => {
                return Err(OpenError::Changed { database, version: *version });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Lists the migrations that were applied to a database.
pub(super) const APPLIED: &str = "select version, checksum from _sqlx_migrations where success";
