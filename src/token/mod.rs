//! Tokens: compact JWTs (RFC 7519, RFC 7515), HS256, read strictly and minted with the caller's own clock.
//!
//! Knows keys, claims and a clock, and nothing of accounts: another service that is given the secret can verify and
//! slide the same tokens with this folder and [`layer`](crate::layer) alone.
//!
//! `claims` is what a token says, `keyring` who may say it, `jws` the strict reading of the three segments, `service`
//! issuing, verifying and refreshing, `seal` the same keys for what clients hold for us.

mod claims;
mod jws;
mod keyring;
mod seal;
mod service;

pub use claims::{Claims, Profile};
pub use keyring::{Keyring, Secret, SecretError};
pub use service::{IssuedToken, MAX_LIFETIME, MintError, NewSession, Token, TokenError, Tokens};
