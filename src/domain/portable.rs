//! Accounts on their way from one service to another, with their hashes. They are checked like all accounts, but bring
//! their own ids, status and times. Separate from `account` because files and administrators create them, not a
//! registration.

use std::fmt;
use std::ops::RangeInclusive;

use time::OffsetDateTime;
use uuid::Uuid;

use super::password_hash::HashTerms;
use super::{
    AccountStatus, Email, Firm, FirmName, Handle, Identity, PasswordHash, PasswordHashError, PersonName, Role, Username,
};

/// The namespace of ids that are derived from text. It must never change, or a repeated import would double accounts.
const NAMESPACE: Uuid = Uuid::from_u128(0xdf1c_79fe_da5f_4051_93fc_7968_4d88_3381);

/// The Unix times, in seconds, that an export can write as text in UTC: the years 1 to 9999.
const TIMES: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// An account that is imported or exported. It has no epoch and no sessions: these stay at the service that it comes
/// from.
#[derive(Debug, Clone)]
pub struct PortableAccount {
    /// The id, which is not nil.
    pub id: Uuid,
    /// How the account signs in. A firm that does not exist is created.
    pub identity: Identity,
    /// The hash of the password; `None` for an account without a password.
    pub password_hash: Option<PasswordHash>,
    /// Whether the account may sign in.
    pub status: AccountStatus,
    /// The time of registration.
    pub created_at: OffsetDateTime,
    /// The changes that reading made to its names, as sentences for the import's report; empty if it made none.
    pub notes: Vec<&'static str>,
}

impl PortableAccount {
    /// Returns the name that the account signs in with.
    pub fn handle(&self) -> Handle {
        self.identity.handle()
    }
}

/// What an import takes, and what it adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImportTerms {
    /// The time of registration of accounts without one.
    pub now: OffsetDateTime,
    /// Which hashes are taken.
    pub hashes: HashTerms,
}

/// An account before it is checked: texts as they were found, empty where there were none.
#[derive(Clone, Default)]
pub(crate) struct PortableDraft<'a> {
    /// A UUID. An empty one is derived from the handle, the same in every import.
    pub id: &'a str,
    /// The username; empty for an email account.
    pub username: &'a str,
    /// The email address; empty for a username account.
    pub email: &'a str,
    /// The person's name, with an email. When it is missing, it is the local part of the address.
    pub name: &'a str,
    /// A UUID, with an email. An empty one is derived from the account's id, which gives the account its own firm.
    pub firm_id: &'a str,
    /// The name of the firm, with an email. When it is missing, it is the name of the person.
    pub firm_name: &'a str,
    /// The role, with an email; `user` when empty.
    pub role: &'a str,
    /// The hash in any spelling that [`PasswordHash::import_on`] takes; empty for no password.
    pub password_hash: &'a str,
    /// The status; `active` when empty.
    pub status: &'a str,
    /// Whether the email counts as verified.
    pub email_verified: bool,
    /// The time of registration; now when `None`.
    pub created_at: Option<OffsetDateTime>,
}

/// Why an account is refused. It names the field and never holds a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DraftError {
    /// The name of the field in our own format.
    pub field: &'static str,
    /// What to change in it.
    pub problem: DraftProblem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DraftProblem {
    /// What to change, as it follows the field's name: "must have at least 3 characters".
    Value(&'static str),
    /// What is wrong with `password_hash`.
    Hash(PasswordHashError),
}

impl fmt::Display for DraftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problem {
            DraftProblem::Value(problem) => write!(f, "{} {problem}", self.field),
            DraftProblem::Hash(problem) => write!(f, "{}: {problem}", self.field),
        }
    }
}

impl std::error::Error for DraftError {}

const NAME_CLEANED: &str = "name was stored without invisible characters, and with at most 100 characters";
const NAME_MADE_UP: &str = "name is missing: the part of the email before the @ was stored";
const FIRM_NAME_CLEANED: &str = "firm.name was stored without invisible characters, and with at most 100 characters";
const FIRM_NAME_MADE_UP: &str = "firm.name is missing: the person's name was stored";

/// Derives an id from `text`, the same one every time; `kind` keeps texts of different meaning apart.
pub(crate) fn derived_id(kind: &str, text: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{kind}:{text}").as_bytes())
}

