//! The names that accounts sign in with.

use std::fmt;

use super::{Email, Username, text};

/// The longest name of either kind that is looked up, in characters: that of an email address.
const LONGEST: usize = 254;
const TOO_LONG: &str = "must have at most 254 characters";

/// The name that an account signs in with: exactly one of the two kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Handle {
    /// The name of a username account.
    Username(Username),
    /// The address of an email account.
    Email(Email),
}

/// The kinds of names. The names of one kind are never mistaken for those of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// The names of username accounts.
    Username,
    /// The addresses of email accounts.
    Email,
}

type Reader<T> = fn(&str) -> Result<T, &'static str>;

impl Handle {
    /// The kind of the name.
    pub(crate) fn kind(&self) -> NameKind {
        match self {
            Self::Username(_) => NameKind::Username,
            Self::Email(_) => NameKind::Email,
        }
    }

    /// Reads a name to look up from a field for both kinds, as the command line has. A name with an `@` is an email
    /// address. An imported username may have an `@`; its account is named by its id in such a field.
    pub fn typed(input: &str) -> Result<Self, &'static str> {
        let handle = Self::by(input, Username::typed, Email::typed)?;
        if handle.as_str().chars().count() > LONGEST {
            return Err(TOO_LONG);
        }
        Ok(handle)
    }

    /// Reads a name for a new account from a field for both kinds.
    pub fn parse(input: &str) -> Result<Self, &'static str> {
        Self::by(input, Username::parse, Email::parse)
    }

    fn by(input: &str, username: Reader<Username>, email: Reader<Email>) -> Result<Self, &'static str> {
        if input.contains('@') { email(input).map(Self::Email) } else { username(input).map(Self::Username) }
    }

    /// Reads the beginning of a name of either kind, in the canonical form of both.
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

    /// Returns the canonical form as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Username(username) => username.as_str(),
            Self::Email(email) => email.as_str(),
        }
    }
}

/// A name that was typed to sign in: the name that is looked up, and a second one that counts only if no account has
/// the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignInName {
    /// The name in canonical form.
    pub handle: Handle,
    /// The same name as an earlier version may have stored it.
    pub once_stored: Option<Handle>,
}

impl SignInName {
    /// Reads the field for usernames.
    pub(crate) fn username(input: &str) -> Result<Self, &'static str> {
        let handle = Handle::Username(Username::typed(input)?);
        Ok(Self { handle, once_stored: Username::as_once_stored(input).map(Handle::Username) })
    }

    /// Reads the field for email addresses.
    pub(crate) fn email(input: &str) -> Result<Self, &'static str> {
        Ok(Self { handle: Handle::Email(Email::typed(input)?), once_stored: None })
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
