//! What one types to sign in.

use std::fmt;

use super::{Email, Username, text};

/// The most characters that a name of either kind is looked for with: those of an email address.
const LONGEST: usize = 254;
const TOO_LONG: &str = "must have at most 254 characters";

/// What an account signs in with: one of the two, never both, never neither.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Handle {
    /// Signs in with a username.
    Username(Username),
    /// Signs in with an email address.
    Email(Email),
}

impl Handle {
    /// For a place with one field for both, as the command line has, to find who is called so: with an `@` it is an
    /// email address, for no username has one.
    pub fn typed(input: &str) -> Result<Self, &'static str> {
        let handle = Self::by(input, Username::typed)?;
        if handle.as_str().chars().count() > LONGEST {
            return Err(TOO_LONG);
        }
        Ok(handle)
    }

    /// The same for an account that is to be made.
    pub fn parse(input: &str) -> Result<Self, &'static str> {
        Self::by(input, Username::parse)
    }

    fn by(input: &str, username: fn(&str) -> Result<Username, &'static str>) -> Result<Self, &'static str> {
        if input.contains('@') { Email::parse(input).map(Self::Email) } else { username(input).map(Self::Username) }
    }

    /// The first letters of a name of either kind, in the canonical form of both.
    pub fn prefix(input: &str) -> Result<String, &'static str> {
        let prefix = text::canonical(input);
        if prefix.chars().count() > LONGEST {
            return Err(TOO_LONG);
        }
        if prefix.is_empty() || prefix.chars().any(char::is_control) {
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

/// What was typed to sign in: the name that is looked up, and another one that is taken only if nobody has the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInName {
    /// In canonical form.
    pub handle: Handle,
    /// As an earlier version may have stored it.
    pub once_stored: Option<Handle>,
}

impl SignInName {
    /// Of the field for usernames.
    pub fn username(input: &str) -> Result<Self, &'static str> {
        let handle = Handle::Username(Username::typed(input)?);
        Ok(Self { handle, once_stored: Username::as_once_stored(input).map(Handle::Username) })
    }

    /// Of the field for email addresses.
    pub fn email(input: &str) -> Result<Self, &'static str> {
        Ok(Self { handle: Handle::Email(Email::parse(input)?), once_stored: None })
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
