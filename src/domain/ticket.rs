//! One-time tokens ("tickets"): the secret in a link, and what is stored of it. Two types, so that the one that is worth
//! something is in nobody's database.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The secret of a link: 32 random bytes as base64url, when it is ours. Wiped from memory when dropped; cannot be printed.
pub struct Ticket(Zeroizing<String>);

impl Ticket {
    /// Makes one of random bytes.
    pub fn new(random: &[u8; 32]) -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(random)))
    }

    /// Takes what somebody says is one. Whether it is, only its digest tells. The error says what to change, without the
    /// input.
    pub fn parse(input: String) -> Result<Self, &'static str> {
        let input = Zeroizing::new(input);
        match input.chars().take(65).count() {
            0 => Err("is required"),
            1..=64 => Ok(Self(input)),
            _ => Err("must have at most 64 characters"),
        }
    }

    /// What is stored of it, and found by. One round of a fast hash is enough: 256 bits cannot be guessed.
    pub fn digest(&self) -> TicketDigest {
        TicketDigest(Sha256::digest(self.0.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The text of the link. For the mail, and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

/// SHA-256 of a [`Ticket`]'s text, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketDigest(String);

impl TicketDigest {
    /// As the database spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a ticket is good for, and for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TicketPurpose {
    /// Proves that mail to an account's address arrives.
    VerifyEmail,
    /// Sets a new password.
    ResetPassword,
    /// Proves that mail to another address arrives, and makes it the account's.
    ChangeEmail,
    /// Makes an account in a firm.
    Invitation,
}

impl TicketPurpose {
    /// As the database spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::Invitation => "invitation",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::VerifyEmail, Self::ResetPassword, Self::ChangeEmail, Self::Invitation]
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::Ticket;

    #[test]
    fn a_ticket_is_found_by_its_digest_and_shown_by_nothing() {
        let made = Ticket::new(&[7; 32]);
        assert_eq!(made.expose().len(), 43);
        let typed = Ticket::parse(made.expose().to_owned()).unwrap();
        assert_eq!(typed.digest(), made.digest());
        assert_eq!(made.digest().as_str().len(), 64);
        assert_ne!(Ticket::new(&[8; 32]).digest(), made.digest());
        assert_eq!(format!("{made:?}"), "Ticket(..)");
        assert_eq!(Ticket::parse(String::new()).unwrap_err(), "is required");
        assert!(Ticket::parse("x".repeat(65)).is_err());
    }
}
