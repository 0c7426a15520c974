//! SHA-crypt of the C libraries: `$5$rounds=5000$salt$output` with SHA-256, `$6$` with SHA-512. Without `rounds`, there
//! are 5,000.

use super::{PasswordHashError, phc};

const FORM: &str = "$6$rounds=ROUNDS$salt$output, or the same with $5$";

/// A SHA-crypt hash, whose text the crate `sha-crypt` reads.
#[derive(Clone)]
pub struct ShaCryptHash {
    pub(crate) rounds: u32,
    pub(crate) text: String,
}

impl ShaCryptHash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let (scheme, rounds, salt, output) = match phc::parts(text) {
            Some([scheme, rounds, salt, output]) => {
                let rounds = rounds.strip_prefix("rounds=").and_then(phc::number).ok_or(malformed)?;
                (scheme, rounds, salt, output)
            }
            None => {
                let [scheme, salt, output] = phc::parts(text).ok_or(malformed)?;
                (scheme, 5_000, salt, output)
            }
        };
        let length = if scheme == "5" { 43 } else { 86 };
        let is_written = phc::is_crypt_base64(output) && output.len() == length;
        if rounds < 1_000 || !is_written || salt.len() > 16 || !salt.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(malformed);
        }
        Ok(Self { rounds, text: text.to_owned() })
    }
}
