//! Passwords: as typed at login, as being set, and as stored. Three types, so that today's policy cannot be applied to
//! yesterday's login and a stored hash cannot ask for more work than its parsing allowed.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, MIN_SALT_LEN, Params, Version};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::{PasswordContext, PasswordPolicy};

/// The most bytes that are hashed; more is refused before any work is done.
const MAX_BYTES: usize = 1_024;

/// A password as typed at login: in Unicode's composed form (NFC), 1 to 1,024 bytes, otherwise exactly as sent.
/// Wiped from memory when dropped; cannot be printed.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The fewest code points of a username account's password. It is the contract's floor, which policy only raises,
    /// so a shorter one was never anybody's and is answered as the contract does: as a mistake in the request.
    pub const USERNAME_FLOOR: usize = 5;
    /// The fewest code points of an email account's password *when it is set*; at login any is tried.
    pub const EMAIL_FLOOR: usize = 8;

    /// Takes a password of at least `floor` code points. The error says what to change, without the input.
    pub fn parse(input: String, floor: usize) -> Result<Self, &'static str> {
        let input = Zeroizing::new(input);
        if input.len() > MAX_BYTES {
            return Err("must have at most 1024 bytes");
        }
        // Composing can grow a text threefold; reserved once, so that no copy is left behind by growing.
        let mut composed = Zeroizing::new(String::with_capacity(3 * input.len()));
        composed.extend(input.nfc());
        match composed.chars().count() {
            0 => Err("is required"),
            length if length >= floor => Ok(Self(composed)),
            _ if floor == Self::USERNAME_FLOOR => Err("must have at least 5 characters"),
            _ => Err("must have at least 8 characters"),
        }
    }

    /// What is hashed.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// For the policy to look at.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A password that meets the policy for one being set. Whether it is known from a breach, the use cases ask.
#[derive(Debug, Clone)]
pub struct NewPassword(Password);

impl NewPassword {
    /// Takes a password for the account of `context`. The error says what to change, without the input.
    pub fn parse(input: String, policy: &PasswordPolicy, context: &PasswordContext) -> Result<Self, &'static str> {
        Self::judge(Password::parse(input, 1)?, policy, context)
    }

    /// [`Self::parse`] of what was taken already.
    pub fn judge(password: Password, policy: &PasswordPolicy, context: &PasswordContext) -> Result<Self, &'static str> {
        policy.judge(&password, context)?;
        Ok(Self(password))
    }

    /// As it will be typed at login.
    pub fn as_password(&self) -> &Password {
        &self.0
    }
}

/// A stored argon2id hash, its cost known to be bearable. Kept as a PHC string
/// (`$argon2id$v=19$m=…,t=…,p=…$salt$output`).
#[derive(Clone)]
pub struct PasswordHash {
    phc: phc::PasswordHash,
    params: Params,
}

/// A stored text that is no hash this service would verify.
#[derive(Debug, thiserror::Error)]
pub enum PasswordHashError {
    /// Not a PHC string, or without a salt of at least 8 or an output of 32 bytes.
    #[error("not a password hash in PHC format")]
    Malformed,
    /// Not argon2id, version 19.
    #[error("not an argon2id hash of version 19")]
    UnknownAlgorithm,
    /// Asks for more memory or passes than any login may cost.
    #[error("asks for more than 256 MiB, 16 passes or 4 lanes")]
    TooCostly,
}

impl PasswordHash {
    /// Parses a PHC string and bounds what verifying it may cost ([`Self::is_bearable`]).
    pub fn parse(phc: &str) -> Result<Self, PasswordHashError> {
        let phc = phc::PasswordHash::new(phc).map_err(|_| PasswordHashError::Malformed)?;
        if phc.algorithm.as_str() != Algorithm::Argon2id.as_str() || phc.version != Some(Version::V0x13.into()) {
            return Err(PasswordHashError::UnknownAlgorithm);
        }
        if phc.salt.as_ref().is_none_or(|salt| salt.len() < MIN_SALT_LEN)
            || phc.hash.as_ref().map(phc::Output::len) != Some(32)
        {
            return Err(PasswordHashError::Malformed);
        }
        let params = Params::try_from(&phc).map_err(|_| PasswordHashError::Malformed)?;
        if !Self::is_bearable(&params) {
            return Err(PasswordHashError::TooCostly);
        }
        Ok(Self { phc, params })
    }

