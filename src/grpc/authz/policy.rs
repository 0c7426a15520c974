//! The policy of a route: which requests may pass. The proxy states it in its own configuration, as context extensions
//! of Envoy or as a segment of the path that it asks, so that no client can choose it. Separate because it is pure.
//!
//! A policy is a list of terms with commas in between, as in `role=admin,verified`. A context extension of Envoy is
//! such a list (`policy`), or one term with its value (`role: admin`, `verified: "true"`). No request may pass where
//! a term is not understood: it could be a misspelt one that keeps requests out.

use uuid::Uuid;

use crate::domain::{Account, Identity, Role};
use crate::grpc::failures::PassageError;

/// The requests that may pass on a route.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RoutePolicy {
    /// What the account of a request must be; `None` if a request may pass without a token, too.
    pub requirements: Option<Requirements>,
    /// Whether CORS preflights may pass, which have no token.
    pub preflight: bool,
    /// Whether the service behind the proxy gets the client's token.
    pub keep_token: bool,
}

/// The properties that an account must have. By default, none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Requirements {
    /// The roles of which it must have one; empty if it need not have a role.
    roles: Vec<Role>,
    /// The id of the firm that it must belong to.
    firm: Option<Uuid>,
    /// Whether it must have a verified email address.
    verified: bool,
}

/// The name of the context extension that holds a list of terms.
pub(super) const POLICY: &str = "policy";

impl RoutePolicy {
    /// Reads the context extensions. Without any, every account may pass.
    pub(super) fn parse<'a>(extensions: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, PassageError> {
        let (mut public, mut account, mut needs) = (false, false, Requirements::default());
        let (mut preflight, mut keep_token) = (false, false);
        for (name, list) in extensions {
            for part in list.split(',').map(str::trim) {
                let term = match part.split_once('=') {
                    Some((term, value)) if name == POLICY => (term, Some(value)),
                    None if name == POLICY => (part, None),
                    _ => (name, Some(part)),
                };
                match term {
                    ("public", None) => public = true,
                    ("account", None) => account = true,
                    ("role", Some(role)) => needs.roles.push(Role::parse(role).ok_or(PassageError::Policy)?),
                    ("firm", Some(firm)) if needs.firm.is_none() => {
                        needs.firm = Some(firm.parse().map_err(|_| PassageError::Policy)?);
                    }
                    ("verified", None | Some("true")) => needs.verified = true,
                    ("preflight", None | Some("true")) => preflight = true,
                    ("keep-token", None | Some("true")) => keep_token = true,
                    _ => return Err(PassageError::Policy),
                }
            }
        }
        if public && (account || needs != Requirements::default()) {
            return Err(PassageError::Policy);
        }
        Ok(Self { requirements: (!public).then_some(needs), preflight, keep_token })
    }
}

