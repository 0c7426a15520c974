//! Turns other systems' spellings of the schemes into ours. Separate from `parse` because stored hashes have one
//! spelling only, so that a hash can be compared with the one in the database.
//!
//! `ldap` has what begins with a name in braces, `django` what begins with a name and `$`, `crypt` what begins with
//! `$`, `colons` what has colons, `binary` what is base64 or hexadecimal as a whole, and `columns` what is stored in
//! several columns and comes as a JSON object.

mod binary;
mod colons;
mod columns;
mod crypt;
mod django;
mod ldap;

use std::borrow::Cow;

use super::pbkdf2::first_block;
use super::prehash::{Prehash, base64};
use super::{HashCost, PasswordHash, PasswordHashError, Scheme, weak};

/// The longest text of any system.
const MAX_FOREIGN: usize = 4_096;

/// What an import takes.
#[derive(Debug, Clone, Copy)]
pub struct HashTerms {
    /// The most that a hash may cost.
    pub bound: HashCost,
    /// Which hashes of a single pass are taken.
    pub single_passes: SinglePasses,
    /// Whether bcrypt hashes are of the hexadecimal SHA-256 of passwords, as Meteor makes them.
    pub hex_sha256: bool,
}

/// The hashes of a single pass that an import takes. Each costs the import one hash of argon2id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinglePasses {
    /// No hash of a single pass.
    None,
    /// Only those of SHA-2.
    Sha2,
    /// All, also those of MD5 and SHA-1.
    All,
}

impl Default for HashTerms {
    fn default() -> Self {
        Self { bound: HashCost::DEFAULT, single_passes: SinglePasses::Sha2, hex_sha256: false }
    }
}

/// A text of another system, read.
enum Respelt<'a> {
    /// A text that [`PasswordHash::parse`] reads.
    Ours(Cow<'a, str>),
    /// The name of a digest of a single pass, and the digest with the salt behind it.
    SinglePass(&'static str, Vec<u8>),
}

/// Reads a hash in the spelling of any system.
pub(super) fn read(text: &str, terms: &HashTerms) -> Result<PasswordHash, PasswordHashError> {
    if text.len() > MAX_FOREIGN {
        return Err(PasswordHashError::Length("4096 characters at most"));
    }
    let hash = match respell(text)? {
        Respelt::Ours(text) => PasswordHash::parse(&text)?,
        Respelt::SinglePass(digest, stored) => PasswordHash::parse(&weak::wrap(digest, stored, terms.single_passes)?)?,
    };
    if terms.hex_sha256 && hash.prehash.is_none() && matches!(hash.scheme, Scheme::Bcrypt(_)) {
        return Ok(PasswordHash { prehash: Some(Prehash::HexSha256), ..hash });
    }
    Ok(hash)
}

/// Returns the text in our spelling; any other text is returned unchanged.
fn respell(text: &str) -> Result<Respelt<'_>, PasswordHashError> {
    let malformed = PasswordHashError::Malformed;
    // Nextcloud writes the number of its scheme before the scheme's own text.
    let text = ["1|", "2|", "3|"].into_iter().find_map(|number| text.strip_prefix(number)).unwrap_or(text);
    if text.starts_with('{') && !text.starts_with("{\"") {
        return ldap::respell(text);
    }
    let (respelt, form) = if text.starts_with("{\"") {
        (columns::respell(text), columns::FORM)
    } else if text.starts_with('$') {
        match crypt::respell(text) {
            Some(respelt) => respelt,
            None => return Ok(Respelt::Ours(Cow::Borrowed(text))),
        }
    } else if let Some(django) = django::respell(text) {
        django
    } else if text.contains(':') {
        (colons::respell(text), colons::FORM)
    } else if let Some(respelt) = binary::respell(text) {
        (Some(respelt), "")
    } else {
        return Ok(Respelt::Ours(Cow::Borrowed(text)));
    };
    respelt.map(Cow::Owned).map(Respelt::Ours).ok_or(malformed(form))
}

/// Writes PBKDF2 in our spelling, with the first block of the output: `digest` is `sha1`, `sha256` or `sha512`.
fn pbkdf2(digest: &str, iterations: u32, salt: &[u8], output: &[u8]) -> Option<String> {
    let scheme = format!("pbkdf2-{digest}");
    let output = base64(first_block(&scheme, output)?);
    Some(format!("${scheme}$i={iterations}${}${output}", base64(salt)))
}

/// Writes scrypt in our spelling. `None` if `n` is no power of two.
fn scrypt(n: u32, r: u32, p: u32, salt: &[u8], output: &[u8]) -> Option<String> {
    let log_n = n.checked_ilog2().filter(|_| n.is_power_of_two())?;
    Some(format!("$scrypt$ln={log_n},r={r},p={p}${}${}", base64(salt), base64(output)))
}

/// Reads base64 with or without padding, and with `.` for `+`.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    super::phc::bytes(&unpadded(text).replace('.', "+"))
}

fn unpadded(base64: &str) -> &str {
    base64.trim_end_matches('=')
}
