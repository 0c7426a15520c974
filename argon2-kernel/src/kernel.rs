//! Chooses the compression function of this process, and hashes with it. Separate because it is all that callers use.

use std::fmt;

use argon2::{Algorithm, Argon2, Version};

use crate::compress::{Avx2, Avx512};
use crate::{Error, Memory, OUTPUT_BYTES, Params, passes};

/// The shortest salt in bytes, as in the `argon2` crate and the reference implementation.
const SALT_BYTES: usize = 8;

/// One implementation of the compression function, which this processor supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Form);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Avx512(Avx512),
    Avx2(Avx2),
    Portable,
}

/// The kernel that was chosen, and the one that failed its check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The kernel to hash with.
    pub kernel: Kernel,
    /// A kernel that gave a wrong answer when it was tried, so that [`Kernel::PORTABLE`] was chosen instead.
    pub wrong: Option<Kernel>,
}

impl Kernel {
    /// The implementation of the `argon2` crate.
    pub const PORTABLE: Self = Self(Form::Portable);

    /// Returns the kernels that this processor supports, the fastest first. [`Self::PORTABLE`] is always the last.
    pub fn available() -> impl Iterator<Item = Self> {
        let vectors = [Avx512::detect().map(Form::Avx512), Avx2::detect().map(Form::Avx2)];
        vectors.into_iter().flatten().chain([Form::Portable]).map(Self)
    }

    /// Returns the fastest kernel, if its answer is right.
    ///
    /// # Errors
    /// As of [`Self::or_portable`].
    pub fn choose() -> Result<Choice, Error> {
        Self::available().next().unwrap_or(Self::PORTABLE).or_portable()
    }

    /// Returns this kernel, if its answer is right: it hashes once and compares the output with that of the reference
    /// implementation. That takes less than a millisecond and 1 MiB of memory.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], when there is no memory to try it in.
    pub fn or_portable(self) -> Result<Choice, Error> {
        self.unless_wrong(|password, salt, params, memory| self.fill(password, salt, params, memory))
    }

    /// Returns this kernel, if `hash` gives the right answer.
    pub(crate) fn unless_wrong(
        self,
        hash: impl FnOnce(&[u8], &[u8], Params, &mut Memory) -> Result<[u8; OUTPUT_BYTES], Error>,
    ) -> Result<Choice, Error> {
        Ok(if self == Self::PORTABLE || answers_rightly(hash)? {
            Choice { kernel: self, wrong: None }
        } else {
            Choice { kernel: Self::PORTABLE, wrong: Some(self) }
        })
    }

    /// Returns `avx512`, `avx2` or `portable`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Form::Avx512(_) => "avx512",
            Form::Avx2(_) => "avx2",
            Form::Portable => "portable",
        }
    }

    /// Hashes with argon2id, version 0x13, in the first [`Params::blocks`] blocks of `memory`. Their content before
    /// does not matter; afterwards they must be wiped. The output is a secret and must be compared in constant time.
    ///
    /// # Errors
    /// [`Error::SaltTooShort`] below eight bytes, [`Error::SaltTooLong`] and [`Error::PasswordTooLong`] from 4 GiB on,
    /// [`Error::MemoryTooSmall`]. Nothing is hashed then.
    pub fn fill(
        self,
        password: &[u8],
        salt: &[u8],
        params: Params,
        memory: &mut Memory,
    ) -> Result<[u8; OUTPUT_BYTES], Error> {
        if u32::try_from(password.len()).is_err() {
            return Err(Error::PasswordTooLong);
        }
        if salt.len() < SALT_BYTES {
            return Err(Error::SaltTooShort);
        }
        if u32::try_from(salt.len()).is_err() {
            return Err(Error::SaltTooLong);
        }
        Ok(match self.0 {
            Form::Avx512(kernel) => passes::hash(kernel, password, salt, params, memory.first(params.blocks())?),
            Form::Avx2(kernel) => passes::hash(kernel, password, salt, params, memory.first(params.blocks())?),
            Form::Portable => portable(password, salt, params, memory)?,
        })
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Hashes the same by the `argon2` crate.
fn portable(password: &[u8], salt: &[u8], params: Params, memory: &mut Memory) -> Result<[u8; OUTPUT_BYTES], Error> {
    let blocks = memory.as_argon2().get_mut(..params.blocks()).ok_or(Error::MemoryTooSmall)?;
    let mut output = [0; OUTPUT_BYTES];
    // The parameters keep the crate's bounds.
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.try_into()?)
        .hash_password_into_with_memory(password, salt, &mut output, blocks)
        .map_err(|_| Error::Refused)?;
    Ok(output)
}

/// Whether a hash equals that of the reference implementation. It runs both kinds of pass, and segments that need more
/// than one block of addresses.
fn answers_rightly(
    hash: impl FnOnce(&[u8], &[u8], Params, &mut Memory) -> Result<[u8; OUTPUT_BYTES], Error>,
) -> Result<bool, Error> {
    const EXPECTED: [u8; OUTPUT_BYTES] = [
        0x94, 0xab, 0x65, 0x55, 0x97, 0x71, 0x9f, 0x72, 0xe5, 0xdb, 0x69, 0x3e, 0x68, 0x93, 0xd7, 0x4a, 0xeb, 0xcb,
        0x13, 0xdc, 0xd4, 0x1f, 0x5f, 0xaf, 0xc2, 0x9c, 0xcf, 0xba, 0x4c, 0x23, 0x1a, 0x87,
    ];
    let params = Params::new(1_036, 2)?;
    let mut memory = Memory::allocate(params.blocks())?;
    Ok(hash(b"password", b"somesalt", params, &mut memory)? == EXPECTED)
}
