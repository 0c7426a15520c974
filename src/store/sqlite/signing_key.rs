//! SQLite: `SigningKeyStore`.

use async_trait::async_trait;

use super::SqliteStore;
use super::errors::failure;
use crate::store::{SigningKeyStore, StoreError, statements};

#[async_trait]
impl SigningKeyStore for SqliteStore {
    async fn signing_key(&self) -> Result<Option<String>, StoreError> {
        let mut reader = self.readers.take().await?;
        sqlx::query_scalar(statements::signing_key::FIND).fetch_optional(&mut **reader).await.map_err(failure)
    }

    async fn set_signing_key(&self, digest: &str, replaced: Option<&str>) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(statements::signing_key::SET).bind(digest).bind(replaced).execute(&mut *tx).await;
        let is_set = done.map_err(failure)?.rows_affected() == 1;
        tx.commit().await?;
        Ok(is_set)
    }
}
