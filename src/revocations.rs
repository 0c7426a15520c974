//! The sessions that ended before their tokens did, in memory, so that asking costs no database read. Separate from the
//! store, where they are durable, and from the layer, which asks: each entry arrives here by whoever ended the session
//! in this process, or by the feed when another process did.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::Revocation;

/// The live revocations. An entry is live until the last token it concerns has expired by itself.
#[derive(Debug, Default)]
pub struct Revocations {
    live: RwLock<Live>,
}

#[derive(Debug, Default)]
struct Live {
    /// Session → until when the entry is needed.
    sessions: HashMap<Uuid, OffsetDateTime>,
    /// Account → first epoch that survives, and until when the entry is needed.
    accounts: HashMap<Uuid, (i64, OffsetDateTime)>,
}

impl Revocations {
    /// Takes note of a revocation, needed until `until`, and tells whether it was news. Saying it twice changes nothing.
    pub fn insert(&self, revocation: Revocation, until: OffsetDateTime) -> bool {
        let mut live = self.write();
        match revocation {
            Revocation::Session(id) => match live.sessions.get_mut(&id) {
                None => live.sessions.insert(id, until).is_none(),
                Some(known) => {
                    *known = until.max(*known);
                    false
                }
            },
            Revocation::Account { id, epoch } => match live.accounts.get_mut(&id) {
                None => live.accounts.insert(id, (epoch, until)).is_none(),
                Some(known) => {
                    let is_news = epoch > known.0;
                    *known = (epoch.max(known.0), until.max(known.1));
                    is_news
                }
            },
        }
    }

    /// Whether a token of this session, account and epoch is dead.
    pub fn contains(&self, session_id: Uuid, account_id: Uuid, epoch: i64) -> bool {
        let live = self.read();
        live.sessions.contains_key(&session_id)
            || live.accounts.get(&account_id).is_some_and(|&(survivor, _)| epoch < survivor)
    }

    /// Forgets what no living token needs any more.
    pub fn purge(&self, now: OffsetDateTime) {
        let mut live = self.write();
        live.sessions.retain(|_, until| *until > now);
        live.accounts.retain(|_, (_, until)| *until > now);
    }

    /// How many entries are live.
    pub fn len(&self) -> usize {
        let live = self.read();
        live.sessions.len() + live.accounts.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // No code can panic while it holds the lock half-way through a change, so a poisoned one is as good as new.
    fn read(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::Revocations;
    use crate::domain::Revocation;

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(second).unwrap()
    }

    #[test]
    fn a_session_entry_kills_that_session_and_leaves_when_its_tokens_have_expired() {
        let (set, dead, alive, account) = (Revocations::default(), Uuid::from_u128(1), Uuid::from_u128(2), Uuid::nil());
        set.insert(Revocation::Session(dead), at(100));
        assert!(set.contains(dead, account, 0));
        assert!(!set.contains(alive, account, 0));
        set.purge(at(99));
        assert!(set.contains(dead, account, 0));
        set.purge(at(100));
        assert!(set.is_empty());
    }

    #[test]
    fn an_account_entry_kills_the_epochs_before_it_and_never_shrinks() {
        let (set, session, account) = (Revocations::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(set.insert(Revocation::Account { id: account, epoch: 3 }, at(100)));
        assert!(!set.insert(Revocation::Account { id: account, epoch: 2 }, at(50)));
        set.purge(at(60));
        assert!(set.contains(session, account, 2));
        assert!(!set.contains(session, account, 3));
        assert!(!set.contains(session, Uuid::from_u128(9), 0));
        assert_eq!(set.len(), 1);
    }
}
