//! Tokens: compact JWTs (RFC 7519) that are read strictly, and signed with HS256, ES256, RS256 or EdDSA (RFC 7515, RFC
//! 7518, RFC 8037).
//!
//! [`Tokens`] verifies, refreshes and issues them. It needs a [`Keyring`] and a [`Clock`](crate::clock::Clock), and it
//! knows nothing of accounts: a service that has the secret can verify and refresh tokens without asking the server. A
//! [`Verifier`] has no secret: it verifies with the public keys of an issuer, and mints nothing.
//!
//! Inside, `claims` is the payload of a token, `secret` and `key` are the two kinds of keys, `accepted` has the keys
//! that verify and `keyring` the one that signs, `jws` reads the three segments strictly, `memory` knows tokens again,
//! `times` judges the times, `service` issues, verifies and refreshes, `verifier` verifies only, and `seal` signs other
//! texts; `mac` is the signature of HS256.

mod accepted;
mod claims;
mod jws;
mod key;
mod keyring;
mod mac;
mod memory;
mod seal;
mod secret;
mod service;
mod times;
mod verifier;

pub use accepted::Limit;
pub use claims::{Claims, Profile};
pub use key::{Asymmetric, KeyError, PublicKey, SigningKey};
pub use keyring::{FormerKey, Keyring};
pub use secret::{Secret, SecretError};
pub use service::{IssuedToken, MintError, NewSession, Token, Tokens};
pub use times::{MAX_LIFETIME, TokenError};
pub use verifier::Verifier;
#[cfg(feature = "jwks")]
pub(crate) use verifier::{CurrentKeys, Occasion};
