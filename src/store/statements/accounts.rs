//! The shared SQL of the table `accounts`: an account with its password, its role and its status.

/// The columns of an `AccountRow`. They include the name of the account's firm, so `firms` must be joined.
macro_rules! account_columns {
    () => {
        "accounts.id, username, email, accounts.name, firm_id, firms.name as firm_name, role, password_hash, \
         status, epoch, accounts.created_at, email_verified_at, platform_admin, password_changes, \
         second_factor, factor_changes"
    };
}
pub(in crate::store) use account_columns;

/// The beginning of every query for whole accounts; each row is an `AccountRow`.
macro_rules! select_account {
    () => {
        concat!(
            "select ",
            $crate::store::statements::accounts::account_columns!(),
            " from accounts left join firms on firms.id = firm_id"
        )
    };
}
pub(in crate::store) use select_account;

/// The beginning of every query for outlines; each row is an `OutlineRow`.
macro_rules! select_outline {
    () => {
        "select id, firm_id, role, status, epoch, platform_admin from accounts"
    };
}
pub(in crate::store) use select_outline;

/// Finds an account by its id.
pub(crate) const FIND: &str = concat!(select_account!(), " where accounts.id = $1");

/// Finds an account by the username that it signs in with.
pub(crate) const FIND_BY_USERNAME: &str = concat!(select_account!(), " where accounts.username = $1");

/// Finds an account by the email address that it signs in with.
pub(crate) const FIND_BY_EMAIL: &str = concat!(select_account!(), " where accounts.email = $1");

/// Lists accounts with ids after `$1`. Ids are made in the order of time, so this is the order of registration.
pub(crate) const LIST: &str = concat!(select_account!(), " where accounts.id > $1 order by accounts.id limit $2");

/// Finds what decides who may change an account, without reading the columns that may be damaged.
pub(crate) const FIND_OUTLINE: &str = concat!(select_outline!(), " where id = $1");

/// Tells whether any account has the email address.
pub(crate) const IS_EMAIL_TAKEN: &str = "select exists (select 1 from accounts where email = $1)";

/// Finds the email address of an active account, before the address is replaced.
pub(crate) const FIND_PRESENT_EMAIL: &str =
    "select email, epoch from accounts where id = $1 and email is not null and status = 'active'";

/// Stores an account. A name that is taken violates `accounts_username_key` or `accounts_email_key`.
pub(crate) const INSERT: &str =
    "insert into accounts (id, username, email, name, firm_id, role, password_hash, created_at, email_verified_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// Deletes an account; its sessions go with it. Returns the first epoch that no token was ever minted in.
pub(crate) const DELETE: &str = "delete from accounts where id = $1 returning epoch + 1, firm_id";

/// Tells whether a firm has active accounts and no active administrator.
pub(crate) const IS_FIRM_WITHOUT_ADMINISTRATOR: &str =
    "select exists (select 1 from accounts where firm_id = $1 and status = 'active')
         and not exists (select 1 from accounts where firm_id = $1 and status = 'active' and role = 'admin')";

/// Replaces the hash `$2` by `$3`. Compares first, so of two processes that re-hash at once only one writes.
pub(crate) const REPLACE_HASH: &str = "update accounts set password_hash = $3 where id = $1 and password_hash = $2";

/// Changes the password of an active account, unless it was changed since `$2` changes. The epoch stays, because the
/// session that asked for the change lives on.
pub(crate) const CHANGE_PASSWORD: &str =
    "update accounts set password_hash = $3, password_changes = password_changes + 1
     where id = $1 and password_changes = $2 and status = 'active'";

/// Sets the password of an account, whatever it was. The new epoch ends every session.
pub(crate) const SET_PASSWORD: &str =
    "update accounts set password_hash = $2, password_changes = password_changes + 1, epoch = epoch + 1
     where id = $1 returning epoch";

/// Sets the password of the account that used a reset link sent to the address `$2`. Using the link proves that the
/// address is the account's, so it counts as verified.
pub(crate) const RESET_PASSWORD: &str =
    "update accounts set password_hash = $3, password_changes = password_changes + 1,
         email_verified_at = coalesce(email_verified_at, $4), epoch = epoch + 1
     where id = $1 and email = $2 and status = 'active' returning epoch";

/// Marks the address `$2` as verified, if the account still has it. The first time of a verification is kept.
pub(crate) const VERIFY_EMAIL: &str =
    "update accounts set email_verified_at = coalesce(email_verified_at, $3) where id = $1 and email = $2";

/// Gives an account another address, which the link has verified. A taken one violates `accounts_email_key`.
pub(crate) const CHANGE_EMAIL: &str = "update accounts set email = $2, email_verified_at = $3 where id = $1";

/// Changes the name of the person of an email account.
pub(crate) const CHANGE_NAME: &str = "update accounts set name = $2 where id = $1 and username is null and name <> $2";

/// Changes the username of a username account. A taken one violates `accounts_username_key`.
pub(crate) const CHANGE_USERNAME: &str =
    "update accounts set username = $2 where id = $1 and email is null and username <> $2";

/// Changes role and status where they are given, and adds `$4` to the epoch. The role of a username account stays null.
pub(crate) const CHANGE_ROLE_AND_STATUS: &str = "update accounts set
         role = case when username is null then coalesce($2, role) end,
         status = coalesce($3, status), epoch = epoch + $4
     where id = $1";

/// Gives an email account a role, and begins an epoch. The role of a username account is null, which `<>` never
/// matches.
pub(crate) const SET_ROLE: &str =
    "update accounts set role = $2, epoch = epoch + 1 where id = $1 and role <> $2 returning epoch";

/// Makes an account an administrator of the whole service (1), or takes that right away (0).
pub(crate) const SET_PLATFORM_ADMIN: &str =
    "update accounts set platform_admin = $2 where id = $1 and platform_admin <> $2";
