//! bcrypt: `$2b$10$` and 53 characters, 22 of salt and 31 of output, in bcrypt's own base64. `$2a$` and `$2y$` are other
//! programs' names for the same. Only the first 72 bytes of a password count, of which one is a final NUL if there is room.
//!
//! `$bcrypt-trimmed$2b$10$…` is ours: the same hash, made by the username contract's old server, which takes the white space
//! around a password away before it hashes or compares.
//!
//! The contract's own example lacks the last character, a full stop that ended up behind the quotation. Such a hash is
//! taken: 176 of its 184 bits are there to compare.

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use zeroize::Zeroizing;

use super::{PasswordHashError, phc};

/// The first part of the text of a hash whose password was trimmed.
pub(super) const TRIMMED: &str = "bcrypt-trimmed";

const FORM: &str = "$2b$COST$ and 53 characters, with $2a$, $2b$ or $2y$ and a cost of 04 to 31";

/// The rest of a key is not looked at.
const KEY_BYTES: usize = 72;

/// Not every program leaves the last character's unused bits zero.
const BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// What a bcrypt hash says.
#[derive(Clone)]
pub struct Hash {
    /// What was hashed is the password without the white space around it.
    pub trimmed: bool,
    /// The base-2 logarithm of its rounds, 4 to 14.
    pub cost: u32,
    /// Always 16 bytes.
    pub salt: [u8; 16],
    /// The 23 of bcrypt's 24 bytes that are stored; 22 when the last character is missing.
    pub output: Vec<u8>,
}

impl Hash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let unmarked = text.strip_prefix('$').and_then(|text| text.strip_prefix(TRIMMED));
        let [version, cost, body] = phc::parts(unmarked.unwrap_or(text)).ok_or(malformed)?;
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
        if cost > 14 {
            return Err(PasswordHashError::TooCostly("a bcrypt cost of 14"));
        }
        let (salt, output) = body.split_at(22);
        let decode = |text| BASE64.decode(text).map_err(|_| malformed);
        Ok(Self {
            trimmed: unmarked.is_some(),
            cost,
            salt: decode(salt)?.try_into().map_err(|_| malformed)?,
            output: decode(output)?,
        })
    }

    /// What of a password goes into the hash: 1 to 72 bytes. A NUL within it is a byte as any other; programs that end
    /// there would take more passwords than the right one.
    pub fn key(&self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        let password = if self.trimmed { trim(password) } else { password };
        let mut key = Zeroizing::new(Vec::with_capacity(KEY_BYTES));
        key.extend(password.iter().chain(&[0]).take(KEY_BYTES));
        key
    }
}

/// Trims as that server's language does: Unicode's white space without NEL (U+0085), and the byte order mark.
fn trim(password: &[u8]) -> &[u8] {
    let is_space = |letter: char| (letter.is_whitespace() && letter != '\u{85}') || letter == '\u{feff}';
    // A password is a text; bytes that are none have no white space.
    std::str::from_utf8(password).map_or(password, |text| text.trim_matches(is_space).as_bytes())
}
