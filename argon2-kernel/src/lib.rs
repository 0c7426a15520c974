//! argon2id (RFC 9106, version 0x13) with one lane, at the speed of the hardware, in memory that the caller keeps.
//!
//! Nearly all of the cost of a sign-in is argon2's compression function, and a compiler reaches a third to a half of a
//! core's speed for it. This package writes it in vectors ([`Kernel`]): AVX-512, AVX2, and for all other processors the
//! `argon2` crate, which the tests also compare with. It is a package of its own because it is the only place with
//! `unsafe` code, so that a debug build can optimise it alone, and Miri can run it.
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
//! - **Time.** No branch and no length depends on the bytes of the password or on anything derived from them: not in
//!   BLAKE2b, not in the compression (additions, multiplications, rotations and shuffles by constants), not in the
//!   choice of blocks. Bounds checks of an index come out the same for every password. `constant-time/` checks this
//!   with valgrind, for AVX2; valgrind does not support AVX-512, which differs in the compression alone.
//!   [`Kernel::PORTABLE`] is the crate, which divides numbers that depend on the password. The *length* of the password
//!   decides how much of it BLAKE2b reads.
//! - **Addresses.** In the first half of the first pass, the parameters alone decide which blocks are read. After that,
//!   computed values decide: that is argon2id itself (RFC 9106 section 3.4.1.3), which accepts what a neighbour on the
//!   same cache may see in return for the higher cost to an attacker with graphics cards. No other address depends on a
//!   secret.
//! - **Comparison** is the task of the caller: the output is a secret until it is compared in constant time.
//! - **Memory.** The caller wipes the blocks ([`Memory::wipe`]); they are also wiped before they go back to the system.
//!   The digests between the password and the blocks are wiped here. Registers are not wiped, nor is what the functions
//!   below leave on the stack: the kilobyte that one compression works on, and BLAKE2b's last 128 bytes, which can be
//!   those of the password.

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
