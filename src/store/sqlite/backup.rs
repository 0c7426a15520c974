//! A copy of a database file while servers write to it: `vacuum into`, which reads one snapshot and so neither waits for a
//! writer nor keeps one waiting. SQLite's online backup would start over whenever another process has written, and is not
//! to be had without `unsafe`.
//!
//! The copy is made under another name beside the one it shall have, and gets that once it is whole, checked and on the
//! disk: a file with the name of a backup is one, whatever happens meanwhile.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::SqliteStore;
use super::open::{options, private};
use crate::store::rows::from_row;
use crate::store::{OpenError, beside};

/// A copy of a database.
#[derive(Debug)]
pub struct Backup {
    /// What was copied.
    pub source: PathBuf,
    /// Rows of the copy.
    pub counts: Counts,
    /// How long the file is.
    pub bytes: u64,
}

/// How many rows a database has.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Accounts of both kinds.
    pub accounts: u64,
    /// Sessions that have not ended.
    pub sessions: u64,
    /// Sessions and accounts whose tokens are refused.
    pub revocations: u64,
}

from_row!(sqlx::sqlite::SqliteRow, Counts: accounts, sessions, revocations);

/// Why there is no backup. Each message says what to do; nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is a server's to back up.
    #[error("the database of DATABASE_URL is a server's, whose own tools back it up: use `pg_dump`")]
    NoFile,
    /// Nothing is overwritten.
    #[error("{0} exists already and was not touched; name a file that does not exist yet")]
    Exists(PathBuf),
    /// The worst of names.
    #[error("{0} is the database itself or belongs to it; name another file")]
    Itself(PathBuf),
    /// The copy cannot be written.
    #[error(
        "cannot write the backup {path}: {cause}; check that its folder exists, that this user may write there and that \
         there is room"
    )]
    CannotWrite {
        /// Of the copy.
        path: PathBuf,
        /// What the system or the engine said.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Neither hard links nor the rename that would do instead.
    #[error(
        "the file system of {0} cannot name a file without overwriting another; make the backup on another one, and copy \
         it from there"
    )]
    CannotName(PathBuf),
    /// The copy is damaged, and so the database is.
    #[error("the copy of {database} is damaged, so it was not kept: {problem}; restore an earlier backup")]
    Damaged {
        /// What was copied.
        database: PathBuf,
        /// The first thing that was found.
        problem: String,
    },
}

impl SqliteStore {
    /// Copies the database of `url` to the new file `to`, of any version of the schema.
    pub(in crate::store) async fn backup(url: &str, to: &Path) -> Result<Backup, BackupError> {
        let source = Self::existing(url)?;
        if to.canonicalize().is_ok_and(|to| to == source) || belongs_to(&source, to) {
            return Err(BackupError::Itself(to.to_owned()));
        }
        if fs::symlink_metadata(to).is_ok() {
            return Err(BackupError::Exists(to.to_owned()));
        }
        let failed = |cause| BackupError::CannotWrite { path: to.to_owned(), cause };
        let unfinished = Unfinished::beside(to).map_err(|cause| failed(cause.into()))?;

        let cannot_open = |cause: sqlx::Error| {
            BackupError::Open(OpenError::Failed { database: source.display().to_string(), cause: cause.into() })
        };
        let mut connection = options(&source).connect().await.map_err(cannot_open)?;
        let damaged = |problem| BackupError::Damaged { database: source.clone(), problem };
        let copied = async {
            // Asked first, so that what fails below is the writing.
            count(&mut connection).await.map_err(cannot_open)?;
            // Into the file that is there, and empty: that is allowed, and it has the right mode.
            let copied = sqlx::query("vacuum into ?1").bind(unfinished.name()).execute(&mut connection).await;
            copied.map_err(|error| if is_damage(&error) { damaged(error.to_string()) } else { failed(error.into()) })
        };
        let copied = copied.await;
        // Also after a failure: the files that SQLite makes beside the database go with the connection.
        let _ = connection.close().await;
        copied?;

        let options = SqliteConnectOptions::new().filename(&unfinished.path).read_only(true).immutable(true);
        let options = options.disable_statement_logging();
        let checked = async {
            let mut copy = options.connect().await?;
            let problem = problem(&mut copy).await?;
            let counts = count(&mut copy).await?;
            copy.close().await?;
            Ok::<_, sqlx::Error>((problem, counts))
        };
        let (problem, counts) = checked.await.map_err(|error| damaged(error.to_string()))?;
        if let Some(problem) = problem {
            return Err(damaged(problem));
        }
        let bytes = unfinished.keep_as(to).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
            io::ErrorKind::Unsupported => BackupError::CannotName(to.to_owned()),
            _ => failed(cause.into()),
        })?;
        Ok(Backup { source, counts, bytes })
    }
}

/// Whether `to` is where something lies, or will lie, that belongs to the database of `source`.
fn belongs_to(source: &Path, to: &Path) -> bool {
    let folder = to.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let folder = folder.and_then(|folder| folder.canonicalize().ok());
    let Some(to) = folder.zip(to.file_name()).map(|(folder, name)| folder.join(name)) else {
        return false;
    };
    ["-wal", "-shm", "-journal", "-lock", "-secret", "-secret.new", "-secret.old"]
        .iter()
        .any(|suffix| to == beside(source, suffix))
}

