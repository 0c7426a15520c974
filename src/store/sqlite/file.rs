//! Checks that the file at the database's path is still the one that was opened. If it was deleted, replaced or cut,
//! this process would go on writing to a file that no other can open, and acknowledge what is lost. SQLite itself
//! checks only when it closes a file.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::store::StoreError;

/// The files that SQLite keeps beside an open database, until its last connection is closed.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// An open database file.
#[derive(Debug)]
pub(super) struct OpenedFile {
    database: FileIdentity,
    companions: Vec<FileIdentity>,
    /// The result of the latest check.
    is_lost: AtomicBool,
    /// Whether the file was cut. Unlike a deleted file, it cannot be put back.
    was_cut: AtomicBool,
    /// The greatest length that a check has seen.
    length: AtomicU64,
}

/// A file with its device and inode, which tell it from any other file that may come to be at its path.
#[derive(Debug)]
struct FileIdentity {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Why the database was lost. Each message tells the operator what to do.
#[derive(Debug, thiserror::Error)]
enum FileLost {
    #[error(
        "the database {0} was deleted, moved or replaced while it was open: put the same file back; or stop the server, remove \
         {0}-wal and -shm, restore a backup and start again"
    )]
    Database(String),
    #[error(
        "the database {0} was emptied or cut short while it was open: stop the server, remove {0}-wal and -shm, restore a \
         backup and start again"
    )]
    Cut(String),
    #[error(
        "{0} was deleted, moved or replaced while the database was open: put the same file back; or stop the server with \
         SIGTERM, which writes what is in it into the database, and start again"
    )]
    Companion(String),
}

/// The path of a file that belongs to a database, named as SQLite names its own.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl OpenedFile {
    /// The file at `path`, which connections have opened.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let companions = COMPANIONS.iter().filter_map(|suffix| FileIdentity::at(&beside(path, suffix)).ok()).collect();
        let (is_lost, was_cut, length) = Default::default();
        Ok(Self { database: FileIdentity::at(path)?, companions, is_lost, was_cut, length })
    }

    /// Fails if the file is no longer the one that was opened. Called before each use of a connection, and before a
    /// commit is acknowledged; it takes some microseconds. It does not open the file, because closing it would release
    /// SQLite's locks in this process.
    pub(super) fn require(&self) -> Result<(), StoreError> {
        let found = self.check();
        self.is_lost.store(found.is_err(), SeqCst);
        found.map_err(|lost| StoreError::Unavailable(lost.into()))
    }

    /// Whether the latest check found the file lost.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(SeqCst)
    }

    /// Whether the file was emptied or cut short.
    pub(super) fn was_cut(&self) -> bool {
        self.was_cut.load(SeqCst)
    }

    /// The former length of the file, if it is shorter now and [`Self::explain_shrinking`] was not called since.
    pub(super) fn shrunk_from(&self) -> Option<u64> {
        let (length, now) = (self.length.load(SeqCst), self.database.there()?.len());
        (now < length && !self.was_cut()).then_some(length)
    }

    /// Records why the file is shorter than before: it was compacted (`vacuum`), or else it was cut.
    pub(super) fn explain_shrinking(&self, compacted: bool) {
        if compacted {
            self.length.store(0, SeqCst);
        } else {
            self.was_cut.store(true, SeqCst);
        }
    }

    fn check(&self) -> Result<(), FileLost> {
        let database = self.database.there().ok_or_else(|| FileLost::Database(self.database.name()))?;
        if database.len() == 0 {
            self.explain_shrinking(false);
        }
        // Another thread may have seen the file grow since `there` was called, so the length is read again.
        let longest = self.length.fetch_max(database.len(), SeqCst);
        let is_shorter = longest > database.len() && self.database.there().is_none_or(|now| now.len() < longest);
        if self.was_cut() || is_shorter {
            return Err(FileLost::Cut(self.database.name()));
        }
        let missing = self.companions.iter().find(|companion| companion.there().is_none());
        missing.map_or(Ok(()), |companion| Err(FileLost::Companion(companion.name())))
    }
}

impl FileIdentity {
    fn at(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The metadata of the file, if the same file is still at its path.
    fn there(&self) -> Option<Metadata> {
        fs::metadata(&self.path).ok().filter(|found| (found.dev(), found.ino()) == (self.device, self.inode))
    }
}
