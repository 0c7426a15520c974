//! Hashes that are one text of base64 or hexadecimal digits: ASP.NET Core Identity, and Spring's PBKDF2.

use super::{pbkdf2, unbase64};
use crate::domain::password_hash::prehash::unhex;

/// Returns `None` for a text that is of neither system.
pub(super) fn respell(text: &str) -> Option<String> {
    if text.len() == 96 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return spring(text, "sha256", 310_000, 16);
    }
    let bytes = unbase64(text)?;
    match bytes.split_first()? {
        (0, rest) if rest.len() == 48 => pbkdf2("sha1", 1_000, &rest[..16], &rest[16..]),
        (1, rest) => {
            let (head, rest) = rest.split_first_chunk::<12>()?;
            let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let digest = match number(0) {
                0 => "sha1",
                1 => "sha256",
                2 => "sha512",
                _ => return None,
            };
            let (salt, output) = rest.split_at_checked(usize::try_from(number(8)).ok()?)?;
            pbkdf2(digest, number(4), salt, output)
        }
        _ => None,
    }
}

/// Reads hexadecimal digits: `salt` bytes of salt and the output.
pub(super) fn spring(digits: &str, digest: &str, iterations: u32, salt: usize) -> Option<String> {
    let bytes = unhex(digits)?;
    let (salt, output) = bytes.split_at_checked(salt)?;
    pbkdf2(digest, iterations, salt, output)
}
