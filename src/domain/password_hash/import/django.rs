//! The spellings of Django: the name of a hasher before `$`.

use super::{pbkdf2, scrypt, unbase64};
use crate::domain::password_hash::phc;

/// Returns `None` for a text that is not of Django, and otherwise the text in our spelling with the form that it should
/// have.
pub(super) fn respell(text: &str) -> Option<(Option<String>, &'static str)> {
    let (hasher, rest) = text.split_once('$')?;
    match hasher {
        "pbkdf2_sha256" | "pbkdf2_sha512" | "pbkdf2_sha1" => {
            Some((iterated(hasher, rest), "pbkdf2_sha256$ITERATIONS$salt$output"))
        }
        "scrypt" => Some((memory_hard(rest), "scrypt$N$salt$R$P$output")),
        // The hasher's name stands before the scheme's own text.
        "argon2" => Some((Some(format!("${rest}")), "")),
        "bcrypt" if rest.starts_with('$') => Some((Some(rest.to_owned()), "")),
        "bcrypt_sha256" if rest.starts_with('$') => Some((Some(format!("$hex-sha256{rest}")), "")),
        _ => None,
    }
}

/// The salt is text, and the output is padded base64.
fn iterated(hasher: &str, rest: &str) -> Option<String> {
    let [iterations, salt, output] = phc::split(rest)?;
    pbkdf2(hasher.strip_prefix("pbkdf2_")?, phc::number(iterations)?, salt.as_bytes(), &unbase64(output)?)
}

fn memory_hard(rest: &str) -> Option<String> {
    let [n, salt, r, p, output] = phc::split(rest)?;
    let [n, r, p] = [n, r, p].map(phc::number);
    scrypt(n?, r?, p?, salt.as_bytes(), &unbase64(output)?)
}
