//! Rows, translated into the domain's types, for both engines: each has its own decoding of a column, and from there on
//! they share the code. A value that this service cannot have written is an error that names table, column and row.
//!
//! Here are accounts, firms, sessions, revocations and audit events; `attempts`, `factors`, `mail` and `token_keys`
//! hold the rest.

pub(super) mod attempts;
pub(super) mod factors;
pub(super) mod mail;
pub(super) mod token_keys;

use std::time::Duration;

use countersign_guard::revocations::Revocation;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    AccountRecord, Credentials, EndedSession, FirmRecord, Outline, StoreError, StoredRevocation, StoredSession,
    UnreadableRow,
};
use crate::domain::{
    Account, AccountStatus, Action, AuditEvent, Client, Detail, Email, Firm, FirmName, Identity, Note, Origin,
    PasswordHash, PersonName, PortableAccount, Role, Session, Username,
};

/// Implements sqlx's `FromRow` for both engines: each field is read from the column of its name. sqlx's derive would do
/// the same, but only with its feature `macros`, which compiles both drivers a second time, for the compiler.
macro_rules! from_row {
    ($row:ty: $($column:ident),+) => {
        $crate::store::rows::from_row!(sqlx::sqlite::SqliteRow, $row: $($column),+);
        $crate::store::rows::from_row!(sqlx::postgres::PgRow, $row: $($column),+);
    };
    ($engine:ty, $row:ty: $($column:ident),+) => {
        impl sqlx::FromRow<'_, $engine> for $row {
            fn from_row(row: &$engine) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                Ok(Self { $($column: row.try_get(stringify!($column))?),+ })
            }
        }
    };
}
pub(super) use from_row;

/// The latest time that is read from a damaged row, in the year 5138. Adding a lifetime to it cannot overflow.
const LATEST: i64 = 100_000_000_000_000;

pub(super) struct OutlineRow {
    id: Uuid,
    firm_id: Option<Uuid>,
    role: Option<String>,
    status: String,
    epoch: i64,
    platform_admin: i64,
}

from_row!(OutlineRow: id, firm_id, role, status, epoch, platform_admin);

impl OutlineRow {
    pub(super) fn into_outline(self) -> Result<Outline, StoreError> {
        let impossible = |column| impossible("accounts", column, self.id);
        Ok(Outline {
            id: self.id,
            member: match (self.firm_id, self.role.as_deref()) {
                (Some(firm), role) => Some((firm, role.and_then(Role::parse).ok_or_else(|| impossible("role"))?)),
                (None, _) => None,
            },
            status: AccountStatus::parse(&self.status).ok_or_else(|| impossible("status"))?,
            epoch: self.epoch,
            platform_admin: self.platform_admin == 1,
        })
    }
}

/// A username that may not be in canonical form.
pub(super) struct UsernameRow {
    id: Uuid,
    username: String,
}

from_row!(UsernameRow: id, username);

impl UsernameRow {
    pub(super) fn into_username(self) -> Result<(Uuid, Username), StoreError> {
        let username = Username::stored(self.username).ok_or_else(|| impossible("accounts", "username", self.id))?;
        Ok((self.id, username))
    }
}

pub(super) struct AccountRow {
    id: Uuid,
    username: Option<String>,
    email: Option<String>,
    name: Option<String>,
    firm_id: Option<Uuid>,
    firm_name: Option<String>,
    role: Option<String>,
    password_hash: String,
    status: String,
    epoch: i64,
    created_at: i64,
    email_verified_at: Option<i64>,
    platform_admin: i64,
    password_changes: i64,
    second_factor: i64,
    factor_changes: i64,
}

from_row!(AccountRow:
    id, username, email, name, firm_id, firm_name, role, password_hash, status, epoch, created_at, email_verified_at,
    platform_admin, password_changes, second_factor, factor_changes
);

