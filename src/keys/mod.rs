//! The keys of tokens: those of the asymmetric algorithms, which the database has and which rotate, and how they go
//! together with the secret of HS256, the default. With HS256 alone nothing here does anything: no row is stored, and
//! the keyring is made once.
//!
//! | file | what it is |
//! |---|---|
//! | `schedule` | pure: when a key is published, signs and goes |
//! | `kinds` | pure: which tokens of the other kind, the secret or keys, are accepted after a switch |
//! | `sealing` | the encryption of private keys in the database |
//! | `private_key` | a private key in memory, and where this server has it from |
//! | `ring` | the keyring and the published keys, made from what is stored |
//! | `published` | the published keys as the documents that verifiers read |
//! | `keeper` | the live object: reads the keys when they change, and takes the steps of the schedule |
//! | `lookup` | reads the keys when a token names one that is not known here |
//! | `start` | the steps of a server that starts |
//! | `rotation` | rotating and revoking by hand |
//!
//! Every change is one transaction of the store, which also stores a revocation of nobody
//! ([`KEYS_CHANGED`](crate::store::KEYS_CHANGED)). So the feed of revocations tells each process of it, and a process
//! that has not heard of it for too long accepts no token at all. A key is published for an hour before it signs, and
//! accepted after it has signed, so a process that hears late signs with the former key and nobody notices. A key may
//! sign sooner, after `rotate --now` or because two were revoked; it is looked for before a token of it is refused.

mod keeper;
mod kinds;
mod lookup;
mod private_key;
mod published;
mod ring;
mod rotation;
mod schedule;
mod sealing;
mod start;

pub(crate) use keeper::{TokenKeys, TokenKeysParts};
pub(crate) use private_key::{FileKey, KeySource, OwnKeys};
pub(crate) use published::{Issuer, MAX_AGE};
pub(crate) use ring::Secrets;
pub use rotation::{Rotation, RotationError};
pub(crate) use rotation::{revoke, rotate};
pub(crate) use sealing::{MasterSecret, MasterSecretError};
pub(crate) use start::KeysError;
