//! The ticket of a sign-in whose password was right and whose second factor is still to come. It is a sealed value, so
//! no table is read before it is proved, and it holds everything that must not have changed when the sign-in is
//! finished. The account's failures of codes are not in it: they are counted for the account, whatever the ticket.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::core::Accounts;
use crate::domain::{AccountStatus, AttemptKey, DeviceNumber};
use crate::store::{Budget, Credentials};

/// How long a person has to find the code.
pub(super) const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// The purpose that tickets are sealed for.
const PURPOSE: &str = "second factor";

/// Stands for a sign-in from a device that is not known.
const NO_DEVICE: u8 = u8::MAX;

/// A sign-in that waits for its second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoginTicket {
    /// The id by which the ticket is used once.
    pub id: Uuid,
    pub account_id: Uuid,
    /// The epoch of the account when the password was verified.
    pub epoch: i64,
    pub password_changes: i64,
    pub factor_changes: i64,
    /// When the ticket expires, in whole seconds.
    pub until: OffsetDateTime,
    /// The budget that the password was guessed under.
    pub budget: Budget,
    /// The device that the sign-in came from, if the account has signed in from it before.
    pub device: Option<DeviceNumber>,
}

impl LoginTicket {
    /// Whether the account is still what it was when the password was verified.
    pub(super) fn is_of(&self, found: &Credentials) -> bool {
        let account = &found.account;
        account.status == AccountStatus::Active
            && found.second_factor
            && (account.id, account.epoch) == (self.account_id, self.epoch)
            && (found.password_changes, found.factor_changes) == (self.password_changes, self.factor_changes)
    }

    fn to_bytes(self) -> Vec<u8> {
        let numbers = [self.epoch, self.password_changes, self.factor_changes, self.until.unix_timestamp()];
        let mut bytes = [self.id, self.account_id].map(Uuid::into_bytes).concat();
        bytes.extend(numbers.map(i64::to_be_bytes).concat());
        bytes.extend([self.budget.seen, self.budget.below].map(u32::to_be_bytes).concat());
        bytes.push(self.device.map_or(NO_DEVICE, DeviceNumber::get));
        bytes.extend(self.budget.key.to_string().into_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (account_id, rest) = rest.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (password_changes, rest) = rest.split_first_chunk()?;
        let (factor_changes, rest) = rest.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let (seen, rest) = rest.split_first_chunk()?;
        let (below, rest) = rest.split_first_chunk()?;
        let (&device, key) = rest.split_first()?;
        let key = AttemptKey::parse(std::str::from_utf8(key).ok()?)?;
        Some(Self {
            id: Uuid::from_bytes(*id),
            account_id: Uuid::from_bytes(*account_id),
            epoch: i64::from_be_bytes(*epoch),
            password_changes: i64::from_be_bytes(*password_changes),
            factor_changes: i64::from_be_bytes(*factor_changes),
            until: OffsetDateTime::from_unix_timestamp(i64::from_be_bytes(*until)).ok()?,
            budget: Budget { key, seen: u32::from_be_bytes(*seen), below: u32::from_be_bytes(*below) },
            device: DeviceNumber::new(device),
        })
    }
}

impl Accounts {
    pub(super) fn seal_login_ticket(&self, ticket: LoginTicket) -> String {
        self.tokens.seal(PURPOSE, &ticket.to_bytes())
    }

    /// Reads a ticket; `None` if it is not of this service or has expired.
    pub(super) fn open_login_ticket(&self, sealed: &str) -> Option<LoginTicket> {
        let ticket = LoginTicket::from_bytes(&self.tokens.unseal(PURPOSE, sealed)?)?;
        (self.clock.now() < ticket.until).then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::LoginTicket;
    use crate::domain::{AttemptKey, DeviceNumber};
    use crate::store::Budget;

    #[test]
    fn a_ticket_is_read_as_it_was_written_and_only_whole() {
        for device in [None, DeviceNumber::new(4)] {
            let budget = Budget { key: AttemptKey::change(Uuid::from_u128(3)), seen: 4, below: 10 };
            let ticket = LoginTicket {
                id: Uuid::from_u128(1),
                account_id: Uuid::from_u128(2),
                epoch: 5,
                password_changes: 6,
                factor_changes: 7,
                until: OffsetDateTime::from_unix_timestamp(1_900_000_000).unwrap(),
                budget,
                device,
            };
            let bytes = ticket.to_bytes();
            assert_eq!(LoginTicket::from_bytes(&bytes), Some(ticket));
            for at in 0..bytes.len() {
                assert_eq!(LoginTicket::from_bytes(&bytes[..at]), None, "{at}");
            }
        }
    }
}
