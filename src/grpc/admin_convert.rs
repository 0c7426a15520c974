//! Requests of `AdminService` as values of the domain, and values that only administrators see as messages.

use super::convert;
use super::fields;
use crate::accounts::{AccountQuestion, AttemptState, AuditQuestion, Creation, Invited};
use crate::domain::{
    AccountChange, AccountRecord, AccountStatus, Action, AuditEvent, AuthError, Email, FirmRecord, Handle, Invitation,
    KeyState, Password, PersonName, Role, StoredKey, Updated, Username, Violations,
};
use crate::keys::Rotation;
use crate::pb;

/// Parses a new account, or names every bad field at once.
pub(super) fn creation(request: pb::CreateAccountRequest) -> Result<(Creation, Password), AuthError> {
    use pb::create_account_request::Handle as PbHandle;
    const NOT_OF_A_USERNAME: &str = "must not be set: only an email account has one";
    let mut bad = Violations::default();
    let role = bad.check("role", role(request.role));
    let parsed = match request.handle {
        Some(PbHandle::Username(username)) => {
            let username = bad.check("username", Username::parse(&username));
            let password = bad.check("password", Password::parse(request.password, 1));
            for (field, is_set) in [
                ("name", !request.name.is_empty()),
                ("firm_id", !request.firm_id.is_empty()),
                ("role", role.flatten().is_some()),
                ("email_verified", request.email_verified),
            ] {
                if is_set {
                    bad.add(field, NOT_OF_A_USERNAME);
                }
            }
            username.map(Creation::Username).zip(password)
        }
        Some(PbHandle::Email(email)) => {
            let email = bad.check("email", Email::parse(&email));
            let password = bad.check("password", Password::parse(request.password, 1));
            let name = bad.check("name", PersonName::parse(&request.name));
            match (email.zip(name), password) {
                (Some((email, name)), Some(password)) if bad.is_empty() => {
                    let firm = fields::optional_id("firm", &request.firm_id)?;
                    let (role, verified) = (role.flatten().unwrap_or(Role::User), request.email_verified);
                    Some((Creation::Email { email, name, firm, role, verified }, password))
                }
                _ => None,
            }
        }
        None => {
            bad.add("handle", convert::NO_HANDLE);
            None
        }
    };
    parsed.filter(|_| bad.is_empty()).ok_or(AuthError::Validation(bad))
}

/// Parses a password that is to be set. The use case applies the password policy, which depends on the account.
pub(super) fn password(text: String) -> Result<Password, AuthError> {
    let mut bad = Violations::default();
    bad.check("password", Password::parse(text, 1)).ok_or(AuthError::Validation(bad))
}

/// Parses the changes to an account, or names every bad field at once.
pub(super) fn change(request: &pb::UpdateAccountRequest) -> Result<AccountChange, AuthError> {
    let mut bad = Violations::default();
    let name = request.name.as_deref().and_then(|name| bad.check("name", PersonName::parse(name)));
    let role = bad.check("role", role(request.role)).flatten();
    let status = bad.check("status", status(request.status)).flatten();
    let username = request.username.as_deref().and_then(|name| bad.check("username", Username::parse(name)));
    if bad.is_empty() {
        Ok(AccountChange { name, username, role, status, ..AccountChange::default() })
    } else {
        Err(AuthError::Validation(bad))
    }
}

/// Parses which accounts to list, and how many.
pub(super) fn account_question(request: &pb::ListAccountsRequest) -> Result<(AccountQuestion, u32), AuthError> {
    let mut bad = Violations::default();
    let role = bad.check("role", role(request.role)).flatten();
    let status = bad.check("status", status(request.status)).flatten();
    let limit = bad.check("page_size", fields::size(request.page_size));
    let handle_prefix = match request.handle_prefix.as_str() {
        "" => None,
        prefix => bad.check("handle_prefix", Handle::prefix(prefix)),
    };
    match limit.filter(|_| bad.is_empty()) {
        Some(limit) => {
            let firm = fields::optional_id("firm", &request.firm_id)?;
            Ok((AccountQuestion { firm, handle_prefix, role, status }, limit))
        }
        None => Err(AuthError::Validation(bad)),
    }
}

/// Parses which events to list, and how many.
pub(super) fn audit_question(request: &pb::ListAuditEventsRequest) -> Result<(AuditQuestion, u32), AuthError> {
    let mut bad = Violations::default();
    // A text that is not a UUID would select no events. It is most likely a mistake, so it is refused.
    let account = fields::optional_id("account", &request.account_id).map_err(|_| "must be an account's id");
    let account = bad.check("account_id", account).flatten();
    let action = match request.action.as_str() {
        "" => None,
        name => bad.check("action", Action::parse(name).ok_or("must be the name of an action, as in `login`")),
    };
    let from = bad.check("start_time", fields::time(request.start_time)).flatten();
    let until = bad.check("end_time", fields::time(request.end_time)).flatten();
    let limit = bad.check("page_size", fields::size(request.page_size));
    match limit.filter(|_| bad.is_empty()) {
        Some(limit) => Ok((AuditQuestion { account, action, from, until }, limit)),
        None => Err(AuthError::Validation(bad)),
    }
}

/// Parses an invitation, or names every bad field at once.
pub(super) fn invited(request: &pb::CreateInvitationRequest) -> Result<Invited, AuthError> {
    let mut bad = Violations::default();
    let email = bad.check("email", Email::parse(&request.email));
    let role = bad.check("role", role(request.role)).map(|role| role.unwrap_or(Role::User));
    let firm = || fields::optional_id("firm", &request.firm_id);
    email
        .zip(role)
        .ok_or(AuthError::Validation(bad))
        .and_then(|(email, role)| Ok(Invited { email, role, firm: firm()? }))
}

