//! Whether the file that was opened is still the one at its path. Deleted, replaced or cut, it would go on being written
//! by this process, and nobody could ever open what was acknowledged. SQLite itself asks only when it closes a file.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::store::{StoreError, beside};

/// What SQLite keeps beside a database that is open, until its last connection is closed.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// A database file that is open.
#[derive(Debug)]
pub(super) struct OpenedFile {
    database: Opened,
    companions: Vec<Opened>,
    /// What was found at the latest look.
    is_lost: AtomicBool,
    /// What was in it does not come back by itself.
    was_cut: AtomicBool,
    /// The most bytes that the database had at a look.
    length: AtomicU64,
}

/// A file, and what tells it from every other one that may come to be at its path.
#[derive(Debug)]
struct Opened {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Each says what to do.
#[derive(Debug, thiserror::Error)]
enum FileLost {
    #[error(
        "the database {0} was deleted, moved or replaced while it was open: put the same file back; or stop the server, remove \
         {0}-wal and -shm, restore a backup and start again"
    )]
    Database(String),
    #[error(
        "the database {0} was emptied or cut short while it was open: stop the server, remove {0}-wal and -shm, restore a backup and start \
         again"
    )]
    Cut(String),
    #[error(
        "{0} was deleted, moved or replaced while the database was open: put the same file back; or stop the server with \
         SIGTERM, which writes what is in it into the database, and start again"
    )]
    Companion(String),
}

impl OpenedFile {
    /// The file at `path`, to which there are connections.
    pub fn at(path: &Path) -> io::Result<Self> {
        let companions = COMPANIONS.iter().filter_map(|suffix| Opened::at(&beside(path, suffix)).ok()).collect();
        let (is_lost, was_cut, length) = Default::default();
        Ok(Self { database: Opened::at(path)?, companions, is_lost, was_cut, length })
    }

    /// Refuses where the file is not what was opened: before each use of a connection, and before what was committed is acknowledged.
    /// Some microseconds. The file itself is not opened, for to close it would let go of SQLite's locks on it.
    pub fn require(&self) -> Result<(), StoreError> {
        let found = self.look();
        self.is_lost.store(found.is_err(), SeqCst);
        found.map_err(|lost| StoreError::Unavailable(lost.into()))
    }

    /// Whether it was lost when it was looked at last.
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(SeqCst)
    }

    /// Whether a part of it or all was lost.
    pub fn was_cut(&self) -> bool {
        self.was_cut.load(SeqCst)
    }

    /// How long it was, if it is shorter now and [`Self::judge`] has not said why.
    pub fn shrunk_from(&self) -> Option<u64> {
        let (length, now) = (self.length.load(SeqCst), self.database.there()?.len());
        (now < length && !self.was_cut()).then_some(length)
    }

    /// It is shorter than it was because somebody compacted it (`vacuum`), or because it was cut.
    pub fn judge(&self, compacted: bool) {
        if compacted {
            self.length.store(0, SeqCst);
        } else {
            self.was_cut.store(true, SeqCst);
        }
    }

    fn look(&self) -> Result<(), FileLost> {
        let database = self.database.there().ok_or_else(|| FileLost::Database(self.database.name()))?;
        if database.len() == 0 {
            self.judge(false);
        }
        // Another thread may have seen the file grow since: what counts is whether it is shorter now.
        let longest = self.length.fetch_max(database.len(), SeqCst);
        let is_shorter = longest > database.len() && self.database.there().is_none_or(|now| now.len() < longest);
        if self.was_cut() || is_shorter {
            return Err(FileLost::Cut(self.database.name()));
        }
        let missing = self.companions.iter().find(|companion| companion.there().is_none());
        missing.map_or(Ok(()), |companion| Err(FileLost::Companion(companion.name())))
    }
}

impl Opened {
    fn at(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The same file at the same path.
    fn there(&self) -> Option<Metadata> {
        fs::metadata(&self.path).ok().filter(|found| (found.dev(), found.ino()) == (self.device, self.inode))
    }
}
