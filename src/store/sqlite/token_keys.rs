//! SQLite: `TokenKeyStore`.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::errors::failure;
use super::{SqliteStore, bound};
use crate::store::rows::token_keys::{KeyRow, KindRow, lifetime};
use crate::store::token_keys::{KeyChange, TokenKeyRows, TokenKeyStore};
use crate::store::{StoreError, statements};

#[async_trait]
impl TokenKeyStore for SqliteStore {
    async fn token_keys(&self) -> Result<TokenKeyRows, StoreError> {
        // On the connection of the feed, which reads the keys before it vouches for the set of revocations.
        let mut reader = self.feed.take().await?;
        let keys = sqlx::query_as(statements::token_keys::LIST).fetch_all(&mut **reader).await.map_err(failure)?;
        let kinds = sqlx::query_as(statements::token_keys::KINDS).fetch_all(&mut **reader).await.map_err(failure)?;
        Ok(TokenKeyRows { keys: KeyRow::readable(keys), kinds: KindRow::readable(kinds) })
    }

    async fn longest_token_lifetime(&self) -> Result<Duration, StoreError> {
        let mut reader = self.readers.take().await?;
        let longest = sqlx::query_scalar(statements::token_keys::LONGEST).fetch_one(&mut **reader).await;
        longest.map(lifetime).map_err(failure)
    }

    async fn change_token_keys(&self, change: &KeyChange, told_until: OffsetDateTime) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if !bound::run(&mut tx, statements::token_keys::change(change, told_until)).await? {
            return Ok(false);
        }
        self.commit_and_wake_feed(tx).await?;
        Ok(true)
    }
}
