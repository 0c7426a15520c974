//! The file itself. Apart, because all forms share it, and building one of them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::BreachesError;

/// A file that is read at places of one's own choice, by many at once.
#[derive(Debug)]
pub(super) struct Source {
    pub path: PathBuf,
    pub file: File,
    pub length: u64,
}

impl Source {
    pub fn open(path: &Path) -> Result<Self, BreachesError> {
        let unreadable = |error| BreachesError::Unreadable(path.to_owned(), error);
        // Asked of the path: opening a pipe waits for whoever writes to it.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(unreadable(io::Error::other("it is no regular file")));
        }
        let file = File::open(path).map_err(unreadable)?;
        match file.metadata().map_err(unreadable)?.len() {
            0 => Err(BreachesError::Empty(path.to_owned())),
            length => Ok(Self { path: path.to_owned(), file, length }),
        }
    }

    /// Fills `bytes` from a place in the file; fewer than it holds at the end of the file only.
    pub fn read_at(&self, at: u64, mut bytes: &mut [u8]) -> Result<usize, BreachesError> {
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
