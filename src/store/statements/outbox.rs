//! The shared SQL of the table `outbox`: mail that is queued, was given up (`dead`), or was sent a moment ago (`done`).

/// Stores the outcome of an attempt, if the mail is still leased to the caller: `attempts` counts the leases.
pub(crate) const SETTLE: &str =
    "update outbox set state = $3, due_at = $4, cause = $5 where id = $1 and attempts = $2 and state = 'queued'";

/// Lists mail that was given up, with ids after `$1`.
pub(crate) const LIST_DEAD: &str = "select id, kind, recipient, attempts, queued_at, due_at, cause from outbox
     where state = 'dead' and id > $1 order by id limit $2";

/// Queues mail again that was given up.
pub(crate) const RETRY_DEAD: &str =
    "update outbox set state = 'queued', due_at = $2, attempts = 0, cause = null where id = $1 and state = 'dead'";

/// Takes back the mail of an invitation that is not sent yet.
pub(crate) const DELETE_INVITATION: &str =
    "delete from outbox where state = 'queued' and kind = 'invitation' and subject = $1";

/// Takes back the mail that would let the account `$1` change its address.
pub(crate) const DELETE_EMAIL_CHANGE: &str =
    "delete from outbox where state = 'queued' and kind = 'change_email' and subject = $1";

/// Takes back the mail that would let the account `$1` reset its password. Such mail is queued before anybody knows
/// whether the account exists, so only the address leads to it.
pub(crate) const DELETE_PASSWORD_RESET: &str = "delete from outbox where state = 'queued' and kind = 'reset_password'
         and recipient = (select email from accounts where id = $1)";