impl AccountRow {
    pub(super) fn into_account(self) -> Result<Account, StoreError> {
        let impossible = |column| impossible("accounts", column, self.id);
        let identity = match (self.username, self.email) {
            (Some(username), None) => {
                Identity::Username(Username::stored(username).ok_or_else(|| impossible("username"))?)
            }
            (None, Some(email)) => Identity::Email {
                email: Email::stored(email).ok_or_else(|| impossible("email"))?,
                name: self.name.and_then(PersonName::stored).ok_or_else(|| impossible("name"))?,
                firm: Firm {
                    id: self.firm_id.ok_or_else(|| impossible("firm_id"))?,
                    name: self.firm_name.and_then(FirmName::stored).ok_or_else(|| impossible("firm_id"))?,
                },
                role: self.role.as_deref().and_then(Role::parse).ok_or_else(|| impossible("role"))?,
                verified: self.email_verified_at.is_some(),
            },
            _ => return Err(impossible("username")),
        };
        Ok(Account {
            id: self.id,
            identity,
            status: AccountStatus::parse(&self.status).ok_or_else(|| impossible("status"))?,
            epoch: self.epoch,
            created_at: from_millis(self.created_at).ok_or_else(|| impossible("created_at"))?,
            platform_admin: self.platform_admin == 1,
        })
    }

    pub(super) fn into_record(self) -> Result<AccountRecord, StoreError> {
        let (has_password, second_factor) = (!self.password_hash.is_empty(), self.second_factor != 0);
        Ok(AccountRecord { account: self.into_account()?, has_password, second_factor })
    }

    pub(super) fn into_portable(self) -> Result<PortableAccount, StoreError> {
        let password_hash = match self.password_hash.as_str() {
            "" => None,
            text => Some(PasswordHash::parse(text).map_err(|_| impossible("accounts", "password_hash", self.id))?),
        };
        let Account { id, identity, status, created_at, .. } = self.into_account()?;
        Ok(PortableAccount { id, identity, password_hash, status, created_at, notes: Vec::new() })
    }

    pub(super) fn into_credentials(self) -> Result<Credentials, StoreError> {
        let password_hash = match self.password_hash.as_str() {
            "" => None,
            text => PasswordHash::parse(text)
                .inspect_err(
                    |error| tracing::error!(account = %self.id, %error, "the stored password hash is unusable"),
                )
                .ok(),
        };
        let Self { password_changes, factor_changes, .. } = self;
        let second_factor = self.second_factor != 0;
        let account = self.into_account()?;
        Ok(Credentials { account, password_hash, password_changes, second_factor, factor_changes })
    }
}

pub(super) struct FirmRow {
    id: Uuid,
    name: String,
    created_at: i64,
    accounts: i64,
}

from_row!(FirmRow: id, name, created_at, accounts);

impl FirmRow {
    pub(super) fn into_record(self) -> Result<FirmRecord, StoreError> {
        let impossible = |column| impossible("firms", column, self.id);
        let name = FirmName::stored(self.name).ok_or_else(|| impossible("name"))?;
        let created_at = from_millis(self.created_at).ok_or_else(|| impossible("created_at"))?;
        let accounts = u64::try_from(self.accounts).unwrap_or(0);
        Ok(FirmRecord { firm: Firm { id: self.id, name }, created_at, accounts })
    }
}

pub(super) struct RevocationRow {
    seq: i64,
    session_id: Option<Uuid>,
    account_id: Option<Uuid>,
    epoch: Option<i64>,
    expires_at: i64,
}

from_row!(RevocationRow: seq, session_id, account_id, epoch, expires_at);

impl RevocationRow {
    pub(super) fn into_revocation(self) -> Result<StoredRevocation, StoreError> {
        let revocation = match (self.session_id, self.account_id, self.epoch) {
            (Some(id), None, None) => Revocation::Session(id),
            (None, Some(id), Some(epoch)) => Revocation::Account { id, epoch },
            _ => return Err(impossible("revocations", "session_id", self.seq)),
        };
        // A damaged time must not make the revocation void, so it is kept for too long rather than dropped.
        let until = from_millis(self.expires_at.clamp(0, LATEST)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Ok(StoredRevocation { seq: self.seq, revocation, until })
    }

    /// Reads a row of the feed. A row that cannot be read is logged and replaced by the end of a session that does not
    /// exist. Otherwise the feed would never get past it, and every token would be refused for good.
    pub(super) fn read<'r, R: Row>(row: &'r R) -> Result<StoredRevocation, StoreError>
    where
        Self: FromRow<'r, R>,
        &'static str: ColumnIndex<R>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
    {
        let corrupt = |error: sqlx::Error| StoreError::Corrupt(error.into());
        let read = Self::from_row(row).map_err(corrupt).and_then(Self::into_revocation);
        read.or_else(|error| {
            let seq: i64 = row.try_get("seq").map_err(corrupt)?;
            let cause = std::error::Error::source(&error).unwrap_or(&error);
            tracing::error!(event = "unreadable", table = "revocations", row = seq, cause);
            let (revocation, until) = (Revocation::Session(Uuid::nil()), OffsetDateTime::UNIX_EPOCH);
            Ok(StoredRevocation { seq, revocation, until })
        })
    }
}

