//! Copies a database file while servers write to it, by `vacuum into`. That reads one snapshot, so it neither waits for
//! a writer nor makes one wait. SQLite's online backup would start over whenever another process has written, and needs
//! `unsafe`.
//!
//! The copy is made under a temporary name in the same folder. It gets its own name once it is whole, checked and on
//! the disk, so a file with the name of a backup is always a whole backup.

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
    pub(crate) source: PathBuf,
    pub(crate) counts: Counts,
    /// The length of the copy.
    pub(crate) bytes: u64,
}

/// The number of rows in a database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub accounts: u64,
    pub sessions: u64,
    pub revocations: u64,
}

from_row!(sqlx::sqlite::SqliteRow, Counts: accounts, sessions, revocations);

/// Why there is no backup. Each message tells the operator what to do. No file is left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database is PostgreSQL's.
    #[error("DATABASE_URL names a PostgreSQL database, and this command copies only SQLite: use `pg_dump`")]
    NoFile,
    /// The file exists, and would be overwritten.
    #[error("{0} exists already and was not touched; name a file that does not exist yet")]
    Exists(PathBuf),
    /// The copy would overwrite the database or a file of it.
    #[error("{0} is the database itself or belongs to it; name another file")]
    Itself(PathBuf),
    /// The copy cannot be written.
    #[error(
        "cannot write the backup {path}: {cause}; check that its folder exists, that this user may write there and that \
         there is room"
    )]
    CannotWrite { path: PathBuf, cause: Box<dyn std::error::Error + Send + Sync> },
    /// The file system has neither hard links nor a rename that replaces nothing.
    #[error(
        "the file system of {0} supports neither hard links nor renaming without overwriting; make the backup on another \
         file system, and copy it from there"
    )]
    CannotName(PathBuf),
    /// The copy is damaged, and so is the database.
    #[error("the copy of {database} is damaged, so it was not kept: {problem}; restore an earlier backup")]
    Damaged {
        database: PathBuf,
        /// The first problem that the check found.
        problem: String,
    },
}

