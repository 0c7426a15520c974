//! bcrypt: `$2b$10$` and 53 characters, 22 of salt and 31 of output, in bcrypt's own base64. `$2a$` and `$2y$` are
//! other programs' names for the same. Only the first 72 bytes of a password count, including a final NUL if there is
//! room for it.
//!
//! The contract's own example lacks the last character, because the full stop of the quotation was lost. Such a hash is
//! accepted: 176 of its 184 bits remain to compare.

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use zeroize::Zeroizing;

use super::{PasswordHashError, phc};

const FORM: &str = "$2b$COST$ and 53 characters, with $2a$, $2b$ or $2y$ and a cost of 04 to 31";

/// The number of bytes of a key that bcrypt reads.
pub(super) const KEY_BYTES: usize = 72;

/// Some programs do not clear the unused bits of the last character.
const BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// The parts of a bcrypt hash.
#[derive(Clone)]
pub struct BcryptHash {
    /// Whether it is named `$2y$`, as PHP names its hashes.
    pub(super) is_of_php: bool,
    /// The base-2 logarithm of its rounds, 4 to 31.
    pub cost: u32,
    /// The salt, always 16 bytes.
    pub salt: [u8; 16],
    /// The 23 bytes of bcrypt's 24 that are stored, or 22 when the last character is missing.
    pub output: Vec<u8>,
}

impl BcryptHash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let [version, cost, body] = phc::parts(text).ok_or(malformed)?;
        let cost = match cost.as_bytes() {
            [tens @ b'0'..=b'3', ones @ b'0'..=b'9'] => u32::from((tens - b'0') * 10 + (ones - b'0')),
            _ => return Err(malformed),
        };
        if !matches!(version, "2a" | "2b" | "2y")
            || !(4..=31).contains(&cost)
            || !(52..=53).contains(&body.len())
            || !body.is_ascii()
        {
            return Err(malformed);
        }
        let (salt, output) = body.split_at(22);
        let decode = |text| BASE64.decode(text).map_err(|_| malformed);
        let is_of_php = version == "2y";
        Ok(Self { is_of_php, cost, salt: decode(salt)?.try_into().map_err(|_| malformed)?, output: decode(output)? })
    }

    /// Returns the bytes of a password that are hashed: 1 to 72. A NUL within them is a byte like any other; programs
    /// that stop there would accept further passwords.
    pub fn key(&self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(Vec::with_capacity(KEY_BYTES));
        key.extend(password.iter().chain(&[0]).take(KEY_BYTES));
        key
    }
}
