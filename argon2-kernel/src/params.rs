//! What a hash costs, within argon2's bounds. Separate because whoever has a [`Params`] need not check it.

use crate::Error;

/// Memory and passes; the lanes are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    memory: u32,
    passes: u32,
}

impl Params {
    /// Two blocks for each of the four slices: RFC 9106 section 3.1.
    pub const LEAST_MEMORY: u32 = 8;

    /// `memory` in KiB, from 8 on, and `passes`, from 1 on: RFC 9106 section 3.1.
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

    /// In KiB, as in the `m=` of a PHC string.
    pub const fn memory(self) -> u32 {
        self.memory
    }

    /// As in the `t=` of a PHC string.
    pub const fn passes(self) -> u32 {
        self.passes
    }

    /// How many blocks of 1 KiB a hash takes: `memory`, down to a multiple of four.
    pub const fn blocks(self) -> usize {
        (self.memory / 4 * 4) as usize
    }
}

/// # Errors
/// [`Error::Unsupported`] where they ask for what only the crate does.
impl TryFrom<&argon2::Params> for Params {
    type Error = Error;

    fn try_from(params: &argon2::Params) -> Result<Self, Error> {
        let plain = params.p_cost() == 1 && params.keyid().is_empty() && params.data().is_empty();
        if plain { Self::new(params.m_cost(), params.t_cost()) } else { Err(Error::Unsupported) }
    }
}

/// # Errors
/// [`Error::Refused`], never as far as is known: the bounds are the same.
impl TryFrom<Params> for argon2::Params {
    type Error = Error;

    fn try_from(params: Params) -> Result<Self, Error> {
        Self::new(params.memory, params.passes, 1, None).map_err(|_| Error::Refused)
    }
}
