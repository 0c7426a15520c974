//! argon2id (RFC 9106, version 0x13) with one lane, at the speed of the hardware, in memory that the caller keeps.
//!
//! Nearly all of what a sign-in costs is argon2's compression function, and of what a core could do of it a compiler makes a
//! third to a half. Here it is written in vectors ([`Kernel`]): AVX-512, AVX2, and for every other processor the `argon2`
//! crate, which is also what the tests compare with. A package of its own because it is the one place with `unsafe` code,
//! so that a debug build can optimise it and nothing else, and Miri can run it.
//!
//! ```
//! # fn main() -> Result<(), argon2_kernel::Error> {
//! use argon2_kernel::{Kernel, Memory, Params};
//!
//! let kernel = Kernel::choose()?.kernel;
//! let params = Params::new(19_456, 2)?;
//! let mut memory = Memory::allocate(params.blocks())?;
//! let output: [u8; 32] = kernel.fill(b"correct horse", b"a salt of sixteen", params, &mut memory)?;
//! memory.wipe(params.blocks());
//! # assert_ne!(output, [0; 32]);
//! # Ok(())
//! # }
//! ```
//!
//! # What an observer could learn
//! - **Time.** No branch and no length depends on the password's bytes, or on anything derived from them: not in BLAKE2b,
//!   not in the compression (additions, multiplications, rotations by constants and shuffles by constants), not in the
//!   choice of blocks. Checks that an index is within bounds come out the same for every password. `constant-time/` sees
//!   it with valgrind, for AVX2; AVX-512, which valgrind has not, differs in the compression alone. [`Kernel::PORTABLE`]
//!   is as the crate is, which divides numbers that depend on the password. What depends on the password's *length* is how
//!   much of it BLAKE2b reads.
//! - **Addresses.** In the first half of the first pass, which blocks are read follows from the parameters alone. From
//!   then on it follows from what was computed: that is argon2id itself (RFC 9106 section 3.4.1.3), a trade of what a
//!   neighbour on the same cache may see for what an attacker with graphics cards pays. Nothing else is looked up by a
//!   secret.
//! - **Comparison** is the caller's: the output is a secret until compared in constant time.
//! - **Memory.** The blocks are the caller's to wipe ([`Memory::wipe`]), and are wiped before they go back to the system.
//!   The digests between the password and them are wiped here. Not wiped are registers and what the functions below leave
//!   on the stack: the kilobyte that one compression works on, and BLAKE2b's latest 128 bytes, which can be the password's.

mod compress;
mod error;
mod kernel;
mod memory;
mod params;
mod passes;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use kernel::{Choice, Kernel};
pub use memory::Memory;
pub use params::Params;

/// The output of a hash, in bytes: the length that RFC 9106 section 4 recommends.
pub const OUTPUT_BYTES: usize = 32;
