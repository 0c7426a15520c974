//! The guess slots of each account in this process: at most as many guesses are in progress as may still fail, and
//! further ones wait in the order of their arrival. Separate from the count of failures, which is in the store: a guess
//! in progress has no outcome yet.
//!
//! An account has an entry here only while a guess at it waits or is in progress.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as FairMutex, Notify};

use crate::domain::AttemptKey;

/// The most guesses at one account that may wait or be in progress: as many as may wait for a hash, by default. Further
/// ones would only wait to be refused.
const MAX_GUESSES: usize = 128;

/// The guess slots of all accounts that have guesses.
#[derive(Default)]
pub struct GuessSlots(Mutex<HashMap<AttemptKey, Arc<AccountSlots>>>);

#[derive(Default)]
struct AccountSlots {
    /// Held by the first waiting guess until it gets a slot; the others wait for it in order.
    first: FairMutex<()>,
    /// The number of guesses in progress. Only increased under `first`.
    in_progress: AtomicU32,
    /// Notified when a slot became free.
    freed: Notify,
    /// The number of guesses that wait or are in progress. Changed under the lock of [`GuessSlots`].
    guesses: AtomicU32,
}

/// Refusal of a guess because too many guesses at the account wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyWaiting;

/// A slot of an account, which is freed when this is dropped.
#[must_use]
pub struct GuessSlot(QueuedGuess);

/// A guess that waits or is in progress.
struct QueuedGuess {
    all: Arc<GuessSlots>,
    key: AttemptKey,
    account: Arc<AccountSlots>,
}

impl GuessSlots {
    /// Waits for a slot. `allowed` reads the failures of the account and returns the number of slots and whatever else
    /// it found, or refuses. It is called when the guess has become the first in the queue, and again whenever a slot
    /// became free. Dropping the future leaves the queue.
    pub async fn acquire<T, E, F>(
        self: &Arc<Self>,
        key: AttemptKey,
        allowed: impl Fn() -> F,
    ) -> Result<(GuessSlot, T), E>
    where
        E: From<TooManyWaiting>,
        F: Future<Output = Result<(u32, T), E>>,
    {
        let guess = self.enqueue(key)?;
        let account = Arc::clone(&guess.account);
        let _first = account.first.lock().await;
        loop {
            // Registered before the look-up: the look-up may not see the failure of a guess that ends during it.
            let mut freed = pin!(account.freed.notified());
            freed.as_mut().enable();
            let in_progress = account.in_progress.load(Ordering::SeqCst);
            let (slots, found) = allowed().await?;
            if in_progress < slots {
                account.in_progress.fetch_add(1, Ordering::SeqCst);
                return Ok((GuessSlot(guess), found));
            }
            // A guess that waits keeps nothing that others need.
            drop(found);
            freed.await;
        }
    }

    fn enqueue(self: &Arc<Self>, key: AttemptKey) -> Result<QueuedGuess, TooManyWaiting> {
        let mut accounts = self.accounts();
        let account = Arc::clone(accounts.entry(key).or_default());
        if account.guesses.load(Ordering::Relaxed) as usize >= MAX_GUESSES {
            return Err(TooManyWaiting);
        }
        account.guesses.fetch_add(1, Ordering::Relaxed);
        drop(accounts);
        Ok(QueuedGuess { all: Arc::clone(self), key, account })
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<AttemptKey, Arc<AccountSlots>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for QueuedGuess {
    fn drop(&mut self) {
        let mut accounts = self.all.accounts();
        if self.account.guesses.fetch_sub(1, Ordering::Relaxed) == 1 {
            accounts.remove(&self.key);
            // Gives back the memory of a flood of guesses.
            let (used, capacity) = (accounts.len(), accounts.capacity());
            if capacity > 1_024 && used < capacity / 4 {
                accounts.shrink_to(used * 2);
            }
        }
    }
}

impl Drop for GuessSlot {
    fn drop(&mut self) {
        self.0.account.in_progress.fetch_sub(1, Ordering::SeqCst);
        self.0.account.freed.notify_waiters();
    }
}

impl fmt::Debug for GuessSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuessSlots").field("accounts", &self.accounts().len()).finish()
    }
}

