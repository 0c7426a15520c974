//! Stored passwords: our own argon2id hashes, and the hashes of accounts from other systems. Separate from typed
//! passwords because a stored hash obeys no policy, only bounds: it cannot ask for more work than its parsing allowed.
//!
//! Each scheme has a file, which says how a hash is written and what it may cost: [`argon2`](mod@argon2), [`bcrypt`],
//! [`scrypt`] (and [`firebase`]'s variant of it), [`pbkdf2`]. `phc` reads their common text format, `import` other
//! systems' spellings. The lane computes them (`hashing/digest.rs`).

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

/// The longest text of a hash with parts within their bounds.
const MAX_TEXT: usize = 512;

/// A stored hash with a cost that any sign-in may have. It keeps its text as it was stored.
#[derive(Clone)]
pub struct PasswordHash {
    text: String,
    scheme: Scheme,
}

/// The scheme of a hash and its parts.
#[derive(Clone)]
pub enum Scheme {
    /// argon2id, the scheme of new hashes, and argon2i.
    Argon2(argon2::Argon2Hash),
    /// bcrypt, of a password as typed or of a trimmed one.
    Bcrypt(bcrypt::BcryptHash),
    /// scrypt as in RFC 7914.
    Scrypt(scrypt::ScryptHash),
    /// Firebase's scrypt, the output of which encrypts a key of the project.
    Firebase(firebase::FirebaseHash),
    /// PBKDF2 with HMAC-SHA-256 or HMAC-SHA-512.
    Pbkdf2(pbkdf2::Pbkdf2Hash),
}

/// Why a text is not a hash that this service verifies. It never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashError {
    /// The scheme is not one of those above.
    #[error(
        "the scheme of the hash is unknown: it must be argon2id, argon2i, bcrypt, scrypt, pbkdf2-sha256 or pbkdf2-sha512"
    )]
    UnknownScheme,
    /// The text begins like a scheme, and continues in another form.
    #[error("the hash must have the form {0}")]
    Malformed(&'static str),
    /// A salt, a key or an output is shorter or longer than any in use.
    #[error("a part of the hash has a wrong length: allowed are {0}")]
    Length(&'static str),
    /// The hash asks for more work or memory than a sign-in may cost.
    #[error("the hash costs more than the limit of {0}")]
    TooCostly(&'static str),
}

impl PasswordHash {
    /// Parses a stored text, and bounds the cost of verifying it.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > MAX_TEXT {
            return Err(PasswordHashError::Length("512 characters at most"));
        }
        let scheme = match text.split('$').nth(1).unwrap_or_default() {
            "argon2id" | "argon2i" => Scheme::Argon2(argon2::Argon2Hash::parse(text)?),
            "2a" | "2b" | "2y" | bcrypt::TRIMMED => Scheme::Bcrypt(bcrypt::BcryptHash::parse(text)?),
            "scrypt" => Scheme::Scrypt(scrypt::ScryptHash::parse(text)?),
            "firebase-scrypt" => Scheme::Firebase(firebase::FirebaseHash::parse(text)?),
            "pbkdf2-sha256" | "pbkdf2-sha512" => Scheme::Pbkdf2(pbkdf2::Pbkdf2Hash::parse(text)?),
            _ => return Err(PasswordHashError::UnknownScheme),
        };
        Ok(Self { text: text.to_owned(), scheme })
    }

    /// Parses as [`Self::parse`] does, and accepts the spellings of other systems too: those of Passlib and Django for
    /// PBKDF2, those of Django for bcrypt and argon2, and `$fbscrypt$`.
    pub fn import(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > MAX_TEXT {
            return Err(PasswordHashError::Length("512 characters at most"));
        }
        Self::parse(&import::respell(text)?)
    }

    /// Marks a bcrypt hash as one of a trimmed password, as the username contract's old server makes them. Hashes of
    /// other schemes stay as they are, because that server made none.
    pub fn of_trimmed(self) -> Self {
        match self.scheme {
            Scheme::Bcrypt(hash) if !hash.trimmed => Self {
                text: format!("${}{}", bcrypt::TRIMMED, self.text),
                scheme: Scheme::Bcrypt(bcrypt::BcryptHash { trimmed: true, ..hash }),
            },
            _ => self,
        }
    }

    /// Assembles a hash from the output of argon2id with `params` and `salt`. Returns `None` when a part is out of
    /// bounds.
    pub fn new(params: &Params, salt: &[u8], output: &[u8]) -> Option<Self> {
        Self::parse(&argon2::text(params, salt, output)?).ok()
    }

    /// Whether verifying an argon2 hash of these parameters costs no more than a sign-in may: 256 MiB, 16 passes, 4
    /// lanes.
    pub fn is_bearable(params: &Params) -> bool {
        argon2::is_bearable(params)
    }

    /// Whether a new hash with `params` would be stronger. That holds for every hash of another scheme, and for ours if
    /// it cost less.
    pub fn is_weaker_than(&self, params: &Params) -> bool {
        match &self.scheme {
            Scheme::Argon2(hash) => hash.is_weaker_than(params),
            _ => true,
        }
    }

    /// Returns the scheme and its parts.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Returns the output of the right password, to compare in constant time.
    pub fn output(&self) -> &[u8] {
        match &self.scheme {
            Scheme::Argon2(hash) => &hash.output,
            Scheme::Bcrypt(hash) => &hash.output,
            Scheme::Scrypt(hash) => &hash.output,
            Scheme::Firebase(hash) => &hash.output,
            Scheme::Pbkdf2(hash) => &hash.output,
        }
    }

    /// Returns the text to store, which [`Self::parse`] reads.
    pub fn to_phc(&self) -> String {
        self.text.clone()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}
