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

/// What the text of a hash of a trimmed password begins with, before the text of the hash itself.
const OF_TRIMMED: &str = "$trimmed";
/// The same before bcrypt, as earlier versions wrote it.
const OF_TRIMMED_BCRYPT: &str = "$bcrypt-trimmed";

/// A stored hash with a cost that any sign-in may have. It keeps its text as it was stored.
#[derive(Clone)]
pub struct PasswordHash {
    text: String,
    /// Whether the password was hashed without the white space around it, and is to be compared so.
    trimmed: bool,
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
        let unmarked = [OF_TRIMMED, OF_TRIMMED_BCRYPT].into_iter().find_map(|mark| text.strip_prefix(mark));
        let bare = unmarked.unwrap_or(text);
        let scheme = match bare.split('$').nth(1).unwrap_or_default() {
            "argon2id" | "argon2i" => Scheme::Argon2(argon2::Argon2Hash::parse(bare)?),
            "2a" | "2b" | "2y" => Scheme::Bcrypt(bcrypt::BcryptHash::parse(bare)?),
            "scrypt" => Scheme::Scrypt(scrypt::ScryptHash::parse(bare)?),
            "firebase-scrypt" => Scheme::Firebase(firebase::FirebaseHash::parse(bare)?),
            "pbkdf2-sha256" | "pbkdf2-sha512" => Scheme::Pbkdf2(pbkdf2::Pbkdf2Hash::parse(bare)?),
            _ => return Err(PasswordHashError::UnknownScheme),
        };
        let hash = Self { text: bare.to_owned(), trimmed: false, scheme };
        let hash = if unmarked.is_some() { hash.of_trimmed() } else { hash };
        // A hash has one spelling, so that it can be compared with the stored one.
        if hash.text == text { Ok(hash) } else { Err(PasswordHashError::UnknownScheme) }
    }

    /// Parses as [`Self::parse`] does, and accepts the spellings of other systems too: those of Passlib and Django for
    /// PBKDF2, those of Django for bcrypt and argon2, and `$fbscrypt$`.
    pub fn import(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > MAX_TEXT {
            return Err(PasswordHashError::Length("512 characters at most"));
        }
        Self::parse(&import::respell(text)?)
    }

    /// Marks a hash as one of a trimmed password, as the username contract's old server makes them: it removes the
    /// white space around a password before it hashes or compares.
    pub fn of_trimmed(self) -> Self {
        if self.trimmed {
            return self;
        }
        let mark = if matches!(self.scheme, Scheme::Bcrypt(_)) { OF_TRIMMED_BCRYPT } else { OF_TRIMMED };
        Self { text: format!("{mark}{}", self.text), trimmed: true, ..self }
    }

    /// Whether the password is hashed without the white space around it.
    pub fn is_of_trimmed(&self) -> bool {
        self.trimmed
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

    /// Estimates the work of verifying the hash, in the unit of [`Self::work_of`]: some 1.5 µs on a machine of 2024.
    /// The work of schemes other than argon2 was measured once, and is right within a factor of two.
    pub fn work(&self) -> u64 {
        match &self.scheme {
            Scheme::Argon2(hash) => Self::work_of(&hash.params),
            Scheme::Bcrypt(hash) => 38_u64 << hash.cost,
            Scheme::Scrypt(scrypt::ScryptHash { params, .. })
            | Scheme::Firebase(firebase::FirebaseHash { params, .. }) => {
                // Each block of 128 bytes is written once and read once.
                (u64::from(params.r() * params.p()) << params.log_n()) / 8 * 2
            }
            Scheme::Pbkdf2(hash) => u64::from(hash.iterations.get()) / 4,
        }
    }

    /// Returns the work of argon2 with `params`: KiB of memory, times passes.
    pub fn work_of(params: &Params) -> u64 {
        u64::from(params.m_cost()) * u64::from(params.t_cost())
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
