//! The compression function G of RFC 9106 section 3.5, once for each kind of vector. Each kind has a file of its own,
//! with the same three steps.

#[cfg(not(target_arch = "x86_64"))]
mod absent;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use absent::{Absent as Avx2, Absent as Avx512};
#[cfg(target_arch = "x86_64")]
pub(crate) use {avx2::Avx2, avx512::Avx512};

use crate::memory::Block;

/// A compression function that this processor supports. A value is the proof of that.
pub(crate) trait Compress: Copy {
    /// Compresses two blocks into a third, or if `onto` onto what the third holds (by exclusive or), as passes after
    /// the first do.
    ///
    /// The exclusive or of the two is seen as eight rows of eight pairs of words. BLAKE2b's round, with multiplications
    /// in its additions, is applied to each row and then to each column; the exclusive or is added once more.
    fn compress(self, previous: &Block, reference: &Block, to: &mut Block, onto: bool);
}
