//! The devices of an account: what lets its owner in while strangers guess at its password.
//!
//! An account has five devices, whatever number of programs sign in to it: a program that signs in for the first time is
//! given one of the five by chance. So whoever holds the values of a hundred programs has the guesses of five.

use uuid::Uuid;

use super::AttemptKey;

/// One device of an account, as of one password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// The account.
    pub account_id: Uuid,
    /// Which of its devices.
    pub number: DeviceNumber,
    /// How often another password had been set when the device signed in: another password makes it void.
    pub password_changes: i64,
}

/// Which of the five devices of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceNumber(u8);

/// How many devices an account has.
const DEVICES: u8 = 5;

impl DeviceNumber {
    /// The number that was stored as `number`; `None` when no device has it.
    pub fn new(number: u8) -> Option<Self> {
        (number < DEVICES).then_some(Self(number))
    }

    /// The device that a session without one belongs to. The last byte of a session's id is random.
    pub fn of_session(id: Uuid) -> Self {
        Self(id.as_bytes()[15] % DEVICES)
    }

    /// Every device that an account has.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..DEVICES).map(Self)
    }

    /// 0 to 4.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Device {
    /// What failed sign-ins from it are counted under.
    pub fn attempts(&self) -> AttemptKey {
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
