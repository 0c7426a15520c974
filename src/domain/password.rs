//! Passwords as typed at sign-in, and passwords that are being set. There are two types, so that a new policy cannot be
//! applied to existing passwords at sign-in.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::{PasswordContext, PasswordPolicy};

/// The longest password in bytes. A longer one is refused before any work is done.
const MAX_BYTES: usize = 1_024;

/// A password as typed at sign-in: in Unicode's composed form (NFC), 1 to 1,024 bytes, otherwise exactly as sent. It is
/// wiped from memory when dropped, and cannot be printed.
#[derive(Clone)]
pub struct Password {
    composed: Zeroizing<String>,
    /// The text as sent, if it was not in composed form.
    typed: Option<Zeroizing<String>>,
}

impl Password {
    /// The shortest password of a username account *when it is set*, in code points. It is the minimum of the API
    /// contract, which a policy can only raise. At sign-in, any length is tried: an imported password may be shorter.
    pub const USERNAME_FLOOR: usize = 5;
    /// The shortest password of an email account *when it is set*, in code points. At sign-in, any length is tried.
    pub const EMAIL_FLOOR: usize = 8;

    /// Takes a password of at least `floor` code points. The error says what to change, without the input.
    pub fn parse(input: String, floor: usize) -> Result<Self, &'static str> {
        let input = Zeroizing::new(input);
        if input.len() > MAX_BYTES {
            return Err("must have at most 1024 bytes");
        }
        let password = Self::of(input);
        match password.composed.chars().count() {
            0 => Err("is required"),
            length if length >= floor => Ok(password),
            _ if floor == Self::USERNAME_FLOOR => Err("must have at least 5 characters"),
            _ => Err("must have at least 8 characters"),
        }
    }

    fn of(typed: Zeroizing<String>) -> Self {
        // Composing can grow a text threefold. The capacity is reserved once, so that growing leaves no copy behind.
        let mut composed = Zeroizing::new(String::with_capacity(3 * typed.len()));
        composed.extend(typed.nfc());
        let typed = (*typed != *composed).then_some(typed);
        Self { composed, typed }
    }

    /// Returns the password without the white space around it, as the language of the username contract's old server
    /// trims: Unicode's white space without NEL (U+0085), and the byte order mark.
    pub fn trimmed(&self) -> Self {
        let is_space = |letter: char| (letter.is_whitespace() && letter != '\u{85}') || letter == '\u{feff}';
        let typed = self.typed.as_ref().unwrap_or(&self.composed);
        Self::of(Zeroizing::new(typed.trim_matches(is_space).to_owned()))
    }

    /// Returns the bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.composed.as_bytes()
    }

    /// Returns the bytes exactly as sent, which most other systems hash.
    pub fn as_typed(&self) -> &[u8] {
        self.typed.as_ref().unwrap_or(&self.composed).as_bytes()
    }

    /// Returns the text for the policy to judge.
    pub(super) fn as_str(&self) -> &str {
        &self.composed
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A password that meets the policy. The use cases check separately whether it is known from a breach.
#[derive(Debug, Clone)]
pub struct NewPassword(Password);

impl NewPassword {
    /// Takes a password for the account of `context`. The error says what to change, without the input.
    pub fn parse(input: String, policy: &PasswordPolicy, context: &PasswordContext) -> Result<Self, &'static str> {
        Self::judge(Password::parse(input, 1)?, policy, context)
    }

    /// Checks a password that is already parsed, as [`Self::parse`] does.
    pub fn judge(password: Password, policy: &PasswordPolicy, context: &PasswordContext) -> Result<Self, &'static str> {
        policy.judge(&password, context)?;
        Ok(Self(password))
    }

    /// Returns the password as it will be typed at sign-in.
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
        for (typed, trimmed) in [
            ("\u{feff}\u{a0}\t pass word\r\n", "pass word"),
            ("\u{85}passw", "\u{85}passw"),
            ("     ", ""),
            (" pa\u{308}ss ", "päss"),
        ] {
            assert_eq!(parsed(typed).unwrap().trimmed().as_bytes(), trimmed.as_bytes(), "{typed:?}");
        }
        assert_eq!(format!("{:?}", parsed("s3cur3pass").unwrap()), "Password(..)");
    }
}
