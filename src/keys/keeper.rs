//! The live object of the keys: it has what was read of them last, replaces the keyring of the tokens and the published
//! keys when that changes, and takes the steps of the schedule.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use countersign_guard::clock::Clock;
use countersign_guard::token::{Asymmetric, KeyError, SigningKey, Tokens};
use time::OffsetDateTime;
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::time::timeout;

use super::lookup::Lookups;
use super::private_key::{KeySource, PrivateKey, generate};
use super::published::{Issuer, PublishedKeys};
use super::ring::{self, Secrets};
use super::rotation;
use super::schedule::{self, KeyStep};
use super::{KeysError, kinds};
use crate::domain::{Action, Detail, KeyId, Note, Origin};
use crate::store::{KeyChange, KeyState, NewKey, Store, StoreError, TokenKeyRows};

/// The most changes that are made at once, so that a defect cannot make them for ever.
const CHANGES_AT_ONCE: usize = 100;

/// How long one look at the stored keys may take. The feed waits for it, and a connection that hangs must not hold it
/// up.
const READ_DEADLINE: Duration = Duration::from_secs(1);

/// The keys of tokens in this process.
pub(crate) struct TokenKeys {
    pub(super) store: Arc<dyn Store>,
    pub(super) source: KeySource,
    pub(super) tokens: Tokens,
    pub(super) clock: Arc<dyn Clock>,
    secrets: Secrets,
    /// The longest lifetime of a token that this server mints.
    lifetime: Duration,
    tolerance: Duration,
    issuer: Option<Issuer>,
    known: Mutex<KnownKeys>,
    pub(super) lookups: Lookups,
    published: RwLock<Arc<PublishedKeys>>,
    changed: Notify,
}

/// The parts that [`TokenKeys`] is made of.
pub(crate) struct TokenKeysParts {
    pub store: Arc<dyn Store>,
    pub source: KeySource,
    /// The tokens whose keyring is replaced when the keys change.
    pub tokens: Tokens,
    /// The time by the clock that all replicas share.
    pub clock: Arc<dyn Clock>,
    pub secrets: Secrets,
    /// The longest lifetime of a token, by the settings of this server.
    pub lifetime: Duration,
    /// How far the clocks of two servers may differ. Nothing if there is one server only.
    pub tolerance: Duration,
    /// The issuer of tokens; `None` if the secret signs them.
    pub issuer: Option<Issuer>,
}

/// What was read of the keys last.
pub(super) struct KnownKeys {
    pub rows: TokenKeyRows,
    /// The private key that this process signs with. A process that cannot open the current one goes on with this.
    private: Option<PrivateKey>,
    /// The events of changes that were made and not yet reported.
    events: Vec<Note>,
}

impl TokenKeys {
    /// The keys of a process that has read nothing yet: the keyring is as it is.
    pub(super) fn new(parts: TokenKeysParts) -> Self {
        let TokenKeysParts { store, source, tokens, clock, secrets, lifetime, tolerance, issuer } = parts;
        let known = Mutex::new(KnownKeys { rows: TokenKeyRows::default(), private: None, events: Vec::new() });
        let published = RwLock::new(Arc::new(PublishedKeys::new(Vec::new(), None)));
        let (lookups, changed) = (Lookups::default(), Notify::new());
        Self { store, source, tokens, clock, secrets, lifetime, tolerance, issuer, known, lookups, published, changed }
    }

    /// The keys that verify tokens at present.
    pub(crate) fn published(&self) -> Arc<PublishedKeys> {
        Arc::clone(&self.published.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until the keys have changed.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Whether a server has ever signed with keys on this database.
    pub(crate) async fn are_in_use(&self) -> bool {
        !self.known.lock().await.rows.is_empty()
    }

    /// Reads the keys, and takes over what has changed.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        self.read().await.map(drop)
    }

    /// Takes the steps that are due.
    pub(crate) async fn keep(&self) -> Result<(), KeysError> {
        self.make_changes(|known, now| {
            if let Some(until) = kinds::still_signs(&known.rows, self.source.kind(), now) {
                return Some(Due::Change(KeyChange::StillSigns { kind: self.source.kind(), until }));
            }
            let other = self.source.kind().other();
            if kinds::is_over(&known.rows, other, now) {
                return Some(Due::Change(KeyChange::RemoveKind { kind: other, now }));
            }
            let step = match &self.source {
                KeySource::Own(own) => schedule::step(&known.rows, own.rotation, now),
                KeySource::Secret | KeySource::File(_) => schedule::expired(&known.rows, now),
            };
            step.map(Due::Step)
        })
        .await
    }

    /// Returns the events of the changes that this process has made since the last call, the start included.
    pub(crate) async fn events(&self) -> Vec<Note> {
        std::mem::take(&mut self.known.lock().await.events)
    }

    /// Makes one change after the other, reading the keys before each, until there is none.
    pub(super) async fn make_changes(
        &self,
        next: impl Fn(&KnownKeys, OffsetDateTime) -> Option<Due>,
    ) -> Result<(), KeysError> {
        for _ in 0..CHANGES_AT_ONCE {
            let due = next(&*self.read().await?, self.clock.now());
            let change = match due {
                None => break,
                Some(Due::Change(change)) => change,
                Some(Due::Step(step)) => self.change_of(step).await?,
            };
            // Another server may have made the same change, or another one.
            if self.store.change_token_keys(&change, self.clock.now() + schedule::TOLD_FOR).await? {
                self.known.lock().await.events.extend(event(&change));
            }
        }
        Ok(())
    }

    async fn change_of(&self, step: KeyStep) -> Result<KeyChange, KeysError> {
        let at = self.clock.now();
        Ok(match step {
            KeyStep::Publish(algorithm) => {
                let (key, sealed_key) = self.generate(algorithm).await?;
                KeyChange::Publish { key, sealed_key, at }
            }
            KeyStep::Withdraw(id) => KeyChange::Withdraw { id },
            KeyStep::Promote(id) => KeyChange::Promote { id, at, former_until: at + self.accepted_for().await? },
            KeyStep::Remove(id) => KeyChange::Remove { id, now: at },
        })
    }

    /// How long a key is accepted that signs no longer.
    pub(super) async fn accepted_for(&self) -> Result<Duration, StoreError> {
        rotation::accepted_for(&*self.store, self.lifetime).await
    }

    /// Makes a key on a thread that may take its time.
    async fn generate(&self, algorithm: Asymmetric) -> Result<(NewKey, String), KeysError> {
        let KeySource::Own(own) = &self.source else { return Err(KeyError::Unusable(algorithm).into()) };
        let master = Arc::clone(&own.master);
        let made = tokio::task::spawn_blocking(move || generate(algorithm, &master)).await;
        Ok(made.unwrap_or(Err(KeyError::Unusable(algorithm)))?)
    }

    /// Reads the keys and takes over what has changed. One caller after the other, so that none goes back to what was
    /// read earlier.
    pub(super) async fn read(&self) -> Result<MutexGuard<'_, KnownKeys>, StoreError> {
        let mut known = self.known.lock().await;
        let late = || StoreError::Unavailable("the keys were not read in time".into());
        let rows = timeout(READ_DEADLINE, self.store.token_keys()).await.unwrap_or_else(|_| Err(late()))?;
        if rows != known.rows {
            known.rows = rows;
            self.take_over(&mut known);
        }
        Ok(known)
    }

