//! The digest of the secret that signs tokens. All servers on a database must have the same secret, and each compares
//! its own with this one when it starts.

use async_trait::async_trait;

use super::StoreError;

/// The digest of the signing secret.
#[async_trait]
pub trait SigningKeyStore: Send + Sync + 'static {
    /// Reads the digest; `None` if no server has started on the database yet.
    async fn signing_key(&self) -> Result<Option<String>, StoreError>;

    /// Stores `digest`, if there is none or `replaced` is stored. Returns whether `digest` is stored now: of several
    /// servers that store different ones at the same time, one succeeds.
    async fn set_signing_key(&self, digest: &str, replaced: Option<&str>) -> Result<bool, StoreError>;
}
