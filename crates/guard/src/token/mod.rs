//! Tokens: compact JWTs (RFC 7519) that are signed with HS256 (RFC 7515, RFC 7518) and read strictly.
//!
//! [`Tokens`] verifies, refreshes and issues them. It needs a [`Keyring`] and a [`Clock`](crate::clock::Clock), and it
//! knows nothing of accounts: a service that has the secret can verify and refresh tokens without asking the server.
//!
//! Inside, `claims` is the payload of a token, `keyring` holds the keys, `jws` reads the three segments strictly,
//! `memory` knows tokens again, `service` issues, verifies and refreshes, and `seal` signs other texts with the same
//! keys.

mod claims;
mod jws;
mod keyring;
mod memory;
mod seal;
mod service;

pub use claims::{Claims, Profile};
pub use keyring::{Keyring, Secret, SecretError};
pub use service::{IssuedToken, MAX_LIFETIME, MintError, NewSession, Token, TokenError, Tokens};
