//! Streams revocations to services that verify tokens by themselves: first the live ones, or those since the service's
//! cursor, then each new one. Separate from the feed, which reads new revocations from the database once for all
//! watches.
//!
//! No watch has a buffer of its own: it continues when its last message was sent, and ends if it falls behind the
//! shared ring of [`Publisher`](countersign_guard::revocations::Publisher).

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::core::Accounts;
use super::errors::refuse_field;
use crate::domain::AuthError;
use crate::store::{REVOCATIONS_AT_ONCE, StoredRevocation};
use countersign_guard::revocations::{Batch, Entry, Position, Revocations, Subscription};
use countersign_guard::token::Tokens;

/// The time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// The most pages of missed revocations that are read for a resumed watch. If it missed more, sending the whole set
/// costs no more than sending the rest.
const MAX_MISSED_PAGES: usize = 10;

/// The purpose that cursors are sealed for.
const PURPOSE: &str = "revocations";

/// A stream of revocations to one service.
pub(crate) struct Watch {
    revocations: Arc<Revocations>,
    tokens: Tokens,
    /// The revocations to send first; `None` once they and their cursor are sent.
    backlog: Option<Backlog>,
    subscription: Subscription,
    /// The last revocation of the backlog, or the last one sent after it.
    position: Position,
    /// When the watch began, by the clock of the revocation set.
    began: Duration,
    next_heartbeat: Instant,
    heartbeat: Option<PendingHeartbeat>,
}

/// A heartbeat that is sent after the batches that were in the ring before it.
struct PendingHeartbeat {
    /// How many of those batches are not yet sent.
    behind: usize,
    complete_until: Option<Duration>,
}

type Backlog = Box<dyn Iterator<Item = Vec<Entry>> + Send>;

/// One message of a watch.
#[derive(Debug)]
pub(crate) struct Revoked {
    /// Revocations; none in a heartbeat.
    pub entries: Vec<Entry>,
    /// The cursor to resume from; empty while the backlog is being sent.
    pub cursor: String,
    /// Set in heartbeats: every revocation that was acknowledged before this time is included. Counted from the
    /// beginning of the watch.
    pub complete_until: Option<time::Duration>,
    /// Set in heartbeats: the time now, by the clock that all replicas share.
    pub time: Option<OffsetDateTime>,
}

/// Why a watch ended or could not begin. After all but `Failed`, the service should watch again.
#[derive(Debug, thiserror::Error)]
pub enum WatchEnd {
    /// The service read more slowly than revocations arrived.
    #[error("this watch fell behind: watch again from its last cursor")]
    Behind,
    /// The server stops, or reads all revocations anew.
    #[error("this watch was interrupted: watch again from its last cursor")]
    Interrupted,
    /// This replica has the largest allowed number of watches.
    #[error("too many services watch this replica: try again, or watch another replica")]
    TooMany,
    /// The database is out of reach, so no new revocations could be sent.
    #[error("revocations cannot be read at the moment: try again")]
    Stale,
    /// The request was invalid, or the service failed.
    #[error(transparent)]
    Failed(#[from] AuthError),
}

impl From<RecvError> for WatchEnd {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Lagged(_) => Self::Behind,
            RecvError::Closed => Self::Interrupted,
        }
    }
}

impl Accounts {
    /// Begins a watch with all live revocations, or with those after `cursor` if it is not empty.
    pub(crate) async fn watch_revocations(&self, cursor: &str) -> Result<Watch, WatchEnd> {
        let began = self.revocations.clock().elapsed();
        let from = if cursor.is_empty() { None } else { Some(self.open_cursor(cursor)?) };
        if self.revocations.is_stale() {
            return Err(WatchEnd::Stale);
        }
        // Before the backlog is read: what arrives in between is then in both rather than in neither.
        let subscription = self.revocations.publisher().subscribe().ok_or(WatchEnd::Interrupted)?;
        let since = match from {
            Some(from) => self.revoked_since(from).await?,
            None => None,
        };
        let (backlog, position): (Backlog, _) = match since {
            Some((entries, position)) => (Box::new(in_batches(entries)), position),
            None => {
                let live = Arc::clone(&self.revocations).entries();
                (Box::new(live.flat_map(in_batches)), subscription.position)
            }
        };
        let backlog = Some(backlog);
        let (revocations, tokens) = (Arc::clone(&self.revocations), self.tokens.clone());
        let (next_heartbeat, heartbeat) = (Instant::now(), None);
        Ok(Watch { revocations, tokens, backlog, subscription, position, began, next_heartbeat, heartbeat })
    }