impl PortableDraft<'_> {
    /// Checks all fields; the first wrong one is the error.
    pub(crate) fn parse(&self, terms: &ImportTerms) -> Result<PortableAccount, DraftError> {
        let handle = match (self.username, self.email) {
            ("", "") => return Err(bad("username")("or email is required")),
            (username, "") => Handle::Username(Username::imported(username).map_err(bad("username"))?),
            // An address that this service would not register may be that of an account elsewhere.
            ("", email) => Handle::Email(Email::typed(email).map_err(bad("email"))?),
            _ => return Err(bad("username")("and email are both given: an account has one of them")),
        };
        let id = match self.id {
            // A username with an @ may be the text of another account's address.
            "" if self.username.contains('@') => derived_id("username", handle.as_str()),
            "" => derived_id("handle", handle.as_str()),
            text => id(text).map_err(bad("id"))?,
        };
        let (identity, notes) = match handle {
            Handle::Username(username) => {
                self.require_no_firm()?;
                (Identity::Username(username), Vec::new())
            }
            Handle::Email(email) => self.with_email(id, email)?,
        };
        let password_hash = match self.password_hash {
            "" => None,
            text => Some(
                PasswordHash::import_on(text, &terms.hashes)
                    .map_err(|error| DraftError { field: "password_hash", problem: DraftProblem::Hash(error) })?,
            ),
        };
        let status = match self.status {
            "" => AccountStatus::Active,
            text => AccountStatus::parse(text).ok_or("must be active or inactive").map_err(bad("status"))?,
        };
        let created_at = self.created_at.unwrap_or(terms.now);
        if !TIMES.contains(&created_at.unix_timestamp()) {
            return Err(bad("created_at")("must be in the years from 1 to 9999"));
        }
        // The database keeps milliseconds.
        let created_at = created_at.replace_millisecond(created_at.millisecond()).unwrap_or(created_at);
        Ok(PortableAccount { id, identity, password_hash, status, created_at, notes })
    }

    fn with_email(&self, account: Uuid, email: Email) -> Result<(Identity, Vec<&'static str>), DraftError> {
        let firm = match self.firm_id {
            "" => derived_id("firm", &account.to_string()),
            text => id(text).map_err(bad("firm.id"))?,
        };
        let mut notes = Vec::new();
        let name = PersonName::parse(self.name).or_else(|_| {
            let cleaned = PersonName::cleaned(self.name);
            notes.push(if cleaned.is_some() { NAME_CLEANED } else { NAME_MADE_UP });
            let local = email.as_str().split('@').next().unwrap_or_default();
            cleaned.or_else(|| PersonName::cleaned(local)).ok_or("is required").map_err(bad("name"))
        })?;
        let firm_name = FirmName::parse(self.firm_name).or_else(|_| {
            let cleaned = FirmName::cleaned(self.firm_name);
            notes.push(if cleaned.is_some() { FIRM_NAME_CLEANED } else { FIRM_NAME_MADE_UP });
            cleaned.or_else(|| FirmName::cleaned(name.as_str())).ok_or("is required").map_err(bad("firm.name"))
        })?;
        let role = match self.role {
            "" => Role::User,
            text => Role::parse(text).ok_or("must be admin, user or viewer").map_err(bad("role"))?,
        };
        let firm = Firm { id: firm, name: firm_name };
        Ok((Identity::Email { email, name, firm, role, verified: self.email_verified }, notes))
    }

    /// A username account has only a name and a password; a file with more must mean something else.
    fn require_no_firm(&self) -> Result<(), DraftError> {
        let fields = [
            ("name", self.name),
            ("firm.id", self.firm_id),
            ("firm.name", self.firm_name),
            ("role", self.role),
            ("email_verified", if self.email_verified { "true" } else { "" }),
        ];
        let given = fields.into_iter().find(|(_, value)| !value.is_empty());
        given.map_or(Ok(()), |(field, _)| Err(bad(field)("is only for accounts with an email")))
    }
}

/// The nil id is where a listing begins, so no account may have it.
fn id(text: &str) -> Result<Uuid, &'static str> {
    Uuid::try_parse(text).ok().filter(|id| !id.is_nil()).ok_or("must be a UUID, and not the nil one")
}

