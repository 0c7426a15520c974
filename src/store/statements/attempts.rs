//! The shared SQL of the table `attempts`: how many guesses at a password have failed in a row.

use super::accounts::account_columns;

/// The failures of the key `$1` and the account with the name `$2`, in one row that is always there. The account is
/// joined only while the failures are fewer than `$3`: a client that may have to wait must not learn from the time of
/// the answer whether the account exists.
macro_rules! find_sign_in {
    ($name:literal) => {
        concat!(
            "select failures, last_failed_at, ",
            account_columns!(),
            " from (select 1) as always left join attempts on attempts.key = $1",
            " left join accounts on accounts.",
            $name,
            " = $2 and coalesce(failures, 0) < $3",
            " left join firms on firms.id = firm_id"
        )
    };
}

/// Finds what a sign-in by username begins with; the row is a `SignInRow`.
pub(crate) const FIND_SIGN_IN_BY_USERNAME: &str = find_sign_in!("username");

/// Finds what a sign-in by email address begins with; the row is a `SignInRow`.
pub(crate) const FIND_SIGN_IN_BY_EMAIL: &str = find_sign_in!("email");

/// Finds the failures of a key.
pub(crate) const FIND: &str = "select key, failures, last_failed_at, account_id from attempts where key = $1";

/// Lists the keys after `$2` that have failed at least `$1` times.
pub(crate) const LIST: &str =
    "select key, failures, last_failed_at, account_id from attempts where failures >= $1 and key > $2
     order by key limit $3";

/// Counts a failure, unless there are `$4` already: then no row is returned, and the guess came too late.
pub(crate) const COUNT_FAILURE: &str =
    "insert into attempts (key, failures, last_failed_at, account_id) values ($1, 1, $2, $3)
     on conflict (key) do update
     set failures = attempts.failures + 1, last_failed_at = excluded.last_failed_at,
         account_id = excluded.account_id
     where attempts.failures < $4
     returning failures";

/// Forgets the failures of a key.
pub(crate) const DELETE: &str = "delete from attempts where key = $1";

/// Forgets the failures of a key for a guess that was right, if they are fewer than `$2`.
pub(crate) const DELETE_BELOW: &str = "delete from attempts where key = $1 and failures < $2";

/// Tells whether a guess came in time, once [`DELETE_BELOW`] has run: it did unless `$2` failures or more are left.
pub(crate) const IS_IN_TIME: &str = "select not exists (select 1 from attempts where key = $1 and failures >= $2)";
