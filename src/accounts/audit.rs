//! The queue of the audit trail: each event is a log line at once and a row of the database soon after. Separate from
//! the use cases because no call waits for that row: events are kept here, in bounded memory, until a job of the server
//! has written them (`jobs/audit_writer.rs`). The command line writes them before it reports success.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::field::display;
use uuid::{ContextV7, Timestamp, Uuid};

use crate::domain::{Action, AuditEvent, Detail, Email, Handle, Note, Origin};
use crate::store::{Store, StoreError};
use countersign_guard::clock::Clock;

/// The most events that wait to be written, in some 4 MiB. While the database is reachable, they are written long
/// before.
const CAPACITY: usize = 16_384;

/// Results of calls that cost neither a hash nor a token nor a mail. A client can cause a hundred thousand of them a
/// second, so they are rate-limited here.
const CHEAP_RESULTS: [&str; 4] = ["closed", "too many attempts", "not allowed", "invalid link"];

/// How many cheap results are recorded in a burst, and [`CHEAP_A_SECOND`] more each second. Further ones are only
/// counted.
const CHEAP_BURST: u32 = 1_000;

/// Four million a day, or a gigabyte: the most that an attacker can make the service write.
const CHEAP_A_SECOND: u32 = 50;

/// The events that are not yet written.
pub(crate) struct Audit {
    clock: Arc<dyn Clock>,
    pending: Mutex<PendingEvents>,
    /// Notified when an event was added.
    added: Notify,
}

struct PendingEvents {
    events: VecDeque<AuditEvent>,
    /// Requests for mail, with the address that was typed: events only if an account has the address.
    mail_requests: VecDeque<(Email, AuditEvent)>,
    /// Makes ids that keep events of the same millisecond in their order.
    ids: ContextV7,
    /// Events that were dropped since this number was last read.
    lost: u64,
    /// How many cheap results may still be recorded at the moment.
    cheap: u32,
    refilled: Duration,
}

impl Audit {
    /// A queue without any events.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let refilled = clock.elapsed();
        let (events, mail_requests, ids) = (VecDeque::new(), VecDeque::new(), ContextV7::new());
        let pending = PendingEvents { events, mail_requests, ids, lost: 0, cheap: CHEAP_BURST, refilled };
        let pending = Mutex::new(pending);
        Self { clock, pending, added: Notify::new() }
    }

    /// Logs an event and queues it. Never waits; if the queue is full, the event is only logged.
    pub(crate) fn note(&self, note: Note) {
        if CHEAP_RESULTS.contains(&&*note.result) && !self.may_record_cheap() {
            return;
        }
        log(&note);
        self.queue(note);
    }

    /// Queues the start of the server, which has a log line of its own.
    pub(crate) fn started(&self) {
        self.queue(Note::from(Action::Start, "ok", Origin::Server));
    }

    /// Queues the stop of the server, which is logged when it is complete.
    pub(crate) fn stopped(&self) {
        self.queue(Note::from(Action::Stop, "ok", Origin::Server));
    }

    /// Logs a request for mail to an address that anybody may type. It is an event only if an account has the address,
    /// which is looked up after the answer ([`Self::settle_mail_requests`]): the time of the answer must not tell it.
    pub(crate) fn note_mail_request(&self, note: Note, recipient: Email) {
        log(&note);
        self.queue_by(note, |pending, event| pending.mail_requests.push_back((recipient, event)));
    }

    fn queue(&self, note: Note) {
        self.queue_by(note, |pending, event| pending.events.push_back(event));
    }

    fn queue_by(&self, note: Note, push: impl FnOnce(&mut PendingEvents, AuditEvent)) {
        let at = self.clock.now().truncate_to_millisecond();
        let mut pending = self.pending();
        if pending.len() >= CAPACITY {
            pending.lost += 1;
            return;
        }
        let seconds = at.unix_timestamp().try_into().unwrap_or(0);
        let id = Uuid::new_v7(Timestamp::from_unix(&pending.ids, seconds, at.nanosecond()));
        push(&mut pending, AuditEvent { id, at, note });
        drop(pending);
        self.added.notify_one();
    }

    /// Waits until there are events to write.
    pub(crate) async fn wait(&self) {
        while self.is_empty() {
            self.added.notified().await;
        }
    }

    /// Takes the `limit` oldest requests for mail, makes an event of each one for the address of an account, and drops
    /// the others.
    pub(crate) async fn settle_mail_requests(&self, store: &dyn Store, limit: usize) -> Result<(), StoreError> {
        let requests: Vec<_> = self.pending().mail_requests.iter().take(limit).cloned().collect();
        let (count, mut events) = (requests.len(), Vec::new());
        for (recipient, AuditEvent { id, at, note }) in requests {
            if let Some(found) = store.find_credentials(&Handle::Email(recipient)).await? {
                events.push(AuditEvent { id, at, note: note.on(found.account.id) });
            }
        }
        let mut pending = self.pending();
        pending.mail_requests.drain(..count);
        pending.events.extend(events);
        Ok(())
    }

    /// Whether every event has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending().len() == 0
    }

    /// The oldest events to write. They stay in the queue until [`Self::written`].
    pub(crate) fn unwritten(&self, limit: usize) -> Vec<AuditEvent> {
        self.pending().events.iter().take(limit).cloned().collect()
    }

    /// Removes the `count` oldest events, which have been written.
    pub(crate) fn written(&self, count: usize) {
        self.pending().events.drain(..count);
    }

    /// How many events were dropped since the last call of this.
    pub(crate) fn lost(&self) -> u64 {
        std::mem::take(&mut self.pending().lost)
    }

    fn may_record_cheap(&self) -> bool {
        let now = self.clock.elapsed();
        let mut pending = self.pending();
        let passed = u32::try_from(now.saturating_sub(pending.refilled).as_secs()).unwrap_or(u32::MAX);
        if passed > 0 {
            pending.refilled = now;
            pending.cheap = pending.cheap.saturating_add(passed.saturating_mul(CHEAP_A_SECOND)).min(CHEAP_BURST);
        }
        let Some(left) = pending.cheap.checked_sub(1) else {
            pending.lost += 1;
            return false;
        };
        pending.cheap = left;
        true
    }

    // No code panics half-way through a change under this lock, so a poisoned lock guards consistent data.
    fn pending(&self) -> MutexGuard<'_, PendingEvents> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the log line of an event. The span of the request has the address of the caller.
