//! The memory of tokens that this process has minted or verified, with their claims. It saves the signature of a token
//! that comes again, and the second mint of equal claims. Separate because it decides nothing: what expires, what is
//! revoked and what is from the future is asked at each call, of remembered claims as of any others.
//!
//! Only a token with a good signature gets in, so a forger neither finds nor displaces anything. A session has at most
//! two tokens in it, the latest minted one and the latest other one, so no session displaces many others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::claims::Claims;

/// The number of parts, each with a lock of its own.
const PARTS: usize = 256;

/// The most tokens in one part.
const TOKENS_PER_PART: usize = 7;

/// The most bytes of the texts in one part. Tokens of HS256 have 330 to 500 bytes, unless a name is very long; ES256
/// and EdDSA make them longer by 170, RS256 by 430 or more. With this number the memory stays below 2 MiB; a test adds
/// it up.
const BYTES_PER_PART: usize = 4_480;

/// The number of digests in one part: enough for more sessions than there is room for tokens of.
const MET_PER_PART: usize = 32;

/// The length of the longest token that is remembered. It has room for the signature of a key of 8,192 bits.
const LONGEST_TOKEN: usize = 2_240;

/// The remembered tokens of a keyring. It takes 44 KiB when it is empty, and grows with use.
pub(super) struct Memory {
    parts: Box<[Mutex<Part>]>,
}

/// The way in which this process came to know a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The current key of this process has just signed it.
    Minted,
    /// A client sent it, and its signature was good.
    Verified,
}

/// The tokens of the sessions whose ids end alike.
#[derive(Default)]
struct Part {
    /// The token that was used last comes first.
    tokens: Vec<RememberedToken>,
    /// Digests of the sessions and origins that were met last. A session that never comes again costs no more than its
    /// two digests.
    met: [u32; MET_PER_PART],
    /// The place in `met` that is overwritten next.
    next: usize,
}

struct RememberedToken {
    session: Uuid,
    origin: Origin,
    /// Wiped when it is dropped.
    text: SecretString,
    claims: Arc<Claims>,
    /// The time from which its key verifies nothing, in seconds since the Unix epoch.
    until: i64,
}

impl Memory {
    /// Returns the claims of `token` if it is remembered for this session, and its key is still accepted at `now`. The
    /// session only says where to look: all bytes of the token are compared, in constant time.
    pub(super) fn claims(&self, session: Uuid, token: &str, now: i64) -> Option<Arc<Claims>> {
        let is_known = |known: &RememberedToken| {
            let text = known.text.expose_secret().as_bytes();
            known.session == session && now < known.until && verify_slices_are_equal(text, token.as_bytes()).is_ok()
        };
        self.part(session).find(is_known).map(|known| Arc::clone(&known.claims))
    }

    /// Returns the token that was minted of exactly these claims. `iat` is one of them, so it is of the same second.
    pub(super) fn minted(&self, claims: &Claims) -> Option<String> {
        let is_known = |known: &RememberedToken| known.origin == Origin::Minted && *known.claims == *claims;
        self.part(claims.sid).find(is_known).map(|known| known.text.expose_secret().to_owned())
    }

    /// Remembers a token with a good signature, from the second time that this session has one of this origin. The
    /// token replaces the one that is remembered for this session and origin. It is known until its key is no longer
    /// accepted, at `until`.
    pub(super) fn remember(
        &self,
        origin: Origin,
        session: Uuid,
        token: &str,
        claims: impl Into<Arc<Claims>>,
        until: i64,
    ) {
        if token.len() > LONGEST_TOKEN {
            return;
        }
        let mut part = self.part(session);
        let former = part.tokens.iter().position(|known| known.session == session && known.origin == origin);
        if former.is_none() && !part.has_met(session, origin) {
            return;
        }
        let text = SecretString::from(token.to_owned());
        let displaced = part.insert(former, RememberedToken { session, origin, text, claims: claims.into(), until });
        drop(part);
        // Wiping takes a while, so it is done without the lock.
        drop(displaced);
    }

    /// Chooses the part by the last byte of the id, which is random in UUIDs of versions 4 and 7.
    fn part(&self, session: Uuid) -> MutexGuard<'_, Part> {
        let index = usize::from(session.as_bytes()[15]) % PARTS;
        self.parts[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| Mutex::default()).collect() }
    }
}

impl Part {
    fn find(&mut self, is_wanted: impl FnMut(&RememberedToken) -> bool) -> Option<&RememberedToken> {
        let at = self.tokens.iter().position(is_wanted)?;
        self.tokens[..=at].rotate_right(1);
        self.tokens.first()
    }

    /// Tells whether the session has come with a token of this origin before, and notes that it has.
    fn has_met(&mut self, session: Uuid, origin: Origin) -> bool {
        // The last bytes but one are random in UUIDs of versions 4 and 7. If two sessions have the same digest, the
        // second is remembered a call earlier.
        let [.., a, b, c, d, _] = *session.as_bytes();
        let digest = u32::from_be_bytes([a, b, c, d]);
        let digest = if origin == Origin::Minted { !digest } else { digest };
        let has_met = self.met.contains(&digest);
        if !has_met {
            self.met[self.next] = digest;
            self.next = (self.next + 1) % self.met.len();
        }
        has_met
    }

    /// Puts a token first, and returns those that give way: the `former` one, and those that were used longest ago if
    /// there is no room for all.
    fn insert(&mut self, former: Option<usize>, token: RememberedToken) -> Vec<RememberedToken> {
        let mut displaced: Vec<_> = former.map(|at| self.tokens.remove(at)).into_iter().collect();
        let mut room = BYTES_PER_PART.saturating_sub(token.length());
        let fits = |known: &&RememberedToken| {
            let left = room.checked_sub(known.length());
            room = left.unwrap_or(0);
            left.is_some()
        };
        let kept = self.tokens.iter().take(TOKENS_PER_PART - 1).take_while(fits).count();
        displaced.extend(self.tokens.drain(kept..));
        self.tokens.reserve_exact(1);
        self.tokens.insert(0, token);
        displaced
    }
}

impl RememberedToken {
    /// The number of bytes of its text.
    fn length(&self) -> usize {
        self.text.expose_secret().len()
    }
}

#[cfg(test)]
mod tests;
