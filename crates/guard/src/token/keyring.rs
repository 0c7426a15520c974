//! The keys of a server: the one that signs tokens, and those that are accepted. Separate from `accepted` because a
//! verifier has no key that signs.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::accepted::{AcceptedKeys, Limit, Verifying};
use super::jws::{self, HS256_HEADER};
use super::key::{PublicKey, SigningKey};
use super::mac::{self, Mac};
use super::secret::Secret;

/// The keys of tokens. The algorithm is that of the key: the header of a token cannot choose another.
///
/// A new keyring signs tokens with a secret. [`Self::signing_with`] makes it sign them with an asymmetric key; then the
/// secrets sign only sealed texts, and [`Self::accepting_former`] accepts the tokens from before the change.
pub struct Keyring {
    current: Arc<hmac::Key>,
    previous: Option<Arc<hmac::Key>>,
    /// The key that signs tokens, with the header that they have, in base64url. `None` if the current secret does.
    signing: Option<(SigningKey, String)>,
    pub(super) accepted: AcceptedKeys,
}

/// A key that signed tokens until it was replaced.
#[derive(Debug, Clone)]
pub enum FormerKey {
    /// A secret, which signed with HS256.
    Secret(Secret),
    /// The public part of an asymmetric key.
    Public(PublicKey),
}

impl Keyring {
    /// Makes a keyring that signs with `current` and also accepts signatures of `previous`, all of HS256. A refresh of
    /// a token that `previous` signed is signed with `current`.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Self {
        let (current, previous) = (current.key(), previous.map(Secret::key));
        let mut accepted = AcceptedKeys::default();
        for key in [Some(&current), previous.as_ref()].into_iter().flatten() {
            accepted.add(None, Verifying::Secret(Arc::clone(key)), Limit::NONE);
        }
        Self { current, previous, signing: None, accepted }
    }

    /// Signs tokens with this key from now on, and accepts them. Tokens that a secret signed are no longer accepted,
    /// unless [`Self::accepting_former`] says so.
    #[must_use]
    pub fn signing_with(mut self, key: SigningKey) -> Self {
        self.accepted.forget_secrets();
        let header = jws::header(key.public().algorithm(), key.public().id());
        let this = self.accepting(key.public().clone());
        Self { signing: Some((key, header)), ..this }
    }

    /// Also accepts tokens of this key: the next one to sign, or one that another replica still signs with.
    #[must_use]
    pub fn accepting(mut self, key: PublicKey) -> Self {
        let id = key.id().to_owned();
        self.accepted.add(Some(&id), Verifying::Public(key), Limit::NONE);
        self
    }

    /// Also accepts tokens of a former key, within the limit.
    #[must_use]
    pub fn accepting_former(mut self, key: FormerKey, limit: Limit) -> Self {
        match key {
            FormerKey::Secret(secret) => self.accepted.add(None, Verifying::Secret(secret.key()), limit),
            FormerKey::Public(key) => {
                let id = key.id().to_owned();
                self.accepted.add(Some(&id), Verifying::Public(key), limit);
            }
        }
        self
    }

    /// Tells whether tokens are signed with an asymmetric key.
    pub(super) fn is_asymmetric(&self) -> bool {
        self.signing.is_some()
    }

    /// The header of minted tokens, in base64url.
    pub(super) fn header(&self) -> &str {
        self.signing.as_ref().map_or(HS256_HEADER, |(_, header)| header)
    }

    /// Appends a dot and the signature of a token. `None` if the system has no random bytes, which ECDSA needs.
    pub(super) fn sign(&self, message: &mut String) -> Option<()> {
        match &self.signing {
            None => mac::append(message, &self.current),
            Some((key, _)) => {
                let signature = key.sign(message.as_bytes())?;
                message.push('.');
                URL_SAFE_NO_PAD.encode_string(signature, message);
            }
        }
        Some(())
    }

    /// Appends a dot and the signature of a sealed text, by the current secret.
    pub(super) fn seal(&self, message: &mut String) {
        mac::append(message, &self.current);
    }

    /// Tells whether the current or the previous secret sealed this.
    pub(super) fn sealed(&self, message: &str, mac: Mac) -> bool {
        mac.is_of(message, &self.current) || self.previous.as_ref().is_some_and(|key| mac.is_of(message, key))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signing = self.signing.as_ref().map(|(key, _)| key);
        f.debug_struct("Keyring").field("signing", &signing).field("accepted", &self.accepted).finish_non_exhaustive()
    }
}
