//! PBKDF2 (RFC 8018) with HMAC-SHA-256 or HMAC-SHA-512: `$pbkdf2-sha256$i=600000,l=32$salt$output`. `i` is the number
//! of iterations, `l` the length of the output, which may be left out.

use std::num::NonZeroU32;

use super::{PasswordHashError, phc};

const FORM: &str = "$pbkdf2-sha256$i=ITERATIONS,l=LENGTH$salt$output, or the same with sha512";

const MAX_ITERATIONS: u32 = 2_000_000;

/// The hash function that is iterated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha256,
    Sha512,
}

/// The parts of a PBKDF2 hash.
#[derive(Clone)]
pub struct Pbkdf2Hash {
    pub(crate) digest: Digest,
    /// The iterations, at most 2,000,000.
    pub(crate) iterations: NonZeroU32,
    /// The salt, 8 to 64 bytes.
    pub(crate) salt: Vec<u8>,
    /// The output, 16 to 64 bytes and at most one block of its digest: more would cost us a further run, and an
    /// attacker nothing.
    pub(crate) output: Vec<u8>,
}

impl Pbkdf2Hash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let [scheme, costs, salt, output] = phc::parts(text).ok_or(malformed)?;
        let (digest, longest) = match scheme {
            "pbkdf2-sha256" => (Digest::Sha256, 32),
            "pbkdf2-sha512" => (Digest::Sha512, 64),
            _ => return Err(malformed),
        };
        let (iterations, length) = match phc::numbers(costs, ["i", "l"]) {
            Some([iterations, length]) => (iterations, Some(length)),
            None => (phc::numbers(costs, ["i"]).ok_or(malformed)?[0], None),
        };
        let iterations = NonZeroU32::new(iterations).ok_or(malformed)?;
        if iterations.get() > MAX_ITERATIONS {
            return Err(PasswordHashError::TooCostly("2000000 iterations of PBKDF2"));
        }
        let salt = phc::bytes(salt).ok_or(malformed)?;
        let output = phc::bytes(output).ok_or(malformed)?;
        if !(8..=64).contains(&salt.len()) || !(16..=longest).contains(&output.len()) {
            return Err(PasswordHashError::Length("8 to 64 bytes of salt and 16 to 32 of output, to 64 with sha512"));
        }
        if length.is_some_and(|length| usize::try_from(length) != Ok(output.len())) {
            return Err(malformed);
        }
        Ok(Self { digest, iterations, salt, output })
    }
}
