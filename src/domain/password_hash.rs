//! Passwords as stored. Apart from those that are typed because a stored one obeys no policy, only bounds: it cannot ask
//! for more work than its parsing allowed.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, MIN_SALT_LEN, Params, Version};

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
    use super::PasswordHash;

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
