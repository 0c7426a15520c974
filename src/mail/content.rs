//! The content of a mail, looked up when it is sent, because the account may be deleted by then or not need the mail
//! any more. Separate from the worker, which knows nothing of accounts.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::pattern::Placeholder;
use crate::domain::{Account, AccountStatus, Handle, Identity, Invitation, MailKind, TicketPurpose};
use crate::store::{ClaimedMail, Store, StoreError};

/// How long the link to verify an address is valid.
const VERIFY_LIFETIME: Duration = Duration::from_secs(86_400);

/// How long the link to set a new password is valid.
const RESET_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// The content of a mail at the moment when it is sent.
#[derive(Debug)]
pub(super) struct MailContent {
    /// The account that the link is for.
    pub account_id: Option<Uuid>,
    /// The purpose of the link and its expiry; `None` if the mail has no link.
    pub link: Option<(TicketPurpose, OffsetDateTime)>,
    name: String,
    firm: String,
    inviter: String,
    role: &'static str,
}

impl MailContent {
    /// Looks up the content of a mail; `None` if there is nothing to send.
    pub(super) async fn find(
        store: &dyn Store,
        mail: &ClaimedMail,
        now: OffsetDateTime,
    ) -> Result<Option<Self>, StoreError> {
        let holder = store.find_credentials(&Handle::Email(mail.recipient.clone())).await?.map(|found| found.account);
        Ok(match mail.kind {
            MailKind::VerifyEmail => holder.filter(|account| !is_verified(account)).map(|account| Self::of(&account)),
            MailKind::ResetPassword => holder.filter(is_active).map(|account| Self::of(&account)),
            MailKind::ChangeEmail => {
                let account = store.find_account(mail.subject).await?;
                let wants =
                    |account: &Account| is_active(account) && matches!(account.identity, Identity::Email { .. });
                account.filter(|account| wants(account) && holder.is_none()).map(|account| Self::of(&account))
            }
            MailKind::EmailChanged
            | MailKind::PasswordChanged
            | MailKind::SecondFactorAdded
            | MailKind::SecondFactorRemoved
            | MailKind::RecoveryCodesMade
            | MailKind::RecoveryCodesFew => store.find_account(mail.subject).await?.map(|account| Self::of(&account)),
            MailKind::Invitation => {
                let invitation = store.find_invitation(mail.subject, now).await?;
                match invitation.filter(|invitation| invitation.email == mail.recipient && holder.is_none()) {
                    None => None,
                    Some(invitation) => {
                        let inviter = match invitation.invited_by {
                            Some(id) => store.find_account(id).await?,
                            None => None,
                        };
                        Some(Self::invite(&invitation, inviter.as_ref()))
                    }
                }
            }
        }
        .map(|content| content.with_link(mail.kind, now)))
    }

    fn of(account: &Account) -> Self {
        Self {
            account_id: Some(account.id),
            link: None,
            name: person(Some(account), "there"),
            firm: String::new(),
            inviter: String::new(),
            role: "",
        }
    }

    fn invite(invitation: &Invitation, inviter: Option<&Account>) -> Self {
        Self {
            account_id: None,
            link: Some((TicketPurpose::Invitation, invitation.expires_at)),
            name: String::new(),
            firm: harmless(invitation.firm.name.as_str(), "a firm"),
            inviter: person(inviter, "An administrator"),
            role: invitation.role.as_str(),
        }
    }

    /// Adds the link, if mail of this kind has one.
    fn with_link(mut self, kind: MailKind, now: OffsetDateTime) -> Self {
        self.link = match kind.purpose() {
            None => None,
            Some(TicketPurpose::Invitation) => self.link,
            Some(TicketPurpose::ResetPassword) => Some((TicketPurpose::ResetPassword, now + RESET_LIFETIME)),
            Some(purpose) => Some((purpose, now + VERIFY_LIFETIME)),
        };
        self
    }

    /// The value of a placeholder; `None` for those that only the worker knows.
    pub(super) fn value(&self, placeholder: Placeholder, now: OffsetDateTime) -> Option<String> {
        Some(match placeholder {
            Placeholder::Name => self.name.clone(),
            Placeholder::Firm => self.firm.clone(),
            Placeholder::Inviter => self.inviter.clone(),
            Placeholder::Role => self.role.to_owned(),
            Placeholder::Valid => self.link.map(|(_, until)| words(until - now)).unwrap_or_default(),
            Placeholder::Link | Placeholder::Email | Placeholder::Service => return None,
        })
    }
}

fn is_active(account: &Account) -> bool {
    account.status == AccountStatus::Active
}

fn is_verified(account: &Account) -> bool {
    matches!(account.identity, Identity::Email { verified: true, .. })
}

fn person(account: Option<&Account>, otherwise: &str) -> String {
    match account.map(|account| &account.identity) {
        Some(Identity::Email { name, .. }) => harmless(name.as_str(), otherwise),
        _ => otherwise.to_owned(),
    }
}

/// Replaces a name that a mail program would turn into a link. Otherwise an attacker that registers as `Prize at
/// evil.example` with a stranger's address could make this service send that stranger an advertisement.
fn harmless(name: &str, otherwise: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let is_dotted = letters.windows(4).any(|four| {
        four[0].is_alphanumeric()
            && matches!(four[1], '.' | '。' | '．')
            && four[2..].iter().all(|c| c.is_alphanumeric())
    });
    if is_dotted || name.contains(['/', '@', '\\', ':']) { otherwise.to_owned() } else { name.to_owned() }
}

/// Writes a duration as `7 days`, `24 hours` or `30 minutes`, in the largest unit that gives at least two.
fn words(left: time::Duration) -> String {
    let minutes = left.whole_minutes().max(1);
    match (minutes / 1_440, minutes / 60) {
        (days @ 2.., _) => format!("{days} days"),
        (_, hours @ 2..) => format!("{hours} hours"),
        _ if minutes == 1 => "a minute".to_owned(),
        _ => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::{harmless, words};

    #[test]
    fn a_name_that_would_become_a_link_is_replaced() {
        for fine in ["Ada Lovelace", "J. R. R. Tolkien", "J.R. Tolkien", "Sammy Davis Jr.", "A. B", "Ltd. & Co", "工藤"]
        {
            assert_eq!(harmless(fine, "there"), fine);
        }
        for link in ["evil.example", "Win at evil.co now", "http://x", "a@b", "//x", "工藤.コム", "mailto:x"] {
            assert_eq!(harmless(link, "there"), "there", "{link}");
        }
    }

    #[test]
    fn the_lifetime_of_a_link_is_told_in_words() {
        for (left, expected) in [
            (Duration::days(7), "7 days"),
            (Duration::days(7) - Duration::SECOND, "6 days"),
            (Duration::hours(24), "24 hours"),
            (Duration::minutes(30), "30 minutes"),
            (Duration::minutes(90), "90 minutes"),
            (Duration::SECOND, "a minute"),
        ] {
            assert_eq!(words(left), expected);
        }
    }
}
