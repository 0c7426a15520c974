//! Whose turn it is to guess at an account, in this process: first come, first served, and never more under way than may
//! still fail. Separate from the count of failures, which the store has: this is about those of which it is not known yet
//! how they end.
//!
//! An account is known here only while somebody waits or guesses.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Gate, Notify};

use crate::domain::AttemptKey;

/// Who wait for one account and who guess at it, at most: as many as wait for a hash, by default. More would be kept waiting
/// only to be told that they came too late.
const MOST: usize = 128;

/// All accounts that somebody is guessing at.
#[derive(Default)]
pub struct Turns(Mutex<HashMap<AttemptKey, Arc<Line>>>);

#[derive(Default)]
struct Line {
    /// Held by whoever is first, until it may guess.
    gate: Gate<()>,
    /// How many are guessing. Only who holds the gate adds to it.
    flying: AtomicU32,
    /// Somebody is guessing no longer.
    landed: Notify,
    /// Who wait and who guess. Changed under the lock of [`Turns`].
    members: AtomicU32,
}

/// Too many wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

/// A turn. Over when it is dropped.
#[must_use]
pub struct Place(Member);

/// Somebody who waits or guesses.
struct Member {
    turns: Arc<Turns>,
    key: AttemptKey,
    line: Arc<Line>,
}

impl Turns {
    /// Waits for a turn. `judge` looks the failures up, and tells how many may be under way and what else it found, or
    /// refuses; it is asked when one comes first, and again whenever somebody has landed. Dropping the future gives the
    /// place in the line up.
    pub async fn wait<T, E, F>(self: &Arc<Self>, key: AttemptKey, judge: impl Fn() -> F) -> Result<(Place, T), E>
    where
        E: From<Crowded>,
        F: Future<Output = Result<(u32, T), E>>,
    {
        let member = self.join(key)?;
        let line = Arc::clone(&member.line);
        let _first = line.gate.lock().await;
        loop {
            // Before the look-up: who lands during it has been counted by the store for certain only in the next one.
            let mut landed = pin!(line.landed.notified());
            landed.as_mut().enable();
            let flying = line.flying.load(Ordering::SeqCst);
            let (room, found) = judge().await?;
            if flying < room {
                line.flying.fetch_add(1, Ordering::SeqCst);
                return Ok((Place(member), found));
            }
            landed.await;
        }
    }

    fn join(self: &Arc<Self>, key: AttemptKey) -> Result<Member, Crowded> {
        let mut lines = self.lines();
        let line = Arc::clone(lines.entry(key).or_default());
        if line.members.load(Ordering::Relaxed) as usize >= MOST {
            return Err(Crowded);
        }
        line.members.fetch_add(1, Ordering::Relaxed);
        drop(lines);
        Ok(Member { turns: Arc::clone(self), key, line })
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<AttemptKey, Arc<Line>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut lines = self.turns.lines();
        if self.line.members.fetch_sub(1, Ordering::Relaxed) == 1 {
            lines.remove(&self.key);
            // A storm's room is not kept for ever.
            let (used, room) = (lines.len(), lines.capacity());
            if room > 1_024 && used < room / 4 {
                lines.shrink_to(used * 2);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.line.flying.fetch_sub(1, Ordering::SeqCst);
        self.0.line.landed.notify_waiters();
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("accounts", &self.lines().len()).finish()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt as _;

    use super::{Crowded, MOST, Place, Turns};
    use crate::domain::{AttemptKey, Handle};

    fn key(name: &str) -> AttemptKey {
        AttemptKey::login(&Handle::parse(name).unwrap())
    }

    /// Waits for a turn where there is room for as many as `room` says.
    async fn turn(turns: &Arc<Turns>, room: &AtomicU32) -> Result<Place, Crowded> {
        let judge = async || Ok((room.load(Ordering::SeqCst), ()));
        turns.wait(key("alice"), judge).await.map(|(place, ())| place)
    }

    #[test]
    fn as_many_guess_at_once_as_there_is_room_for_and_the_next_when_one_has_landed() {
        let (turns, room) = (Arc::new(Turns::default()), AtomicU32::new(2));
        let [first, second] = [(); 2].map(|()| turn(&turns, &room).now_or_never().unwrap().unwrap());
        let (mut third, mut fourth) = (Box::pin(turn(&turns, &room)), Box::pin(turn(&turns, &room)));
        assert!((&mut third).now_or_never().is_none() && (&mut fourth).now_or_never().is_none());
        drop(first);
        assert!((&mut fourth).now_or_never().is_none(), "the third is first");
        let third = third.now_or_never().unwrap().unwrap();
        assert!((&mut fourth).now_or_never().is_none());
        // Each failure takes room.
        room.store(1, Ordering::SeqCst);
        drop(second);
        assert!((&mut fourth).now_or_never().is_none(), "one is under way, and there is room for one");
        drop(third);
        drop(fourth.now_or_never().unwrap().unwrap());
        assert!(turns.lines().is_empty(), "nobody is remembered");
    }

    #[test]
    fn who_leaves_the_line_holds_nobody_up() {
        let (turns, room) = (Arc::new(Turns::default()), AtomicU32::new(1));
        let flying = turn(&turns, &room).now_or_never().unwrap().unwrap();
        let (mut leaver, mut waiter) = (Box::pin(turn(&turns, &room)), Box::pin(turn(&turns, &room)));
        assert!((&mut leaver).now_or_never().is_none() && (&mut waiter).now_or_never().is_none());
        drop(leaver);
        assert!((&mut waiter).now_or_never().is_none());
        drop(flying);
        drop(waiter.now_or_never().unwrap().unwrap());
        assert!(turns.lines().is_empty());
    }

    #[test]
    fn who_is_refused_lets_the_next_one_ask() {
        let turns = Arc::new(Turns::default());
        let refuse = async || Err::<(u32, ()), Option<Crowded>>(None);
        for _ in 0..3 {
            assert!(matches!(turns.wait(key("alice"), refuse).now_or_never(), Some(Err(None))));
        }
        assert!(turns.lines().is_empty());
    }

    #[test]
    fn accounts_do_not_wait_for_each_other_and_a_crowd_is_turned_away() {
        let (turns, room) = (Arc::new(Turns::default()), AtomicU32::new(1));
        let _flying = turn(&turns, &room).now_or_never().unwrap().unwrap();
        let mut crowd: Vec<_> = (1..MOST).map(|_| Box::pin(turn(&turns, &room))).collect();
        assert!(crowd.iter_mut().all(|waiter| waiter.now_or_never().is_none()));
        assert!(matches!(turn(&turns, &room).now_or_never(), Some(Err(Crowded))));
        let other = turns.wait(key("bobby"), async || Ok::<_, Crowded>((1, ())));
        assert!(other.now_or_never().unwrap().is_ok());
        assert_eq!(turns.lines().len(), 1);
    }
}
