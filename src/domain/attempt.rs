//! Failed attempts at an account's password, and the keys that they are counted by.

use std::fmt;

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{DeviceNumber, Handle, text};

/// The key that failed attempts are counted by: a digest of the name that was tried. People type passwords into the
/// name field by mistake, and a name without an account is counted as well, so the name itself is not stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptKey([u8; 32]);

impl AttemptKey {
    /// Returns the key of signing in by this name, for every spelling and every API.
    pub fn login(handle: &Handle) -> Self {
        let kind = match handle {
            Handle::Username(_) => "username",
            Handle::Email(_) => "email",
        };
        Self::of(&["login", kind, &text::canonical(handle.as_str())])
    }

    /// Returns the key of proving the password again within a session, which guesses at the sign-in do not affect.
    pub fn change(account_id: Uuid) -> Self {
        Self::of(&["change", &account_id.to_string()])
    }

    /// Returns the key of signing in from one of an account's devices, which guesses at the account's name do not
    /// affect.
    pub fn device(account_id: Uuid, number: DeviceNumber) -> Self {
        Self::of(&["device", &account_id.to_string(), &number.get().to_string()])
    }

    /// Returns the key of codes that finish a sign-in. It is not a key of the password, which a mailed link can
    /// replace: whoever reads the owner's mail must not gain guesses at the codes.
    pub fn code(account_id: Uuid) -> Self {
        Self::of(&["code", &account_id.to_string()])
    }

    /// Returns every key that attempts at the password of an account are counted by. A name that an earlier version
    /// stored leads to another account if that account has the canonical spelling; the key of that spelling is then not
    /// among them.
    pub fn of_account(id: Uuid, handle: &Handle) -> impl Iterator<Item = Self> + use<> {
        let devices = DeviceNumber::all().map(move |number| Self::device(id, number));
        let is_its_own = text::canonical(handle.as_str()) == handle.as_str();
        is_its_own.then(|| Self::login(handle)).into_iter().chain([Self::change(id)]).chain(devices)
    }

    /// Reads the hexadecimal form of a key.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes)).filter(|key| key.to_string() == text)
    }

    /// The parts are joined by NUL, which no name contains.
    fn of(parts: &[&str]) -> Self {
        Self(Sha256::digest(parts.join("\0")).into())
    }
}

/// A key is written as 64 hexadecimal digits.
impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The attempts that failed since the last success: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// The number of failures.
    pub failures: u32,
    /// The time of the latest failure.
    pub last_failed_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::AttemptKey;
    use crate::domain::{DeviceNumber, Handle, Username};

    #[test]
    fn each_spelling_of_a_name_has_one_key_and_no_two_things_share_one() {
        let login = |text| AttemptKey::login(&Handle::parse(text).unwrap());
        assert_eq!(login("Alice"), login(" aLICE "));
        let stored = Handle::Username(Username::stored("jeßica".to_owned()).unwrap());
        assert_eq!(login("JEẞICA"), AttemptKey::login(&stored));
        assert_eq!(login("Ada@Example.com"), login("ada@example.COM"));
        let devices = DeviceNumber::all().map(|number| AttemptKey::device(Uuid::nil(), number));
        let own = [AttemptKey::change(Uuid::nil()), AttemptKey::code(Uuid::nil())];
        let names = [login("alice"), login("bobby"), login("ada@example.com")].into_iter().chain(own);
        let keys: Vec<_> = names.chain(devices).collect();
        // A change of the password of an account with a misnamed username does not reset the counter of another
        // account.
        let of = |handle: &Handle| AttemptKey::of_account(Uuid::nil(), handle).collect::<Vec<_>>();
        assert!(!of(&stored).contains(&login("jessica")));
        assert!(of(&Handle::parse("jessica").unwrap()).contains(&login("jessica")));
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{at}");
            assert_eq!(AttemptKey::parse(&key.to_string()), Some(*key));
            assert!(key.to_string().len() == 64 && key.to_string().bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
        for text in ["", "ab", &"g".repeat(64), &"A".repeat(64), &"+1".repeat(32), &"ä".repeat(32)] {
            assert_eq!(AttemptKey::parse(text), None, "{text}");
        }
    }
}
