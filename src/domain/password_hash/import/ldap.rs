//! Spellings with the name of a scheme in braces: Spring, Dovecot, OpenLDAP and Atlassian.

use std::borrow::Cow;

use super::{Respelt, binary, pbkdf2, respell as any, unbase64};
use crate::domain::password_hash::prehash::unhex;
use crate::domain::password_hash::{PasswordHashError, phc};

const FORM: &str = "{SCHEME} and the text of the scheme";

pub(super) fn respell(text: &str) -> Result<Respelt<'_>, PasswordHashError> {
    let malformed = PasswordHashError::Malformed(FORM);
    let (name, rest) = text[1..].split_once('}').ok_or(malformed)?;
    let name = name.to_ascii_lowercase();
    let respelt = match name.as_str() {
        "bcrypt"
        | "blf-crypt"
        | "crypt"
        | "argon2"
        | "argon2i"
        | "argon2id"
        | "sha256-crypt"
        | "sha512-crypt"
        | "argon2@springsecurity_v5_2"
        | "argon2@springsecurity_v5_8"
        | "scrypt"
        | "scrypt@springsecurity_v4_1"
        | "scrypt@springsecurity_v5_8"
            if rest.starts_with('$') =>
        {
            return any(rest);
        }
        "pbkdf2@springsecurity_v5_8" => binary::spring(rest, "sha256", 310_000, 16),
        "pbkdf2@springsecurity_v5_5" => binary::spring(rest, "sha1", 185_000, 8),
        "pbkdf2" if rest.starts_with('$') => dovecot(rest),
        // Spring before 5.8 writes only hexadecimal digits.
        "pbkdf2" if !rest.contains('$') => binary::spring(rest, "sha1", 185_000, 8),
        "pbkdf2" | "pbkdf2-sha1" => iterated("sha1", rest),
        "pbkdf2-sha256" => iterated("sha256", rest),
        "pbkdf2-sha512" => iterated("sha512", rest),
        // Atlassian: 16 bytes of salt and 32 of output in one text.
        "pkcs5s2" => unbase64(rest).filter(|bytes| bytes.len() == 48).and_then(|bytes| {
            let (salt, output) = bytes.split_at(16);
            pbkdf2("sha1", 10_000, salt, output)
        }),
        "md5" | "smd5" => return single_pass("md5", rest),
        "sha" | "sha1" | "ssha" => return single_pass("sha1", rest),
        "sha256" | "ssha256" => return single_pass("sha256", rest),
        "sha512" | "ssha512" => return single_pass("sha512", rest),
        _ => return Err(PasswordHashError::UnknownScheme),
    };
    respelt.map(Cow::Owned).map(Respelt::Ours).ok_or(malformed)
}

fn single_pass<'a>(digest: &'static str, rest: &str) -> Result<Respelt<'a>, PasswordHashError> {
    let stored = unbase64(rest).ok_or(PasswordHashError::Malformed(FORM))?;
    Ok(Respelt::SinglePass(digest, stored))
}

/// Reads `10000$salt$output` in base64 with `.` for `+`.
fn iterated(digest: &str, rest: &str) -> Option<String> {
    let [iterations, salt, output] = phc::split(rest)?;
    pbkdf2(digest, phc::number(iterations)?, &unbase64(salt)?, &unbase64(output)?)
}

/// Reads Dovecot's `$1$salt$5000$hex`. Its salts are their own text.
fn dovecot(rest: &str) -> Option<String> {
    let ["1", salt, iterations, output] = phc::parts(rest)? else { return None };
    pbkdf2("sha1", phc::number(iterations)?, salt.as_bytes(), &unhex(output)?)
}
