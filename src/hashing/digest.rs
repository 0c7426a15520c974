//! Computes the output of a password by the scheme of a stored hash. Separate from the lane, which only knows that a
//! job returns bytes, and from the stored hashes (`domain/password_hash/`), which check the cost before it is paid
//! here.

use argon2::{Algorithm, Argon2, Params, Version};
use argon2_kernel::{Kernel, OUTPUT_BYTES};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use super::HashError;
use super::lane::HashOutput;
use super::memory::Memory;
use crate::domain::Password;
use crate::domain::password_hash::argon2::Argon2Hash;
use crate::domain::password_hash::pbkdf2::Digest;
use crate::domain::password_hash::{PasswordHash, Scheme};

/// Returns the bytes to compare with [`PasswordHash::output`]. The time it takes is the cost in the stored hash.
pub(super) fn compute(hash: &PasswordHash, password: &Password, kernel: Kernel, memory: &mut Memory) -> HashOutput {
    let trimmed = hash.is_of_trimmed().then(|| password.trimmed());
    let password = trimmed.as_ref().unwrap_or(password);
    // Our hashes are made of the composed form of a password, imported ones of the form that was typed.
    let typed = password.as_typed();
    match hash.scheme() {
        Scheme::Argon2(hash) if is_as_ours(hash) => argon2id(password, &hash.salt, &hash.params, kernel, memory),
        Scheme::Argon2(Argon2Hash { algorithm, version, params, salt, output }) => {
            argon2(*algorithm, *version, params, password.as_bytes(), salt, output.len(), memory)
        }
        Scheme::Bcrypt(hash) => {
            let output = bcrypt::bcrypt(hash.cost, hash.salt, &hash.key(typed));
            Ok(output[..hash.output.len()].to_vec().into())
        }
        Scheme::Scrypt(hash) => scrypt(typed, &hash.salt, &hash.params, hash.output.len()),
        Scheme::Firebase(hash) => {
            let key = scrypt(typed, &hash.salt, &hash.params, 32)?;
            encrypt(&key, hash.signer.clone())
        }
        Scheme::Pbkdf2(hash) => {
            let digest = match hash.digest {
                Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
                Digest::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
            };
            let mut output = Zeroizing::new(vec![0; hash.output.len()]);
            pbkdf2::derive(digest, hash.iterations, &hash.salt, typed, &mut output);
            Ok(output)
        }
    }
}

/// Whether a hash has the variant, the version and the length of our own hashes.
fn is_as_ours(hash: &Argon2Hash) -> bool {
    let Argon2Hash { algorithm, version, output, .. } = hash;
    (*algorithm, *version, output.len()) == (Algorithm::Argon2id, Version::V0x13, OUTPUT_BYTES)
}

/// Computes argon2id with one lane by the kernel, in the thread's own memory.
pub(super) fn argon2id(
    password: &Password,
    salt: &[u8],
    params: &Params,
    kernel: Kernel,
    memory: &mut Memory,
) -> HashOutput {
    let password = password.as_bytes();
    match argon2_kernel::Params::try_from(params) {
        Ok(params) => Ok(kernel.fill(password, salt, params, memory.take(params.blocks())?)?.to_vec().into()),
        Err(_) => argon2(Algorithm::Argon2id, Version::V0x13, params, password, salt, OUTPUT_BYTES, memory),
    }
}

/// Computes argon2 of any variant by the crate, in the same memory.
fn argon2(
    algorithm: Algorithm,
    version: Version,
    params: &Params,
    password: &[u8],
    salt: &[u8],
    length: usize,
    memory: &mut Memory,
) -> HashOutput {
    let blocks = memory.take(params.block_count())?.as_argon2();
    let mut output = Zeroizing::new(vec![0; length]);
    Argon2::new(algorithm, version, params.clone())
        .hash_password_into_with_memory(password, salt, &mut output, blocks)
        .map(|()| output)
        .map_err(|_| HashError::Failed("argon2 refused its input"))
}

/// Computes scrypt in memory of the allocator. Such a hash is verified once and then replaced by one of ours.
fn scrypt(password: &[u8], salt: &[u8], params: &scrypt::Params, length: usize) -> HashOutput {
    let mut output = Zeroizing::new(vec![0; length]);
    scrypt::scrypt(password, salt, params, &mut output)
        .map(|()| output)
        .map_err(|_| HashError::Failed("scrypt refused its input"))
}

/// AES-256 in counter mode, counting from zero. A key encrypts only one text, so no nonce is used twice.
fn encrypt(key: &[u8], mut text: Vec<u8>) -> HashOutput {
    let zero = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    UnboundCipherKey::new(&AES_256, key)
        .and_then(EncryptingKey::ctr)
        .and_then(|key| key.less_safe_encrypt(&mut text, zero))
        .map(|_| text.into())
        .map_err(|_| HashError::Failed("AES refused its input"))
}
