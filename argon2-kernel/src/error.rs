//! Why nothing was hashed. Separate because every other file gives these.

use crate::Params;

/// Why nothing was hashed. Tells nothing of what was to be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer blocks than argon2 can work with.
    #[error("argon2 needs at least {} KiB of memory", Params::LEAST_MEMORY)]
    MemoryCost,
    /// No pass at all.
    #[error("argon2 needs at least one pass")]
    Passes,
    /// More lanes than one, or a key or data of the application: what the `argon2` crate is for.
    #[error("only one lane, without key and associated data, is hashed here")]
    Unsupported,
    /// The crate has bounds that nobody knows of.
    #[error("the argon2 crate refuses these parameters")]
    Refused,
    /// Longer than argon2 can say.
    #[error("a password has at most 4294967295 bytes")]
    PasswordTooLong,
    /// No salt, or too little of it.
    #[error("a salt has at least 8 bytes")]
    SaltTooShort,
    /// Longer than argon2 can say.
    #[error("a salt has at most 4294967295 bytes")]
    SaltTooLong,
    /// The memory that was given has fewer blocks than the parameters say.
    #[error("the memory given is smaller than the parameters say")]
    MemoryTooSmall,
    /// The system has no such memory.
    #[error("the system does not give that much memory")]
    OutOfMemory,
}
