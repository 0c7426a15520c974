//! One-time tokens ("tickets"): the secret in a link, and its digest in the database. There are two types, so that the
//! secret cannot be stored.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The secret of a link: 32 random bytes as base64url, when we made it. It is wiped from memory when dropped, and
/// cannot be printed.
pub struct Ticket(Zeroizing<String>);

impl Ticket {
    /// Makes a ticket of random bytes.
    pub fn new(random: &[u8; 32]) -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(random)))
    }

    /// Takes a text that a client sent as a ticket. Only the look-up of its digest tells whether it is one. The error
    /// says what to change, without the input.
    pub fn parse(input: String) -> Result<Self, &'static str> {
        let input = Zeroizing::new(input);
        match input.chars().take(65).count() {
            0 => Err("is required"),
            1..=64 => Ok(Self(input)),
            _ => Err("must have at most 64 characters"),
        }
    }

    /// Returns the digest, by which a ticket is stored and found. One round of a fast hash is enough, because 256 bits
    /// cannot be guessed.
    pub fn digest(&self) -> TicketDigest {
        TicketDigest(Sha256::digest(self.0.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns the text for the link in the mail, and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

/// The SHA-256 of a [`Ticket`]'s text, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketDigest(String);

impl TicketDigest {
    /// Returns the spelling in the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a ticket can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TicketPurpose {
    /// It verifies the address of an account.
    VerifyEmail,
    /// It sets a new password.
    ResetPassword,
    /// It verifies another address and makes it the account's.
    ChangeEmail,
    /// It creates an account in a firm.
    Invitation,
}

impl TicketPurpose {
    /// Returns the spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::Invitation => "invitation",
        }
    }

    /// Reads what [`Self::as_str`] returns.
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
