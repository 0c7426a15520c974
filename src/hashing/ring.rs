//! Members that take turns: each has something waiting, and whoever had its turn goes to the end. Apart from the queue
//! because that has two of them, one in the other: networks take turns, and so do the addresses of each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

/// What a member has waiting.
pub(super) trait Waiting: Default {
    /// How many jobs.
    fn len(&self) -> usize;
}

/// The members. One is known only while it has something waiting.
#[derive(Debug)]
pub(super) struct Ring<K, W> {
    members: HashMap<K, Member<W>>,
    /// The next turn of each.
    turns: BTreeMap<u64, K>,
    /// By how many jobs wait, and then by turn.
    sizes: BTreeSet<(usize, u64)>,
    /// How many members have more jobs than the index. None is zero, so it is as long as the most that any has.
    more_than: Vec<usize>,
    jobs: usize,
}

#[derive(Debug)]
struct Member<W> {
    turn: u64,
    waiting: W,
}

impl<K: Copy + Eq + Hash, W: Waiting> Ring<K, W> {
    /// What a member has waiting.
    pub fn get(&self, key: K) -> Option<&W> {
        self.members.get(&key).map(|member| &member.waiting)
    }

    /// All members, in the order of their turns.
    pub fn in_turn(&self) -> impl Iterator<Item = (K, &W)> {
        self.turns.values().filter_map(|&key| Some((key, self.get(key)?)))
    }

    /// The member with most waiting; of several, the one whose turn comes last.
    pub fn longest(&self) -> Option<(K, &W)> {
        let (_, turn) = self.sizes.last()?;
        let key = *self.turns.get(turn)?;
        Some((key, self.get(key)?))
    }

    /// How many jobs, at most, are served before one of a member that has `own` before it.
    pub fn ahead_of(&self, own: usize) -> usize {
        // Of each member as many as it has, and at most one more than its own.
        self.more_than.iter().take(own + 1).sum()
    }

    /// Changes what a member has waiting. One that had nothing comes with this turn, which is later than all others.
    pub fn change<T>(&mut self, key: K, turn: u64, change: impl FnOnce(&mut W) -> T) -> T {
        self.change_with(key, |before| before.unwrap_or(turn), change)
    }

    /// The same of a member that has its turn now; this is its next one.
    pub fn serve<T>(&mut self, key: K, next: u64, change: impl FnOnce(&mut W) -> T) -> T {
        self.change_with(key, |_| next, change)
    }

    fn change_with<T>(&mut self, key: K, turn: impl FnOnce(Option<u64>) -> u64, change: impl FnOnce(&mut W) -> T) -> T {
        let (turn_before, mut waiting) = match self.members.remove(&key) {
            Some(Member { turn, waiting }) => (Some(turn), waiting),
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
            self.members.insert(key, Member { turn, waiting });
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
