//! Hashes of a single pass, as directories store them: `{SSHA}`, `{SMD5}`, `{SSHA512}` and the like. A thief tries
//! billions of passwords a second against them, so they are hashed once more, with argon2id, when they are imported.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::digest;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use super::prehash::base64;
use super::{PasswordHashError, SinglePasses, argon2 as ours, phc};

/// The digest of a hash of a single pass, and its salt, which comes after the password.
#[derive(Clone)]
pub(crate) struct Salted {
    digest: FastDigest,
    salt: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FastDigest {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

const DIGESTS: [(&str, FastDigest, usize); 4] = [
    ("md5", FastDigest::Md5, 16),
    ("sha1", FastDigest::Sha1, 20),
    ("sha256", FastDigest::Sha256, 32),
    ("sha512", FastDigest::Sha512, 64),
];

impl Salted {
    /// Reads what is written behind `$salted=`: the name of the digest, a comma and the salt in base64.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, salt) = text.split_once(',')?;
        let (_, digest, _) = DIGESTS.into_iter().find(|(known, ..)| *known == name)?;
        Some(Self { digest, salt: phc::bytes(salt).filter(|salt| salt.len() <= 64)? })
    }

    pub(super) fn of(&self, text: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut input = Zeroizing::new(Vec::with_capacity(text.len() + self.salt.len()));
        input.extend_from_slice(text);
        input.extend_from_slice(&self.salt);
        let bytes = |algorithm| digest::digest(algorithm, &input).as_ref().to_vec();
        Zeroizing::new(match self.digest {
            FastDigest::Md5 => Md5::digest(&*input).to_vec(),
            FastDigest::Sha1 => bytes(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            FastDigest::Sha256 => bytes(&digest::SHA256),
            FastDigest::Sha512 => bytes(&digest::SHA512),
        })
    }
}

impl fmt::Display for Salted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = DIGESTS.iter().find(|(_, digest, _)| *digest == self.digest).map_or("", |(name, ..)| name);
        write!(f, "{name},{}", base64(&self.salt))
    }
}

/// Hashes a hash of a single pass with argon2id of the recommended parameters and returns the text to store. The first
/// bytes of `stored` are the digest `name`, the others the salt. `taken` says which digests are taken.
pub(super) fn wrap(name: &str, mut stored: Vec<u8>, taken: SinglePasses) -> Result<String, PasswordHashError> {
    const FORM: &str = "{SSHA} and base64 of the digest and at most 64 bytes of salt";
    let malformed = PasswordHashError::Malformed(FORM);
    let (_, digest, length) = DIGESTS.into_iter().find(|(known, ..)| *known == name).ok_or(malformed)?;
    let is_sha2 = matches!(digest, FastDigest::Sha256 | FastDigest::Sha512);
    if taken == SinglePasses::None || taken == SinglePasses::Sha2 && !is_sha2 {
        return Err(PasswordHashError::Weak);
    }
    if !(length..=length + 64).contains(&stored.len()) {
        return Err(malformed);
    }
    let salt = stored.split_off(length);
    let (mut ours_salt, mut output) = ([0; 16], Zeroizing::new([0; 32]));
    let params = Params::default();
    let hashed = getrandom::fill(&mut ours_salt).is_ok()
        && Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
            .hash_password_into(&stored, &ours_salt, &mut *output)
            .is_ok();
    let text = ours::text(&params, &ours_salt, &*output).filter(|_| hashed).ok_or(PasswordHashError::NotWrapped)?;
    Ok(format!("$salted={}{text}", Salted { digest, salt }))
}