/// Parses a username or an email address.
pub(super) fn handle(text: &str) -> Result<Handle, AuthError> {
    let mut bad = Violations::default();
    bad.check("handle", Handle::typed(text)).ok_or(AuthError::Validation(bad))
}

/// An invitation as a message.
pub(super) fn invitation(invitation: &Invitation) -> pb::Invitation {
    pb::Invitation {
        id: invitation.id.to_string(),
        email: invitation.email.to_string(),
        firm_id: invitation.firm.id.to_string(),
        role: convert::pb_role(invitation.role).into(),
        invited_by: invitation.invited_by.map(|id| id.to_string()).unwrap_or_default(),
        create_time: Some(convert::timestamp(invitation.created_at)),
        expire_time: Some(convert::timestamp(invitation.expires_at)),
    }
}

/// The failed sign-ins with a name.
pub(super) fn attempts(state: AttemptState) -> pb::GetAttemptsResponse {
    pb::GetAttemptsResponse {
        failures: state.failures.try_into().unwrap_or(i32::MAX),
        blocked_until: state.blocked_until.map(convert::timestamp),
        locked: state.locked,
    }
}

/// An account as administrators see it.
pub(super) fn record(record: &AccountRecord) -> pb::AccountRecord {
    let AccountRecord { account, has_password, second_factor } = record;
    pb::AccountRecord {
        account: Some(convert::account(account)),
        status: pb_status(account.status).into(),
        platform_admin: account.platform_admin,
        has_password: *has_password,
        second_factor: *second_factor,
    }
}

/// An account that was changed. If its row cannot be read, the message has only what the change knows.
pub(super) fn updated(updated: &Updated) -> pb::AccountRecord {
    updated.record.as_ref().map_or_else(
        || pb::AccountRecord {
            account: Some(pb::Account { id: updated.after.id.to_string(), ..pb::Account::default() }),
            status: pb_status(updated.after.status).into(),
            platform_admin: updated.after.platform_admin,
            has_password: false,
            second_factor: false,
        },
        record,
    )
}

/// A firm as administrators see it.
pub(super) fn firm(record: &FirmRecord) -> pb::Firm {
    pb::Firm {
        id: record.firm.id.to_string(),
        name: record.firm.name.as_str().to_owned(),
        account_count: record.accounts.try_into().unwrap_or(i32::MAX),
    }
}

/// An event of the audit trail.
pub(super) fn event(AuditEvent { id, at, note }: &AuditEvent) -> pb::AuditEvent {
    let optional = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    pb::AuditEvent {
        id: id.to_string(),
        time: Some(convert::timestamp(*at)),
        action: note.action.as_str().to_owned(),
        result: note.result.to_string(),
        actor_id: optional(note.actor),
        account_id: optional(note.account),
        origin: note.origin.to_string(),
        request_id: optional(note.request_id),
        detail: note.detail.to_string(),
    }
}

pub(super) fn pb_status(status: AccountStatus) -> pb::AccountStatus {
    match status {
        AccountStatus::Active => pb::AccountStatus::Active,
        AccountStatus::Inactive => pb::AccountStatus::Inactive,
    }
}

/// Parses a role, which may be unspecified.
fn role(number: i32) -> Result<Option<Role>, &'static str> {
    match pb::Role::try_from(number) {
        Ok(pb::Role::Unspecified) => Ok(None),
        Ok(pb::Role::Admin) => Ok(Some(Role::Admin)),
        Ok(pb::Role::User) => Ok(Some(Role::User)),
        Ok(pb::Role::Viewer) => Ok(Some(Role::Viewer)),
        Err(_) => Err("must be a role"),
    }
}

/// Parses a status, which may be unspecified.
fn status(number: i32) -> Result<Option<AccountStatus>, &'static str> {
    match pb::AccountStatus::try_from(number) {
        Ok(pb::AccountStatus::Unspecified) => Ok(None),
        Ok(pb::AccountStatus::Active) => Ok(Some(AccountStatus::Active)),
        Ok(pb::AccountStatus::Inactive) => Ok(Some(AccountStatus::Inactive)),
        Err(_) => Err("must be a status"),
    }
}

/// A key as administrators see it.
pub(super) fn signing_key(key: &StoredKey) -> pb::SigningKey {
    pb::SigningKey {
        id: key.id.to_string(),
        algorithm: key.algorithm.name().to_owned(),
        state: key_state(key.state).into(),
        publish_time: Some(convert::timestamp(key.published_at)),
        sign_time: key.signs_from.map(convert::timestamp),
        end_time: key.accepted_until.map(convert::timestamp),
    }
}

fn key_state(state: KeyState) -> pb::SigningKeyState {
    match state {
        KeyState::Next => pb::SigningKeyState::Next,
        KeyState::Current => pb::SigningKeyState::Current,
        KeyState::Former => pb::SigningKeyState::Former,
        KeyState::Revoked => pb::SigningKeyState::Revoked,
    }
}

/// The key that signs next.
pub(super) fn rotation(rotation: &Rotation) -> pb::RotateSigningKeysResponse {
    let sign_time = rotation.planned_at.map(convert::timestamp);
    pb::RotateSigningKeysResponse { key_id: rotation.id.to_string(), sign_time }
}
