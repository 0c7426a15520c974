//! The encryption of private keys, and of the secrets of authenticator apps, in the database. Separate because no other
//! file sees the master secret.
//!
//! A secret is sealed with AES-256-GCM under a key that HKDF-SHA256 derives from the master secret; what it is and
//! whose is authenticated, so that nobody who can write to the database can pass one secret off as another. The
//! master secret has at least 32 bytes and should be random, so no slow derivation is needed.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_guard::token::Asymmetric;
use zeroize::Zeroizing;

use crate::domain::KeyId;

/// The length of a key of AES-256 in bytes.
const KEY_BYTES: usize = 32;

/// The salt of the derivation, which keeps it apart from every other use of the master secret.
const LABEL: &[u8] = b"countersign token keys 1";

/// The master secret: it seals secrets of the database, and opens those that it or an earlier master secret has sealed.
pub(crate) struct MasterSecret {
    sealing: RandomizedNonceKey,
    earlier: Vec<RandomizedNonceKey>,
}

/// The text of a master secret has fewer than 32 bytes, or there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must hold a secret of at least 32 bytes, on its first line: make one with `openssl rand -base64 48`")]
pub struct MasterSecretError;

impl MasterSecret {
    /// Reads the secrets of a text, one on each line. The first one seals; all of them open.
    pub(crate) fn parse(text: &str) -> Result<Self, MasterSecretError> {
        let mut keys = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let key = (line.len() >= KEY_BYTES).then(|| derive(line.as_bytes()).ok()).flatten();
            keys.push(key.ok_or(MasterSecretError)?);
        }
        let mut keys = keys.into_iter();
        Ok(Self { sealing: keys.next().ok_or(MasterSecretError)?, earlier: keys.collect() })
    }

    /// Seals the PKCS#8 form of a private key. `None` if the system has no random bytes.
    pub(super) fn seal_key(&self, id: KeyId, algorithm: Asymmetric, pkcs8: &[u8]) -> Option<String> {
        self.seal(&about(id, algorithm), pkcs8)
    }

    /// Opens what [`Self::seal_key`] returned for this key.
    pub(super) fn open_key(&self, id: KeyId, algorithm: Asymmetric, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.open(&about(id, algorithm), sealed)
    }

    /// Seals a secret; `about` says what it is and whose. `None` if the system has no random bytes.
    pub(crate) fn seal(&self, about: &str, secret: &[u8]) -> Option<String> {
        let mut sealed = Zeroizing::new(secret.to_vec());
        let nonce = self.sealing.seal_in_place_append_tag(Aad::from(about), &mut *sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &sealed].concat()))
    }

    /// Opens what [`Self::seal`] returned for the same `about`. `None` if another master secret sealed it, or if it was
    /// changed.
    pub(crate) fn open(&self, about: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        [&self.sealing].into_iter().chain(&self.earlier).find_map(|key| {
            let mut opened = Zeroizing::new(sealed.to_vec());
            let length = key.open_in_place(Nonce::from(nonce), Aad::from(about), &mut opened).ok()?.len();
            opened.truncate(length);
            Some(opened)
        })
    }
}

/// What is authenticated with a sealed key.
fn about(id: KeyId, algorithm: Asymmetric) -> String {
    format!("{algorithm} {id}")
}

fn derive(secret: &[u8]) -> Result<RandomizedNonceKey, Unspecified> {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            KEY_BYTES
        }
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    Salt::new(HKDF_SHA256, LABEL).extract(secret).expand(&[b"AES-256-GCM"], Length)?.fill(&mut *key)?;
    RandomizedNonceKey::new(&AES_256_GCM, &*key)
}

impl fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use countersign_guard::token::Asymmetric::{EdDsa, Es256};

    use super::MasterSecret;
    use crate::domain::KeyId;

    #[test]
    fn a_sealed_key_opens_with_its_secret_for_its_id_and_algorithm_and_whole() {
        let text = |name: &str| format!("a master secret of 32 bytes: {name:>5}");
        let master = |text: &str| MasterSecret::parse(text).unwrap();
        let (old, other) = (master(&text("old")), master(&text("other")));
        let new = master(&format!("{}\n\n{}\r\n", text("new"), text("old")));
        let [id, another] = ["A", "B"].map(|one| KeyId::parse(&format!("{}A", one.repeat(42))).unwrap());
        let sealed = old.seal_key(id, Es256, b"private").unwrap();
        assert_ne!(sealed, old.seal_key(id, Es256, b"private").unwrap(), "the nonce is random");
        for one in [&old, &new] {
            assert_eq!(**one.open_key(id, Es256, &sealed).unwrap(), *b"private");
        }
        assert!(other.open_key(id, Es256, &sealed).is_none(), "another secret");
        assert!(
            old.open_key(id, Es256, &new.seal_key(id, Es256, b"private").unwrap()).is_none(),
            "the first one seals"
        );
        assert!(old.open_key(another, Es256, &sealed).is_none() && old.open_key(id, EdDsa, &sealed).is_none());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            assert!(old.open_key(id, Es256, std::str::from_utf8(&bent).unwrap()).is_none(), "{at}");
            assert!(old.open_key(id, Es256, &sealed[..at]).is_none(), "{at}");
        }
        for bad in ["", "\n", "short", &format!("{}\nshort", text("old"))] {
            assert!(MasterSecret::parse(bad).is_err(), "{bad:?}");
        }
    }
}
