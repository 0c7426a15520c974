//! What can be wrong with a file of breached passwords. Apart, because all forms share it.

use std::io;
use std::path::PathBuf;

use super::format;

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
         build-filter`", .path.display(), format::VERSION
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
    /// Whoever asked for a filter does not want it any more.
    #[error("stopped before it was done; nothing was kept")]
    Stopped,
    /// Where a filter is to be.
    #[error("{} exists already: remove it, or name another file", .0.display())]
    Exists(PathBuf),
    /// The disk is full, or nobody may write there.
    #[error("cannot write {}: {}", .0.display(), .1)]
    Unwritable(PathBuf, #[source] io::Error),
}
