//! The keys whose signatures are accepted, with the tokens that they accepted. Separate from `keyring`, which also
//! signs, because a verifier has public keys only.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::Claims;
use super::jws::{self, HS256, HS256_HEADER, Header, Jws, session_at_its_place};
use super::key::{Asymmetric, PublicKey};
use super::mac::Mac;
use super::memory::{Memory, Origin};
use super::times::has_possible_lifetime;

/// The bounds of a former key. They end what its holder can do, and sign nobody out: every token that was minted before
/// the key was replaced is accepted until it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The latest `iat` of an accepted token, in seconds since the Unix epoch: the time when the key was replaced.
    pub last_iat: i64,
    /// The time from which the key verifies nothing, in seconds since the Unix epoch: a longest token lifetime later.
    pub until: i64,
}

impl Limit {
    /// The limit of a key that is not a former one.
    pub(super) const NONE: Self = Self { last_iat: i64::MAX, until: i64::MAX };
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unaccepted {
    /// It is malformed, or an accepted key of that name did not sign it.
    Invalid,
    /// It is well-formed, and no accepted key has the name in its header. It says that it was minted at this time.
    UnknownKey { iat: i64 },
}

/// The accepted keys, and their memory. It belongs to the keys, so that no token outlasts its key.
#[derive(Default)]
pub(super) struct AcceptedKeys {
    keys: Vec<AcceptedKey>,
    pub(super) memory: Memory,
}

struct AcceptedKey {
    /// The header of the tokens that are minted with this key, in base64url.
    header: String,
    /// The name in the header. Tokens of HS256 have none, and one that they have says nothing.
    name: Option<String>,
    key: Verifying,
    limit: Limit,
}

pub(super) enum Verifying {
    Secret(Arc<hmac::Key>),
    Public(PublicKey),
}

impl AcceptedKeys {
    /// Accepts these keys, each by its name, and nothing else.
    pub(super) fn of(keys: Vec<(String, PublicKey)>) -> Self {
        let mut accepted = Self::default();
        keys.into_iter().for_each(|(name, key)| accepted.add(Some(&name), Verifying::Public(key), Limit::NONE));
        accepted
    }

    /// Tells whether these keys are accepted, in this order, and nothing else.
    pub(super) fn are(&self, keys: &[(String, PublicKey)]) -> bool {
        let is = |known: &AcceptedKey, (name, key): &(String, PublicKey)| {
            let same = matches!(&known.key, Verifying::Public(public) if public.id() == key.id());
            same && known.name.as_ref() == Some(name)
        };
        self.keys.len() == keys.len() && self.keys.iter().zip(keys).all(|(known, key)| is(known, key))
    }

    /// Accepts one more key, which tokens call `name`.
    pub(super) fn add(&mut self, name: Option<&str>, key: Verifying, limit: Limit) {
        let header = match (&key, name) {
            (Verifying::Public(public), Some(name)) => jws::header(public.algorithm(), name),
            _ => HS256_HEADER.to_owned(),
        };
        self.keys.push(AcceptedKey { header, name: name.map(str::to_owned), key, limit });
    }

    /// Accepts no secret any more, except former ones within their limits.
    pub(super) fn forget_secrets(&mut self) {
        self.keys.retain(|known| !matches!(known.key, Verifying::Secret(_)) || known.limit != Limit::NONE);
    }

    /// Tells whether `others` accept whatever these keys still accept at this time.
    pub(super) fn are_all_among(&self, others: &Self, now: i64) -> bool {
        let live = |keys: &Self, is: &dyn Fn(&AcceptedKey) -> bool| {
            keys.keys.iter().filter(|known| now < known.limit.until && is(known)).count()
        };
        let is_secret = |known: &AcceptedKey| matches!(known.key, Verifying::Secret(_));
        let is_lost =
            |known: &AcceptedKey| known.name.is_some() && !others.keys.iter().any(|other| other.name == known.name);
        live(self, &is_lost) == 0 && live(self, &is_secret) <= live(others, &is_secret)
    }

    /// Returns the claims of a token with a good signature, without a look at its times.
    pub(super) fn read(&self, token: &str, now: i64) -> Result<Arc<Claims>, Unaccepted> {
        let session = session_at_its_place(token);
        let known = session.and_then(|session| self.memory.claims(session, token, now));
        let claims = if let Some(known) = known {
            known
        } else {
            let (claims, limit) = self.read_unknown(token, now)?;
            let claims = Arc::new(claims);
            // Where the id stands at another place, the token would never be found again.
            if session == Some(claims.sid) {
                self.memory.remember(Origin::Verified, claims.sid, token, Arc::clone(&claims), limit.until);
            }
            claims
        };
        if has_possible_lifetime(&claims) { Ok(claims) } else { Err(Unaccepted::Invalid) }
    }

