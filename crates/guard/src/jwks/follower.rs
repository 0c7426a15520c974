//! Decides when the keys are fetched, and does it without end. Separate from the client, which makes one request.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Answer, set};
use crate::token::{CurrentKeys, Occasion};

/// The longest time of one request.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The shortest time between an answer and the next request, whatever its `max-age` and the keys of tokens are.
const COOLDOWN: Duration = Duration::from_secs(30);

/// The delay between the first answer after a change of the keys and the next request. The replica that answered may
/// not have known it yet: it hears of a change within milliseconds, or accepts no token after a few seconds. The delay
/// grows with each further answer until it is [`COOLDOWN`], which is the last one.
const FIRST_DOUBT: Duration = Duration::from_millis(250);

/// How much longer each delay of doubt is than the one before.
const DOUBT_GROWS_BY: u32 = 5;

/// The `max-age` of an answer that has none.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);

/// The longest `max-age` that is obeyed. A key must not be missed for longer.
const LONGEST_MAX_AGE: Duration = Duration::from_secs(3_600);

/// The delay after the first failure. It doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest delay after a failure.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Why there are no new keys.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

/// A request that is under way.
pub(super) type Fetching = Pin<Box<dyn Future<Output = Result<Answer, Cause>> + Send>>;

/// Makes one request to the issuer.
pub(super) type Fetch = dyn Fn() -> Fetching + Send + Sync;

/// The task that keeps the keys up to date. It ends when this is dropped.
pub(super) struct Follower {
    task: AbortHandle,
    wishes: Arc<Wishes>,
}

/// What verifiers have asked for since the last answer.
#[derive(Default)]
struct Wishes {
    any: Notify,
    has_changed: AtomicBool,
}

impl Follower {
    /// Starts the task, which asks the issuer at once.
    pub(super) fn start(runtime: &Handle, keys: Arc<CurrentKeys>, fetch: Box<Fetch>) -> Self {
        let wishes = Arc::default();
        let task = runtime.spawn(follow(keys, fetch, Arc::clone(&wishes))).abort_handle();
        Self { task, wishes }
    }

    /// Has the issuer asked again: at once if the keys have changed, otherwise as soon as that is allowed.
    pub(super) fn look_again(&self, occasion: Occasion) {
        if occasion == Occasion::Changed {
            self.wishes.has_changed.store(true, Ordering::Release);
        }
        self.wishes.any.notify_one();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(keys: Arc<CurrentKeys>, fetch: Box<Fetch>, wishes: Arc<Wishes>) -> Infallible {
    let (mut retry, mut doubt) = (FIRST_RETRY, None);
    loop {
        if wishes.has_changed.swap(false, Ordering::AcqRel) {
            doubt = Some(FIRST_DOUBT);
        }
        let pause = match ask(&*fetch, &keys).await {
            Ok(max_age) => {
                retry = FIRST_RETRY;
                let pause = doubt.unwrap_or(max_age * 3 / 4);
                let longer = |delay: Duration| (delay < COOLDOWN).then(|| COOLDOWN.min(delay * DOUBT_GROWS_BY));
                doubt = doubt.and_then(longer);
                pause
            }
            Err(cause) => {
                tracing::warn!(event = "jwks", result = "failed", cause = &*cause, "the last keys of the issuer stay");
                let pause = retry;
                retry = LAST_RETRY.min(retry * 2);
                pause
            }
        };
        wishes.wait(Instant::now() + pause).await;
    }
}

impl Wishes {
    /// Waits until the keys are fetched again: at `next` at the latest, earlier if a verifier wants it.
    async fn wait(&self, next: Instant) {
        let (mut until, cooled) = (next, Instant::now() + COOLDOWN);
        while timeout_at(until, self.any.notified()).await.is_ok() {
            if self.has_changed.load(Ordering::Acquire) || Instant::now() >= cooled {
                return;
            }
            until = until.min(cooled);
        }
    }
}

/// Asks the issuer, takes its keys, and returns how long they may be used without asking again.
async fn ask(fetch: &Fetch, keys: &CurrentKeys) -> Result<Duration, Cause> {
    let answer = timeout(FETCH_TIMEOUT, fetch()).await.map_err(|_| "the issuer did not answer within 10 s")?;
    let Answer { body, max_age } = answer?;
    let found = set::read(&body)?;
    let count = found.len();
    if keys.replace(found) {
        tracing::info!(event = "jwks", result = "changed", keys = count);
    }
    // At three quarters of it, the next request is no sooner than that for an unknown key.
    Ok(max_age.unwrap_or(DEFAULT_MAX_AGE).clamp(COOLDOWN * 4 / 3, LONGEST_MAX_AGE))
}
