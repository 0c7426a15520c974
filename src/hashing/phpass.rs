//! Computes phpass: a digest that is iterated over itself and the password. Separate because no library has it.

use aws_lc_rs::digest;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use crate::domain::password_hash::phc::CRYPT;
use crate::domain::password_hash::phpass::PhpassHash;

/// Returns the characters of the output, as many as are stored.
pub(super) fn compute(hash: &PhpassHash, password: &[u8]) -> Zeroizing<Vec<u8>> {
    let digest = |text: &[u8]| -> Vec<u8> {
        if hash.is_sha512 {
            digest::digest(&digest::SHA512, text).as_ref().to_vec()
        } else {
            Md5::digest(text).to_vec()
        }
    };
    let mut text = Zeroizing::new(Vec::with_capacity(64 + password.len()));
    text.extend_from_slice(hash.salt.as_bytes());
    text.extend_from_slice(password);
    let mut output = Zeroizing::new(digest(&text));
    text.clear();
    text.extend_from_slice(&output);
    text.extend_from_slice(password);
    let length = output.len();
    for _ in 0..1_u32 << hash.log_rounds {
        output = Zeroizing::new(digest(&text));
        text[..length].copy_from_slice(&output);
    }
    let mut characters = written(&output);
    characters.truncate(hash.output.len());
    characters
}

/// Writes base64 with the least significant bits first.
fn written(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut characters = Zeroizing::new(Vec::with_capacity(bytes.len() * 2));
    for group in bytes.chunks(3) {
        let bits = group.iter().rev().fold(0, |bits: usize, byte| bits << 8 | usize::from(*byte));
        characters.extend((0..=group.len()).map(|place| CRYPT[bits >> (6 * place) & 63]));
    }
    characters
}
