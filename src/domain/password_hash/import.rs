//! Turns other systems' spellings of the schemes into ours. Separate from `parse` because stored hashes have one
//! spelling only, so that a hash can be compared with the one in the database.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::{PasswordHashError, phc};

/// Returns the text in our spelling; any other text is returned unchanged.
pub(super) fn respell(text: &str) -> Result<Cow<'_, str>, PasswordHashError> {
    let (respelt, form) = if text.starts_with("$fbscrypt$") {
        (firebase(text), "$fbscrypt$v=1,n=MEM_COST,r=ROUNDS,p=1,ss=SEPARATOR,sk=SIGNER$salt$output")
    } else if text.starts_with("pbkdf2_sha") {
        (django(text), "pbkdf2_sha256$ITERATIONS$salt$output")
    } else if let Some(respelt) = passlib(text) {
        (Some(respelt), "")
    } else {
        // Django puts its own name of the scheme before the scheme's own text.
        let bare = text.strip_prefix("bcrypt$").or_else(|| text.strip_prefix("argon2"));
        return Ok(Cow::Borrowed(bare.filter(|bare| bare.starts_with('$')).unwrap_or(text)));
    };
    respelt.map(Cow::Owned).ok_or(PasswordHashError::Malformed(form))
}

/// Reads `$fbscrypt$v=1,n=14,r=8,p=1,ss=…,sk=…$salt$output` with padded base64, as the hosted identity service stores
/// hashes that came from Firebase. The separator may be missing.
fn firebase(text: &str) -> Option<String> {
    let [_, head, salt, output] = phc::parts(text)?;
    let (costs, keys) = head.split_at_checked(head.match_indices(',').nth(3)?.0)?;
    let [1, log_n, r, p] = phc::numbers(costs, ["v", "n", "r", "p"])? else { return None };
    let (separator, signer) = match keys.strip_prefix(",ss=") {
        Some(keys) => keys.split_once(",sk=")?,
        None => ("", keys.strip_prefix(",sk=")?),
    };
    let [salt, separator, signer, output] = [salt, separator, signer, output].map(unpadded);
    Some(format!("$firebase-scrypt$ln={log_n},r={r},p={p}${salt}${separator}${signer}${output}"))
}

/// Reads `pbkdf2_sha256$260000$salt$output`: the salt is text, and the output is padded base64.
fn django(text: &str) -> Option<String> {
    let [scheme, iterations, salt, output] = phc::split(text)?;
    let scheme = match scheme {
        "pbkdf2_sha256" => "pbkdf2-sha256",
        "pbkdf2_sha512" => "pbkdf2-sha512",
        _ => return None,
    };
    let salt = STANDARD_NO_PAD.encode(salt);
    Some(format!("${scheme}$i={}${salt}${}", phc::number(iterations)?, unpadded(output)))
}

/// Reads `$pbkdf2-sha256$29000$salt$output`, with `.` where base64 has `+`.
fn passlib(text: &str) -> Option<String> {
    let [scheme @ ("pbkdf2-sha256" | "pbkdf2-sha512"), iterations, salt, output] = phc::parts(text)? else {
        return None;
    };
    let iterations = phc::number(iterations)?;
    let [salt, output] = [salt, output].map(|part| part.replace('.', "+"));
    Some(format!("${scheme}$i={iterations}${salt}${output}"))
}

fn unpadded(base64: &str) -> &str {
    base64.trim_end_matches('=')
}
