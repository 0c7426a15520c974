//! The audit trail on its way: each event is a log line at once, and a row soon after. Apart from the use cases because
//! no call waits for the database on its behalf: what happened is kept here, in bounded memory, until the server has written
//! it (`server/trail.rs`); the command line writes it before it says that it is done.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_guard::clock::Clock;
use tokio::sync::Notify;
use tracing::field::display;
use uuid::{ContextV7, Timestamp, Uuid};

use super::Accounts;
use crate::domain::{Action, AuditEvent, AuthError, Call, Detail, Note, Origin};

/// Events that are not written yet; some 4 MiB. With a database that is there, they are written before there are many.
const MOST: usize = 16_384;

/// How a call ends that cost nobody a hash, a token or a mail: whoever is refused so can come a hundred thousand times a second.
const CHEAP: [&str; 4] = ["closed", "too many attempts", "not allowed", "invalid link"];

/// So many of those are told at once, and [`CHEAP_A_SECOND`] more each second. All others are counted.
const CHEAP_AT_ONCE: u32 = 1_000;

/// Four million a day, a gigabyte of them: as much as an attacker gets to write.
const CHEAP_A_SECOND: u32 = 50;

/// What happened and is not written yet.
pub struct Audit {
    clock: Arc<dyn Clock>,
    trail: Mutex<Trail>,
    bell: Notify,
}

struct Trail {
    events: VecDeque<AuditEvent>,
    /// Keeps events of the same millisecond in their order.
    ids: ContextV7,
    /// Since it was last asked for.
    lost: u64,
    /// How many cheap ones may still be told.
    cheap: u32,
    refilled: Duration,
}

impl Audit {
    /// Empty.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let refilled = clock.elapsed();
        let (events, ids) = (VecDeque::new(), ContextV7::new());
        let trail = Mutex::new(Trail { events, ids, lost: 0, cheap: CHEAP_AT_ONCE, refilled });
        Self { clock, trail, bell: Notify::new() }
    }

    /// Logs it, and keeps it to be written. Waits for nothing; what there is no room for is logged only.
    pub fn note(&self, note: Note) {
        if CHEAP.contains(&&*note.result) && !self.may_tell_another() {
            return;
        }
        log(&note);
        self.keep(note);
    }

    /// The server starts, which the log tells with its settings.
    pub fn started(&self) {
        self.keep(Note::from(Action::Start, "ok", Origin::Server));
    }

    /// The server stops, which the log tells when all is done.
    pub fn stopped(&self) {
        self.keep(Note::from(Action::Stop, "ok", Origin::Server));
    }

    /// Keeps it to be written.
    fn keep(&self, note: Note) {
        let at = self.clock.now().truncate_to_millisecond();
        let mut trail = self.trail();
        if trail.events.len() >= MOST {
            trail.lost += 1;
            return;
        }
        let seconds = at.unix_timestamp().try_into().unwrap_or(0);
        let id = Uuid::new_v7(Timestamp::from_unix(&trail.ids, seconds, at.nanosecond()));
        trail.events.push_back(AuditEvent { id, at, note });
        drop(trail);
        self.bell.notify_one();
    }

    /// Returns when there is something to write.
    pub async fn noted(&self) {
        while self.trail().events.is_empty() {
            self.bell.notified().await;
        }
    }

    /// The oldest that are to be written. They stay here until [`Self::written`].
    pub fn unwritten(&self, limit: usize) -> Vec<AuditEvent> {
        self.trail().events.iter().take(limit).cloned().collect()
    }

    /// Forgets the `count` oldest.
    pub fn written(&self, count: usize) {
        self.trail().events.drain(..count);
    }

    /// How many have been lost since this was last asked.
    pub fn lost(&self) -> u64 {
        std::mem::take(&mut self.trail().lost)
    }

    fn may_tell_another(&self) -> bool {
        let now = self.clock.elapsed();
        let mut trail = self.trail();
        let passed = u32::try_from(now.saturating_sub(trail.refilled).as_secs()).unwrap_or(u32::MAX);
        if passed > 0 {
            trail.refilled = now;
            trail.cheap = trail.cheap.saturating_add(passed.saturating_mul(CHEAP_A_SECOND)).min(CHEAP_AT_ONCE);
        }
        let Some(left) = trail.cheap.checked_sub(1) else {
            trail.lost += 1;
            return false;
        };
        trail.cheap = left;
        true
    }

    // No code can panic while it holds the lock half-way through a change, so a poisoned one is as good as new.
    fn trail(&self) -> MutexGuard<'_, Trail> {
        self.trail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    /// What is to be written.
    pub fn trail(&self) -> &Arc<Audit> {
        &self.audit
    }

    /// Something happened: who did it, on whom, and how it ended, which is `ok` or a fixed text.
    pub(super) fn audit(
        &self,
        action: Action,
        call: &Call,
        actor: impl Into<Option<Uuid>>,
        account: impl Into<Option<Uuid>>,
        result: &'static str,
    ) {
        self.audit.note(Note::new(action, result, call).by(actor).on(account));
    }
}

