//! What verifying a hash costs, and the bounds of it. Separate because a hash is judged by its cost and not by its
//! parameters: lanes, blocks and iterations are bounded by what they take.

use argon2::Params;

use super::bcrypt::BcryptHash;
use super::{PasswordHashError, Scheme};

/// The cost of verifying a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashCost {
    /// The work, in KiB that argon2 fills: some 1.5 µs each on a machine of 2024.
    pub work: u64,
    /// The memory in KiB.
    pub memory: u64,
}

impl HashCost {
    /// The most that a stored hash may cost, whatever an import allows.
    pub const CEILING: Self = Self { work: 4 * 2_097_152, memory: 2_097_152 };

    /// The most that an imported hash may cost unless it is set otherwise: the first choice of RFC 9106, 2 GiB once.
    pub const DEFAULT: Self = Self { work: 2_097_152, memory: 2_097_152 };

    /// Refuses a cost above the bound.
    pub(super) fn require(self, bound: Self) -> Result<(), PasswordHashError> {
        if self.work > bound.work || self.memory > bound.memory {
            return Err(PasswordHashError::TooCostly(bound));
        }
        Ok(())
    }

    pub(super) const fn of_argon2(params: &Params) -> Self {
        let memory = params.m_cost() as u64;
        Self { work: memory * params.t_cost() as u64, memory }
    }

    /// The cost of scrypt and its descendants with `n` blocks. Each block of 128 r bytes is written once and read once.
    pub(super) fn of_scrypt(n: u64, r: u32, p: u32) -> Self {
        let memory = n.saturating_mul(r.into()) / 8;
        Self { work: memory.saturating_mul(2).saturating_mul(p.into()), memory }
    }

    /// The cost of so many iterations of a hash without memory, `each` of them in a unit of work.
    pub(super) const fn of_iterations(iterations: u64, each: u64) -> Self {
        Self { work: iterations / each, memory: 0 }
    }

    /// The cost of a scheme was measured once, and is right within a factor of two.
    pub(super) fn of(scheme: &Scheme) -> Self {
        match scheme {
            Scheme::Argon2(hash) => Self::of_argon2(&hash.params),
            Scheme::Bcrypt(BcryptHash { cost, .. }) => Self { work: 38 << cost, memory: 0 },
            Scheme::Scrypt(hash) => Self::of_scrypt(1 << hash.params.log_n().min(63), hash.params.r(), hash.params.p()),
            Scheme::Firebase(hash) => {
                Self::of_scrypt(1 << hash.params.log_n().min(63), hash.params.r(), hash.params.p())
            }
            Scheme::Pbkdf2(hash) => Self::of_iterations(hash.iterations.get().into(), 4),
            Scheme::Phpass(hash) => Self::of_iterations(1 << hash.log_rounds, 4),
            Scheme::ShaCrypt(hash) => Self::of_iterations(hash.rounds.into(), 2),
            Scheme::Yescrypt(hash) => Self::of_scrypt(hash.n, hash.r, hash.p),
        }
    }
}
