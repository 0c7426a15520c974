//! In place of vectors that are another processor's, so that nothing around them need know which processor it is.

use super::Compress;
use crate::memory::Block;

/// Vectors that this processor cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {}

impl Absent {
    pub const fn detect() -> Option<Self> {
        None
    }
}

impl Compress for Absent {
    fn compress(self, _: &Block, _: &Block, _: &mut Block, _: bool) {
        match self {}
    }
}
