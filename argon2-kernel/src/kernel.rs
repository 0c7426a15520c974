//! Which compression function this process hashes with, and hashing with it. Separate because it is what callers see.

use std::fmt;

use argon2::{Algorithm, Argon2, Version};

use crate::compress::{Avx2, Avx512};
use crate::{Error, Memory, OUTPUT_BYTES, Params, passes};

/// The shortest salt, in bytes, as for the `argon2` crate and the reference implementation.
const SALT_BYTES: usize = 8;

/// One way to compress, which this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Form);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Avx512(Avx512),
    Avx2(Avx2),
    Portable,
}

/// What was chosen, and what should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// What to hash with.
    pub kernel: Kernel,
    /// Gave a wrong answer when it was tried, so that [`Kernel::PORTABLE`] was chosen instead.
    pub wrong: Option<Kernel>,
}

impl Kernel {
    /// The `argon2` crate.
    pub const PORTABLE: Self = Self(Form::Portable);

    /// Those that this processor has, the fastest first; [`Self::PORTABLE`] is the last of them everywhere.
    pub fn available() -> impl Iterator<Item = Self> {
        let vectors = [Avx512::detect().map(Form::Avx512), Avx2::detect().map(Form::Avx2)];
        vectors.into_iter().flatten().chain([Form::Portable]).map(Self)
    }

    /// The fastest, if it gives the right answer.
    ///
    /// # Errors
    /// As of [`Self::or_portable`].
    pub fn choose() -> Result<Choice, Error> {
        Self::available().next().unwrap_or(Self::PORTABLE).or_portable()
    }

    /// This one, if it gives the right answer: hashes once and compares with what the reference implementation gives. Takes
    /// less than a millisecond, and a MiB meanwhile.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], when there is none to try it in.
    pub fn or_portable(self) -> Result<Choice, Error> {
        self.unless_wrong(|password, salt, params, memory| self.fill(password, salt, params, memory))
    }

    /// This one, if `hash` gives the right answer.
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

    /// `avx512`, `avx2` or `portable`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Form::Avx512(_) => "avx512",
            Form::Avx2(_) => "avx2",
            Form::Portable => "portable",
        }
    }

    /// Hashes with argon2id, version 0x13, in the first [`Params::blocks`] of `memory`, which may hold anything before and
    /// must be wiped after. The output is a secret until it is compared, in constant time.
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

/// The same by the `argon2` crate.
fn portable(password: &[u8], salt: &[u8], params: Params, memory: &mut Memory) -> Result<[u8; OUTPUT_BYTES], Error> {
    let blocks = memory.as_argon2().get_mut(..params.blocks()).ok_or(Error::MemoryTooSmall)?;
    let mut output = [0; OUTPUT_BYTES];
    // It has the same bounds, which were kept to.
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.try_into()?)
        .hash_password_into_with_memory(password, salt, &mut output, blocks)
        .map_err(|_| Error::Refused)?;
    Ok(output)
}

/// Whether a hash comes out as the reference implementation's does: with both kinds of pass, and with more blocks to a
/// segment than one block of addresses serves.
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