impl fmt::Debug for GuessSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuessSlot(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt as _;

    use super::{GuessSlot, GuessSlots, MAX_GUESSES, TooManyWaiting};
    use crate::domain::{AttemptKey, Handle};

    fn key(name: &str) -> AttemptKey {
        AttemptKey::login(&Handle::parse(name).unwrap())
    }

    /// Waits for one of `count` slots of alice.
    async fn slot(slots: &Arc<GuessSlots>, count: &AtomicU32) -> Result<GuessSlot, TooManyWaiting> {
        let allowed = async || Ok((count.load(Ordering::SeqCst), ()));
        slots.acquire(key("alice"), allowed).await.map(|(slot, ())| slot)
    }

    #[test]
    fn as_many_guesses_are_in_progress_as_there_are_slots_and_the_next_when_one_is_freed() {
        let (slots, count) = (Arc::new(GuessSlots::default()), AtomicU32::new(2));
        let [first, second] = [(); 2].map(|()| slot(&slots, &count).now_or_never().unwrap().unwrap());
        let (mut third, mut fourth) = (Box::pin(slot(&slots, &count)), Box::pin(slot(&slots, &count)));
        assert!((&mut third).now_or_never().is_none() && (&mut fourth).now_or_never().is_none());
        drop(first);
        assert!((&mut fourth).now_or_never().is_none(), "the third is first");
        let third = third.now_or_never().unwrap().unwrap();
        assert!((&mut fourth).now_or_never().is_none());
        // Each failure takes a slot away.
        count.store(1, Ordering::SeqCst);
        drop(second);
        assert!((&mut fourth).now_or_never().is_none(), "one is in progress, and there is one slot");
        drop(third);
        drop(fourth.now_or_never().unwrap().unwrap());
        assert!(slots.accounts().is_empty(), "no account is remembered");
    }

    #[test]
    fn a_guess_that_leaves_the_queue_delays_no_other() {
        let (slots, count) = (Arc::new(GuessSlots::default()), AtomicU32::new(1));
        let guessing = slot(&slots, &count).now_or_never().unwrap().unwrap();
        let (mut leaver, mut waiter) = (Box::pin(slot(&slots, &count)), Box::pin(slot(&slots, &count)));
        assert!((&mut leaver).now_or_never().is_none() && (&mut waiter).now_or_never().is_none());
        drop(leaver);
        assert!((&mut waiter).now_or_never().is_none());
        drop(guessing);
        drop(waiter.now_or_never().unwrap().unwrap());
        assert!(slots.accounts().is_empty());
    }

    #[test]
    fn a_refused_guess_lets_the_next_one_look_up() {
        let slots = Arc::new(GuessSlots::default());
        let refuse = async || Err::<(u32, ()), Option<TooManyWaiting>>(None);
        for _ in 0..3 {
            assert!(matches!(slots.acquire(key("alice"), refuse).now_or_never(), Some(Err(None))));
        }
        assert!(slots.accounts().is_empty());
    }

    #[test]
    fn accounts_do_not_wait_for_each_other_and_a_long_queue_is_refused() {
        let (slots, count) = (Arc::new(GuessSlots::default()), AtomicU32::new(1));
        let _guessing = slot(&slots, &count).now_or_never().unwrap().unwrap();
        let mut crowd: Vec<_> = (1..MAX_GUESSES).map(|_| Box::pin(slot(&slots, &count))).collect();
        assert!(crowd.iter_mut().all(|waiter| waiter.now_or_never().is_none()));
        assert!(matches!(slot(&slots, &count).now_or_never(), Some(Err(TooManyWaiting))));
        let other = slots.acquire(key("bobby"), async || Ok::<_, TooManyWaiting>((1, ())));
        assert!(other.now_or_never().unwrap().is_ok());
        assert_eq!(slots.accounts().len(), 1);
    }
}
