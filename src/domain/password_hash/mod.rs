//! Stored passwords: our own argon2id hashes, and the hashes of accounts from other systems. Separate from typed
//! passwords because a stored hash obeys no policy, only bounds: it cannot ask for more work than its parsing allowed.
//!
//! Each scheme has a file, which says how a hash is written: [`argon2`](mod@argon2), [`bcrypt`], [`scrypt`] (and
//! [`firebase`]'s variant of it), [`pbkdf2`], [`phpass`], [`sha_crypt`], [`yescrypt`]. `phc` reads their common text
//! format, `import` other systems' spellings, and `weak` wraps hashes of a single pass. `making` has what makers make
//! of a typed password, with `prehash`; `cost` has what a hash may cost. The lane computes them (`hashing/digest.rs`).

pub mod argon2;
pub mod bcrypt;
mod cost;
pub mod firebase;
mod import;
mod making;
pub mod pbkdf2;
pub(crate) mod phc;
pub mod phpass;
mod prehash;
pub mod scrypt;
pub mod sha_crypt;
#[cfg(test)]
mod tests;
mod weak;
pub mod yescrypt;

use std::fmt;

use ::argon2::Params;

use super::Password;
pub use cost::HashCost;
pub use import::{HashTerms, SinglePasses};
pub use making::Renewal;
pub(crate) use making::Spelling;
use making::{Form, Making};
use prehash::Prehash;

/// The longest text of a hash with parts within their bounds.
const MAX_TEXT: usize = 512;

/// A stored hash with a cost that any sign-in may have. It keeps its text as it was stored.
#[derive(Clone)]
pub struct PasswordHash {
    /// The text of the scheme, without marks.
    bare: String,
    making: Making,
    prehash: Option<Prehash>,
    scheme: Scheme,
}

/// The scheme of a hash and its parts.
#[derive(Clone)]
pub enum Scheme {
    /// argon2id, the scheme of new hashes, and its siblings.
    Argon2(argon2::Argon2Hash),
    /// bcrypt in all its names.
    Bcrypt(bcrypt::BcryptHash),
    /// scrypt as in RFC 7914.
    Scrypt(scrypt::ScryptHash),
    /// Firebase's scrypt, the output of which encrypts a key of the project.
    Firebase(firebase::FirebaseHash),
    /// PBKDF2 as in RFC 8018.
    Pbkdf2(pbkdf2::Pbkdf2Hash),
    /// phpass of WordPress, phpBB and Drupal.
    Phpass(phpass::PhpassHash),
    /// SHA-crypt of C libraries.
    ShaCrypt(sha_crypt::ShaCryptHash),
    /// yescrypt of C libraries.
    Yescrypt(yescrypt::YescryptHash),
}

/// Why a text is not a hash that this service verifies. It never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashError {
    /// The scheme is not one of those above.
    #[error(
        "the scheme of the hash is unknown: it must be argon2, bcrypt, scrypt, PBKDF2, SHA-crypt, yescrypt or phpass, as \
         docs/importing.md lists them"
    )]
    UnknownScheme,
    /// The text begins like a scheme, and continues in another form.
    #[error("the hash must have the form {0}")]
    Malformed(&'static str),
    /// A salt, a key or an output is shorter or longer than any in use.
    #[error("a part of the hash has a wrong length: allowed are {0}")]
    Length(&'static str),
    /// The hash asks for more work or memory than a sign-in may cost.
    #[error(
        "the hash costs more than the limit of {} MiB of memory and the work of argon2id with m={},t=1: IMPORT_HASH_COST \
         raises the limit",
        .0.memory / 1_024,
        .0.work
    )]
    TooCostly(HashCost),
    /// The hash is a single pass, which imports take only if they are told to.
    #[error(
        "the hash is a single pass of a fast function, against which billions of passwords can be tried in a second: \
         import it with `countersign import --allow-weak`"
    )]
    Weak,
    /// The system gave no memory to hash a weak hash anew.
    #[error("there was no memory to hash the weak hash anew: repeat the import")]
    NotWrapped,
}

impl PasswordHash {
    /// Parses a stored text, and bounds the cost of verifying it.
    pub fn parse(text: &str) -> Result<Self, PasswordHashError> {
        if text.len() > MAX_TEXT {
            return Err(PasswordHashError::Length("512 characters at most"));
        }
        let unknown = PasswordHashError::UnknownScheme;
        let (form, trimmed, cut, rest) = Making::split(text);
        let (prehash, bare) = Prehash::split(rest).ok_or(unknown)?;
        let scheme = Scheme::parse(bare)?;
        HashCost::of(&scheme).require(HashCost::CEILING)?;
        let fits = match scheme {
            Scheme::Argon2(_) => prehash.as_ref().is_none_or(Prehash::is_wrapped),
            Scheme::Bcrypt(_) => !cut && !prehash.as_ref().is_some_and(Prehash::is_wrapped),
            _ => !cut && prehash.is_none(),
        };
        let making = Making::new(&scheme, form, trimmed, cut);
        let hash = Self { bare: bare.to_owned(), making, prehash, scheme };
        // A hash has one spelling, so that it can be compared with the stored one.
        if fits && hash.to_phc() == text { Ok(hash) } else { Err(unknown) }
    }