fn bad(field: &'static str) -> impl Fn(&'static str) -> DraftError {
    move |problem| DraftError { field, problem: DraftProblem::Value(problem) }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::{ImportTerms, PortableAccount, PortableDraft, derived_id};
    use crate::domain::password_hash::HashTerms;
    use crate::domain::{AccountStatus, Identity, Role};

    fn parse(draft: &PortableDraft<'_>) -> Result<PortableAccount, String> {
        draft
            .parse(&ImportTerms { now: OffsetDateTime::UNIX_EPOCH, hashes: HashTerms::default() })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_is_made_the_same_each_time() {
        let draft = PortableDraft { username: " ALICE ", ..PortableDraft::default() };
        let account = parse(&draft).unwrap();
        assert_eq!(account.id, derived_id("handle", "alice"), "of the canonical name");
        assert_eq!((account.status, account.created_at), (AccountStatus::Active, OffsetDateTime::UNIX_EPOCH));
        assert!(account.password_hash.is_none());
        let draft = PortableDraft { email: "Ada@X.org", name: "Ada", firm_name: "Engines", ..PortableDraft::default() };
        let (first, second) = (parse(&draft).unwrap(), parse(&draft).unwrap());
        assert_eq!((first.id, &first.identity), (second.id, &second.identity));
        let Identity::Email { email, firm, role, .. } = first.identity else { panic!("by email") };
        assert_eq!((email.as_str(), firm.name.as_str(), role), ("ada@x.org", "Engines", Role::User));
        assert_eq!(firm.id, derived_id("firm", &first.id.to_string()));
    }

    #[test]
    fn a_name_is_cleaned_or_made_up_and_never_a_reason_to_refuse() {
        let ada = PortableDraft { email: "Ada.L@X.org", name: "Ada", firm_name: "Engines", ..PortableDraft::default() };
        let long = "x".repeat(5_000);
        for (name, firm_name, expected, notes) in [
            (" Ada\u{A0}L ", "Engines", ("Ada L", "Engines"), &[][..]),
            ("Ada\u{202E}\tL", "Engines", ("AdaL", "Engines"), &[super::NAME_CLEANED]),
            (&long, "En\0gines", (&long[..100], "Engines"), &[super::NAME_CLEANED, super::FIRM_NAME_CLEANED]),
            ("", "\u{200B}", ("ada.l", "ada.l"), &[super::NAME_MADE_UP, super::FIRM_NAME_MADE_UP]),
        ] {
            let account = parse(&PortableDraft { name, firm_name, ..ada.clone() }).unwrap();
            let Identity::Email { name, firm, .. } = account.identity else { panic!("by email") };
            assert_eq!((name.as_str(), firm.name.as_str()), expected);
            assert_eq!(account.notes, notes);
        }
    }

    #[test]
    fn every_bad_field_is_named() {
        let alice = PortableDraft { username: "alice", ..PortableDraft::default() };
        let ada = PortableDraft { email: "ada@x.org", name: "Ada", firm_name: "Engines", ..PortableDraft::default() };
        for (draft, problem) in [
            (PortableDraft::default(), "username or email is required"),
            (PortableDraft { email: "ada@x.org", ..alice.clone() }, "username and email are both given"),
            (PortableDraft { username: "a\tl", ..alice.clone() }, "username must not contain control characters"),
            (PortableDraft { username: "jeßica", ..alice.clone() }, "username has a letter that is stored as two"),
            (PortableDraft { id: "7", ..alice.clone() }, "id must be a UUID"),
            (PortableDraft { id: "00000000-0000-0000-0000-000000000000", ..alice.clone() }, "id must be a UUID"),
            (PortableDraft { role: "admin", ..alice.clone() }, "role is only for accounts with an email"),
            (
                PortableDraft { email_verified: true, ..alice.clone() },
                "email_verified is only for accounts with an email",
            ),
            (PortableDraft { status: "gone", ..alice.clone() }, "status must be active or inactive"),
            (PortableDraft { password_hash: "secret", ..alice }, "password_hash: the scheme of the hash is unknown"),
            (PortableDraft { email: "ada", ..ada.clone() }, "email "),
            (PortableDraft { firm_id: "7", ..ada.clone() }, "firm.id must be a UUID"),
            (PortableDraft { role: "owner", ..ada }, "role must be admin, user or viewer"),
        ] {
            let error = parse(&draft).unwrap_err();
            assert!(error.starts_with(problem), "{error}, not {problem}");
        }
    }
}