impl Accounts {
    /// Tells of a call that was refused for too many others before it; of no other failure.
    pub(super) fn audit_too_many(
        &self,
        action: Action,
        account: Option<Uuid>,
        call: &Call,
    ) -> impl Fn(&AuthError) + use<'_> {
        let note = Note::new(action, "too many attempts", call).on(account);
        move |error| {
            if matches!(error, AuthError::TooManyAttempts { .. }) {
                self.audit.note(note.clone());
            }
        }
    }
}

/// The line of the log. Who called from where is in its span.
fn log(note: &Note) {
    let Note { action, result, actor, account, detail, .. } = note;
    let (mut session, mut sessions, mut other) = (None, None, None);
    match detail {
        Detail::None => {}
        Detail::Session(id) => session = Some(display(id)),
        Detail::Sessions(count) => sessions = Some(*count),
        Detail::Role(_) | Detail::Invitation(_) | Detail::Mail(_) | Detail::Accounts(_) => {
            other = Some(display(detail))
        }
    }
    tracing::info!(
        event = action.as_str(),
        result = &**result,
        account = account.map(display),
        session,
        sessions,
        detail = other,
        by = actor.map(display),
    );
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("unwritten", &self.trail().events.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_guard::clock::ManualClock;

    use super::{Audit, CHEAP_A_SECOND, CHEAP_AT_ONCE, MOST};
    use crate::domain::{Action, Note, Origin};

    fn note(result: &'static str) -> Note {
        Note::from(Action::Register, result, Origin::Unknown)
    }

    #[test]
    fn events_are_written_in_their_order_and_kept_until_then() {
        let clock = ManualClock::at(100);
        let audit = Audit::new(Arc::new(clock.clone()));
        for at in 0..600 {
            clock.advance(i64::from(at == 300));
            audit.note(note("ok"));
        }
        let all = audit.unwritten(1_000);
        assert!(all.len() == 600 && all.is_sorted_by(|one, next| one.id < next.id && one.at <= next.at));
        assert_eq!(audit.unwritten(10), all[..10]);
        audit.written(10);
        assert_eq!(audit.unwritten(1_000), all[10..]);
        assert_eq!(audit.lost(), 0);
    }

    #[test]
    fn memory_is_bounded_and_what_is_lost_is_counted() {
        let audit = Audit::new(Arc::new(ManualClock::at(100)));
        for _ in 0..MOST + 10 {
            audit.note(note("ok"));
        }
        assert_eq!((audit.unwritten(usize::MAX).len(), audit.lost(), audit.lost()), (MOST, 10, 0));
    }

    #[test]
    fn who_is_refused_for_nothing_does_not_fill_the_trail() {
        let clock = ManualClock::at(100);
        let audit = Audit::new(Arc::new(clock.clone()));
        let flood = || (0..10 * CHEAP_AT_ONCE).for_each(|_| audit.note(note("closed")));
        flood();
        assert_eq!(audit.unwritten(usize::MAX).len(), CHEAP_AT_ONCE as usize);
        audit.note(note("ok"));
        assert_eq!(audit.unwritten(usize::MAX).len(), CHEAP_AT_ONCE as usize + 1, "others are told as before");
        clock.elapse(2);
        flood();
        assert_eq!(audit.unwritten(usize::MAX).len(), (CHEAP_AT_ONCE + 1 + 2 * CHEAP_A_SECOND) as usize);
        assert_eq!(audit.lost(), u64::from(19 * CHEAP_AT_ONCE - 2 * CHEAP_A_SECOND));
    }
}
