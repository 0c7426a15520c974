//! Passwords that are known from breaches, in a file of the operator. Nothing is sent over a network. Separate from the
//! policy because a look-up reads a disk, and may fail.
//!
//! The file has one of two forms, which its first bytes tell apart:
//!
//! 1. **Text**: one SHA-1 in hexadecimal a line, in ascending order, with or without `:COUNT` behind it, as such lists
//!    are published. A look-up is a binary search in the file; nothing of it is kept in memory (`sorted`, `line`).
//! 2. **A filter** that `countersign passwords build-filter` makes of such a list (`build`, `filter`, `format`): a
//!    twentieth of the size, and two reads a look-up. It knows every password of the list, and takes a few others for
//!    listed ones.
//!
//! The file is opened once. To replace it, rename another file over it and restart the server.
//!
//! **Caveat:** when the file becomes unreadable, every look-up is an error, and the caller must refuse the password.

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

use source::BreachFile;

pub(crate) use build::Built;
pub use build::build;
pub use error::BreachesError;
pub use format::Fingerprint;

/// An open file of breached passwords. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Breaches(Arc<BreachList>);

#[derive(Debug)]
enum BreachList {
    Sorted(sorted::Sorted),
    Filter(filter::Filter),
}

impl Breaches {
    /// Opens a file and checks it: the whole of a small file, samples of a large one.
    pub fn open(path: &Path) -> Result<Self, BreachesError> {
        let source = BreachFile::open(path)?;
        let form = if filter::begins(&source)? {
            BreachList::Filter(filter::Filter::open(source)?)
        } else {
            BreachList::Sorted(sorted::Sorted::open(source)?)
        };
        Ok(Self(Arc::new(form)))
    }

    /// Whether a password is known from a breach. It reads the disk on a blocking thread.
    pub async fn contain(&self, password: &NewPassword) -> Result<bool, BreachesError> {
        let form = Arc::clone(&self.0);
        // The hash is nearly as useful to an attacker as the password, so it is wiped like one.
        let mut sha1 = Zeroizing::new([0; 20]);
        sha1.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_password().as_bytes()).as_ref());
        let look = move || match &*form {
            BreachList::Sorted(sorted) => sorted.contains(&sha1),
            BreachList::Filter(filter) => filter.contains(&sha1),
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|ended| {
            // The thread panicked, or the process is stopping.
            Err(BreachesError::Unreadable(PathBuf::new(), io::Error::other(ended)))
        })
    }
}