/// Whether an error of copying speaks of what is read rather than of what is written: a page that makes no sense, or rows
/// that contradict a constraint. Source: sqlite.org/rescode.html.
fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    matches!(code.map(|extended| extended & 0xff), Some(11 | 19))
}

/// The first thing that is wrong with a database.
async fn problem(connection: &mut SqliteConnection) -> Result<Option<String>, sqlx::Error> {
    let found: String = sqlx::query_scalar("pragma integrity_check(1)").fetch_one(&mut *connection).await?;
    if found != "ok" {
        return Ok(Some(found));
    }
    let dangling = sqlx::query("pragma foreign_key_check").fetch_optional(connection).await?;
    Ok(dangling.map(|_| "a row refers to one that is not there".to_owned()))
}

/// Of tables that every version has: a backup comes before an upgrade.
async fn count(connection: &mut SqliteConnection) -> Result<Counts, sqlx::Error> {
    sqlx::query_as(
        "select (select count(*) from accounts) as accounts, (select count(*) from sessions) as sessions,
         (select count(*) from revocations) as revocations",
    )
    .fetch_one(connection)
    .await
}

/// A file that is removed, unless it is kept under another name.
struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    /// An empty one with the rights of a secret, and a name that nobody else chooses.
    fn beside(to: &Path) -> io::Result<Self> {
        // Absolute: SQLite takes a name that begins with `file:` for something else.
        let to = std::path::absolute(to)?;
        if to.file_name().is_none() || to.to_str().is_none() {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let mut random = [0; 4];
        getrandom::fill(&mut random)?;
        let path = beside(&to, &format!(".{:08x}.unfinished", u32::from_ne_bytes(random)));
        let file = private().create_new(true).write(true).open(&path)?;
        Ok(Self { path, file })
    }

    fn name(&self) -> &str {
        self.path.to_str().unwrap_or_default()
    }

    /// Gives it its name, if nobody has that yet, and tells how long it is. On the disk before and after.
    fn keep_as(self, to: &Path) -> io::Result<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        let folder = File::open(self.path.parent().unwrap_or(Path::new("/")))?;
        name(&self.path, to, &WAYS)?;
        folder.sync_all().inspect_err(|_| drop(fs::remove_file(to)))?;
        Ok(bytes)
    }
}

/// Gives a file its name in one of two ways.
type Way = fn(&Path, &Path) -> io::Result<()>;

/// Unlike `rename`, neither replaces a file. exFAT and many network and user-space file systems have no hard links; where
/// there are some, there may be no such rename.
const WAYS: [Way; 2] = [
    |path, to| fs::hard_link(path, to),
    |path, to| renameat_with(CWD, path, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from),
];

/// Gives a file its name in the first way that its file system has; [`io::ErrorKind::Unsupported`] if it has none.
fn name(path: &Path, to: &Path, ways: &[Way]) -> io::Result<()> {
    for way in ways {
        match way(path, to) {
            Err(error) if lacks(&error) => {}
            named => return named,
        }
    }
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether an error says that the file system cannot do it at all.
fn lacks(error: &io::Error) -> bool {
    let error = Errno::from_io_error(error);
    matches!(error, Some(Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // There is nobody to tell that it could not be removed.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;

    use rustix::io::Errno;

    use super::{WAYS, Way, name};

    #[test]
    fn either_way_a_copy_gets_its_name_and_replaces_nothing() {
        let lacking: Way = |_, _| Err(Errno::PERM.into());
        for ways in [&WAYS[..1], &WAYS[1..], &[lacking, WAYS[1]]] {
            let dir = tempfile::tempdir().unwrap();
            let [copy, to, taken] = ["copy", "to", "taken"].map(|name| dir.path().join(name));
            fs::write(&copy, "a copy").unwrap();
            fs::write(&taken, "a letter").unwrap();
            assert_eq!(name(&copy, &taken, ways).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!([&copy, &taken].map(|path| fs::read_to_string(path).unwrap()), ["a copy", "a letter"]);
            name(&copy, &to, ways).unwrap();
            assert_eq!(fs::read_to_string(&to).unwrap(), "a copy");
        }
    }

    #[test]
    fn what_a_file_system_cannot_do_is_told_from_what_went_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let kind = |ways: [Way; 2]| name(dir.path(), dir.path(), &ways).unwrap_err().kind();
        let lacking: [Way; 2] = [|_, _| Err(Errno::OPNOTSUPP.into()), |_, _| Err(Errno::INVAL.into())];
        assert_eq!(kind(lacking), io::ErrorKind::Unsupported);
        assert_eq!(kind([|_, _| Err(Errno::NOSPC.into()), lacking[1]]), io::ErrorKind::StorageFull);
        assert_eq!(kind([lacking[0], |_, _| Err(Errno::NOSPC.into())]), io::ErrorKind::StorageFull);
    }
}
