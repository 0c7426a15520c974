//! Passwords: as typed at login, and as being set. Two types, so that today's policy cannot be applied to yesterday's
//! login.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::{PasswordContext, PasswordPolicy};

/// The most bytes that are hashed; more is refused before any work is done.
const MAX_BYTES: usize = 1_024;

/// A password as typed at login: in Unicode's composed form (NFC), 1 to 1,024 bytes, otherwise exactly as sent.
/// Wiped from memory when dropped; cannot be printed.
#[derive(Clone)]
pub struct Password {
    composed: Zeroizing<String>,
    /// As sent, where that was not composed.
    typed: Option<Zeroizing<String>>,
}

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
        let length = composed.chars().count();
        let typed = (*input != *composed).then_some(input);
        match length {
            0 => Err("is required"),
            length if length >= floor => Ok(Self { composed, typed }),
            _ if floor == Self::USERNAME_FLOOR => Err("must have at least 5 characters"),
            _ => Err("must have at least 8 characters"),
        }
    }

    /// What is hashed.
    pub fn as_bytes(&self) -> &[u8] {
        self.composed.as_bytes()
    }

    /// Exactly as sent: what a hash of another system was made of, for hardly any of them composes.
    pub fn as_typed(&self) -> &[u8] {
        self.typed.as_ref().unwrap_or(&self.composed).as_bytes()
    }

    /// For the policy to look at.
    pub(super) fn as_str(&self) -> &str {
        &self.composed
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

#[cfg(test)]
mod tests {
    use super::Password;

    #[test]
    fn a_password_is_counted_in_code_points_and_taken_as_sent() {
        let parsed = |input: &str| Password::parse(input.to_owned(), Password::USERNAME_FLOOR);
        assert_eq!(parsed("  a  ").unwrap().as_bytes(), b"  a  ", "not trimmed");
        assert_eq!(parsed("ABcde").unwrap().as_bytes(), b"ABcde", "not lower-cased");
        assert_eq!(parsed("pa\u{308}ssw").unwrap().as_bytes(), "pässw".as_bytes(), "composed");
        assert_eq!(parsed("pa\u{308}ssw").unwrap().as_typed(), "pa\u{308}ssw".as_bytes());
        assert_eq!(parsed("pässw").unwrap().as_typed(), "pässw".as_bytes());
        assert_eq!(parsed("ääää").unwrap_err(), "must have at least 5 characters", "eight bytes, four characters");
        assert_eq!(parsed("").unwrap_err(), "is required");
        assert!(parsed(&"x".repeat(1_024)).is_ok());
        assert_eq!(parsed(&"x".repeat(1_025)).unwrap_err(), "must have at most 1024 bytes");
        assert_eq!(format!("{:?}", parsed("s3cur3pass").unwrap()), "Password(..)");
    }
}
