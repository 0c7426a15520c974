//! Messages into the domain's types and back. The only place where a string of a request becomes a name or a password.

use std::net::IpAddr;

use time::OffsetDateTime;
use tonic::Request;
use uuid::Uuid;

use super::deadline;
use crate::accounts::{DeviceEvidence, Registration, Revoked};
use crate::domain::{
    Account, AuthError, Call, Client, Email, FirmName, Identity, NewPassword, Password, PasswordContext,
    PasswordPolicy, PersonName, Revocation, Role, SignInName, StoredSession, Username, Violations,
};
use crate::layer::{self, Credential};
use crate::pb;
use crate::pb::account::Identity as PbIdentity;

/// The address of the client that a call is made for, in the request's extensions, which no header reaches: whoever
/// accepts connections puts it there, and the JSON APIs pass it on.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

/// The id that a call is logged and audited under, in the request's extensions, too.
#[derive(Debug, Clone, Copy)]
pub struct RequestId(pub Uuid);

/// What a request that names neither a username nor an email is told.
pub(super) const NO_HANDLE: &str = "is required: send a username or an email";

/// Parses a registration, or names every bad field at once; among them a password that `policy` would not have.
pub(super) fn registration(
    request: pb::RegisterRequest,
    policy: &PasswordPolicy,
) -> Result<(Registration, NewPassword), AuthError> {
    use pb::register_request::Handle as PbHandle;
    let mut bad = Violations::default();
    let parsed = match request.handle {
        Some(PbHandle::Username(username)) => {
            let username = bad.check("username", Username::parse(&username));
            let context = PasswordContext::of_username(username.as_ref());
            let password = bad.check("password", NewPassword::parse(request.password, policy, &context));
            for (field, value) in [("name", &request.name), ("firm_name", &request.firm_name)] {
                if !value.is_empty() {
                    bad.add(field, "must be empty: only an email account has one");
                }
            }
            username.map(Registration::Username).zip(password)
        }
        Some(PbHandle::Email(email)) => {
            let (name, firm_name) = (PersonName::parse(&request.name), FirmName::parse(&request.firm_name));
            let email = bad.check("email", Email::parse(&email));
            let context = PasswordContext::of_email(email.as_ref(), name.as_ref().ok(), firm_name.as_ref().ok());
            let password = bad.check("password", NewPassword::parse(request.password, policy, &context));
            let name = bad.check("name", name);
            let firm_name = bad.check("firm_name", firm_name);
            email.zip(name).zip(firm_name).zip(password).map(|(((email, name), firm_name), password)| {
                (Registration::Email { email, name, firm_name }, password)
            })
        }
        None => {
            bad.add("handle", NO_HANDLE);
            let context = PasswordContext::of_username(None);
            bad.check("password", NewPassword::parse(request.password, policy, &context));
            None
        }
    };
    parsed.filter(|_| bad.is_empty()).ok_or(AuthError::Validation(bad))
}

/// Parses a login, or names every bad field at once.
pub(super) fn login(request: pb::LoginRequest) -> Result<(SignInName, Password), AuthError> {
    use pb::login_request::Handle as PbHandle;
    let mut bad = Violations::default();
    let (name, floor) = match request.handle {
        Some(PbHandle::Username(username)) => {
            (bad.check("username", SignInName::username(&username)), Password::USERNAME_FLOOR)
        }
        Some(PbHandle::Email(email)) => (bad.check("email", SignInName::email(&email)), 1),
        None => (bad.check("handle", Err(NO_HANDLE)), 1),
    };
    let password = bad.check("password", Password::parse(request.password, floor));
    name.zip(password).ok_or(AuthError::Validation(bad))
}

/// What a sign-in sends along of an earlier one: the field `device` or the metadata of that name, and a token. Where several
/// tokens are sent, none is looked at.
pub(super) fn device_evidence(request: &Request<pb::LoginRequest>) -> DeviceEvidence {
    let in_metadata = || request.metadata().get("device").and_then(|value| value.to_str().ok());
    let device = match request.get_ref().device.as_str() {
        "" => in_metadata().unwrap_or_default(),
        device => device,
    };
    let token = match layer::read_credential(request.metadata().as_ref()) {
        Credential::Presented(token) => Some(token.to_owned()),
        Credential::NotPresented | Credential::Malformed | Credential::Contradictory => None,
    };
    DeviceEvidence { device: device.to_owned(), token }
}

/// What a use case must know of a call besides its message.
pub(super) fn call<T>(request: &Request<T>) -> Call {
    let request_id = request.extensions().get().map(|&RequestId(id)| id);
    Call { client: client(request), request_id, deadline: deadline::noted(request) }
}

/// Where a call comes from, as far as it tells.
fn client<T>(request: &Request<T>) -> Client {
    let user_agent =
        request.metadata().get("user-agent").map(|value| String::from_utf8_lossy(value.as_encoded_bytes()));
    let address = request.extensions().get().map(|&ClientAddress(address)| address);
    Client::new(&user_agent.unwrap_or_default(), address)
}

/// A session as a client sees it; `current` is the one that asks.
pub(super) fn session(stored: StoredSession, current: Uuid) -> pb::Session {
    let session = stored.session;
    pb::Session {
        id: session.id.to_string(),
        account_id: session.account_id.to_string(),
        create_time: Some(timestamp(session.created_at)),
        last_token_time: Some(timestamp(stored.last_token_at)),
        client_label: session.client.label().to_owned(),
        client_address: session.client.address.map(|address| address.to_string()).unwrap_or_default(),
        current: session.id == current,
    }
}

/// Revocations as a watcher is told of them.
pub(super) fn revoked(revoked: Revoked) -> pb::WatchRevocationsResponse {
    use pb::revocation::Target;
    let revocations = revoked.entries.into_iter().map(|entry| pb::Revocation {
        target: Some(match entry.revocation {
            Revocation::Session(id) => Target::SessionId(id.to_string()),
            Revocation::Account { id, epoch } => {
                Target::Account(pb::AccountRevocation { account_id: id.to_string(), epoch })
            }
        }),
        expire_time: Some(timestamp(entry.until)),
    });
    let duration = |time: time::Duration| prost_types::Duration {
        seconds: time.whole_seconds(),
        nanos: time.subsec_nanoseconds(),
    };
    pb::WatchRevocationsResponse {
        revocations: revocations.collect(),
        cursor: revoked.cursor,
        complete_until: revoked.complete_until.map(duration),
        server_time: revoked.time.map(timestamp),
    }
}

pub(super) fn pb_role(role: Role) -> pb::Role {
    match role {
        Role::Admin => pb::Role::Admin,
        Role::User => pb::Role::User,
        Role::Viewer => pb::Role::Viewer,
    }
}

/// An account as a client sees it.
pub(super) fn account(account: &Account) -> pb::Account {
    let identity = match &account.identity {
        Identity::Username(username) => {
            PbIdentity::UsernameIdentity(pb::UsernameIdentity { username: username.to_string() })
        }
        Identity::Email { email, name, firm, role, verified } => PbIdentity::EmailIdentity(pb::EmailIdentity {
            email: email.to_string(),
            name: name.as_str().to_owned(),
            firm_id: firm.id.to_string(),
            firm_name: firm.name.as_str().to_owned(),
            role: pb_role(*role).into(),
            email_verified: *verified,
        }),
    };
    pb::Account {
        id: account.id.to_string(),
        identity: Some(identity),
        create_time: Some(timestamp(account.created_at)),
    }
}

pub(super) fn timestamp(time: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.unix_timestamp(), nanos: time.nanosecond().try_into().unwrap_or(0) }
}