impl SqliteStore {
    /// Copies the database of `url`, which may have any version of the schema, to the new file `to`.
    pub(in crate::store) async fn backup(url: &str, to: &Path) -> Result<Backup, BackupError> {
        let source = Self::existing(url)?;
        if to.canonicalize().is_ok_and(|to| to == source) || belongs_to(&source, to) {
            return Err(BackupError::Itself(to.to_owned()));
        }
        if fs::symlink_metadata(to).is_ok() {
            return Err(BackupError::Exists(to.to_owned()));
        }
        let failed = |cause| BackupError::CannotWrite { path: to.to_owned(), cause };
        let unfinished = UnfinishedCopy::beside(to).map_err(|cause| failed(cause.into()))?;

        let cannot_open = |cause: sqlx::Error| {
            BackupError::Open(OpenError::Failed { database: source.display().to_string(), cause: cause.into() })
        };
        let mut connection = options(&source).connect().await.map_err(cannot_open)?;
        let damaged = |problem| BackupError::Damaged { database: source.clone(), problem };
        let copied = async {
            // Read first, so that a failure of the next statement must come from writing.
            count(&mut connection).await.map_err(cannot_open)?;
            // SQLite allows `vacuum into` an existing file that is empty. This one has the right mode.
            let copied = sqlx::query("vacuum into $1").bind(unfinished.name()).execute(&mut connection).await;
            copied.map_err(|error| if is_damage(&error) { damaged(error.to_string()) } else { failed(error.into()) })
        };
        let copied = copied.await;
        // Closed also after a failure, because SQLite then removes the files that it made beside the database.
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

/// Whether `to` is the path of a file that belongs to the database of `source`, whether it exists yet or not.
fn belongs_to(source: &Path, to: &Path) -> bool {
    let folder = to.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let folder = folder.and_then(|folder| folder.canonicalize().ok());
    let Some(to) = folder.zip(to.file_name()).map(|(folder, name)| folder.join(name)) else {
        return false;
    };
    let secrets = ["-secret", "-secret.new", "-secret.old", "-master", "-master.new"];
    ["-wal", "-shm", "-journal", "-lock"].iter().chain(&secrets).any(|suffix| to == beside(source, suffix))
}

/// Whether an error of copying comes from reading rather than from writing: a corrupt page, or rows that violate a
/// constraint. Source: sqlite.org/rescode.html.
fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    matches!(code.map(|extended| extended & 0xff), Some(11 | 19))
}

/// Checks a database and returns the first problem.
async fn problem(connection: &mut SqliteConnection) -> Result<Option<String>, sqlx::Error> {
    let found: String = sqlx::query_scalar("pragma integrity_check(1)").fetch_one(&mut *connection).await?;
    if found != "ok" {
        return Ok(Some(found));
    }
    let dangling = sqlx::query("pragma foreign_key_check").fetch_optional(connection).await?;
    Ok(dangling.map(|_| "a row refers to one that is not there".to_owned()))
}

/// Counts the rows of tables that every version of the schema has, because a backup is made before an upgrade.
async fn count(connection: &mut SqliteConnection) -> Result<Counts, sqlx::Error> {
    sqlx::query_as(
        "select (select count(*) from accounts) as accounts, (select count(*) from sessions) as sessions,
         (select count(*) from revocations) as revocations",
    )
    .fetch_one(connection)
    .await
}

/// A file that is removed when it is dropped, unless it was renamed by [`Self::keep_as`].
struct UnfinishedCopy {
    path: PathBuf,
    file: File,
}

impl UnfinishedCopy {
    /// Creates an empty file that only its owner may read, with a random name in the folder of `to`.
    fn beside(to: &Path) -> io::Result<Self> {
        // An absolute path, because SQLite reads a name that begins with `file:` as a URI.
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

    /// Renames the file to `to` if no file has that name, and returns its length. Both the data and the name are on the
    /// disk afterwards.
    fn keep_as(self, to: &Path) -> io::Result<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        let folder = File::open(self.path.parent().unwrap_or(Path::new("/")))?;
        name(&self.path, to, &NAMING_METHODS)?;
        folder.sync_all().inspect_err(|_| drop(fs::remove_file(to)))?;
        Ok(bytes)
    }
}

/// A way to give a file its name without replacing another file.
type NamingMethod = fn(&Path, &Path) -> io::Result<()>;

/// Hard links, and a rename that fails if the name is taken. exFAT and many network and user-space file systems lack
/// hard links; others lack such a rename.
const NAMING_METHODS: [NamingMethod; 2] = [
    |path, to| fs::hard_link(path, to),
    |path, to| renameat_with(CWD, path, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from),
];

/// Gives a file its name by the first method that its file system supports; [`io::ErrorKind::Unsupported`] if none.
fn name(path: &Path, to: &Path, methods: &[NamingMethod]) -> io::Result<()> {
    for method in methods {
        match method(path, to) {
            Err(error) if is_unsupported(&error) => {}
            named => return named,
        }
    }
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether an error says that the file system does not support the method at all.
fn is_unsupported(error: &io::Error) -> bool {
    let error = Errno::from_io_error(error);
    matches!(error, Some(Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
}

impl Drop for UnfinishedCopy {
    fn drop(&mut self) {
        // An error is ignored: a file that could not be removed does no harm, and nothing here could report it.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;

    use rustix::io::Errno;

    use super::{NAMING_METHODS, NamingMethod, name};

    #[test]
    fn either_way_a_copy_gets_its_name_and_replaces_nothing() {
        let lacking: NamingMethod = |_, _| Err(Errno::PERM.into());
        for ways in [&NAMING_METHODS[..1], &NAMING_METHODS[1..], &[lacking, NAMING_METHODS[1]]] {
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
        let kind = |ways: [NamingMethod; 2]| name(dir.path(), dir.path(), &ways).unwrap_err().kind();
        let lacking: [NamingMethod; 2] = [|_, _| Err(Errno::OPNOTSUPP.into()), |_, _| Err(Errno::INVAL.into())];
        assert_eq!(kind(lacking), io::ErrorKind::Unsupported);
        assert_eq!(kind([|_, _| Err(Errno::NOSPC.into()), lacking[1]]), io::ErrorKind::StorageFull);
        assert_eq!(kind([lacking[0], |_, _| Err(Errno::NOSPC.into())]), io::ErrorKind::StorageFull);
    }
}
