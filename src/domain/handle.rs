//! What one types to sign in.

use std::fmt;

use super::{Email, Username, text};

/// What an account signs in with: one of the two, never both, never neither.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Handle {
    /// Signs in with a username.
    Username(Username),
    /// Signs in with an email address.
    Email(Email),
}

impl Handle {
    /// For a place with one field for both, as the command line has: with an `@` it is an email address, for no
    /// username has one.
    pub fn parse(input: &str) -> Result<Self, &'static str> {
        if input.contains('@') {
            Email::parse(input).map(Self::Email)
        } else {
            Username::parse(input).map(Self::Username)
        }
    }

    /// The first letters of a name of either kind, in the canonical form of both.
    pub fn prefix(input: &str) -> Result<String, &'static str> {
        let prefix = text::canonical(input);
        if prefix.chars().count() > 254 {
            return Err("must have at most 254 characters");
        }
        if prefix.is_empty() || prefix.chars().any(text::is_unprintable) {
            return Err("must be the beginning of a username or an email");
        }
        Ok(prefix)
    }

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Username(username) => username.as_str(),
            Self::Email(email) => email.as_str(),
        }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
