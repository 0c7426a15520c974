//! Looks for a key that a token names and that this process does not know: another replica may have made it a moment
//! ago, and the feed may be late. Separate from the keeper because strangers decide how often it is asked for.
//!
//! A token is refused only if its key is missing from keys that were read after the token had arrived. One read is
//! under way at a time, and all tokens that wait for it share it. So strangers who invent names of keys cause a read of
//! a small table every [`COOLDOWN`], however many they are, and their own calls wait for it.

use std::sync::Arc;
use std::time::Duration;

use countersign_guard::token::{Claims, TokenError, Tokens};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::keeper::TokenKeys;
use crate::store::{StoreError, TokenKind};

/// The shortest time between the beginnings of two reads.
const COOLDOWN: Duration = Duration::from_millis(100);

/// How a token is verified: [`Tokens::verify`] or [`Tokens::verify_former`].
type Verify = fn(&Tokens, &str) -> Result<Arc<Claims>, TokenError>;

/// The reads of keys that tokens asked for. The lock is held by the token that reads, and the others wait for it.
#[derive(Default)]
pub(super) struct Lookups(Mutex<Lookup>);

#[derive(Default)]
struct Lookup {
    /// When the last read began, whether or not it ended.
    began: Option<Instant>,
    /// When the last read began that ended, and whether it succeeded.
    ended: Option<(Instant, bool)>,
}

impl TokenKeys {
    /// Verifies a token by `verify`, and again with keys that were just read if it names one that is not known. Fails
    /// with [`TokenError::UnknownKey`] if they could not be read.
    pub(crate) async fn verify(&self, token: &str, verify: Verify) -> Result<Arc<Claims>, TokenError> {
        let verified = verify(&self.tokens, token);
        if verified != Err(TokenError::Invalid) || !self.may_have_missed(token) {
            return verified;
        }
        self.look().await.map_err(|_| TokenError::UnknownKey)?;
        verify(&self.tokens, token)
    }

    /// Whether it makes sense to [look](Self::look) for the key of a token that was found invalid.
    pub(crate) fn may_have_missed(&self, token: &str) -> bool {
        // Where the secret signs, the first server with keys does not serve before this one has heard of them.
        let may_be_others = self.source.kind() == TokenKind::Keys || !self.published().keys().is_empty();
        may_be_others && self.tokens.lack_the_key_of(token)
    }

    /// Returns once the keys were read by a query that began after this call. An error means that they could not be
    /// read, so nobody knows whether the token is good.
    pub(crate) async fn look(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        let mut lookup = self.lookups.0.lock().await;
        match lookup.ended {
            Some((began, succeeded)) if began >= asked => {
                let failed = || StoreError::Unavailable("the keys were not read".into());
                return if succeeded { Ok(()) } else { Err(failed()) };
            }
            _ => {}
        }
        if let Some(began) = lookup.began {
            sleep_until(began + COOLDOWN).await;
        }
        let began = Instant::now();
        // Noted before it ends, because a client that hangs up ends it.
        lookup.began = Some(began);
        let read = self.refresh().await;
        lookup.ended = Some((began, read.is_ok()));
        read
    }
}
