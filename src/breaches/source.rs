//! The open file. Separate because both forms and the builder read it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::BreachesError;

/// A file that many tasks may read at once, at any offset.
#[derive(Debug)]
pub(super) struct BreachFile {
    pub path: PathBuf,
    pub file: File,
    pub length: u64,
}

impl BreachFile {
    pub(super) fn open(path: &Path) -> Result<Self, BreachesError> {
        let unreadable = |error| BreachesError::Unreadable(path.to_owned(), error);
        // The path is asked first, because opening a named pipe would wait for its writer.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(unreadable(io::Error::other("it is no regular file")));
        }
        let file = File::open(path).map_err(unreadable)?;
        match file.metadata().map_err(unreadable)?.len() {
            0 => Err(BreachesError::Empty(path.to_owned())),
            length => Ok(Self { path: path.to_owned(), file, length }),
        }
    }

    /// Fills `bytes` from an offset in the file. Fewer bytes are read only at the end of the file.
    pub(super) fn read_at(&self, at: u64, mut bytes: &mut [u8]) -> Result<usize, BreachesError> {
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
