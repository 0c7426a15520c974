//! What a service that verifies tokens by itself is told of revocations: those that are live, or those since its cursor,
//! then each new one. Apart from the feed, which brings them here from the database once for all who watch.
//!
//! Nothing is buffered for anyone: a watch goes on when what it had was sent, and one that falls behind the ring of the
//! [publisher](countersign_guard::revocations::Publisher) ends.

use std::sync::Arc;
use std::time::Duration;

use countersign_guard::revocations::{Batch, Entry, Position, Revocations, Subscription};
use countersign_guard::token::Tokens;
use time::OffsetDateTime;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::Accounts;
use crate::domain::{AuthError, Violations};
use crate::store::{REVOCATIONS_AT_ONCE, StoredRevocation};

/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Pages of the database that one who resumes may have missed; for more, the set is as good.
const PAGES: usize = 10;

/// What a cursor is sealed for.
const PURPOSE: &str = "revocations";

/// One watcher.
pub struct Watch {
    revocations: Arc<Revocations>,
    tokens: Tokens,
    /// `None` when it is sent, and its cursor.
    backlog: Option<Backlog>,
    subscription: Subscription,
    /// Up to here, everything is sent once the backlog is.
    position: Position,
    /// By the clock of the set.
    began: Duration,
    next_heartbeat: Instant,
    claim: Option<Claim>,
}

/// What the next heartbeat says, once so many batches more have been sent.
struct Claim {
    behind: usize,
    complete_until: Option<Duration>,
}

type Backlog = Box<dyn Iterator<Item = Vec<Entry>> + Send>;

/// What to tell a watcher.
#[derive(Debug)]
pub struct Revoked {
    /// News, or none.
    pub entries: Vec<Entry>,
    /// Where to resume; empty while the backlog is being sent.
    pub cursor: String,
    /// Until when nothing is missing that was acknowledged, since the watch began; of a heartbeat.
    pub complete_until: Option<time::Duration>,
    /// Now, by the clock that all go by; of a heartbeat.
    pub time: Option<OffsetDateTime>,
}

/// Why a watch ended, or did not begin. Unless it failed, watching again helps.
#[derive(Debug, thiserror::Error)]
pub enum WatchEnd {
    /// It did not read what it was sent.
    #[error("this watch fell behind: watch again from its last cursor")]
    Behind,
    /// The server stops, or had lost its place.
    #[error("this watch was interrupted: watch again from its last cursor")]
    Interrupted,
    /// There are as many already as one replica should have.
    #[error("too many services watch here: try again, at another replica")]
    TooMany,
    /// The database is out of reach, so there would be no news.
    #[error("revocations cannot be read at the moment: try again")]
    Stale,
    /// It asked for what cannot be, or something is wrong here.
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
    /// Everything live, or everything after `cursor`, and then the news.
    pub async fn watch_revocations(&self, cursor: &str) -> Result<Watch, WatchEnd> {
        let began = self.revocations.clock().elapsed();
        let from = if cursor.is_empty() { None } else { Some(self.open_cursor(cursor)?) };
        if self.revocations.is_stale() {
            return Err(WatchEnd::Stale);
        }
        // First: what comes between this and the reading of the backlog is in both.
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
        let (next_heartbeat, claim) = (Instant::now(), None);
        Ok(Watch { revocations, tokens, backlog, subscription, position, began, next_heartbeat, claim })
    }

    /// What was stored after `from`; `None` if what is stored at `from` is not what was there, or has expired, or if there
    /// is so much that one may as well begin anew.
    async fn revoked_since(&self, from: Position) -> Result<Option<(Vec<Entry>, Position)>, AuthError> {
        let now = self.clock.now();
        // With the one at `from` itself, to see whether it is.
        let (mut missed, mut position) = (Vec::new(), Position { seq: from.seq - 1, ..from });
        for _ in 0..PAGES {
            let page = self.store.missed_revocations(position.seq, now).await?;
            missed.extend(page.iter().map(entry));
            if position.seq < from.seq && page.first().map(place) != Some(from) {
                return Ok(None);
            }
            position = page.last().map_or(position, place);
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
        open().ok_or_else(|| {
            let mut violations = Violations::default();
            violations.add("cursor", "must be empty or the last cursor that was received");
            AuthError::Validation(violations)
        })
    }
}

impl Watch {
    /// What is next. Waits for it; a second at most.
    pub async fn next(&mut self) -> Result<Revoked, WatchEnd> {
        if let Some(backlog) = &mut self.backlog {
            if let Some(entries) = backlog.next() {
                return Ok(Revoked { entries, cursor: String::new(), complete_until: None, time: None });
            }
            // Its cursor comes before the news: whoever is behind those already can resume from there.
            self.backlog = None;
            return Ok(Revoked { entries: Vec::new(), cursor: self.cursor(), complete_until: None, time: None });
        }
        loop {
            if let Some(claim) = self.claim.take_if(|claim| claim.behind == 0) {
                let complete_until = claim.complete_until.map(|until| signed(until) - signed(self.began));
                let time = Some(self.revocations.time());
                return Ok(Revoked { entries: Vec::new(), cursor: self.cursor(), complete_until, time });
            }
            if self.claim.is_none() && Instant::now() >= self.next_heartbeat {
                self.next_heartbeat = Instant::now() + HEARTBEAT;
                // In this order: the feed publishes before it vouches, so what it vouches for is among the batches.
                let complete_until = self.revocations.complete_until();
                self.claim = Some(Claim { behind: self.subscription.batches.len(), complete_until });
                continue;
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
            if let Some(claim) = &mut self.claim {
                claim.behind = claim.behind.saturating_sub(1);
            }
            // Otherwise the backlog had it: it was read after the subscription began.
            if batch.position.seq > self.position.seq {
                self.position = batch.position;
                let (entries, cursor) = (batch.entries.clone(), self.cursor());
                return Ok(Revoked { entries, cursor, complete_until: None, time: None });
            }
        }
    }

    /// Sealed, so that every replica takes it and nobody makes one.
    fn cursor(&self) -> String {
        let Position { seq, target, until } = self.position;
        let payload = [&seq.to_be_bytes()[..], &until.to_be_bytes(), target.as_bytes()].concat();
        self.tokens.seal(PURPOSE, &payload)
    }
}

fn entry(stored: &StoredRevocation) -> Entry {
    Entry { revocation: stored.revocation, until: stored.until }
}

fn place(stored: &StoredRevocation) -> Position {
    Position::of(stored.seq, entry(stored))
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
