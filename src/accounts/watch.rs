//! What a service that verifies tokens by itself is told of revocations: those that are live, or those since its cursor,
//! then each new one. Apart from the feed, which brings them here from the database once for all who watch.
//!
//! Nothing is buffered for anyone: a watcher reads on when it has sent what it has, and one that falls behind the ring of
//! the [news](crate::revocations::News) is dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Interval, MissedTickBehavior};
use uuid::Uuid;

use super::Accounts;
use crate::domain::{AuthError, Violations};
use crate::revocations::{Batch, Entry, Position, Revocations, Subscription};
use crate::store::{REVOCATIONS_AT_ONCE, StoredRevocation};
use crate::token::Tokens;

/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What a cursor is sealed for.
const PURPOSE: &str = "revocations";

/// One watcher.
pub struct Watch {
    revocations: Arc<Revocations>,
    tokens: Tokens,
    backlog: Backlog,
    subscription: Subscription,
    /// Up to here, everything is sent once the backlog is.
    position: Position,
    /// By the clock of the set.
    began: Duration,
    heartbeat: Interval,
}

type Backlog = Box<dyn Iterator<Item = Vec<Entry>> + Send>;

/// What to tell a watcher.
#[derive(Debug)]
pub struct Revoked {
    /// News, or none.
    pub entries: Vec<Entry>,
    /// Where to resume; empty when that has not changed.
    pub cursor: String,
    /// Until when nothing is missing that was acknowledged, since the watch began; of a heartbeat.
    pub complete_until: Option<time::Duration>,
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
        let subscription = self.revocations.news().subscribe().ok_or(WatchEnd::Interrupted)?;
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
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (revocations, tokens) = (Arc::clone(&self.revocations), self.tokens.clone());
        Ok(Watch { revocations, tokens, backlog, subscription, position, began, heartbeat })
    }

    /// What was stored after `from`; `None` if what is stored at `from` is not what was there, or has expired, or if there
    /// is so much that one may as well begin anew.
    async fn revoked_since(&self, from: Position) -> Result<Option<(Vec<Entry>, Position)>, AuthError> {
        let stored = self.store.missed_revocations(from.seq - 1, self.clock.now()).await?;
        let known = stored.first().map(position);
        if known != Some(from) || stored.len() >= REVOCATIONS_AT_ONCE as usize {
            return Ok(None);
        }
        let last = stored.last().map_or(from, position);
        let entries =
            stored.into_iter().skip(1).map(|StoredRevocation { revocation, until, .. }| Entry { revocation, until });
        Ok(Some((entries.collect(), last)))
    }

    fn open_cursor(&self, cursor: &str) -> Result<Position, AuthError> {
        let open = || {
            let payload = self.tokens.unseal(PURPOSE, cursor)?;
            let (seq, target) = payload.split_first_chunk()?;
            Some(Position { seq: i64::from_be_bytes(*seq), target: Uuid::from_slice(target).ok()? })
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
        if let Some(entries) = self.backlog.next() {
            return Ok(Revoked { entries, cursor: String::new(), complete_until: None });
        }
        let mut is_due = false;
        loop {
            // Asked first: the feed publishes before it vouches, so all of that is received before a heartbeat says so.
            let complete_until = self.revocations.complete_until();
            let batch = match self.subscription.batches.try_recv() {
                Ok(batch) => batch,
                Err(TryRecvError::Lagged(_)) => return Err(WatchEnd::Behind),
                Err(TryRecvError::Closed) => return Err(WatchEnd::Interrupted),
                Err(TryRecvError::Empty) if self.revocations.is_stale() => return Err(WatchEnd::Stale),
                Err(TryRecvError::Empty) if is_due => {
                    let complete_until = complete_until.map(|until| signed(until) - signed(self.began));
                    return Ok(Revoked { entries: Vec::new(), cursor: self.cursor()?, complete_until });
                }
                Err(TryRecvError::Empty) => tokio::select! {
                    _ = self.heartbeat.tick() => {
                        is_due = true;
                        continue;
                    }
                    received = self.subscription.batches.recv() => received?,
                },
            };
            // Otherwise the backlog had it: it was read after the subscription began.
            if batch.position.seq > self.position.seq {
                self.position = batch.position;
                return Ok(Revoked { entries: batch.entries.clone(), cursor: self.cursor()?, complete_until: None });
            }
        }
    }

    /// Sealed, so that every replica takes it and nobody makes one.
    fn cursor(&self) -> Result<String, AuthError> {
        let payload = [&self.position.seq.to_be_bytes()[..], self.position.target.as_bytes()].concat();
        Ok(self.tokens.seal(PURPOSE, &payload)?)
    }
}

fn position(stored: &StoredRevocation) -> Position {
    Position { seq: stored.seq, target: stored.revocation.target() }
}

fn in_batches(entries: Vec<Entry>) -> impl Iterator<Item = Vec<Entry>> + Send {
    let batches: Vec<_> = entries.chunks(Batch::LARGEST).map(<[Entry]>::to_vec).collect();
    batches.into_iter()
}

fn signed(time: Duration) -> time::Duration {
    time.try_into().unwrap_or(time::Duration::MAX)
}
