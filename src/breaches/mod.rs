//! Passwords that are known from breaches, in a file of the operator's: nothing is asked of anybody over a network. Apart
//! from the policy because it reads a disk, and may fail.
//!
//! The file has one of two forms, told apart by how it begins:
//!
//! 1. **Text**: SHA-1 in hexadecimal, a line each, in ascending order, with or without `:COUNT` behind it, as such lists are
//!    published. Found by halving; nothing of it is kept in memory (`sorted`, `line`).
//! 2. **A filter** that `countersign passwords build-filter` makes of the first (`build`, `filter`): a twentieth of the size,
//!    two reads a look-up. It knows every password of the list, and takes a few others for one of them.
//!
//! The file is opened once: replace it by renaming another over it, and start anew.
//!
//! **Caveat:** a file that can be read no longer is an error at each look-up, and whoever asks must then refuse.

mod build;
mod filter;
mod line;
mod sorted;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use zeroize::Zeroizing;

use crate::domain::NewPassword;

pub use build::{Built, build};
pub use filter::Fingerprint;

/// Why a file of breached passwords is of no use. Each message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BreachesError {
    /// Not there, not allowed, a folder, a broken disk.
    #[error("cannot read {}: {}", .0.display(), .1)]
    Unreadable(PathBuf, #[source] io::Error),
    /// Most likely a download that failed.
    #[error("{} is empty: it must have a SHA-1 in hexadecimal a line", .0.display())]
    Empty(PathBuf),
    /// Some other file, or one that was cut off.
    #[error("{}, line {line}: must be a SHA-1 in hexadecimal (40 digits), with or without :COUNT behind it", .path.display())]
    Malformed {
        /// Of the file.
        path: PathBuf,
        /// From 1.
        line: u64,
    },
    /// It was all right when it was opened, as far as it was looked at.
    #[error("{}, after byte {byte}: there is no SHA-1 in hexadecimal (40 digits) where one must be", .path.display())]
    Broken {
        /// Of the file.
        path: PathBuf,
        /// Of the file, from 0.
        byte: u64,
    },
    /// Nothing can be found in it.
    #[error("{}, line {line}: comes before the line above it: sort the file, as with `LC_ALL=C sort`", .path.display())]
    Unsorted {
        /// Of the file.
        path: PathBuf,
        /// From 1; of a large file, the first that was noticed.
        line: u64,
    },
    /// Made by another version of this program.
    #[error(
        "{} is a filter of version {version}, and this program reads version {}: build it again with `countersign passwords \
         build-filter`", .path.display(), filter::VERSION
    )]
    OtherVersion {
        /// Of the file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Cut off, or changed.
    #[error("{} is a filter that is cut off or damaged: build it again with `countersign passwords build-filter`", .0.display())]
    Damaged(PathBuf),
    /// Where a filter is to be.
    #[error("{} exists already: remove it, or name another file", .0.display())]
    Exists(PathBuf),
    /// The disk is full, or nobody may write there.
    #[error("cannot write {}: {}", .0.display(), .1)]
    Unwritable(PathBuf, #[source] io::Error),
}

/// An open file of breached passwords. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Breaches(Arc<Form>);

#[derive(Debug)]
enum Form {
    Sorted(sorted::Sorted),
    Filter(filter::Filter),
}

impl Breaches {
    /// Opens a file and looks whether it is what it should be: all of it if it is small, samples otherwise.
    pub fn open(path: &Path) -> Result<Self, BreachesError> {
        let source = Source::open(path)?;
        let form = if filter::begins(&source)? {
            Form::Filter(filter::Filter::open(source)?)
        } else {
            Form::Sorted(sorted::Sorted::open(source)?)
        };
        Ok(Self(Arc::new(form)))
    }

    /// Whether a password is known from a breach. Reads the disk, on a thread that may wait for it.
    pub async fn contain(&self, password: &NewPassword) -> Result<bool, BreachesError> {
        let form = Arc::clone(&self.0);
        // As good as the password to whoever guesses, so it is wiped as one.
        let mut sha1 = Zeroizing::new([0; 20]);
        sha1.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_password().as_bytes()).as_ref());
        let look = move || match &*form {
            Form::Sorted(sorted) => sorted.contains(&sha1),
            Form::Filter(filter) => filter.contains(&sha1),
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|ended| {
            // A defect, or a process that stops.
            Err(BreachesError::Unreadable(PathBuf::new(), io::Error::other(ended)))
        })
    }
}

/// A file that is read at places of one's own choice, by many at once.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Source {
    fn open(path: &Path) -> Result<Self, BreachesError> {
        let unreadable = |error| BreachesError::Unreadable(path.to_owned(), error);
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(io::Error::other("it is no regular file")));
        }
        match metadata.len() {
            0 => Err(BreachesError::Empty(path.to_owned())),
            length => Ok(Self { path: path.to_owned(), file, length }),
        }
    }

    /// Fills `bytes` from a place in the file; fewer than it holds at the end of the file only.
    fn read_at(&self, at: u64, mut bytes: &mut [u8]) -> Result<usize, BreachesError> {
        let mut taken = 0;
        while !bytes.is_empty() {
            match self.file.read_at(bytes, at + taken as u64) {
                Ok(0) => break,
                Ok(count) => {
                    taken += count;
                    bytes = &mut bytes[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(BreachesError::Unreadable(self.path.clone(), error)),
            }
        }
        Ok(taken)
    }
}
