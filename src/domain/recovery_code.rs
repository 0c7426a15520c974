//! Recovery codes: the secrets that stand in for a lost authenticator app, and their digests in the database. There are
//! two types, so that the secret cannot be stored.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

/// How many codes an account is given at once.
pub(crate) const RECOVERY_CODES: usize = 10;

/// The random bytes of a code: 80 bits.
pub(crate) const RECOVERY_CODE_BYTES: usize = 10;

/// The letters of a code without its hyphens.
const LETTERS: usize = 16;

/// A code for one sign-in: 16 letters of Base32 in lower case. It is wiped from memory when dropped, and cannot be
/// printed.
pub(crate) struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// Makes a code of random bytes.
    pub(crate) fn new(random: &[u8; RECOVERY_CODE_BYTES]) -> Self {
        let upper = Zeroizing::new(BASE32_NOPAD.encode(random));
        Self(Zeroizing::new(upper.to_ascii_lowercase()))
    }

    /// Parses what somebody typed, in any letter case, with or without hyphens and spaces. The error says what to
    /// change, without the input.
    pub(crate) fn parse(input: String) -> Result<Self, &'static str> {
        const WRONG: &str = "must have 16 letters and digits, with or without hyphens";
        let input = Zeroizing::new(input);
        if !(LETTERS..=LETTERS + 3).contains(&input.len()) {
            return Err(WRONG);
        }
        let letters =
            input.chars().filter(|letter| !matches!(letter, '-' | ' ')).map(|letter| letter.to_ascii_lowercase());
        let code = Zeroizing::new(letters.collect::<String>());
        let is_code = code.len() == LETTERS && code.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
        if is_code { Ok(Self(code)) } else { Err(WRONG) }
    }

    /// Returns the digest by which the code of an account is stored. One round of a fast hash is enough, because 80
    /// random bits cannot be guessed; the account makes the digests of two accounts differ.
    pub(crate) fn digest(&self, account_id: Uuid) -> RecoveryDigest {
        let digest = Sha256::new().chain_update(account_id).chain_update(self.0.as_bytes()).finalize();
        RecoveryDigest(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns the code for its owner, and for nothing else: four groups of four letters.
    pub(crate) fn expose(&self) -> String {
        let groups: Vec<&str> = (0..LETTERS).step_by(4).filter_map(|at| self.0.get(at..at + 4)).collect();
        groups.join("-")
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// The SHA-256 of an account's id and a [`RecoveryCode`], in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryDigest(String);

impl RecoveryDigest {
    /// Returns the spelling in the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::RecoveryCode;

    #[test]
    fn a_code_is_read_as_people_type_it_and_found_by_the_digest_of_its_account() {
        let made = RecoveryCode::new(&[0x5a; 10]);
        let shown = made.expose();
        assert_eq!((shown.len(), shown.matches('-').count()), (19, 3));
        let id = Uuid::from_u128(7);
        for typed in [shown.clone(), shown.to_uppercase(), shown.replace('-', " "), shown.replace('-', "")] {
            assert_eq!(RecoveryCode::parse(typed).unwrap().digest(id), made.digest(id));
        }
        assert_ne!(made.digest(id), made.digest(Uuid::from_u128(8)));
        assert_ne!(made.digest(id), RecoveryCode::new(&[0x5b; 10]).digest(id));
        assert_eq!(made.digest(id).as_str().len(), 64);
        assert_eq!(format!("{made:?}"), "RecoveryCode(..)");
    }

    #[test]
    fn nothing_else_is_a_code() {
        for bad in [
            "",
            "k3vd-7xq2-mzpa-t5n",
            "k3vd-7xq2-mzpa-t5ne-",
            "k3vd-7xq1-mzpa-t5ne",
            "ä3vd-7xq2-mzpa-t5n",
            "----------------",
        ] {
            assert!(RecoveryCode::parse(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
