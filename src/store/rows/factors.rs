//! The rows of the table `totp_secrets`.

use uuid::Uuid;

use super::{from_millis, from_row, impossible};
use crate::store::StoreError;
use crate::store::factors::{PendingTotp, SealedTotp, StoredFactors};

pub(in crate::store) struct TotpRow {
    account_id: Uuid,
    secret: Option<String>,
    last_step: i64,
    pending: Option<String>,
    pending_at: Option<i64>,
}

from_row!(TotpRow: account_id, secret, last_step, pending, pending_at);

impl TotpRow {
    /// The second factors of an account with this authenticator app, if it has one, and so many recovery codes.
    pub(in crate::store) fn into_factors(row: Option<Self>, recovery_codes: i64) -> Result<StoredFactors, StoreError> {
        let recovery_codes = recovery_codes.try_into().unwrap_or(u32::MAX);
        let Some(row) = row else {
            return Ok(StoredFactors { recovery_codes, ..StoredFactors::default() });
        };
        let pending = row.pending.zip(row.pending_at).map(|(sealed, at)| {
            let made_at = from_millis(at).ok_or_else(|| impossible("totp_secrets", "pending_at", row.account_id))?;
            Ok(PendingTotp { sealed, made_at })
        });
        let last_step = row.last_step;
        let totp = row.secret.map(|sealed| SealedTotp { sealed, last_step });
        Ok(StoredFactors { totp, pending: pending.transpose()?, recovery_codes })
    }
}
