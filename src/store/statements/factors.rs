//! The shared SQL of the tables `totp_secrets`, `recovery_codes` and `spent_tickets`, and of the two columns of
//! `accounts` that tell of second factors.

use uuid::Uuid;

use super::bound::{BoundStatement, also, decides, id, number, text, time};
use crate::domain::RecoveryDigest;
use crate::store::factors::{FactorChange, FactorProof, LoginCompletion, SeenAccount};

/// Finds the authenticator app of an account.
pub(crate) const FIND_TOTP: &str =
    "select account_id, secret, last_step, pending, pending_at from totp_secrets where account_id = $1";

/// Counts the recovery codes of an account.
pub(crate) const COUNT_CODES: &str = "select count(*) from recovery_codes where account_id = $1";

/// Tells whether there is a secret of any authenticator app.
pub(crate) const HAS_SEALED: &str = "select exists (select 1 from totp_secrets)";

/// Tells whether a ticket was used.
pub(crate) const IS_SPENT: &str = "select exists (select 1 from spent_tickets where id = $1)";

const BEGIN: &str = "insert into totp_secrets (account_id, pending, pending_at)
     select id, $2, $3 from accounts where id = $1
     on conflict (account_id) do update set pending = excluded.pending, pending_at = excluded.pending_at";

const CONFIRM: &str = "update totp_secrets
     set secret = pending, last_step = $3, pending = null, pending_at = null
     where account_id = $1 and pending = $2";

/// Sets whether the account `$1` has a second factor, if it is as its owner saw it.
const CHANGE_SEEN: &str = "update accounts set second_factor = $2, factor_changes = factor_changes + 1
     where id = $1 and epoch = $3 and password_changes = $4 and factor_changes = $5 and status = 'active'
         and exists (select 1 from sessions where sessions.id = $6 and account_id = $1)";

const CHANGE_OF: &str = "update accounts set second_factor = 0, factor_changes = factor_changes + 1
     where id = $1 and second_factor = 1";

const DELETE_TOTP: &str = "delete from totp_secrets where account_id = $1";

const DELETE_CODES: &str = "delete from recovery_codes where account_id = $1";

const INSERT_CODE: &str = "insert into recovery_codes (digest, account_id) values ($1, $2)";

/// Uses a ticket. Of several sign-ins at once, the one that inserts the row has used it.
const SPEND_TICKET: &str = "insert into spent_tickets (id, expires_at) values ($1, $2) on conflict do nothing";

/// Uses the code of the step `$2`, and with it those of all earlier steps.
const USE_STEP: &str =
    "update totp_secrets set last_step = $2 where account_id = $1 and secret is not null and last_step < $2";

const USE_CODE: &str = "delete from recovery_codes where digest = $1 and account_id = $2";

/// The statements of a change, in their order. Accounts are locked before their factors.
pub(in crate::store) fn change(change: &FactorChange) -> Vec<BoundStatement> {
    match change {
        FactorChange::Begin { account_id, sealed, at } => {
            vec![decides(BEGIN, vec![id(*account_id), text(sealed), time(*at)])]
        }
        FactorChange::Confirm { seen, pending, step, codes } => {
            let confirm = decides(CONFIRM, vec![id(seen.account_id), text(pending), number(*step)]);
            let codes = if codes.is_empty() { Vec::new() } else { replace_codes(seen.account_id, codes) };
            [change_seen(seen, true), confirm].into_iter().chain(codes).collect()
        }
        FactorChange::Remove { seen } => {
            [change_seen(seen, false)].into_iter().chain(delete(seen.account_id)).collect()
        }
        FactorChange::MakeCodes { seen, codes } => {
            [change_seen(seen, true)].into_iter().chain(replace_codes(seen.account_id, codes)).collect()
        }
        FactorChange::RemoveOf { account_id } => {
            [decides(CHANGE_OF, vec![id(*account_id)])].into_iter().chain(delete(*account_id)).collect()
        }
    }
}

/// The statement that uses up the ticket of a sign-in.
pub(in crate::store) fn spend_ticket(completion: &LoginCompletion) -> Vec<BoundStatement> {
    let (ticket, until) = completion.ticket;
    vec![decides(SPEND_TICKET, vec![id(ticket), time(until)])]
}

/// The statement that uses up the code of a sign-in.
pub(in crate::store) fn use_proof(completion: &LoginCompletion) -> Vec<BoundStatement> {
    let account_id = completion.opening.session.account_id;
    vec![match &completion.proof {
        FactorProof::Totp(step) => decides(USE_STEP, vec![id(account_id), number(*step)]),
        FactorProof::RecoveryCode(digest) => decides(USE_CODE, vec![text(digest.as_str()), id(account_id)]),
    }]
}

fn change_seen(seen: &SeenAccount, second_factor: bool) -> BoundStatement {
    let SeenAccount { account_id, session_id, epoch, password_changes, factor_changes } = *seen;
    let counts = [i64::from(second_factor), epoch, password_changes, factor_changes].map(number);
    decides(CHANGE_SEEN, [id(account_id)].into_iter().chain(counts).chain([id(session_id)]).collect())
}

fn delete(account_id: Uuid) -> [BoundStatement; 2] {
    [DELETE_TOTP, DELETE_CODES].map(|sql| also(sql, vec![id(account_id)]))
}

fn replace_codes(account_id: Uuid, codes: &[RecoveryDigest]) -> Vec<BoundStatement> {
    let insert = |code: &RecoveryDigest| also(INSERT_CODE, vec![text(code.as_str()), id(account_id)]);
    [also(DELETE_CODES, vec![id(account_id)])].into_iter().chain(codes.iter().map(insert)).collect()
}
