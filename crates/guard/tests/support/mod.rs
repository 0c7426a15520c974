//! What several tests need: keys with their PEM, sessions, and tokens that another implementation signs.

#![expect(dead_code, reason = "no test needs all of it")]
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare has failed")]

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_guard::clock::ManualClock;
use countersign_guard::token::{Asymmetric, Keyring, NewSession, Profile, Secret, SigningKey, Tokens};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use uuid::Uuid;

pub const ALL: [Asymmetric; 3] = [Asymmetric::Es256, Asymmetric::Rs256, Asymmetric::EdDsa];

pub const ISSUER: &str = "https://auth.example.com";

/// The time of the tests, in seconds since the Unix epoch.
pub const NOW: i64 = 1_800_000_000;

/// A key, with what another implementation needs to sign with it.
pub struct Pair {
    pub ours: SigningKey,
    pub theirs: EncodingKey,
    pub id: String,
    pkcs8: Vec<u8>,
}

impl Pair {
    /// The same key once more.
    pub fn again(&self) -> SigningKey {
        SigningKey::from_pkcs8(self.ours.public().algorithm(), &self.pkcs8).unwrap()
    }
}

/// Makes a new key.
pub fn pair(algorithm: Asymmetric) -> Pair {
    let (ours, pkcs8) = SigningKey::generate(algorithm).unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&pkcs8));
    let theirs = match algorithm {
        Asymmetric::Es256 => EncodingKey::from_ec_pem(pem.as_bytes()),
        Asymmetric::Rs256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
        Asymmetric::EdDsa => EncodingKey::from_ed_pem(pem.as_bytes()),
    };
    Pair { id: ours.public().id().to_owned(), ours, theirs: theirs.unwrap(), pkcs8 }
}

pub fn library(algorithm: Asymmetric) -> Algorithm {
    algorithm.name().parse().unwrap()
}

pub fn secret(name: &str) -> Secret {
    Secret::parse(format!("a secret of thirty-two bytes: {name}")).unwrap()
}

/// A keyring with a secret and nothing else.
pub fn keyring() -> Keyring {
    Keyring::new(&secret("one"), None)
}

pub fn tokens(clock: &ManualClock, keyring: Keyring) -> Tokens {
    Tokens::new(keyring, Arc::new(clock.clone()), Duration::from_secs(86_400)).with_issuer(ISSUER, None)
}

pub fn session(number: u128) -> NewSession {
    NewSession {
        account_id: Uuid::from_u128(1),
        session_id: Uuid::from_u128(number),
        epoch: 0,
        token_lifetime: Duration::from_secs(600),
        profile: Profile::Username { username: "ada".to_owned() },
    }
}

pub fn issue(tokens: &Tokens, session: NewSession) -> String {
    tokens.issue(session).unwrap().token.into_string()
}

/// The claims of a token that was minted at [`NOW`].
pub fn claims() -> Value {
    json!({
        "sub": Uuid::from_u128(1), "sid": Uuid::from_u128(2), "iss": ISSUER, "epoch": 0, "auth_time": NOW, "iat": NOW,
        "exp": NOW + 600, "session_exp": NOW + 86_400, "username": "ada"
    })
}

/// A token that the library signs: with any header, and any claims.
pub fn signed(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The text of a segment: 0 is the header, 1 the claims.
pub fn segment(token: &str, index: usize) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}
