//! The shared SQL of the table `revocations`: what ended before its tokens did. `seq` numbers the rows in the order of
//! their commits, so a reader that asks for the rows after the last one that it has seen misses none.

/// Lists the revocations stored after `seq` `$1` that are needed at the time `$2`.
pub(crate) const LIST: &str = "select seq, session_id, account_id, epoch, expires_at from revocations
     where seq > $1 and expires_at > $2 order by seq limit $3";

/// Refuses the tokens of one session until `$2`.
pub(crate) const INSERT_SESSION: &str = "insert into revocations (session_id, expires_at) values ($1, $2)";

/// Refuses the tokens of an account that were minted before the epoch `$2`, until `$3`.
pub(crate) const INSERT_ACCOUNT: &str = "insert into revocations (account_id, epoch, expires_at) values ($1, $2, $3)";

/// Tells every process that an account has changed, so that it drops the account from its cache. The revocation ends
/// nothing: the epochs before the account's present one are over already.
pub(crate) const INSERT_CHANGE: &str =
    "insert into revocations (account_id, epoch, expires_at) select id, epoch, $2 from accounts where id = $1";

/// Lists the epoch of each account before which all tokens are refused.
pub(crate) const LIST_EPOCHS: &str =
    "select account_id, max(epoch) from revocations where account_id is not null group by account_id";
