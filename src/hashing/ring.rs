//! Members that take turns: each has something waiting, and goes to the end after its turn. Separate because the queue
//! has rings within a ring: networks take turns, and so do the addresses of each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

/// The waiting jobs of a member.
pub(super) trait Waiting: Default {
    /// Returns the number of jobs.
    fn len(&self) -> usize;
}

/// The members that have something waiting. Others are not remembered.
#[derive(Debug)]
pub(super) struct Ring<K, W> {
    members: HashMap<K, RingMember<W>>,
    /// The next turn of each member.
    turns: BTreeMap<u64, K>,
    /// The members by their number of jobs, and then by turn.
    sizes: BTreeSet<(usize, u64)>,
    /// For each index, the number of members with more jobs than the index. No entry is zero, so the length is the
    /// largest number of jobs of a member.
    more_than: Vec<usize>,
    jobs: usize,
}

#[derive(Debug)]
struct RingMember<W> {
    turn: u64,
    waiting: W,
}

impl<K: Copy + Eq + Hash, W: Waiting> Ring<K, W> {
    /// Returns what a member has waiting.
    pub(super) fn get(&self, key: K) -> Option<&W> {
        self.members.get(&key).map(|member| &member.waiting)
    }

    /// Returns all members in the order of their turns.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = (K, &W)> {
        self.turns.values().filter_map(|&key| Some((key, self.get(key)?)))
    }

    /// Returns the member with most jobs; of several, the one with the last turn.
    pub(super) fn longest(&self) -> Option<(K, &W)> {
        let (_, turn) = self.sizes.last()?;
        let key = *self.turns.get(turn)?;
        Some((key, self.get(key)?))
    }

    /// Returns how many jobs, at most, are served before one of a member that has `own` before it.
    pub(super) fn ahead_of(&self, own: usize) -> usize {
        // Each member is served as many jobs as it has, and at most one more than `own`.
        self.more_than.iter().take(own + 1).sum()
    }

    /// Changes what a member has waiting. A member without jobs enters with this turn, which is later than all others.
    pub(super) fn change<T>(&mut self, key: K, turn: u64, change: impl FnOnce(&mut W) -> T) -> T {
        self.change_with(key, |before| before.unwrap_or(turn), change)
    }

    /// Changes what a member has waiting when it has its turn; `next` is its next turn.
    pub(super) fn serve<T>(&mut self, key: K, next: u64, change: impl FnOnce(&mut W) -> T) -> T {
        self.change_with(key, |_| next, change)
    }

    fn change_with<T>(&mut self, key: K, turn: impl FnOnce(Option<u64>) -> u64, change: impl FnOnce(&mut W) -> T) -> T {
        let (turn_before, mut waiting) = match self.members.remove(&key) {
            Some(RingMember { turn, waiting }) => (Some(turn), waiting),
            None => (None, W::default()),
        };
        let before = waiting.len();
        if let Some(turn) = turn_before {
            self.turns.remove(&turn);
            self.sizes.remove(&(before, turn));
        }
        let result = change(&mut waiting);
        let after = waiting.len();
        self.count(before, after);
        if after > 0 {
            let turn = turn(turn_before);
            self.turns.insert(turn, key);
            self.sizes.insert((after, turn));
            self.members.insert(key, RingMember { turn, waiting });
        }
        result
    }

    fn count(&mut self, before: usize, after: usize) {
        self.jobs = self.jobs + after - before;
        self.more_than.resize(self.more_than.len().max(after), 0);
        self.more_than.iter_mut().take(after).skip(before).for_each(|members| *members += 1);
        self.more_than.iter_mut().take(before).skip(after).for_each(|members| *members -= 1);
        while self.more_than.pop_if(|members| *members == 0).is_some() {}
    }
}

impl<K, W> Default for Ring<K, W> {
    fn default() -> Self {
        Self { members: HashMap::new(), turns: BTreeMap::new(), sizes: BTreeSet::new(), more_than: Vec::new(), jobs: 0 }
    }
}

impl<K, W> Waiting for Ring<K, W> {
    fn len(&self) -> usize {
        self.jobs
    }
}