pub(super) struct SessionRow {
    id: Uuid,
    account_id: Uuid,
    epoch: i64,
    created_at: i64,
    expires_at: i64,
    token_lifetime: i64,
    client_label: String,
    client_address: Option<String>,
    last_token_at: i64,
}

from_row!(SessionRow:
    id, account_id, epoch, created_at, expires_at, token_lifetime, client_label, client_address, last_token_at
);

impl SessionRow {
    /// Reads a session that is to be shown or ended, with times cut to a sensible range and no unreadable address, so
    /// that a damaged row can still be ended.
    pub(super) fn into_any_session(self) -> Result<StoredSession, StoreError> {
        let within = |millis: i64| millis.clamp(0, LATEST);
        let row = Self {
            created_at: within(self.created_at),
            expires_at: within(self.expires_at),
            token_lifetime: within(self.token_lifetime),
            last_token_at: within(self.last_token_at),
            client_address: self.client_address.filter(|text| text.parse::<std::net::IpAddr>().is_ok()),
            ..self
        };
        row.into_session()
    }

    /// Reads a session that was just ended. Its last token was minted before `from`.
    pub(super) fn into_ended_session(self, from: OffsetDateTime) -> Result<EndedSession, StoreError> {
        let stored = self.into_any_session()?;
        let until = from + stored.session.token_lifetime;
        Ok(EndedSession { stored, until })
    }

    pub(super) fn into_session(self) -> Result<StoredSession, StoreError> {
        let impossible = |column| impossible("sessions", column, self.id);
        let address = self.client_address.map(|text| text.parse()).transpose();
        let session = Session {
            id: self.id,
            account_id: self.account_id,
            epoch: self.epoch,
            created_at: from_millis(self.created_at).ok_or_else(|| impossible("created_at"))?,
            expires_at: from_millis(self.expires_at).ok_or_else(|| impossible("expires_at"))?,
            token_lifetime: u64::try_from(self.token_lifetime)
                .map(Duration::from_millis)
                .map_err(|_| impossible("token_lifetime"))?,
            client: Client::new(&self.client_label, address.map_err(|_| impossible("client_address"))?),
        };
        let last_token_at = from_millis(self.last_token_at).ok_or_else(|| impossible("last_token_at"))?;
        Ok(StoredSession { session, last_token_at })
    }
}

pub(super) struct AuditRow {
    id: Uuid,
    at: i64,
    action: String,
    result: String,
    actor_id: Option<Uuid>,
    account_id: Option<Uuid>,
    firm_id: Option<Uuid>,
    origin: String,
    request_id: Option<Uuid>,
    detail: String,
}

from_row!(AuditRow: id, at, action, result, actor_id, account_id, firm_id, origin, request_id, detail);

impl AuditRow {
    pub(super) fn into_event(self) -> Result<AuditEvent, StoreError> {
        let impossible = |column| impossible("audit_events", column, self.id);
        let note = Note {
            action: Action::parse(&self.action).ok_or_else(|| impossible("action"))?,
            result: self.result.into(),
            actor: self.actor_id,
            account: self.account_id,
            firm: self.firm_id,
            origin: Origin::parse(&self.origin).ok_or_else(|| impossible("origin"))?,
            request_id: self.request_id,
            detail: Detail::parse(&self.detail).ok_or_else(|| impossible("detail"))?,
        };
        let at = from_millis(self.at).ok_or_else(|| impossible("at"))?;
        Ok(AuditEvent { id: self.id, at, note })
    }
}

pub(super) fn millis(time: OffsetDateTime) -> i64 {
    (time.unix_timestamp_nanos() / 1_000_000).try_into().unwrap_or(i64::MAX)
}

/// Parses the value of a column `email`.
pub(super) fn stored_email(table: &'static str, row: Uuid, text: String) -> Result<Email, StoreError> {
    Email::stored(text).ok_or_else(|| impossible(table, "email", row))
}

fn from_millis(millis: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
}

fn impossible(table: &'static str, column: &str, row: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(UnreadableRow { table, row: row.to_string(), column: column.to_owned() }.into())
}
