//! Failed attempts at an account's password, and what they are counted under.

use std::fmt;

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{DeviceNumber, Handle, text};

/// What attempts are counted under: a digest of what was tried. People type passwords into the field of the name, and
/// what nobody is called is counted like any name; so the name itself is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptKey([u8; 32]);

impl AttemptKey {
    /// Of signing in by this name, however it was spelt or stored and wherever it was sent to.
    pub fn login(handle: &Handle) -> Self {
        let kind = match handle {
            Handle::Username(_) => "username",
            Handle::Email(_) => "email",
        };
        Self::of(&["login", kind, &text::canonical(handle.as_str())])
    }

    /// Of proving the password once more within a session, so that strangers who guess at the sign-in never hinder it.
    pub fn change(account_id: Uuid) -> Self {
        Self::of(&["change", &account_id.to_string()])
    }

    /// Of signing in from one of an account's devices, so that strangers who guess at its name never hinder it.
    pub fn device(account_id: Uuid, number: DeviceNumber) -> Self {
        Self::of(&["device", &account_id.to_string(), &number.get().to_string()])
    }

    /// Everything that attempts at the password of an account are counted under. A name that an earlier version stored is
    /// counted under the one that its spelling leads to now, which may be somebody else's: that count is not the account's.
    pub fn of_account(id: Uuid, handle: &Handle) -> impl Iterator<Item = Self> + use<> {
        let devices = DeviceNumber::all().map(move |number| Self::device(id, number));
        let is_its_own = text::canonical(handle.as_str()) == handle.as_str();
        is_its_own.then(|| Self::login(handle)).into_iter().chain([Self::change(id)]).chain(devices)
    }

    /// The reverse of its text.
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

    /// No part has a NUL, for no name has one.
    fn of(parts: &[&str]) -> Self {
        Self(Sha256::digest(parts.join("\0")).into())
    }
}

/// 64 hexadecimal digits.
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

/// The attempts that failed since the last one that succeeded: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// How many.
    pub failures: u32,
    /// When the latest did.
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
        let names = [login("alice"), login("bobby"), login("ada@example.com"), AttemptKey::change(Uuid::nil())];
        let keys: Vec<_> = names.into_iter().chain(devices).collect();
        // Whoever changes the password of an account that an earlier version misnamed begins nobody else's count anew.
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
