//! PostgreSQL: `SigningKeyStore`.

use async_trait::async_trait;

use super::errors::failure;
use super::{PostgresStore, to_completion};
use crate::store::{SigningKeyStore, StoreError, statements};

#[async_trait]
impl SigningKeyStore for PostgresStore {
    async fn signing_key(&self) -> Result<Option<String>, StoreError> {
        let pool = self.pools.calls()?;
        sqlx::query_scalar(statements::signing_key::FIND).fetch_optional(&pool).await.map_err(failure)
    }

    async fn set_signing_key(&self, digest: &str, replaced: Option<&str>) -> Result<bool, StoreError> {
        let (pool, digest, replaced) = (self.pools.calls()?, digest.to_owned(), replaced.map(str::to_owned));
        to_completion(async move {
            let set = sqlx::query(statements::signing_key::SET).bind(digest).bind(replaced);
            Ok(set.execute(&pool).await.map_err(failure)?.rows_affected() == 1)
        })
        .await
    }
}
