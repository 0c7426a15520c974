//! A part of the set, behind one lock: a table of sessions and a table of accounts. Separate because only this file
//! deals with memory: the entry of a session takes 21 bytes, and 24 to 48 with the free room of the hash table.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::RandomState;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Entry, Revocation};

/// The time until which an entry must be remembered: seconds since the Unix epoch, rounded up. It lasts until 2106.
type UnixSeconds = u32;

/// A table by id. The server makes the ids itself, so the fast hash function with a random seed is safe here.
type Table<V> = HashMap<Uuid, V, RandomState>;

#[derive(Debug, Default)]
pub(super) struct Shard(RwLock<Tables>);

#[derive(Debug, Default)]
struct Tables {
    sessions: Table<UnixSeconds>,
    /// For each account, the first epoch that is not revoked, and the time until which that must be remembered.
    accounts: Table<(i64, UnixSeconds)>,
}

impl Shard {
    pub(super) fn insert(&self, revocation: Revocation, until: OffsetDateTime) -> bool {
        let (mut tables, until) = (self.write(), seconds(until));
        match revocation {
            Revocation::Session(id) => match tables.sessions.entry(id) {
                Slot::Vacant(slot) => {
                    slot.insert(until);
                    true
                }
                Slot::Occupied(mut known) => {
                    let longest = until.max(*known.get());
                    known.insert(longest);
                    false
                }
            },
            Revocation::Account { id, epoch } => match tables.accounts.entry(id) {
                Slot::Vacant(slot) => {
                    slot.insert((epoch, until));
                    true
                }
                Slot::Occupied(mut known) => {
                    let (known_epoch, known_until) = *known.get();
                    known.insert((epoch.max(known_epoch), until.max(known_until)));
                    epoch > known_epoch
                }
            },
        }
    }

    pub(super) fn has_session(&self, id: Uuid) -> bool {
        self.read().sessions.contains_key(&id)
    }

    pub(super) fn has_account(&self, id: Uuid, epoch: i64) -> bool {
        self.read().accounts.get(&id).is_some_and(|&(survivor, _)| epoch < survivor)
    }

    pub(super) fn purge(&self, now: OffsetDateTime) {
        let now = now.unix_timestamp();
        let mut tables = self.write();
        tables.sessions.retain(|_, until| i64::from(*until) > now);
        shrink(&mut tables.sessions);
        tables.accounts.retain(|_, (_, until)| i64::from(*until) > now);
        shrink(&mut tables.accounts);
    }

    /// Removes every session, after something else was done with the lock held.
    #[cfg(test)]
    pub(super) fn forget_after(&self, meanwhile: impl FnOnce()) {
        let mut tables = self.write();
        meanwhile();
        tables.sessions.clear();
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        let tables = self.read();
        let sessions = tables.sessions.iter().map(|(&id, &until)| (Revocation::Session(id), until));
        let accounts = tables.accounts.iter().map(|(&id, &(epoch, until))| (Revocation::Account { id, epoch }, until));
        sessions.chain(accounts).map(|(revocation, until)| Entry { revocation, until: time(until) }).collect()
    }

    pub(super) fn len(&self) -> usize {
        let tables = self.read();
        tables.sessions.len() + tables.accounts.len()
    }

    // No code panics in the middle of a change while it holds the lock, so a poisoned lock can be used.
    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frees memory after a peak, and keeps room for twice the present number of entries.
fn shrink<V>(table: &mut Table<V>) {
    if table.len() < table.capacity() / 4 {
        table.shrink_to(table.len() * 2);
    }
}

fn seconds(time: OffsetDateTime) -> UnixSeconds {
    let up = i64::from(time.nanosecond() > 0);
    (time.unix_timestamp() + up).clamp(0, i64::from(UnixSeconds::MAX)).try_into().unwrap_or(UnixSeconds::MAX)
}

fn time(until: UnixSeconds) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(i64::from(until)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::Shard;
    use crate::revocations::Revocation;

    #[test]
    fn an_entry_is_kept_to_the_end_of_its_last_second_and_never_for_less_long_than_was_said() {
        let shard = Shard::default();
        let half_past = OffsetDateTime::from_unix_timestamp_nanos(100_500_000_000).unwrap();
        shard.insert(Revocation::Session(Uuid::nil()), half_past);
        shard.insert(Revocation::Session(Uuid::nil()), OffsetDateTime::UNIX_EPOCH);
        shard.purge(half_past);
        assert!(shard.has_session(Uuid::nil()));
        shard.purge(OffsetDateTime::from_unix_timestamp(101).unwrap());
        assert_eq!(shard.len(), 0);
    }

    #[test]
    fn times_that_nobody_meant_do_no_harm() {
        let shard = Shard::default();
        for (id, year) in [(1, -4_000_i64), (2, 9_000)] {
            let time = OffsetDateTime::from_unix_timestamp(year * 31_556_952 - 62_167_219_200).unwrap();
            shard.insert(Revocation::Session(Uuid::from_u128(id)), time);
        }
        shard.purge(OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap());
        assert!(!shard.has_session(Uuid::from_u128(1)) && shard.has_session(Uuid::from_u128(2)));
        assert_eq!(shard.entries().len(), 1);
    }

    #[test]
    fn a_table_gives_back_the_room_of_a_rush() {
        let shard = Shard::default();
        for id in 0..10_000 {
            shard.insert(Revocation::Session(Uuid::from_u128(id)), OffsetDateTime::UNIX_EPOCH);
        }
        let full = shard.read().sessions.capacity();
        shard.purge(OffsetDateTime::UNIX_EPOCH);
        assert!(shard.read().sessions.capacity() < full / 100);
    }
}
