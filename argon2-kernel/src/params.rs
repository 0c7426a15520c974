//! The cost of a hash within argon2's bounds. Separate because a [`Params`] needs no further checks.

use crate::Error;

/// Memory and passes; there is one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    memory: u32,
    passes: u32,
}

impl Params {
    /// The smallest memory in KiB: two blocks for each of the four slices (RFC 9106 section 3.1).
    pub const LEAST_MEMORY: u32 = 8;

    /// `memory` is in KiB, from 8 on; `passes` is from 1 on (RFC 9106 section 3.1).
    ///
    /// # Errors
    /// [`Error::MemoryCost`] and [`Error::Passes`] below these.
    pub const fn new(memory: u32, passes: u32) -> Result<Self, Error> {
        match (memory, passes) {
            (..Self::LEAST_MEMORY, _) => Err(Error::MemoryCost),
            (_, 0) => Err(Error::Passes),
            _ => Ok(Self { memory, passes }),
        }
    }

    /// Returns the memory in KiB, as in the `m=` of a PHC string.
    pub const fn memory(self) -> u32 {
        self.memory
    }

    /// Returns the passes, as in the `t=` of a PHC string.
    pub const fn passes(self) -> u32 {
        self.passes
    }

    /// Returns the number of 1 KiB blocks that a hash takes: `memory`, rounded down to a multiple of four.
    pub const fn blocks(self) -> usize {
        (self.memory / 4 * 4) as usize
    }
}

/// # Errors
/// [`Error::Unsupported`] for parameters that only the crate supports.
impl TryFrom<&argon2::Params> for Params {
    type Error = Error;

    fn try_from(params: &argon2::Params) -> Result<Self, Error> {
        let plain = params.p_cost() == 1 && params.keyid().is_empty() && params.data().is_empty();
        if plain { Self::new(params.m_cost(), params.t_cost()) } else { Err(Error::Unsupported) }
    }
}

/// # Errors
/// [`Error::Refused`]; no parameters are known for which it occurs, since the bounds are the same.
impl TryFrom<Params> for argon2::Params {
    type Error = Error;

    fn try_from(params: Params) -> Result<Self, Error> {
        Self::new(params.memory, params.passes, 1, None).map_err(|_| Error::Refused)
    }
}
