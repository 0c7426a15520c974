//! What can be wrong with a file of breached passwords. Separate because both forms of file share it.

use std::io;
use std::path::PathBuf;

use super::format;

/// Why a file of breached passwords cannot be used. Each message names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BreachesError {
    /// The file is absent, forbidden, a folder, or on a broken disk.
    #[error("cannot read {}: {}", .0.display(), .1)]
    Unreadable(PathBuf, #[source] io::Error),
    /// The file is empty, most likely after a failed download.
    #[error("{} is empty: it must have one SHA-1 in hexadecimal on each line", .0.display())]
    Empty(PathBuf),
    /// The file is of another kind, or was cut off.
    #[error("{}, line {line}: must be a SHA-1 in hexadecimal (40 digits), with or without :COUNT after it", .path.display())]
    Malformed {
        /// The file with the malformed line.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
    },
    /// A part of the file that was not checked at its opening is malformed.
    #[error("{}, after byte {byte}: a SHA-1 in hexadecimal (40 digits) must begin here", .path.display())]
    Broken {
        /// The file with the malformed part.
        path: PathBuf,
        /// The place in the file, in bytes from 0.
        byte: u64,
    },
    /// The lines are not in ascending order, so nothing can be found.
    #[error("{}, line {line}: comes before the line above it: sort the file, as with `LC_ALL=C sort`", .path.display())]
    Unsorted {
        /// The file that must be sorted.
        path: PathBuf,
        /// The line, counted from 1; in a large file, the first one that was noticed.
        line: u64,
    },
    /// Another version of this program made the filter.
    #[error(
        "{} is a filter of version {version}, and this program reads version {}: build it again with `countersign passwords \
         build-filter`", .path.display(), format::VERSION
    )]
    OtherVersion {
        /// The file with the filter.
        path: PathBuf,
        /// The version of the filter's format.
        version: u32,
    },
    /// The filter was cut off or changed.
    #[error("{} is a filter that is cut off or damaged: build it again with `countersign passwords build-filter`", .0.display())]
    Damaged(PathBuf),
    /// The caller of [`build`](super::build()) asked it to stop.
    #[error("a signal stopped the command before its end; no unfinished file was kept")]
    Stopped,
    /// The output file of the filter exists.
    #[error("{} exists already: remove it, or name another file", .0.display())]
    Exists(PathBuf),
    /// The disk is full, or writing is forbidden.
    #[error("cannot write {}: {}", .0.display(), .1)]
    Unwritable(PathBuf, #[source] io::Error),
}
