//! What commands print of what they found: lines for people, or JSON for programs, one object a line with names that do not
//! change. Apart from the commands, so that the same thing looks the same everywhere.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{CommandError, say};
use crate::accounts::{AccountRecord, AttemptState, FirmRecord, Invitation, StoredSession};
use crate::config::Output;
use crate::domain::{AuditEvent, Identity};

impl Output {
    /// Prints one thing, in the form that is asked for.
    pub(super) fn print(
        self,
        line: impl FnOnce() -> String,
        value: impl FnOnce() -> Value,
    ) -> Result<(), CommandError> {
        say(&match self {
            Self::Table => line(),
            Self::Json => value().to_string(),
        })
    }

    /// Prints what became of an account.
    pub(super) fn changed(self, line: &str, record: &AccountRecord, changed: bool) -> Result<(), CommandError> {
        self.print(
            || line.to_owned(),
            || {
                let mut value = account(record);
                value["changed"] = changed.into();
                value
            },
        )
    }
}

pub(super) fn account(AccountRecord { account, has_password }: &AccountRecord) -> Value {
    let mut value = json!({
        "id": account.id,
        "status": account.status.as_str(),
        "created_at": timestamp(account.created_at),
        "platform_admin": account.platform_admin,
        "has_password": has_password,
    });
    match &account.identity {
        Identity::Username(username) => value["username"] = username.as_str().into(),
        Identity::Email { email, name, firm, role, verified } => {
            value["email"] = email.as_str().into();
            value["name"] = name.as_str().into();
            value["firm_id"] = firm.id.to_string().into();
            value["firm_name"] = firm.name.as_str().into();
            value["role"] = role.as_str().into();
            value["email_verified"] = (*verified).into();
        }
    }
    value
}

pub(super) fn account_line(AccountRecord { account, .. }: &AccountRecord) -> String {
    let (id, status, handle) = (account.id, account.status.as_str(), account.identity.handle());
    format!("{id}  {status:8}  {}  {handle}", timestamp(account.created_at))
}

/// All about it, a line each, as its JSON has it.
pub(super) fn in_full(value: &Value) -> String {
    let Value::Object(fields) = value else { return value.to_string() };
    let line = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name:15}  {text}"),
        other => format!("{name:15}  {other}"),
    };
    fields.iter().map(line).collect::<Vec<_>>().join("\n")
}

pub(super) fn session(StoredSession { session, last_token_at }: &StoredSession) -> Value {
    json!({
        "id": session.id,
        "account_id": session.account_id,
        "created_at": timestamp(session.created_at),
        "last_token_at": timestamp(*last_token_at),
        "client_address": session.client.address.map(|address| address.to_string()),
        "client_label": session.client.label(),
    })
}

pub(super) fn session_line(StoredSession { session, last_token_at }: &StoredSession) -> String {
    let address = session.client.address.map(|address| address.to_string()).unwrap_or_else(|| "-".to_owned());
    let (began, last) = (timestamp(session.created_at), timestamp(*last_token_at));
    format!("{}  {began}  {last}  {address}  {}", session.id, session.client.label())
}

pub(super) fn firm(record: &FirmRecord) -> Value {
    json!({
        "id": record.firm.id,
        "name": record.firm.name.as_str(),
        "created_at": timestamp(record.created_at),
        "accounts": record.accounts,
    })
}

pub(super) fn firm_line(record: &FirmRecord) -> String {
    let FirmRecord { firm, created_at, accounts } = record;
    format!("{}  {}  {accounts:>6}  {}", firm.id, timestamp(*created_at), firm.name.as_str())
}

pub(super) fn invitation(invitation: &Invitation) -> Value {
    json!({
        "id": invitation.id,
        "email": invitation.email.as_str(),
        "firm_id": invitation.firm.id,
        "role": invitation.role.as_str(),
        "expires_at": timestamp(invitation.expires_at),
    })
}

pub(super) fn attempts(handle: &str, state: AttemptState) -> Value {
    json!({
        "handle": handle,
        "failures": state.failures,
        "last_failed_at": state.last_failed_at.map(timestamp),
        "blocked_until": state.blocked_until.map(timestamp),
        "locked": state.locked,
    })
}

pub(super) fn event(AuditEvent { id, at, note }: &AuditEvent) -> Value {
    json!({
        "id": id,
        "time": timestamp(*at),
        "action": note.action.as_str(),
        "result": note.result,
        "actor_id": note.actor,
        "account_id": note.account,
        "firm_id": note.firm,
        "origin": note.origin.to_string(),
        "request_id": note.request_id,
        "detail": note.detail.to_string(),
    })
}

pub(super) fn event_line(AuditEvent { at, note, .. }: &AuditEvent) -> String {
    let id = |id: Option<uuid::Uuid>| id.map_or_else(|| format!("{:36}", "-"), |id| id.to_string());
    let (action, result) = (note.action.as_str(), &note.result);
    let (actor, account) = (id(note.actor), id(note.account));
    let line = format!("{}  {action}  {result}  {actor}  {account}  {}  {}", timestamp(*at), note.origin, note.detail);
    line.trim_end().to_owned()
}

pub(super) fn timestamp(time: OffsetDateTime) -> String {
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}