    /// The revocations stored after `from`; `None` if the one at `from` has expired or is another one by now, or if
    /// there are too many.
    async fn revoked_since(&self, from: Position) -> Result<Option<(Vec<Entry>, Position)>, AuthError> {
        let now = self.clock.now();
        // Reads the one at `from` as well, to compare it.
        let (mut missed, mut position) = (Vec::new(), Position { seq: from.seq - 1, ..from });
        for _ in 0..MAX_MISSED_PAGES {
            let page = self.store.missed_revocations(position.seq, now).await?;
            missed.extend(page.iter().map(StoredRevocation::entry));
            if position.seq < from.seq && page.first().map(stored_position) != Some(from) {
                return Ok(None);
            }
            position = page.last().map_or(position, stored_position);
            if page.len() < REVOCATIONS_AT_ONCE as usize {
                missed.remove(0);
                return Ok(Some((missed, position)));
            }
        }
        Ok(None)
    }

    fn open_cursor(&self, cursor: &str) -> Result<Position, AuthError> {
        let open = || {
            let payload = self.tokens.unseal(PURPOSE, cursor)?;
            let (seq, rest) = payload.split_first_chunk()?;
            let (until, target) = rest.split_first_chunk()?;
            let (seq, until) = (i64::from_be_bytes(*seq), i64::from_be_bytes(*until));
            Some(Position { seq, target: Uuid::from_slice(target).ok()?, until })
        };
        open().ok_or_else(|| refuse_field("cursor", "must be empty or the last cursor that was received"))
    }
}

impl Watch {
    /// Waits for the next message, for a second at most.
    pub(crate) async fn next(&mut self) -> Result<Revoked, WatchEnd> {
        if let Some(backlog) = &mut self.backlog {
            if let Some(entries) = backlog.next() {
                return Ok(Revoked { entries, cursor: String::new(), complete_until: None, time: None });
            }
            // The cursor of the backlog comes before new revocations, so that a watch that already fell behind can
            // resume.
            self.backlog = None;
            return Ok(Revoked { entries: Vec::new(), cursor: self.cursor(), complete_until: None, time: None });
        }
        loop {
            if let Some(heartbeat) = self.heartbeat.take_if(|heartbeat| heartbeat.behind == 0) {
                let complete_until = heartbeat.complete_until.map(|until| signed(until) - signed(self.began));
                let time = Some(self.revocations.time());
                return Ok(Revoked { entries: Vec::new(), cursor: self.cursor(), complete_until, time });
            }
            if self.heartbeat.is_none() && Instant::now() >= self.next_heartbeat {
                self.next_heartbeat = Instant::now() + HEARTBEAT;
                // Read before the number of batches: the feed publishes revocations before it vouches for them.
                let complete_until = self.revocations.complete_until();
                let behind = self.subscription.batches.len();
                // If the ring has ended, the feed may have vouched for revocations that were never published there.
                // It ends the ring before it vouches for them, so this is asked after the mark was read.
                if !self.subscription.batches.is_closed() {
                    self.heartbeat = Some(PendingHeartbeat { behind, complete_until });
                    continue;
                }
            }
            let batch = match self.subscription.batches.try_recv() {
                Ok(batch) => batch,
                Err(TryRecvError::Lagged(_)) => return Err(WatchEnd::Behind),
                Err(TryRecvError::Closed) => return Err(WatchEnd::Interrupted),
                Err(TryRecvError::Empty) if self.revocations.is_stale() => return Err(WatchEnd::Stale),
                Err(TryRecvError::Empty) => tokio::select! {
                    () = sleep_until(self.next_heartbeat) => continue,
                    received = self.subscription.batches.recv() => received?,
                },
            };
            if let Some(heartbeat) = &mut self.heartbeat {
                heartbeat.behind = heartbeat.behind.saturating_sub(1);
            }
            // Otherwise it was in the backlog, which was read after the subscription began.
            if batch.position.seq > self.position.seq {
                self.position = batch.position;
                let (entries, cursor) = (batch.entries.clone(), self.cursor());
                return Ok(Revoked { entries, cursor, complete_until: None, time: None });
            }
        }
    }

