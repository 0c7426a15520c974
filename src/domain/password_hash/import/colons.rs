//! Spellings with colons: werkzeug, better-auth, Lucia and MediaWiki.

use super::{pbkdf2, scrypt, unbase64};
use crate::domain::password_hash::phc;
use crate::domain::password_hash::prehash::unhex;

pub(super) const FORM: &str = "scrypt:N:R:P$salt$hex, pbkdf2:DIGEST:ITERATIONS$salt$hex, \
     :pbkdf2:DIGEST:ITERATIONS:LENGTH:salt:output, or 32 hexadecimal digits of salt, a colon and 128 of output";

pub(super) fn respell(text: &str) -> Option<String> {
    let fields: Vec<_> = text.split(':').collect();
    match fields[..] {
        // MediaWiki.
        ["", "pbkdf2", digest, iterations, _, salt, output] => {
            pbkdf2(digest, phc::number(iterations)?, &unbase64(salt)?, &unbase64(output)?)
        }
        // werkzeug. Its salts are their own text.
        ["scrypt", n, r, rest] => {
            let [p, salt, output] = phc::split(rest)?;
            let [n, r, p] = [n, r, p].map(phc::number);
            scrypt(n?, r?, p?, salt.as_bytes(), &unhex(output)?)
        }
        ["pbkdf2", digest, rest] => {
            let [iterations, salt, output] = phc::split(rest)?;
            pbkdf2(digest, phc::number(iterations)?, salt.as_bytes(), &unhex(output)?)
        }
        // Lucia 2, and Lucia 3, oslo and better-auth. They hash NFKC of a password, and the text of the salt.
        ["s2", salt, output] if output.len() == 128 => compatible(salt, output),
        [salt, output] if salt.len() == 32 && unhex(salt).is_some() && output.len() == 128 => compatible(salt, output),
        _ => None,
    }
}

fn compatible(salt: &str, output: &str) -> Option<String> {
    Some(format!("$nfkc{}", scrypt(16_384, 16, 1, salt.as_bytes(), &unhex(output)?)?))
}
