//! The work for a password that is compared with nothing, because no account has the name. It must be the work that an
//! account's hash takes, or the time of an answer would tell which names exist. Separate because stored hashes differ:
//! after HASH_PARAMS was raised, and after an import, most still have their old cost.
//!
//! Each name without an account gets the cost of one of the stored hashes of accounts with names of its kind: all
//! usernames may have been imported, and no email address. A cost is given as often as those accounts have it, and
//! always to the same names, so that neither one answer nor several tell such a name from that of an account.

use std::sync::{PoisonError, RwLock};

use super::Nobody;
use crate::domain::{NameKind, PasswordHash};

/// The hashes that are imitated.
#[derive(Debug)]
pub(super) struct Imitations {
    /// A hash of the present parameters, imitated until the stored hashes are known.
    ours: PasswordHash,
    /// The kinds of names, each with a stored hash of each cost and the number of those, the cheapest first.
    stored: RwLock<Vec<(NameKind, PasswordHash, u64)>>,
}

impl Imitations {
    pub(super) fn new(ours: PasswordHash) -> Self {
        Self { ours, stored: RwLock::default() }
    }

    /// Replaces the counts of stored hashes. They are sorted, so that a name changes its cost seldom, and only from old
    /// parameters to new ones while sign-ins replace the hashes.
    pub(super) fn set(&self, mut stored: Vec<(NameKind, PasswordHash, u64)>) {
        stored.sort_by_key(|(_, hash, _)| hash.work());
        *self.stored.write().unwrap_or_else(PoisonError::into_inner) = stored;
    }

    /// The hash to imitate for a name.
    pub(super) fn of(&self, nobody: Nobody) -> PasswordHash {
        let stored = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        let of_kind = || stored.iter().filter(|(kind, ..)| *kind == nobody.kind);
        let all: u64 = of_kind().map(|(.., number)| number).sum();
        let mut before = (u128::from(nobody.lot) * u128::from(all)) >> u64::BITS;
        let drawn = of_kind().find(|(.., number)| {
            let is_here = before < u128::from(*number);
            before = before.saturating_sub(u128::from(*number));
            is_here
        });
        drawn.map_or(&self.ours, |(_, hash, _)| hash).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{Imitations, Nobody};
    use crate::domain::NameKind::{Email, Username};
    use crate::domain::PasswordHash;

    fn hash(memory: u32) -> PasswordHash {
        let rest = "$c2FsdHNhbHRzYWx0c2FsdA$XGzx2MLOxm2YMtEW6ax1lyJeJsteEZp/pGOKjSkw53k";
        PasswordHash::parse(&format!("$argon2id$v=19$m={memory},t=2,p=1{rest}")).unwrap()
    }

    #[test]
    fn a_cost_is_imitated_as_often_as_accounts_have_it_and_always_for_the_same_names() {
        let imitations = Imitations::new(hash(65_536));
        let memory_of = |kind, lot| imitations.of(Nobody { kind, lot }).work() / 2;
        let memory = |lot: u64| memory_of(Username, lot);
        assert_eq!([0, u64::MAX].map(memory), [65_536; 2], "before the stored hashes are known");
        imitations.set(vec![(Username, hash(65_536), 1), (Email, hash(8), 9), (Username, hash(19_456), 3)]);
        let lots: Vec<u64> = (0..1_000).map(|n| n * (u64::MAX / 1_000)).collect();
        let cheap = lots.iter().filter(|lot| memory(**lot) == 19_456).count();
        assert!((749..=751).contains(&cheap), "{cheap}");
        let first: Vec<_> = lots.iter().map(|lot| memory(*lot)).collect();
        assert!(lots.iter().all(|lot| memory_of(Email, *lot) == 8), "names of the other kind have other costs");
        imitations.set(vec![(Username, hash(19_456), 2), (Username, hash(65_536), 2)]);
        for (lot, first) in lots.into_iter().zip(first) {
            assert!(memory(lot) >= first, "a name changes to the new cost only");
        }
        imitations.set(Vec::new());
        assert_eq!(memory(7), 65_536);
    }
}
