//! Accounts on their way from one service to another, with their hashes: checked as any other account is, but with ids,
//! status and times of their own. Apart from `account` because nobody registers like this: files and administrators do.

use std::fmt;
use std::ops::RangeInclusive;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    AccountStatus, Email, Firm, FirmName, Handle, Identity, PasswordHash, PasswordHashError, PersonName, Role, Username,
};

/// What ids are made in that are made of something else. The same for ever, or repeating an import would double accounts.
const NAMESPACE: Uuid = Uuid::from_u128(0xdf1c_79fe_da5f_4051_93fc_7968_4d88_3381);

/// The seconds of the years that can be written out, by UTC: 1 to 9999.
const TIMES: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// An account as it comes, or goes. No epoch and no session: those end where it leaves.
#[derive(Debug, Clone)]
pub struct PortableAccount {
    /// Not nil.
    pub id: Uuid,
    /// How it signs in. A firm that is not there is made.
    pub identity: Identity,
    /// `None` when it has no password.
    pub password_hash: Option<PasswordHash>,
    /// Whether it may sign in.
    pub status: AccountStatus,
    /// When it was registered.
    pub created_at: OffsetDateTime,
    /// What was made of its names on the way in, for people: nothing where they are kept as they came.
    pub notes: Vec<&'static str>,
}

impl PortableAccount {
    /// What is typed to sign in.
    pub fn handle(&self) -> Handle {
        self.identity.handle()
    }
}

/// An account before any of it is checked: texts as they were found, empty where there were none.
#[derive(Clone, Default)]
pub struct PortableDraft<'a> {
    /// A UUID; made of the handle when empty, the same each time.
    pub id: &'a str,
    /// Either this …
    pub username: &'a str,
    /// … or this.
    pub email: &'a str,
    /// The person's name, with an email. Where it is missing, it is what stands before the @ of the address.
    pub name: &'a str,
    /// A UUID, with an email; made of the account's id when empty, so that it is a firm of its own.
    pub firm_id: &'a str,
    /// The firm's name, with an email; the person's where it is missing.
    pub firm_name: &'a str,
    /// With an email; `user` when empty.
    pub role: &'a str,
    /// In any spelling that [`PasswordHash::import`] takes; no password when empty.
    pub password_hash: &'a str,
    /// `active` when empty.
    pub status: &'a str,
    /// With an email: whether it needs no proof any more.
    pub email_verified: bool,
    /// Now when `None`.
    pub created_at: Option<OffsetDateTime>,
}

/// Why an account is not taken. Never holds a value, only the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DraftError {
    /// As in a line of our own form.
    pub field: &'static str,
    /// What to change.
    pub problem: DraftProblem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftProblem {
    /// As it follows the field's name: "must have at least 3 characters".
    Value(&'static str),
    /// Of `password_hash`.
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

const NAME_CLEANED: &str = "name was kept without what cannot be seen, and at most 100 characters of it";
const NAME_MADE_UP: &str = "name is missing: what stands before the @ of the address was taken";
const FIRM_NAME_CLEANED: &str = "firm.name was kept without what cannot be seen, and at most 100 characters of it";
const FIRM_NAME_MADE_UP: &str = "firm.name is missing: the person's name was taken";

/// An id that is made of `text`, the same each time; `kind` keeps texts of different meaning apart.
pub fn derived_id(kind: &str, text: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{kind}:{text}").as_bytes())
}

impl PortableDraft<'_> {
    /// Checks all of it; the first field that is wrong is told.
    pub fn parse(&self, now: OffsetDateTime) -> Result<PortableAccount, DraftError> {
        let handle = match (self.username, self.email) {
            ("", "") => return Err(bad("username")("or email is required")),
            (username, "") => Handle::Username(Username::imported(username).map_err(bad("username"))?),
            ("", email) => Handle::Email(Email::parse(email).map_err(bad("email"))?),
            _ => return Err(bad("username")("and email are both there: an account has one of them")),
        };
        let id = match self.id {
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
                PasswordHash::import(text)
                    .map_err(|error| DraftError { field: "password_hash", problem: DraftProblem::Hash(error) })?,
            ),
        };
        let status = match self.status {
            "" => AccountStatus::Active,
            text => AccountStatus::parse(text).ok_or("must be active or inactive").map_err(bad("status"))?,
        };
        let created_at = self.created_at.unwrap_or(now);
        if !TIMES.contains(&created_at.unix_timestamp()) {
            return Err(bad("created_at")("must be in the years from 1 to 9999"));
        }
        // What the database keeps.
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

    /// A username account is the handle and the password; whoever gives it more means something else.
    fn require_no_firm(&self) -> Result<(), DraftError> {
        let fields = [
            ("name", self.name),
            ("firm.id", self.firm_id),
            ("firm.name", self.firm_name),
            ("role", self.role),
            ("email_verified", if self.email_verified { "true" } else { "" }),
        ];
        let given = fields.into_iter().find(|(_, value)| !value.is_empty());
        given.map_or(Ok(()), |(field, _)| Err(bad(field)("goes with an email, not with a username")))
    }
}

/// The nil one is what a listing begins after.
fn id(text: &str) -> Result<Uuid, &'static str> {
    Uuid::try_parse(text).ok().filter(|id| !id.is_nil()).ok_or("must be a UUID, and not the nil one")
}

fn bad(field: &'static str) -> impl Fn(&'static str) -> DraftError {
    move |problem| DraftError { field, problem: DraftProblem::Value(problem) }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::{PortableAccount, PortableDraft, derived_id};
    use crate::domain::{AccountStatus, Identity, Role};

    fn parse(draft: &PortableDraft<'_>) -> Result<PortableAccount, String> {
        draft.parse(OffsetDateTime::UNIX_EPOCH).map_err(|error| error.to_string())
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
            (PortableDraft { email: "ada@x.org", ..alice.clone() }, "username and email are both there"),
            (PortableDraft { username: "al", ..alice.clone() }, "username must have at least 3 characters"),
            (PortableDraft { username: "jeßica", ..alice.clone() }, "username has a letter that is kept as two"),
            (PortableDraft { id: "7", ..alice.clone() }, "id must be a UUID"),
            (PortableDraft { id: "00000000-0000-0000-0000-000000000000", ..alice.clone() }, "id must be a UUID"),
            (PortableDraft { role: "admin", ..alice.clone() }, "role goes with an email, not with a username"),
            (PortableDraft { email_verified: true, ..alice.clone() }, "email_verified goes with an email"),
            (PortableDraft { status: "gone", ..alice.clone() }, "status must be active or inactive"),
            (PortableDraft { password_hash: "secret", ..alice }, "password_hash: no password hash of a known scheme"),
            (PortableDraft { email: "ada", ..ada.clone() }, "email "),
            (PortableDraft { firm_id: "7", ..ada.clone() }, "firm.id must be a UUID"),
            (PortableDraft { role: "owner", ..ada }, "role must be admin, user or viewer"),
        ] {
            let error = parse(&draft).unwrap_err();
            assert!(error.starts_with(problem), "{error}, not {problem}");
        }
    }
}
