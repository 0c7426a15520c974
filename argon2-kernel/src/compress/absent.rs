//! A stand-in for vectors of another processor, so that the code around them is the same on every processor.

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
