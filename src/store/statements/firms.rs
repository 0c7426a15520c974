//! The shared SQL of the table `firms`.

/// The beginning of every query for firms; each row is a `FirmRow`.
macro_rules! select_firm {
    () => {
        "select id, name, created_at, (select count(*) from accounts where firm_id = firms.id) as accounts from firms"
    };
}

/// Finds a firm by its id.
pub(crate) const FIND: &str = concat!(select_firm!(), " where id = $1");

/// Lists the firms created after the firm of time `$1` and id `$2`, the oldest first.
pub(crate) const LIST: &str =
    concat!(select_firm!(), " where (created_at, id) > ($1, $2) order by created_at, id limit $3");

/// Stores a firm, whose first account follows in the same transaction.
pub(crate) const INSERT: &str = "insert into firms (id, name, created_at) values ($1, $2, $3)";

/// Deletes a firm with the last of its accounts.
pub(crate) const DELETE_IF_EMPTY: &str =
    "delete from firms where id = $1 and not exists (select 1 from accounts where firm_id = $1)";