    fn take_over(&self, known: &mut KnownKeys) {
        self.choose_private_key(known);
        let accepted = ring::accepted(&known.rows, self.source.kind(), self.tolerance, &self.published());
        let signing = self.signing_key(known);
        self.tokens.replace_keyring(ring::keyring(&self.secrets, signing, &accepted, &known.rows, self.tolerance));
        let keys = accepted.into_iter().map(|(key, _)| key).collect();
        let published = Arc::new(PublishedKeys::new(keys, self.issuer.as_ref()));
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = published;
        self.changed.notify_one();
    }

    /// Chooses the private key to sign with: that of the operator's file, or the current one of the database. A process
    /// that cannot open that one keeps the one before, which the others still accept.
    fn choose_private_key(&self, known: &mut KnownKeys) {
        let KnownKeys { rows, private, .. } = known;
        let current = rows.the(KeyState::Current);
        let had = private.as_ref().map(|private| private.id);
        match &self.source {
            KeySource::Secret => {}
            KeySource::File(file) => {
                *private = Some(file.private());
                if current.is_none_or(|current| current.id != file.public().id) {
                    tracing::warn!(event = "keys", result = "another", "{ANOTHER_SIGNS}");
                }
            }
            // The next key signs if there is no current one: it becomes the current one at once.
            KeySource::Own(own) => match current.or(rows.the(KeyState::Next)).filter(|key| had != Some(key.id)) {
                None => {}
                Some(key) => match own.open(key) {
                    Some(opened) => *private = Some(opened),
                    None => tracing::error!(event = "keys", result = "unopened", key = %key.id, "{ANOTHER_SIGNS}"),
                },
            },
        }
        let is_revoked = |id: KeyId| rows.keys.iter().any(|key| key.id == id && key.state == KeyState::Revoked);
        if private.as_ref().is_some_and(|had| is_revoked(had.id)) {
            *private = None;
        }
    }

    /// The key for the keyring; `None` if the secret signs. Without a private key, a new one signs that nobody else
    /// accepts: the revoked one must not be accepted, and the keyring must sign with something until there is another.
    fn signing_key(&self, known: &KnownKeys) -> Option<SigningKey> {
        let algorithm = match &self.source {
            KeySource::Secret => return None,
            KeySource::Own(own) => own.algorithm,
            KeySource::File(file) => file.public().algorithm,
        };
        let read = known.private.as_ref().and_then(|private| private.signing_key().ok());
        read.or_else(|| {
            tracing::warn!(event = "keys", result = "none", "there is no key to sign with until another one is made");
            Some(SigningKey::generate(algorithm).ok()?.0)
        })
    }
}

const ANOTHER_SIGNS: &str = "another server on this database signs tokens with a key that this one does not have, and this \
                             one goes on with its own: give every server the same settings of keys, and restart it";

/// What is to be done with the stored keys next.
pub(super) enum Due {
    Step(KeyStep),
    Change(KeyChange),
}

/// The event of a change that this server made; `None` of a change that nobody needs to know of.
fn event(change: &KeyChange) -> Option<Note> {
    let (action, id) = match change {
        KeyChange::Publish { key, .. } => (Action::KeyPublished, key.id),
        KeyChange::Promote { id, .. } => (Action::KeyRotated, *id),
        KeyChange::Give { key, .. } => (Action::KeyRotated, key.id),
        KeyChange::Withdraw { id } | KeyChange::Remove { id, .. } => (Action::KeyRemoved, *id),
        KeyChange::Switch { .. } => return Some(Note::from(Action::AlgorithmSwitched, "ok", Origin::Server)),
        KeyChange::AskRotation { .. }
        | KeyChange::Revoke { .. }
        | KeyChange::StillSigns { .. }
        | KeyChange::RemoveKind { .. } => return None,
    };
    Some(Note::from(action, "ok", Origin::Server).with(Detail::Key(id)))
}
