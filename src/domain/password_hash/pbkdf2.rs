//! PBKDF2 (RFC 8018) with HMAC-SHA-256, HMAC-SHA-512 or HMAC-SHA-1: `$pbkdf2-sha256$i=600000,l=32$salt$output`. `i` is
//! the number of iterations, `l` the length of the output, which may be left out.

use std::num::NonZeroU32;

use super::{PasswordHashError, phc};

const FORM: &str = "$pbkdf2-sha256$i=ITERATIONS,l=LENGTH$salt$output, or the same with sha512 or sha1";

/// The hash function that is iterated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    fn named(scheme: &str) -> Option<Self> {
        match scheme {
            "pbkdf2-sha1" => Some(Self::Sha1),
            "pbkdf2-sha256" => Some(Self::Sha256),
            "pbkdf2-sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The length of the digest's output in bytes.
    fn block(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The length of the longest password that HMAC takes as it is.
    pub(super) fn longest_key(self) -> usize {
        if self == Self::Sha512 { 128 } else { 64 }
    }
}

/// Leaves out of an output what [`Pbkdf2Hash`] does not keep.
pub(super) fn first_block<'a>(scheme: &str, output: &'a [u8]) -> Option<&'a [u8]> {
    Some(&output[..output.len().min(Digest::named(scheme)?.block())])
}

/// The parts of a PBKDF2 hash.
#[derive(Clone)]
pub struct Pbkdf2Hash {
    pub(crate) digest: Digest,
    /// The number of iterations.
    pub(crate) iterations: NonZeroU32,
    /// The salt, 8 to 64 bytes.
    pub(crate) salt: Vec<u8>,
    /// The output, 16 to 64 bytes and at most one block of its digest: more would cost us a further run, and an
    /// attacker nothing. An import leaves the other blocks out.
    pub(crate) output: Vec<u8>,
}

impl Pbkdf2Hash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let [scheme, costs, salt, output] = phc::parts(text).ok_or(malformed)?;
        let digest = Digest::named(scheme).ok_or(malformed)?;
        let (iterations, length) = match phc::numbers(costs, ["i", "l"]) {
            Some([iterations, length]) => (iterations, Some(length)),
            None => (phc::numbers(costs, ["i"]).ok_or(malformed)?[0], None),
        };
        let iterations = NonZeroU32::new(iterations).ok_or(malformed)?;
        let salt = phc::bytes(salt).ok_or(malformed)?;
        let output = phc::bytes(output).ok_or(malformed)?;
        if !(8..=64).contains(&salt.len()) || !(16..=digest.block()).contains(&output.len()) {
            return Err(PasswordHashError::Length(
                "8 to 64 bytes of salt and 16 to 32 of output, to 64 with sha512, to 20 with sha1",
            ));
        }
        if length.is_some_and(|length| usize::try_from(length) != Ok(output.len())) {
            return Err(malformed);
        }
        Ok(Self { digest, iterations, salt, output })
    }
}