fn log(note: &Note) {
    let Note { action, result, actor, account, detail, .. } = note;
    let (mut session, mut sessions, mut other) = (None, None, None);
    match detail {
        Detail::None => {}
        Detail::Session(id) => session = Some(display(id)),
        Detail::Sessions(count) => sessions = Some(*count),
        Detail::Role(_) | Detail::Invitation(_) | Detail::Mail(_) | Detail::Accounts(_) | Detail::Key(_) => {
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

impl PendingEvents {
    fn len(&self) -> usize {
        self.events.len() + self.mail_requests.len()
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("unwritten", &self.pending().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Audit, CAPACITY, CHEAP_A_SECOND, CHEAP_BURST};
    use crate::domain::{Action, Note, Origin};
    use countersign_guard::clock::ManualClock;

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
    fn memory_is_bounded_and_dropped_events_are_counted() {
        let audit = Audit::new(Arc::new(ManualClock::at(100)));
        for _ in 0..CAPACITY + 10 {
            audit.note(note("ok"));
        }
        assert_eq!((audit.unwritten(usize::MAX).len(), audit.lost(), audit.lost()), (CAPACITY, 10, 0));
    }

    #[test]
    fn a_flood_of_cheap_refusals_does_not_fill_the_trail() {
        let clock = ManualClock::at(100);
        let audit = Audit::new(Arc::new(clock.clone()));
        let flood = || (0..10 * CHEAP_BURST).for_each(|_| audit.note(note("closed")));
        flood();
        assert_eq!(audit.unwritten(usize::MAX).len(), CHEAP_BURST as usize);
        audit.note(note("ok"));
        assert_eq!(audit.unwritten(usize::MAX).len(), CHEAP_BURST as usize + 1, "other events are recorded as before");
        clock.elapse(2);
        flood();
        assert_eq!(audit.unwritten(usize::MAX).len(), (CHEAP_BURST + 1 + 2 * CHEAP_A_SECOND) as usize);
        assert_eq!(audit.lost(), u64::from(19 * CHEAP_BURST - 2 * CHEAP_A_SECOND));
    }
}
