//! Passwords as stored: our own argon2id, and the hashes that accounts of other systems bring along. Apart from those that
//! are typed because a stored one obeys no policy, only bounds: it cannot ask for more work than its parsing allowed.
//!
//! One file a scheme, which says how it is written and what it may ask for: [`argon2`](mod@argon2), [`bcrypt`],
//! [`scrypt`] (and [`firebase`]'s variant of it), [`pbkdf2`]. `phc` is how their texts are read, `import` other systems'
//! spellings of them. The lane computes them (`hashing/digest.rs`).

pub mod argon2;
pub mod bcrypt;
pub mod firebase;
mod import;
pub mod pbkdf2;
mod phc;
pub mod scrypt;
#[cfg(test)]
mod tests;

use std::fmt;

use ::argon2::Params;

/// Longer than any text whose parts are in bounds.
const MAX_TEXT: usize = 512;

/// A stored hash, its cost known to be bearable. It keeps its text as it was stored.
#[derive(Clone)]
pub struct PasswordHash {
    text: String,
    scheme: Scheme,
}

/// How a hash was made, and what that takes to repeat.
#[derive(Clone)]
pub enum Scheme {
    /// argon2id, which is also ours, and argon2i.
    Argon2(argon2::Hash),
    /// bcrypt.
    Bcrypt(bcrypt::Hash),
    /// scrypt as RFC 7914 has it.
    Scrypt(scrypt::Hash),
    /// scrypt whose output encrypts a key of the project.
    Firebase(firebase::Hash),
    /// PBKDF2 with HMAC-SHA-256 or HMAC-SHA-512.
    Pbkdf2(pbkdf2::Hash),
}

/// A text that is no hash this service would verify. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashError {
    /// None of the schemes above.
    #[error("no password hash of a known scheme: argon2id, argon2i, bcrypt, scrypt, pbkdf2-sha256 or pbkdf2-sha512")]
    UnknownScheme,
    /// Begins as a scheme does, and goes on otherwise.
    #[error("not written as {0}")]
    Malformed(&'static str),
    /// A salt, a key or an output is shorter or longer than any that is in use.
    #[error("a part has another length than {0}")]
    Length(&'static str),
    /// Asks for more work or memory than any sign-in may cost.
    #[error("asks for more than {0}")]
    TooCostly(&'static str),
}

impl PasswordHash {
    /// Parses a text as it is stored, and bounds what verifying it may cost.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > MAX_TEXT {
            return Err(PasswordHashError::Length("512 characters at most"));
        }
        let scheme = match text.split('$').nth(1).unwrap_or_default() {
            "argon2id" | "argon2i" => Scheme::Argon2(argon2::Hash::parse(text)?),
            "2a" | "2b" | "2y" | bcrypt::TRIMMED => Scheme::Bcrypt(bcrypt::Hash::parse(text)?),
            "scrypt" => Scheme::Scrypt(scrypt::Hash::parse(text)?),
            "firebase-scrypt" => Scheme::Firebase(firebase::Hash::parse(text)?),
            "pbkdf2-sha256" | "pbkdf2-sha512" => Scheme::Pbkdf2(pbkdf2::Hash::parse(text)?),
            _ => return Err(PasswordHashError::UnknownScheme),
        };
        Ok(Self { text: text.to_owned(), scheme })
    }

    /// As [`Self::parse`], and takes the spellings of other systems, too: Passlib's and Django's of PBKDF2, Django's of
    /// bcrypt and argon2, and `$fbscrypt$`.
    pub fn import(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > MAX_TEXT {
            return Err(PasswordHashError::Length("512 characters at most"));
        }
        Self::parse(&import::respell(text)?)
    }

    /// Says of a bcrypt hash that what was hashed is the password without the white space around it, as the username
    /// contract's old server does. Others stay as they are: that server made none.
    pub fn of_trimmed(self) -> Self {
        match self.scheme {
            Scheme::Bcrypt(hash) if !hash.trimmed => Self {
                text: format!("${}{}", bcrypt::TRIMMED, self.text),
                scheme: Scheme::Bcrypt(bcrypt::Hash { trimmed: true, ..hash }),
            },
            _ => self,
        }
    }

    /// Assembles what hashing by argon2id with `params` and `salt` gave. `None` when a part is out of bounds.
    pub fn new(params: &Params, salt: &[u8], output: &[u8]) -> Option<Self> {
        Self::parse(&argon2::text(params, salt, output)?).ok()
    }

    /// Whether verifying an argon2 hash of such parameters costs no more than any login may: 256 MiB, 16 passes, 4 lanes.
    pub fn is_bearable(params: &Params) -> bool {
        argon2::is_bearable(params)
    }

    /// Whether one that is made today, with `params`, would be stronger: every one of another scheme than ours is to be
    /// replaced, and ours if it cost less.
    pub fn is_weaker_than(&self, params: &Params) -> bool {
        match &self.scheme {
            Scheme::Argon2(hash) => hash.is_weaker_than(params),
            _ => true,
        }
    }

    /// How it was made.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// What hashing the right password gives, to compare in constant time.
    pub fn output(&self) -> &[u8] {
        match &self.scheme {
            Scheme::Argon2(hash) => &hash.output,
            Scheme::Bcrypt(hash) => &hash.output,
            Scheme::Scrypt(hash) => &hash.output,
            Scheme::Firebase(hash) => &hash.output,
            Scheme::Pbkdf2(hash) => &hash.output,
        }
    }

    /// The text to store: [`Self::parse`] takes it.
    pub fn to_phc(&self) -> String {
        self.text.clone()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}
