//! Hashes that some systems compute of a password before its scheme does. Separate because they go with several schemes
//! and are written before them: `$hex-sha256$2b$…`.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::weak::Salted;

const HEX_SHA256: &str = "$hex-sha256";
const WORDPRESS: &str = "$wp";
const HMAC_SHA256: &str = "$hmac-sha256";
const SALTED: &str = "$salted=";

/// A hash before the hash.
#[derive(Clone)]
pub(crate) enum Prehash {
    /// SHA-256 as hexadecimal digits: Django's `bcrypt_sha256`, and Meteor.
    HexSha256,
    /// HMAC-SHA-384 with the key `wp-sha384` as base64, of WordPress.
    WordPress,
    /// HMAC-SHA-256 as base64, with the text of bcrypt's salt as the key: `$bcrypt-sha256$v=2`.
    HmacSha256(String),
    /// SHA-512 as base64: Symfony, before bcrypt, of passwords that bcrypt would cut.
    Sha512Base64,
    /// One pass of a fast hash with a salt. It is never stored without argon2id around it.
    Salted(Salted),
}

impl Prehash {
    /// Takes a mark from the beginning of a text. `None` if the mark has no meaning.
    pub(super) fn split(text: &str) -> Option<(Option<Self>, &str)> {
        let marked = |mark: &str| text.strip_prefix(mark).filter(|after| after.starts_with('$'));
        if let Some(rest) = marked(HEX_SHA256) {
            return Some((Some(Self::HexSha256), rest));
        }
        if let Some(rest) = marked(WORDPRESS) {
            return Some((Some(Self::WordPress), rest));
        }
        if let Some(rest) = marked(HMAC_SHA256) {
            // Behind `$2b$12$` come the 22 characters of the salt.
            return Some((Some(Self::HmacSha256(rest.get(7..29)?.to_owned())), rest));
        }
        if let Some(rest) = text.strip_prefix(SALTED) {
            let (salted, rest) = rest.split_at_checked(rest.find('$')?)?;
            return Some((Some(Self::Salted(Salted::parse(salted)?)), rest));
        }
        Some((None, text))
    }

    /// Writes the mark of the hash.
    pub(super) fn mark(&self) -> String {
        match self {
            Self::HexSha256 => HEX_SHA256.to_owned(),
            Self::WordPress => WORDPRESS.to_owned(),
            Self::HmacSha256(_) => HMAC_SHA256.to_owned(),
            Self::Sha512Base64 => String::new(),
            Self::Salted(salted) => format!("{SALTED}{salted}"),
        }
    }

    /// Whether the mark goes with argon2id, as opposed to bcrypt.
    pub(super) fn is_wrapped(&self) -> bool {
        matches!(self, Self::Salted(_))
    }

    /// Computes the hash of a text.
    pub(super) fn of(&self, text: &[u8]) -> Zeroizing<Vec<u8>> {
        let bytes = |text: String| Zeroizing::new(text.into_bytes());
        let mac = |algorithm, key: &[u8]| hmac::sign(&hmac::Key::new(algorithm, key), text);
        match self {
            Self::HexSha256 => bytes(hex(digest::digest(&digest::SHA256, text).as_ref())),
            Self::WordPress => bytes(STANDARD.encode(mac(hmac::HMAC_SHA384, b"wp-sha384"))),
            Self::HmacSha256(salt) => bytes(STANDARD.encode(mac(hmac::HMAC_SHA256, salt.as_bytes()))),
            Self::Sha512Base64 => bytes(STANDARD.encode(digest::digest(&digest::SHA512, text))),
            Self::Salted(salted) => salted.of(text),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads hexadecimal digits of either case.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

/// Writes base64 as all stored hashes have it.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}