impl Requirements {
    /// Refuses an account that is not what the route asks for.
    pub(super) fn admit(&self, account: &Account) -> Result<(), PassageError> {
        let (is_of_role, is_of_firm, is_verified) = match &account.identity {
            Identity::Username(_) => (false, false, None),
            Identity::Email { firm, role, verified, .. } => {
                (self.roles.contains(role), self.firm == Some(firm.id), Some(*verified))
            }
        };
        let lacks_role = !self.roles.is_empty() && !is_of_role;
        let lacks_firm = self.firm.is_some() && !is_of_firm;
        let lacks_address = self.verified && is_verified.is_none();
        if lacks_role || lacks_firm || lacks_address {
            return Err(PassageError::Account);
        }
        if self.verified && is_verified == Some(false) { Err(PassageError::Unverified) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::{PassageError, Requirements, RoutePolicy};
    use crate::domain::{Account, AccountStatus, Email, Firm, FirmName, Identity, PersonName, Role, Username};

    const FIRM: &str = "01a202ea-94c6-73a1-b087-8784a96539a1";

    fn needs(roles: &[Role], firm: Option<&str>, verified: bool) -> Option<Requirements> {
        Some(Requirements { roles: roles.into(), firm: firm.map(|firm| firm.parse().unwrap()), verified })
    }

    #[test]
    fn a_policy_is_a_list_of_terms_in_one_extension_or_in_several() {
        for (extensions, requirements, others) in [
            (&[][..], needs(&[], None, false), ""),
            (&[("policy", "public")], None, ""),
            (&[("policy", "account")], needs(&[], None, false), ""),
            (&[("policy", "role=admin")], needs(&[Role::Admin], None, false), ""),
            (&[("role", "admin")], needs(&[Role::Admin], None, false), ""),
            (&[("policy", "account"), ("role", "admin, user")], needs(&[Role::Admin, Role::User], None, false), ""),
            (&[("policy", "role=user,role=viewer")], needs(&[Role::User, Role::Viewer], None, false), ""),
            (&[("firm", FIRM), ("verified", "true")], needs(&[], Some(FIRM), true), ""),
            (&[("policy", "verified , preflight")], needs(&[], None, true), "preflight"),
            (&[("policy", "public,keep-token"), ("preflight", "true")], None, "preflight keep"),
        ] {
            let others = (others.contains("preflight"), others.contains("keep"));
            let expected = RoutePolicy { requirements, preflight: others.0, keep_token: others.1 };
            assert_eq!(RoutePolicy::parse(extensions.iter().copied()).unwrap(), expected, "{extensions:?}");
        }
    }

    #[test]
    fn nobody_may_pass_where_a_term_is_not_understood() {
        for extensions in [
            &[("policy", "")][..],
            &[("policy", "Public")],
            &[("policy", "publik")],
            &[("policy", "public=true")],
            &[("policy", "account,")],
            &[("policy", "role")],
            &[("policy", "role=")],
            &[("policy", "role=Admin")],
            &[("policy", "role=owner")],
            &[("policy", "firm=engines")],
            &[("policy", "public,role=admin")],
            &[("policy", "public,account")],
            &[("policy", "public"), ("verified", "true")],
            &[("public", "true")],
            &[("polcy", "role=admin")],
            &[("rol", "admin")],
            &[("role", "")],
            &[("verified", "false")],
            &[("verified", "")],
            &[("firm", FIRM), ("policy", "firm=01a202ea-94c6-73a1-b087-8784a96539a2")],
        ] {
            assert!(RoutePolicy::parse(extensions.iter().copied()).is_err(), "{extensions:?}");
        }
    }

    #[test]
    fn an_account_passes_if_it_is_all_that_the_route_asks_for() {
        let account = |identity| Account {
            id: Uuid::nil(),
            identity,
            status: AccountStatus::Active,
            epoch: 0,
            created_at: OffsetDateTime::UNIX_EPOCH,
            platform_admin: false,
        };
        let email = |role, verified| {
            account(Identity::Email {
                email: Email::parse("ada@example.com").unwrap(),
                name: PersonName::parse("Ada").unwrap(),
                firm: Firm { id: FIRM.parse().unwrap(), name: FirmName::parse("Engines").unwrap() },
                role,
                verified,
            })
        };
        let (admin, viewer) = (email(Role::Admin, true), email(Role::Viewer, false));
        let ada = account(Identity::Username(Username::parse("ada").unwrap()));
        for (policy, expected) in [
            ("account", ["", "", ""]),
            ("role=admin", ["", "permission", "permission"]),
            ("role=admin,role=viewer", ["", "", "permission"]),
            ("verified", ["", "verify", "permission"]),
            ("role=viewer,verified", ["permission", "verify", "permission"]),
            ("firm=01a202ea-94c6-73a1-b087-8784a96539a1", ["", "", "permission"]),
            ("firm=01a202ea-94c6-73a1-b087-8784a96539a2", ["permission", "permission", "permission"]),
            ("firm=01a202ea-94c6-73a1-b087-8784a96539a1,role=admin", ["", "permission", "permission"]),
        ] {
            let requirements = RoutePolicy::parse([("policy", policy)]).unwrap().requirements.unwrap();
            let found = [&admin, &viewer, &ada].map(|account| match requirements.admit(account) {
                Ok(()) => "",
                Err(PassageError::Account) => "permission",
                Err(PassageError::Unverified) => "verify",
                Err(error) => panic!("{error}"),
            });
            assert_eq!(found, expected, "{policy}");
        }
    }
}
