//! Values of the domain as messages, for every service. The conversions of a single service are in `auth_convert` and
//! `admin_convert`.

use countersign_guard::revocations::Revocation;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::{ActiveToken, Revoked};
use crate::domain::{Account, Identity, Role, StoredSession};
use crate::pb;
use crate::pb::account::Identity as PbIdentity;

/// The description of a violation by a request that names neither a username nor an email.
pub(super) const NO_HANDLE: &str = "is required: send a username or an email";

/// A session as a client sees it. `current` is the id of the caller's session.
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

/// Revocations as a response of the watch stream.
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

/// An active token as a service sees it.
pub(super) fn active_token(ActiveToken { claims, account: owner }: &ActiveToken) -> pb::ActiveToken {
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    pb::ActiveToken {
        account: Some(account(owner)),
        session_id: claims.sid.to_string(),
        issue_time: time(claims.iat),
        expire_time: time(claims.exp),
        issuer: claims.iss.clone().unwrap_or_default(),
        audiences: claims.aud.clone(),
    }
}

pub(super) fn timestamp(time: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.unix_timestamp(), nanos: time.nanosecond().try_into().unwrap_or(0) }
}
