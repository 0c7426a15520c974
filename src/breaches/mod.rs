//! Passwords that are known from breaches, in a file of the operator's: nothing is asked of anybody over a network. Apart
//! from the policy because it reads a disk, and may fail.
//!
//! The file has one of two forms, told apart by how it begins:
//!
//! 1. **Text**: SHA-1 in hexadecimal, a line each, in ascending order, with or without `:COUNT` behind it, as such lists are
//!    published. Found by halving; nothing of it is kept in memory (`sorted`, `line`).
//! 2. **A filter** that `countersign passwords build-filter` makes of the first (`build`, `filter`, `format`): a twentieth of the size,
//!    two reads a look-up. It knows every password of the list, and takes a few others for one of them.
//!
//! The file is opened once: replace it by renaming another over it, and start anew.
//!
//! **Caveat:** a file that can be read no longer is an error at each look-up, and whoever asks must then refuse.

mod build;
mod error;
mod filter;
mod format;
mod line;
mod sorted;
mod source;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use zeroize::Zeroizing;

use crate::domain::NewPassword;

use source::Source;

pub use build::{Built, build};
pub use error::BreachesError;
pub use format::Fingerprint;

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
