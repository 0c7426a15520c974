//! Moving everything from one database to another, of the same engine or the other: read in one transaction, written in
//! one transaction, read back, and committed only if what arrived is what was sent. The rows are copied as they are,
//! page by page, and no statement has the time limits of a call.

use super::endpoint::{MoveEndpoint, MoveSide};
use super::tables::{DatabaseContent, TABLES, Tally};
use super::{OpenError, StoreError, open};
use crate::domain::with_cause;

/// Why nothing was moved. Each message tells the operator what to do. The target has not changed.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The source cannot be opened.
    #[error("--from: {}", sentence(.0))]
    Source(#[source] OpenError),
    /// The target cannot be opened.
    #[error("--to: {}", sentence(.0))]
    Target(#[source] OpenError),
    /// Both addresses lead to the same database.
    #[error("--from and --to are the same database: name another one as --to")]
    Same,
    /// The target has rows, with which those of the source would be mixed.
    #[error("--to: the database is not empty, its table `{0}` has rows; name an empty one")]
    NotEmpty(&'static str),
    /// Reading from the source failed.
    #[error("--from: {}; nothing was moved", with_cause(.0))]
    Reading(#[source] StoreError),
    /// Writing to the target or reading it back failed.
    #[error("--to: {}; nothing was moved", with_cause(.0))]
    Writing(#[source] StoreError),
    /// The commit failed; perhaps only its answer was lost.
    #[error(
        "--to: {}; either everything was moved or nothing: run the command again, which refuses if everything was",
        with_cause(.0)
    )]
    Committing(#[source] StoreError),
    /// What was read back from the target is not what was written.
    #[error(
        "--to: the target has other rows than were written; nothing was moved: look for triggers or rules of the target \
         that change or skip rows"
    )]
    Differs,
}

/// Copies every row of the database `from` into the empty database `to`, and returns what was copied. The schema of the
/// target is brought up to date first. The source must have this version's schema already, because it is only read.
pub async fn migrate(from: &str, to: &str) -> Result<DatabaseContent, MoveError> {
    let mut source = open::endpoint(from, MoveSide::Source).await.map_err(MoveError::Source)?;
    source.begin(MoveSide::Source).await.map_err(MoveError::Source)?;
    let mut target = open::endpoint(to, MoveSide::Target).await.map_err(MoveError::Target)?;
    let moved = copy(&mut *source, &mut *target).await;
    target.close().await;
    source.close().await;
    moved
}

/// The target may have been named by mistake, and belong to a server of an older version. So nothing is done to it
/// before it is known that no server serves it and that it is empty.
async fn copy(source: &mut dyn MoveEndpoint, target: &mut dyn MoveEndpoint) -> Result<DatabaseContent, MoveError> {
    if source.identity() == target.identity() {
        return Err(MoveError::Same);
    }
    target.begin(MoveSide::Target).await.map_err(MoveError::Target)?;
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

/// Reads every row of an endpoint, and writes it to `copy` if there is one.
async fn read_all(
    endpoint: &mut dyn MoveEndpoint,
    failed: fn(StoreError) -> MoveError,
    mut copy: Option<&mut dyn MoveEndpoint>,
) -> Result<DatabaseContent, MoveError> {
    let mut tally = Tally::default();
    for table in &TABLES {
        let mut after = None;
        loop {
            let page = endpoint.read(table, after.as_ref()).await.map_err(failed)?;
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

/// The message about a database that was named on the command line.
fn sentence(error: &OpenError) -> String {
    match error {
        OpenError::Served(path) => {
            let path = path.display();
            format!("a server is serving {path}; stop the server first, or what it writes meanwhile would be lost")
        }
        other => other.about("the address"),
    }
}
