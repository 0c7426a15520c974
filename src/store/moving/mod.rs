//! Moving everything from one database to another, whichever engines they are: read in one transaction, written in one
//! transaction, read back, and kept only if what arrived is what was sent. Apart from the store because nothing here is
//! done for a client: rows are copied as they are, page by page, and no statement is held to a client's patience.
//!
//! `tables` is what is copied, each engine's `moving` an [`End`] of it.

mod tables;

use async_trait::async_trait;
use sqlx::migrate::Migrator;

use super::{OpenError, StoreError, open};
use crate::domain::with_cause;

use tables::Tally;
pub use tables::{Column, Content, TABLES, Table};
pub(super) use tables::{Kind, Row, Value, decode};

/// Rows that are read, held and written at once: half a megabyte of them. With ten columns, a third of the parameters that
/// a statement of SQLite may have.
const PAGE: usize = 1_000;

/// Which end of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Everything is read from it.
    Source,
    /// Everything is written to it.
    Target,
}

/// A database with one connection and, once begun, one transaction, which ends with it: unless it is committed, nothing has
/// changed, not even the schema.
#[async_trait]
pub(super) trait End: Send {
    /// What tells the database from every other of its engine, by whatever address it was reached.
    fn identity(&self) -> &str;

    /// Begins the transaction. What is read in it is of one moment, and nobody else writes to a target meanwhile. Refuses
    /// what is being served, if the engine can tell.
    async fn begin(&mut self, side: Side) -> Result<(), OpenError>;

    /// Whether a table is there, of any version, and has rows.
    async fn has_rows(&mut self, table: &Table) -> Result<bool, StoreError>;

    /// Brings the schema up to date.
    async fn migrate(&mut self) -> Result<(), OpenError>;

    /// Up to [`PAGE`] rows of a table, in the order of its key, after the row with this one.
    async fn read(&mut self, table: &Table, after: Option<&Value>) -> Result<Vec<Row>, StoreError>;

    /// Adds rows as they are.
    async fn write(&mut self, table: &Table, rows: &[Row]) -> Result<(), StoreError>;

    /// Keeps what was written.
    async fn commit(&mut self) -> Result<(), StoreError>;

    /// Lets go of the database. What was not committed is not kept, nor is a file that was made for it.
    async fn close(self: Box<Self>);
}

/// Why nothing was moved. Each message says what to do; a target is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The source cannot be opened.
    #[error("--from: {}", sentence(.0))]
    Source(#[source] OpenError),
    /// The target cannot be opened.
    #[error("--to: {}", sentence(.0))]
    Target(#[source] OpenError),
    /// There is nothing to move.
    #[error("--from and --to are the same database: name another one as --to")]
    Same,
    /// It would be mixed with what is there, or hide it.
    #[error("--to: the database is not empty, its table `{0}` has rows; name one that holds nothing yet")]
    NotEmpty(&'static str),
    /// While reading from the source.
    #[error("--from: {}; nothing was moved", with_cause(.0))]
    Reading(#[source] StoreError),
    /// While writing to the target, or reading back.
    #[error("--to: {}; nothing was moved", with_cause(.0))]
    Writing(#[source] StoreError),
    /// While committing: the answer may have been lost.
    #[error("--to: {}; either all was moved or nothing: try again, which is refused if all was", with_cause(.0))]
    Committing(#[source] StoreError),
    /// Something on the way, or in the target, changed a row or left one out.
    #[error(
        "--to: what arrived is not what was sent; nothing was moved: look for triggers or rules of the target that change \
         or skip rows"
    )]
    Differs,
}

/// Copies every row of the database of `from` into the empty one of `to`, whose schema is brought up to date first, and
/// tells what was copied. The source must have this version's schema already: it is read and nothing else.
pub async fn migrate(from: &str, to: &str) -> Result<Content, MoveError> {
    let mut source = open::end(from, Side::Source).await.map_err(MoveError::Source)?;
    source.begin(Side::Source).await.map_err(MoveError::Source)?;
    let mut target = open::end(to, Side::Target).await.map_err(MoveError::Target)?;
    let moved = copy(&mut *source, &mut *target).await;
    target.close().await;
    source.close().await;
    moved
}

/// The target may have been named by mistake, and belong to a server of an older version: nothing is done to it before it
/// is known that nobody serves it and nothing is in it.
async fn copy(source: &mut dyn End, target: &mut dyn End) -> Result<Content, MoveError> {
    if source.identity() == target.identity() {
        return Err(MoveError::Same);
    }
    target.begin(Side::Target).await.map_err(MoveError::Target)?;
    for table in &TABLES {
        if target.has_rows(table).await.map_err(MoveError::Writing)? {
            return Err(MoveError::NotEmpty(table.name));
        }
    }
    target.migrate().await.map_err(MoveError::Target)?;
    let sent = read_all(source, MoveError::Reading, Some(target)).await?;
    let arrived = read_all(target, MoveError::Writing, None).await?;
    if sent != arrived {
        return Err(MoveError::Differs);
    }
    target.commit().await.map_err(MoveError::Committing)?;
    Ok(sent)
}

/// Reads every row of `end`, and copies it when there is somewhere to.
async fn read_all(
    end: &mut dyn End,
    failed: fn(StoreError) -> MoveError,
    mut copy: Option<&mut dyn End>,
) -> Result<Content, MoveError> {
    let mut tally = Tally::default();
    for table in &TABLES {
        let mut after = None;
        loop {
            let page = end.read(table, after.as_ref()).await.map_err(failed)?;
            let Some(last) = page.last() else { break };
            if let Some(target) = copy.as_deref_mut() {
                target.write(table, &page).await.map_err(MoveError::Writing)?;
            }
            after = last.first().cloned();
            tally.add(&page);
        }
        tally.end(table);
    }
    Ok(tally.content())
}

/// Whether a database that nobody may change has this version's schema. `applied` is the versions and checksums of
/// [`APPLIED`].
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

/// The migrations that a database has seen.
pub(super) const APPLIED: &str = "select version, checksum from _sqlx_migrations where success";

/// A sentence about a database that no setting names.
fn sentence(error: &OpenError) -> String {
    match error {
        OpenError::Served(path) => {
            let path = path.display();
            format!("a server is serving {path}; stop the server first, or what it writes meanwhile would be lost")
        }
        other => other.about("the address"),
    }
}
