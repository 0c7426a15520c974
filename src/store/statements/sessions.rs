//! The shared SQL of the table `sessions`: one row for each sign-in that has not ended.

/// The columns of a `SessionRow`.
macro_rules! session_columns {
    () => {
        "id, account_id, epoch, created_at, expires_at, token_lifetime, client_label, client_address, last_token_at"
    };
}
pub(in crate::store) use session_columns;

/// Stores a session if its account is active, is still in the session's epoch `$3`, and has the password that was
/// verified (`$9` changes) and the second factors that were seen (`$11` changes), and if no guess has failed under the
/// key `$10`, which may be null. PostgreSQL adds a lock.
macro_rules! insert_session {
    () => {
        "insert into sessions
             (id, account_id, epoch, created_at, expires_at, token_lifetime, client_label, client_address, last_token_at)
         select $1, id, epoch, $4, $5, $6, $7, $8, $4 from accounts
         where id = $2 and epoch = $3 and password_changes = $9 and factor_changes = $11 and status = 'active'
             and not exists (select 1 from attempts where key = $10)"
    };
}
pub(in crate::store) use insert_session;

/// Lists the live sessions of the account `$1`, the newest first, after the session of time `$2` and id `$3`. A session
/// is live until its longest time is over (`$4` is now), or until its latest token has expired (`$5` is now, less the
/// tolerance for clocks).
pub(crate) const LIST: &str = concat!(
    "select ",
    session_columns!(),
    " from sessions
     where account_id = $1 and (created_at, id) < ($2, $3) and expires_at > $4 and last_token_at + token_lifetime > $5
     order by created_at desc, id desc limit $6"
);

/// Finds a session by its id, also one that has expired and is not purged yet.
pub(crate) const FIND: &str = concat!("select ", session_columns!(), " from sessions where id = $1");

/// Ends one session. The revocation that refuses its tokens is stored in the same transaction.
pub(crate) const DELETE: &str = "delete from sessions where id = $1";