    /// The cursor of the last revocation sent. It is sealed, so that every replica accepts it and no client can make
    /// one.
    fn cursor(&self) -> String {
        let Position { seq, target, until } = self.position;
        let payload = [&seq.to_be_bytes()[..], &until.to_be_bytes(), target.as_bytes()].concat();
        self.tokens.seal(PURPOSE, &payload)
    }
}

fn stored_position(stored: &StoredRevocation) -> Position {
    Position::of(stored.seq, stored.entry())
}

fn in_batches(entries: Vec<Entry>) -> impl Iterator<Item = Vec<Entry>> + Send {
    let mut entries = entries.into_iter();
    std::iter::from_fn(move || {
        let batch: Vec<_> = entries.by_ref().take(Batch::LARGEST).collect();
        (!batch.is_empty()).then_some(batch)
    })
}

fn signed(time: Duration) -> time::Duration {
    time.try_into().unwrap_or(time::Duration::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use countersign_guard::clock::{Clock as _, ManualClock};
    use countersign_guard::revocations::{Batch, Entry, Position, Revocation, Revocations};
    use countersign_guard::token::{Keyring, Secret, Tokens};
    use time::OffsetDateTime;
    use tokio::time::{Instant, advance};
    use uuid::Uuid;

    use super::{HEARTBEAT, Watch, WatchEnd};

    fn watch(revocations: &Arc<Revocations>, clock: &ManualClock) -> Watch {
        let keyring = Keyring::new(&Secret::parse("x".repeat(32)).unwrap(), None);
        let subscription = revocations.publisher().subscribe().unwrap();
        Watch {
            revocations: Arc::clone(revocations),
            tokens: Tokens::new(keyring, Arc::new(clock.clone()), Duration::from_secs(100)),
            backlog: None,
            position: subscription.position,
            subscription,
            began: clock.elapsed(),
            next_heartbeat: Instant::now(),
            heartbeat: None,
        }
    }

    fn revoke(revocations: &Revocations, seq: i64) -> Batch {
        let revocation = Revocation::Session(Uuid::from_u128(seq.unsigned_abs().into()));
        let entry = Entry { revocation, until: OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1_000) };
        revocations.insert(entry.revocation, entry.until);
        Batch { entries: vec![entry], position: Position::of(seq, entry) }
    }

    /// The feed reads all revocations anew, and finds one that it does not publish.
    fn begin_anew(revocations: &Revocations) {
        let position = revoke(revocations, 2).position;
        revocations.publisher().begin(position);
    }

    /// The server stops, so what the feed reads reaches no watch.
    fn close(revocations: &Revocations) {
        revocations.publisher().close();
        let batch = revoke(revocations, 2);
        revocations.publisher().publish(batch);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_sent_no_more_revocations_is_told_of_no_later_completeness_either() {
        for (end, waiting) in [(begin_anew as fn(&Revocations), 0), (begin_anew, 1), (close, 0), (close, 1)] {
            let clock = ManualClock::at(0);
            let revocations = Arc::new(Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5)));
            revocations.mark_complete(clock.elapsed());
            let mut watch = watch(&revocations, &clock);
            assert_eq!(watch.next().await.unwrap().complete_until, Some(time::Duration::ZERO));

            // The client is slow: a heartbeat is due when the watch goes on, and a batch may wait in the ring.
            for seq in 0..waiting {
                let batch = revoke(&revocations, 1 + seq);
                revocations.publisher().publish(batch);
            }
            end(&revocations);
            clock.elapse(1);
            revocations.mark_complete(clock.elapsed());
            advance(HEARTBEAT).await;
            for _ in 0..waiting {
                assert_eq!(watch.next().await.unwrap().entries.len(), 1);
            }
            assert!(matches!(watch.next().await, Err(WatchEnd::Interrupted)), "{waiting} waiting");
        }
    }
}
