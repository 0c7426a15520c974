//! What a service behind a proxy learns of the caller: six headers. Each is always sent, empty where it does not apply,
//! so that a client's own header of the name never gets through. Separate because it is pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use crate::domain::{Account, Identity};

/// The names of the headers.
pub(super) const IDENTITY_HEADERS: [&str; 6] =
    ["x-auth-account", "x-auth-session", "x-auth-username", "x-auth-email", "x-auth-firm", "x-auth-role"];

/// What is percent-encoded in values: everything but letters, digits and these. So a value is a header in any
/// protocol, and `+` survives a reader that decodes forms.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// The values of [`IDENTITY_HEADERS`], in their order. By default those of a request without a good token.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CallerIdentity(pub [String; 6]);

impl CallerIdentity {
    pub(super) fn new(account: &Account, session: Uuid) -> Self {
        let text = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let (username, email, firm, role) = match &account.identity {
            Identity::Username(username) => (text(username.as_str()), String::new(), String::new(), String::new()),
            Identity::Email { email, firm, role, .. } => {
                (String::new(), text(email.as_str()), firm.id.to_string(), role.as_str().to_owned())
            }
        };
        Self([account.id.to_string(), session.to_string(), username, email, firm, role])
    }
}

/// The names with `_` in place of one `-` or both. Many frameworks read them as the same names.
pub(super) fn other_spellings() -> impl Iterator<Item = String> {
    IDENTITY_HEADERS.iter().flat_map(|name| {
        // Each name has two hyphens.
        [[true, false], [false, true], [true, true]].map(|replaced| {
            let mut replaced = replaced.into_iter();
            name.chars()
                .map(|char| if char == '-' && replaced.next().is_some_and(|yes| yes) { '_' } else { char })
                .collect()
        })
    })
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::{CallerIdentity, IDENTITY_HEADERS, other_spellings};
    use crate::domain::{Account, AccountStatus, Email, Firm, FirmName, Identity, PersonName, Role, Username};

    #[test]
    fn every_spelling_that_reads_as_a_name_is_known() {
        let spellings: Vec<_> = other_spellings().collect();
        assert_eq!(spellings[..4], ["x_auth-account", "x-auth_account", "x_auth_account", "x_auth-session"]);
        assert_eq!(spellings.len(), 18);
        for spelling in &spellings {
            assert!(IDENTITY_HEADERS.contains(&&*spelling.replace('_', "-")) && spelling.contains('_'), "{spelling}");
        }
    }

    #[test]
    fn values_are_visible_ascii_and_empty_where_they_do_not_apply() {
        let [id, session, firm] = [1, 2, 3].map(Uuid::from_u128);
        let values = |identity| {
            let account = Account {
                id,
                identity,
                status: AccountStatus::Active,
                epoch: 0,
                created_at: OffsetDateTime::UNIX_EPOCH,
                platform_admin: true,
            };
            CallerIdentity::new(&account, session).0
        };
        let ids = ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"];
        // An imported name may have any characters.
        let name = values(Identity::Username(Username::stored("zoë%,münch".to_owned()).unwrap()));
        assert_eq!(name[..2], ids);
        assert_eq!(name[2..], ["zo%C3%AB%25%2Cm%C3%BCnch", "", "", ""]);
        let email = values(Identity::Email {
            email: Email::parse("ada+x.y-z_1@example.com").unwrap(),
            name: PersonName::parse("Ada").unwrap(),
            firm: Firm { id: firm, name: FirmName::parse("Engines").unwrap() },
            role: Role::Viewer,
            verified: false,
        });
        let firm = "00000000-0000-0000-0000-000000000003";
        assert_eq!(email[2..], ["", "ada%2Bx.y-z_1@example.com", firm, "viewer"]);
    }
}
