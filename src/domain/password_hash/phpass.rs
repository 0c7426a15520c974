//! phpass: `$P$B` and 8 characters of salt, then 16 bytes of output in 22 characters, with MD5 (WordPress before 6.8;
//! `$H$` of phpBB is the same). Drupal's `$S$D` has SHA-512, of which 43 characters are stored. The letter behind the
//! name is the base-2 logarithm of the iterations.

use super::{PasswordHashError, phc};

const FORM: &str = "$P$, $H$ or $S$, a letter, 8 characters of salt and 22 of output, or 43 with $S$";

/// The parts of a phpass hash.
#[derive(Clone)]
pub struct PhpassHash {
    /// Whether the digest is SHA-512 and not MD5.
    pub(crate) is_sha512: bool,
    /// The base-2 logarithm of the iterations, at most 30.
    pub(crate) log_rounds: u32,
    pub(crate) salt: String,
    /// The characters of the output.
    pub(crate) output: Vec<u8>,
}

impl PhpassHash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let [name, body] = phc::parts(text).ok_or(malformed)?;
        let is_sha512 = name == "S";
        let length = if is_sha512 { 43 } else { 22 };
        if !phc::is_crypt_base64(body) || body.len() != 9 + length {
            return Err(malformed);
        }
        let log_rounds = phc::CRYPT.iter().position(|letter| Some(letter) == body.as_bytes().first());
        let log_rounds = log_rounds.and_then(|log| u32::try_from(log).ok()).filter(|log| (7..=30).contains(log));
        Ok(Self {
            is_sha512,
            log_rounds: log_rounds.ok_or(malformed)?,
            salt: body[1..9].to_owned(),
            output: body.as_bytes()[9..].to_vec(),
        })
    }
}
