//! The devices of an account, from which its owner can sign in while a stranger guesses at the password.
//!
//! An account has five devices, however many programs sign in to it: a program that signs in for the first time is
//! given one of the five by chance. An attacker who holds the values of a hundred programs therefore has the guesses of
//! five devices.

use uuid::Uuid;

use super::AttemptKey;

/// One device of an account, valid for one password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Device {
    /// The id of the account.
    pub account_id: Uuid,
    /// The number of the device.
    pub number: DeviceNumber,
    /// How often the password had been changed when the device signed in. The next change makes the device void.
    pub password_changes: i64,
}

/// The number of one of the five devices of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceNumber(u8);

/// How many devices an account has.
const DEVICES: u8 = 5;

impl DeviceNumber {
    /// Returns the stored number, or `None` when no device has it.
    pub fn new(number: u8) -> Option<Self> {
        (number < DEVICES).then_some(Self(number))
    }

    /// Returns the device of a session without a device value. The last byte of a session's id is random.
    pub fn of_session(id: Uuid) -> Self {
        Self(id.as_bytes()[15] % DEVICES)
    }

    /// Returns every device number.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..DEVICES).map(Self)
    }

    /// Returns the number, 0 to 4.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Device {
    /// Returns the key that failed sign-ins from the device are counted by.
    pub(crate) fn attempts(&self) -> AttemptKey {
        AttemptKey::device(self.account_id, self.number)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::DeviceNumber;

    #[test]
    fn an_account_has_five_devices_whatever_number_of_sessions() {
        let all: Vec<_> = DeviceNumber::all().collect();
        assert_eq!(all.iter().map(|device| device.get()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        for id in 0..=255 {
            let number = DeviceNumber::of_session(Uuid::from_u128(id));
            assert!(all.contains(&number));
            assert_eq!(DeviceNumber::new(number.get()), Some(number));
        }
        assert_eq!(DeviceNumber::new(5), None);
    }
}
