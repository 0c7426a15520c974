//! Why nothing was hashed. Separate because every other file returns these errors.

use crate::Params;

/// Why nothing was hashed. An error holds nothing of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The memory is below argon2's minimum of blocks.
    #[error("argon2 needs at least {} KiB of memory", Params::LEAST_MEMORY)]
    MemoryCost,
    /// The number of passes is zero.
    #[error("argon2 needs at least one pass")]
    Passes,
    /// More than one lane, a key, or data of the application, for which the `argon2` crate exists.
    #[error("only one lane, without key and associated data, is hashed here")]
    Unsupported,
    /// The crate refused parameters that are within its documented bounds.
    #[error("the argon2 crate refuses these parameters")]
    Refused,
    /// The password is longer than argon2 allows.
    #[error("a password has at most 4294967295 bytes")]
    PasswordTooLong,
    /// The salt is absent or too short.
    #[error("a salt has at least 8 bytes")]
    SaltTooShort,
    /// The salt is longer than argon2 allows.
    #[error("a salt has at most 4294967295 bytes")]
    SaltTooLong,
    /// The given memory has fewer blocks than the parameters need.
    #[error("the memory given is smaller than the parameters say")]
    MemoryTooSmall,
    /// The system cannot provide the memory.
    #[error("the system does not give that much memory")]
    OutOfMemory,
}
