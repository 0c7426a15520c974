//! SQLite: runs a change that is a list of statements, within the caller's transaction.

use super::errors::failure;
use super::writer::WriteTransaction;
use crate::store::StoreError;
use crate::store::statements::bound::BoundStatement;
use crate::store::tables::Value;

/// Runs the statements. Returns false if one of those that decide has changed nothing; then the caller must not commit.
pub(super) async fn run(tx: &mut WriteTransaction, statements: Vec<BoundStatement>) -> Result<bool, StoreError> {
    for statement in statements {
        let mut query = sqlx::query(statement.sql);
        for value in statement.values {
            query = match value {
                Value::Id(id) => query.bind(id),
                Value::Number(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
            };
        }
        let done = query.execute(&mut **tx).await.map_err(failure)?;
        if statement.decides && done.rows_affected() == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