    /// Assembles what hashing with `params` and `salt` gave. `None` when a part is out of PHC's bounds.
    pub fn new(params: &Params, salt: &[u8], output: &[u8]) -> Option<Self> {
        let phc = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: phc::ParamsString::try_from(params).ok()?,
            salt: Some(phc::Salt::new(salt).ok()?),
            hash: Some(phc::Output::new(output).ok()?),
        };
        Self::parse(&phc.to_string()).ok()
    }

    /// Whether verifying a hash of such parameters costs no more than any login may: 256 MiB, 16 passes, 4 lanes.
    pub fn is_bearable(params: &Params) -> bool {
        params.m_cost() <= 256 * 1_024 && params.t_cost() <= 16 && params.p_cost() <= 4
    }

    /// The cost it was made with.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Whether it cost less than one with `params` would: memory times passes.
    pub fn is_weaker_than(&self, params: &Params) -> bool {
        let cost = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
        cost(&self.params) < cost(params)
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        self.phc.salt.as_ref().map_or(&[], AsRef::as_ref)
    }

    /// The stored output, to compare in constant time.
    pub fn output(&self) -> &[u8] {
        self.phc.hash.as_ref().map_or(&[], phc::Output::as_bytes)
    }

    /// The PHC string to store.
    pub fn to_phc(&self) -> String {
        self.phc.to_string()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::{Password, PasswordHash};

    #[test]
    fn a_password_is_counted_in_code_points_and_taken_as_sent() {
        let parsed = |input: &str| Password::parse(input.to_owned(), Password::USERNAME_FLOOR);
        assert_eq!(parsed("  a  ").unwrap().as_bytes(), b"  a  ", "not trimmed");
        assert_eq!(parsed("ABcde").unwrap().as_bytes(), b"ABcde", "not lower-cased");
        assert_eq!(parsed("pa\u{308}ssw").unwrap().as_bytes(), "pässw".as_bytes(), "composed");
        assert_eq!(parsed("ääää").unwrap_err(), "must have at least 5 characters", "eight bytes, four characters");
        assert_eq!(parsed("").unwrap_err(), "is required");
        assert!(parsed(&"x".repeat(1_024)).is_ok());
        assert_eq!(parsed(&"x".repeat(1_025)).unwrap_err(), "must have at most 1024 bytes");
        assert_eq!(format!("{:?}", parsed("s3cur3pass").unwrap()), "Password(..)");
    }

    #[test]
    fn a_stored_hash_cannot_ask_for_more_than_is_bearable() {
        let phc = |params: &str| {
            PasswordHash::parse(&format!(
                "$argon2id$v=19${params}$gZiV/M1gPc22ElAH/Jh1Hw$CWOrkoo7oJBQ/iyh7uJ0LO2aLEfrHwTWllSAxT0zRno"
            ))
            .map(|hash| hash.to_phc())
            .map_err(|error| error.to_string())
        };
        assert!(phc("m=19456,t=2,p=1").is_ok());
        let too_costly = Err("asks for more than 256 MiB, 16 passes or 4 lanes".to_owned());
        assert_eq!(phc("m=4194304,t=2,p=1"), too_costly);
        assert_eq!(phc("m=19456,t=4000000,p=1"), too_costly);
        assert!(PasswordHash::parse("$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A").is_err());
        assert!(PasswordHash::parse("").is_err());
        assert!(PasswordHash::parse("$argon2id$v=19$m=19456,t=2,p=1").is_err());
    }
}