    /// Verifies the signature of a token, and reads its claims.
    fn read_unknown(&self, token: &str, now: i64) -> Result<(Claims, Limit), Unaccepted> {
        let jws = Jws::split(token).ok_or(Unaccepted::Invalid)?;
        let is_prepared = |known: &AcceptedKey| known.header == jws.header;
        let limit = if self.keys.iter().any(is_prepared) {
            self.signer(&jws, now, is_prepared)
        } else {
            let header = URL_SAFE_NO_PAD.decode(jws.header).map_err(|_| Unaccepted::Invalid)?;
            let header = Header::parse(&header).ok_or(Unaccepted::Invalid)?;
            if self.is_of_unknown_key(&header) {
                let iat = jws.claims().ok_or(Unaccepted::Invalid)?.iat;
                return Err(Unaccepted::UnknownKey { iat });
            }
            self.signer(&jws, now, |known| known.fits(&header))
        }
        .ok_or(Unaccepted::Invalid)?;
        let claims = jws.claims().filter(|claims| claims.iat <= limit.last_iat).ok_or(Unaccepted::Invalid)?;
        Ok((claims, limit))
    }

    /// Looks for the key that signed, among those that the header fits, and returns its limit. No signature is decoded
    /// or computed for any other key.
    fn signer(&self, jws: &Jws<'_>, now: i64, fits: impl Fn(&AcceptedKey) -> bool) -> Option<Limit> {
        let mut fitting = self.keys.iter().filter(|known| fits(known) && now < known.limit.until);
        fitting.find(|known| known.key.accepts(jws.message, jws.signature)).map(|known| known.limit)
    }

    /// Tells whether the header of a token names an asymmetric key that is not accepted.
    pub(super) fn lack_the_key_of(&self, token: &str) -> bool {
        let header = Jws::split(token).and_then(|jws| URL_SAFE_NO_PAD.decode(jws.header).ok());
        header.is_some_and(|header| Header::parse(&header).is_some_and(|header| self.is_of_unknown_key(&header)))
    }

    fn is_of_unknown_key(&self, header: &Header<'_>) -> bool {
        let is_known = || self.keys.iter().any(|known| known.name.as_deref() == header.kid);
        Asymmetric::named(header.alg).is_some() && header.kid.is_some() && !is_known()
    }
}

impl AcceptedKey {
    /// Tells whether a header agrees with this key. The key decides the algorithm (RFC 8725 section 3.1).
    fn fits(&self, header: &Header<'_>) -> bool {
        self.key.algorithm() == header.alg && self.name.as_deref().is_none_or(|name| header.kid == Some(name))
    }
}

impl Verifying {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Secret(_) => HS256,
            Self::Public(key) => key.algorithm().name(),
        }
    }

    /// Tells whether this key made a signature, which is in canonical base64url.
    fn accepts(&self, message: &str, signature: &str) -> bool {
        #[cfg(test)]
        tests::COMPUTED.set(tests::COMPUTED.get() + 1);
        match self {
            Self::Secret(key) => Mac::decode(signature).is_some_and(|mac| mac.is_of(message, key)),
            Self::Public(key) => {
                URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| key.accepts(message.as_bytes(), &signature))
            }
        }
    }
}

impl fmt::Debug for AcceptedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|known| (known.key.algorithm(), &known.name, known.limit))).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::{AcceptedKeys, Limit, Unaccepted, Verifying};
    use crate::token::{Asymmetric, Secret, SigningKey};

    thread_local! {
        /// How many signatures were computed.
        pub(super) static COMPUTED: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn a_token_with_another_algorithm_than_its_keys_is_refused_before_any_signature_is_computed() {
        let mut accepted = AcceptedKeys::default();
        let secret = Secret::parse("x".repeat(32)).unwrap().key();
        accepted.add(None, Verifying::Secret(Arc::clone(&secret)), Limit::NONE);
        let mut names = Vec::new();
        for algorithm in [Asymmetric::Es256, Asymmetric::Rs256, Asymmetric::EdDsa] {
            let key = SigningKey::generate(algorithm).unwrap().0.public().clone();
            names.push((algorithm.name(), key.id().to_owned()));
            let name = key.id().to_owned();
            accepted.add(Some(&name), Verifying::Public(key), Limit::NONE);
        }
        let computed = |header: String| {
            let before = COMPUTED.get();
            let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode("{}"));
            let read = accepted.read(&format!("{message}.{}", "A".repeat(86)), 0);
            assert_eq!(read, Err(Unaccepted::Invalid));
            COMPUTED.get() - before
        };
        for (of_key, name) in &names {
            for alg in ["ES256", "RS256", "EdDSA", "ES384", "PS256", "HS512", "none", "None", ""] {
                let expected = usize::from(alg == *of_key);
                let header = format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"{name}"}}"#);
                assert_eq!(computed(header), expected, "{alg} for a key of {of_key}");
                assert_eq!(computed(format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#)), 0, "{alg} without a name");
            }
            // The secret is tried, and no public key.
            let header = format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{name}"}}"#);
            assert_eq!(computed(header), 1);
        }
    }
}
