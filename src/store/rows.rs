//! Rows, translated into the domain's types: the same of every engine, for each decodes its own columns into the types
//! of the rows below. A row that this service cannot have written is an error that names table, column and row.

pub(super) mod attempts;
pub(super) mod mail;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    AccountRecord, Credentials, FirmRecord, Outline, StoreError, StoredRevocation, StoredSession, UnreadableRow,
};
use crate::domain::{
    Account, AccountStatus, Action, AuditEvent, Client, Detail, Email, Firm, FirmName, Identity, Note, Origin,
    PasswordHash, PersonName, PortableAccount, Revocation, Role, Session, Username,
};

/// The columns of [`AccountRow`].
macro_rules! account_columns {
    () => {
        "accounts.id, username, email, accounts.name, firm_id, firms.name as firm_name, role, password_hash, \
         status, epoch, accounts.created_at, email_verified_at, platform_admin, password_changes"
    };
}
pub(super) use account_columns;

/// What every look-up of an account begins with.
macro_rules! select_account {
    () => {
        concat!(
            "select ",
            $crate::store::rows::account_columns!(),
            " from accounts left join firms on firms.id = firm_id"
        )
    };
}
pub(super) use select_account;

/// What every look-up of an outline begins with; the columns of [`OutlineRow`].
macro_rules! select_outline {
    () => {
        "select id, firm_id, role, status, epoch, platform_admin from accounts"
    };
}
pub(super) use select_outline;

/// The latest time that a row is taken to mean, in the year 5138: early enough to reckon with.
const LATEST: i64 = 100_000_000_000_000;

#[derive(FromRow)]
pub(super) struct OutlineRow {
    id: Uuid,
    firm_id: Option<Uuid>,
    role: Option<String>,
    status: String,
    epoch: i64,
    platform_admin: i64,
}

impl OutlineRow {
    pub fn into_outline(self) -> Result<Outline, StoreError> {
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

/// A username that may need another look.
#[derive(FromRow)]
pub(super) struct UsernameRow {
    id: Uuid,
    username: String,
}

impl UsernameRow {
    pub fn into_username(self) -> Result<(Uuid, Username), StoreError> {
        let username = Username::stored(self.username).ok_or_else(|| impossible("accounts", "username", self.id))?;
        Ok((self.id, username))
    }
}

#[derive(FromRow)]
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
}

impl AccountRow {
    pub fn into_account(self) -> Result<Account, StoreError> {
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

    pub fn into_record(self) -> Result<AccountRecord, StoreError> {
        let has_password = !self.password_hash.is_empty();
        Ok(AccountRecord { account: self.into_account()?, has_password })
    }

    pub fn into_portable(self) -> Result<PortableAccount, StoreError> {
        let password_hash = match self.password_hash.as_str() {
            "" => None,
            text => Some(PasswordHash::parse(text).map_err(|_| impossible("accounts", "password_hash", self.id))?),
        };
        let Account { id, identity, status, created_at, .. } = self.into_account()?;
        Ok(PortableAccount { id, identity, password_hash, status, created_at, notes: Vec::new() })
    }

    pub fn into_credentials(self) -> Result<Credentials, StoreError> {
        let password_hash = match self.password_hash.as_str() {
            "" => None,
            text => PasswordHash::parse(text)
                .inspect_err(
                    |error| tracing::error!(account = %self.id, %error, "the stored password hash is unusable"),
                )
                .ok(),
        };
        let password_changes = self.password_changes;
        Ok(Credentials { account: self.into_account()?, password_hash, password_changes })
    }
}

#[derive(FromRow)]
pub(super) struct FirmRow {
    id: Uuid,
    name: String,
    created_at: i64,
    accounts: i64,
}

impl FirmRow {
    pub fn into_record(self) -> Result<FirmRecord, StoreError> {
        let impossible = |column| impossible("firms", column, self.id);
        let name = FirmName::stored(self.name).ok_or_else(|| impossible("name"))?;
        let created_at = from_millis(self.created_at).ok_or_else(|| impossible("created_at"))?;
        let accounts = u64::try_from(self.accounts).unwrap_or(0);
        Ok(FirmRecord { firm: Firm { id: self.id, name }, created_at, accounts })
    }
}

#[derive(FromRow)]
pub(super) struct RevocationRow {
    seq: i64,
    session_id: Option<Uuid>,
    account_id: Option<Uuid>,
    epoch: Option<i64>,
    expires_at: i64,
}

impl RevocationRow {
    pub fn into_revocation(self) -> Result<StoredRevocation, StoreError> {
        let revocation = match (self.session_id, self.account_id, self.epoch) {
            (Some(id), None, None) => Revocation::Session(id),
            (None, Some(id), Some(epoch)) => Revocation::Account { id, epoch },
            _ => return Err(impossible("revocations", "session_id", self.seq)),
        };
        // Remembered for too long rather than not at all.
        let until = from_millis(self.expires_at.clamp(0, LATEST)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Ok(StoredRevocation { seq: self.seq, revocation, until })
    }

    /// What the feed reads of `row`. One that cannot be read is told of and takes its place as the end of no session: or nobody
    /// would hear of any other, and every token would be refused for good.
    pub fn read<'r, R: Row>(row: &'r R) -> Result<StoredRevocation, StoreError>
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

#[derive(FromRow)]
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

impl SessionRow {
    /// A session that can be found and ended, whatever the row says.
    pub fn into_any_session(self) -> Result<StoredSession, StoreError> {
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

    pub fn into_session(self) -> Result<StoredSession, StoreError> {
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

#[derive(FromRow)]
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

impl AuditRow {
    pub fn into_event(self) -> Result<AuditEvent, StoreError> {
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

/// An address as it stands in a column `email`.
pub(super) fn stored_email(table: &'static str, row: Uuid, text: String) -> Result<Email, StoreError> {
    Email::stored(text).ok_or_else(|| impossible(table, "email", row))
}

fn from_millis(millis: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
}

fn impossible(table: &'static str, column: &str, row: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(UnreadableRow { table, row: row.to_string(), column: column.to_owned() }.into())
}

/// How often a database of this process was out of reach, full, or too busy.
static SETBACKS: AtomicU64 = AtomicU64::new(0);

/// How often that was so: a number that changes is a reason to look whether anything can be stored.
pub fn setbacks() -> u64 {
    SETBACKS.load(Ordering::Relaxed)
}

/// An error of any statement but those that take a name. `is_transient` knows the engine's codes: whether one speaks of
/// the moment rather than of the statement.
pub(super) fn failure(error: sqlx::Error, is_transient: impl Fn(&str) -> bool) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if !database.code().is_some_and(|code| is_transient(&code)) => {
            StoreError::Corrupt(error.into())
        }
        sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Encode(_) => StoreError::Corrupt(error.into()),
        _ => {
            SETBACKS.fetch_add(1, Ordering::Relaxed);
            StoreError::Unavailable(error.into())
        }
    }
}
