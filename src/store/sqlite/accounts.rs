//! The statements that store an account, also in another's transaction. Apart from the others because both a registration
//! and an accepted invitation make one.

use super::attempts;
use super::errors::{self, failure};
use super::writer::Write;
use crate::domain::{AttemptKey, Identity, NewAccount, PasswordHash};
use crate::store::StoreError;
use crate::store::rows::millis;

pub(super) async fn insert(tx: &mut Write, account: &NewAccount) -> Result<(), StoreError> {
    // What was guessed while nobody had the name is not held against who has it now.
    attempts::clear(tx, &AttemptKey::login(&account.identity.handle())).await?;
    let (username, email, name, firm, role) = match &account.identity {
        Identity::Username(username) => (Some(username.as_str()), None, None, None, None),
        Identity::Email { email, name, firm, role, .. } => {
            (None, Some(email.as_str()), Some(name.as_str()), Some(firm), Some(role.as_str()))
        }
    };
    if let Some(firm) = firm.filter(|_| !account.joins) {
        sqlx::query("insert into firms (id, name, created_at) values (?1, ?2, ?3)")
            .bind(firm.id)
            .bind(firm.name.as_str())
            .bind(millis(account.created_at))
            .execute(&mut **tx)
            .await
            .map_err(failure)?;
    }
    sqlx::query(
        "insert into accounts (id, username, email, name, firm_id, role, password_hash, created_at, email_verified_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )
    .bind(account.id)
    .bind(username)
    .bind(email)
    .bind(name)
    .bind(firm.map(|firm| firm.id))
    .bind(role)
    .bind(account.password_hash.as_ref().map(PasswordHash::to_phc).unwrap_or_default())
    .bind(millis(account.created_at))
    .bind(account.verified_at().map(millis))
    .execute(&mut **tx)
    .await
    .map_err(errors::insert_failure)?;
    Ok(())
}
