//! PostgreSQL: `TokenKeyStore`.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::errors::failure;
use super::listen::announce;
use super::{PostgresStore, bound, to_completion};
use crate::store::rows::token_keys::{KeyRow, KindRow, lifetime};
use crate::store::token_keys::{KeyChange, TokenKeyRows, TokenKeyStore};
use crate::store::{StoreError, statements};

#[async_trait]
impl TokenKeyStore for PostgresStore {
    async fn token_keys(&self) -> Result<TokenKeyRows, StoreError> {
        // On the connections of the feed, which reads the keys before it has caught up: until then, calls get none.
        let (feed, query) = self.pools.beside_feed();
        let read = async {
            let keys = sqlx::query_as(statements::token_keys::LIST).fetch_all(&feed).await.map_err(failure)?;
            let kinds = sqlx::query_as(statements::token_keys::KINDS).fetch_all(&feed).await.map_err(failure)?;
            Ok(TokenKeyRows { keys: KeyRow::readable(keys), kinds: KindRow::readable(kinds) })
        };
        let rows = read.await;
        // An error is not counted as a loss of the database: the feed finds out by itself.
        query.over(true);
        rows
    }

    async fn longest_token_lifetime(&self) -> Result<Duration, StoreError> {
        let pool = self.pools.calls()?;
        let longest = sqlx::query_scalar(statements::token_keys::LONGEST).fetch_one(&pool).await;
        longest.map(lifetime).map_err(failure)
    }

    async fn change_token_keys(&self, change: &KeyChange, told_until: OffsetDateTime) -> Result<bool, StoreError> {
        let (pool, statements) = (self.pools.calls()?, statements::token_keys::change(change, told_until));
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            // Its lock also lets one change of the keys after the other happen.
            announce(&mut tx).await?;
            if !bound::run(&mut tx, statements).await? {
                return Ok(false);
            }
            tx.commit().await.map_err(failure)?;
            Ok(true)
        })
        .await
    }
}
