//! The SQL that both engines run word for word, once: a file for each table, a constant for each statement. To find the
//! SQL behind a method of a store trait, open the file of its table here; if the statement is missing, SQLite and
//! PostgreSQL need different texts, and it stands in the engine's file of the same subject (`sqlite/sessions.rs`,
//! `postgres/sessions.rs`).
//!
//! Both engines read `$1` as the first parameter. Times are milliseconds since 1970. Each constant says which
//! parameters it takes where their order is not plain from the text, and what it relies on. The `select_…!` and
//! `…_columns!` macros exist because `concat!` takes no constants.
//!
//! Only texts are shared, not the methods that run them: a function that is generic over the database needs a dozen
//! bounds of sqlx's, and is longer than the two methods that it would replace. The two queries that are put together at
//! run time ([`account_page`], [`audit_page`]) are the exception. A test (`tests/it/statements.rs`) fails when a
//! statement stands in both engines, or twice.

pub(super) mod account_page;
pub(super) mod accounts;
pub(super) mod attempts;
pub(super) mod audit_page;
pub(super) mod bound;
pub(super) mod factors;
pub(super) mod firms;
pub(super) mod invitations;
pub(super) mod outbox;
pub(super) mod revocations;
pub(super) mod sessions;
pub(super) mod signing_key;
pub(super) mod tickets;
pub(super) mod token_keys;