    /// Parses as [`Self::parse`] does, and accepts the spellings of other systems too, on the usual terms.
    pub fn import(text: &str) -> Result<Self, PasswordHashError> {
        Self::import_on(text, &HashTerms::default())
    }

    /// Parses a hash of any system. argon2 counts as another system's, because the text does not say whether the
    /// password was composed before it was hashed.
    pub fn import_on(text: &str, terms: &HashTerms) -> Result<Self, PasswordHashError> {
        let hash = import::read(text, terms)?;
        let making = match hash.making {
            Making { form: Form::Composed, trimmed: false, .. } => Making { form: Form::Typed, ..hash.making },
            making => making,
        };
        HashCost::of(&hash.scheme).require(terms.bound)?;
        Ok(Self { making, ..hash })
    }

    /// Marks a hash as one of a trimmed password, as the username contract's old server makes them: it removes the
    /// white space around a password before it hashes or compares.
    pub fn of_trimmed(self) -> Self {
        Self { making: Making { trimmed: true, ..self.making }, ..self }
    }

    /// Whether the password is hashed without the white space around it.
    pub fn is_of_trimmed(&self) -> bool {
        self.making.trimmed
    }

    /// Returns what a typed password may be to the maker of the hash, the likeliest first. There is always one, and for
    /// our own hashes exactly one.
    pub(crate) fn spellings(&self, password: &Password) -> Vec<Spelling> {
        self.making.spellings(password, &self.scheme, self.prehash.as_ref())
    }

    /// Returns what to hash instead, when the spelling with the number `spelling` has matched.
    pub fn renewal(&self, password: &Password, spelling: usize) -> Option<Renewal> {
        self.spellings(password).into_iter().nth(spelling).map(|spelling| spelling.renewal)
    }

    /// Adds the rule that goes on after a foreign hash was replaced by this one.
    pub(crate) fn with_rule_of(self, renewal: &Renewal) -> Self {
        Self { making: renewal.making, ..self }
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
            Scheme::Argon2(hash) => self.is_foreign() || hash.is_weaker_than(params),
            _ => true,
        }
    }

    /// Whether the hash is of another system, or may be.
    fn is_foreign(&self) -> bool {
        let is_ours = matches!(self.scheme, Scheme::Argon2(_)) && self.prehash.is_none();
        !is_ours || (self.making.form == Form::Typed && !self.making.cut)
    }

    /// Estimates the work of verifying the hash, in the unit of [`Self::work_of`].
    pub fn work(&self) -> u64 {
        HashCost::of(&self.scheme).work
    }

    /// Returns the memory of verifying the hash in KiB.
    pub(crate) fn memory(&self) -> u64 {
        HashCost::of(&self.scheme).memory
    }

    /// Returns the work of argon2 with `params`: KiB of memory, times passes.
    pub fn work_of(params: &Params) -> u64 {
        HashCost::of_argon2(params).work
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
            Scheme::Phpass(hash) => &hash.output,
            // The crates of these compare by themselves, in constant time.
            Scheme::ShaCrypt(_) | Scheme::Yescrypt(_) => &[1],
        }
    }

    /// Returns the text to store, which [`Self::parse`] reads.
    pub fn to_phc(&self) -> String {
        self.text_with(&self.making.marks(&self.scheme))
    }

    /// Returns the text for an export. An import marks every hash of argon2 as foreign, so the mark is left out: our
    /// own hashes are the same in each export.
    pub(crate) fn to_exported(&self) -> String {
        match self.making.marks(&self.scheme) {
            foreign if foreign == making::FOREIGN => self.text_with(""),
            marks => self.text_with(&marks),
        }
    }

    fn text_with(&self, marks: &str) -> String {
        let prehash = self.prehash.as_ref().map(Prehash::mark).unwrap_or_default();
        format!("{marks}{prehash}{}", self.bare)
    }
}

impl Scheme {
    fn parse(text: &str) -> Result<Self, PasswordHashError> {
        Ok(match text.split('$').nth(1).unwrap_or_default() {
            "argon2id" | "argon2i" | "argon2d" => Self::Argon2(argon2::Argon2Hash::parse(text)?),
            "2a" | "2b" | "2y" => Self::Bcrypt(bcrypt::BcryptHash::parse(text)?),
            "scrypt" => Self::Scrypt(scrypt::ScryptHash::parse(text)?),
            "firebase-scrypt" => Self::Firebase(firebase::FirebaseHash::parse(text)?),
            "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512" => Self::Pbkdf2(pbkdf2::Pbkdf2Hash::parse(text)?),
            "P" | "H" | "S" => Self::Phpass(phpass::PhpassHash::parse(text)?),
            "5" | "6" => Self::ShaCrypt(sha_crypt::ShaCryptHash::parse(text)?),
            "y" => Self::Yescrypt(yescrypt::YescryptHash::parse(text)?),
            _ => return Err(PasswordHashError::UnknownScheme),
        })
    }

    /// Returns a text without the NULs at its end that make no difference: HMAC fills a short key with NULs.
    fn without_padding<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let longest = match self {
            Self::Pbkdf2(hash) => hash.digest.longest_key(),
            Self::Scrypt(_) | Self::Firebase(_) => 64,
            _ => 0,
        };
        let padding = text.iter().rev().take_while(|byte| **byte == 0).count();
        if text.len() <= longest { &text[..text.len() - padding] } else { text }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}
