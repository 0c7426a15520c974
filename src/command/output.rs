//! The output of commands: lines for people, or JSON for programs, one object a line with stable names. Separate so
//! that the same thing looks the same in every command.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{CommandError, say};
use crate::accounts::{AttemptState, SpentAttempts};
use crate::config::Output;
use crate::domain::{
    AccountRecord, AuditEvent, DeadMail, FirmRecord, Handle, Identity, Invitation, StoredKey, StoredSession,
};

impl Output {
    /// Prints one thing in the requested form.
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

    /// Prints what was changed about an account.
    pub(super) fn changed(self, line: &str, shown: Value, changed: bool) -> Result<(), CommandError> {
        self.print(
            || line.to_owned(),
            || {
                let mut value = shown;
                value["changed"] = changed.into();
                value
            },
        )
    }
}

pub(super) fn account(AccountRecord { account, has_password, second_factor }: &AccountRecord) -> Value {
    let mut value = json!({
        "id": account.id,
        "status": account.status.as_str(),
        "created_at": timestamp(account.created_at),
        "platform_admin": account.platform_admin,
        "has_password": has_password,
        "second_factor": second_factor,
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

/// Returns all fields of a JSON object, one a line.
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
        "created_at": timestamp(invitation.created_at),
        "expires_at": timestamp(invitation.expires_at),
    })
}

pub(super) fn invitation_line(Invitation { id, email, role, created_at, expires_at, .. }: &Invitation) -> String {
    let (made, end) = (timestamp(*created_at), timestamp(*expires_at));
    format!("{id}  {made}  {end}  {:6}  {email}", role.as_str())
}

pub(super) fn key(key: &StoredKey) -> Value {
    json!({
        "id": key.id.to_string(),
        "algorithm": key.algorithm.name(),
        "state": key.state.as_str(),
        "published_at": timestamp(key.published_at),
        "signs_from": key.signs_from.map(timestamp),
        "ends_at": key.accepted_until.map(timestamp),
        "rotation_asked": key.rotation_asked,
    })
}

pub(super) fn key_line(key: &StoredKey) -> String {
    let time = |time: Option<OffsetDateTime>| time.map_or_else(|| format!("{:20}", "-"), timestamp);
    let (published, begin, end) = (timestamp(key.published_at), time(key.signs_from), time(key.accepted_until));
    let line = format!("{}  {:5}  {:7}  {published}  {begin}  {end}", key.id, key.algorithm.name(), key.state.as_str());
    line.trim_end().to_owned()
}

pub(super) fn mail(mail: &DeadMail) -> Value {
    json!({
        "id": mail.id,
        "kind": mail.kind.as_str(),
        "recipient": mail.recipient.as_str(),
        "attempts": mail.attempts,
        "queued_at": timestamp(mail.queued_at),
        "died_at": timestamp(mail.died_at),
        "cause": mail.cause,
    })
}

pub(super) fn mail_line(DeadMail { id, kind, recipient, attempts, died_at, cause, .. }: &DeadMail) -> String {
    format!("{id}  {}  {attempts:>3}  {:16}  {recipient}  {cause}", timestamp(*died_at), kind.as_str())
}

/// Shows the counter by the name of its account, because names that were tried are not stored.
pub(super) fn spent(spent: &SpentAttempts) -> Value {
    let handle = spent.account.as_ref().map(|account| account.identity.handle());
    let mut value = attempts(handle.as_ref().map(Handle::as_str), spent.state);
    value["key"] = spent.key.to_string().into();
    value["account_id"] = spent.account.as_ref().map(|account| account.id.to_string()).into();
    value["tried"] = spent.tried().into();
    value
}

pub(super) fn spent_line(spent: &SpentAttempts) -> String {
    let AttemptState { failures, last_failed_at, blocked_until, locked } = spent.state;
    let time = |time: Option<OffsetDateTime>| time.map_or_else(|| "-".to_owned(), timestamp);
    let until = if locked { "locked".to_owned() } else { time(blocked_until) };
    let name = spent.account.as_ref().map_or_else(|| "-".to_owned(), |account| account.identity.handle().to_string());
    let tried = spent.tried().unwrap_or("-");
    format!("{failures:>4}  {}  {until:24}  {tried:6}  {name}", time(last_failed_at))
}

pub(super) fn attempts(handle: Option<&str>, state: AttemptState) -> Value {
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
