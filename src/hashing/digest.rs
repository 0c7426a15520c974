//! Computes the output of a password by the scheme of a stored hash. Separate from the lane, which only knows that a
//! job returns bytes, and from the stored hashes (`domain/password_hash/`), which check the cost before it is paid
//! here.

use argon2::{Algorithm, Argon2, Params, Version};
use argon2_kernel::{Kernel, OUTPUT_BYTES};
use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use sha_crypt::{PasswordVerifier as _, ShaCrypt};
use yescrypt::Yescrypt;
use zeroize::Zeroizing;

use super::HashError;
use super::lane::HashOutput;
use super::memory::Memory;
use super::{constant_time_eq, phpass};
use crate::domain::Password;
use crate::domain::password_hash::argon2::Argon2Hash;
use crate::domain::password_hash::pbkdf2::Digest;
use crate::domain::password_hash::{PasswordHash, Scheme};

/// Returns the bytes to compare with [`PasswordHash::output`], one output after the other: of each text that the
/// password may be to the maker of the hash, up to the one that matches. Our own hashes have one such text. The time it
/// takes is the cost in the stored hash, for each text.
pub(super) fn compute(hash: &PasswordHash, password: &Password, kernel: Kernel, memory: &mut Memory) -> HashOutput {
    let mut outputs = Zeroizing::new(Vec::new());
    for spelling in hash.spellings(password) {
        let output = output(hash.scheme(), &spelling.input, kernel, memory)?;
        let matches = constant_time_eq(&output, hash.output());
        outputs.extend_from_slice(&output);
        if matches {
            break;
        }
    }
    Ok(outputs)
}

fn output(scheme: &Scheme, input: &[u8], kernel: Kernel, memory: &mut Memory) -> HashOutput {
    match scheme {
        Scheme::Argon2(hash) if is_as_ours(hash) => argon2id(input, &hash.salt, &hash.params, kernel, memory),
        Scheme::Argon2(Argon2Hash { algorithm, version, params, salt, output }) => {
            argon2(*algorithm, *version, params, input, salt, output.len(), memory)
        }
        Scheme::Bcrypt(hash) => {
            let output = bcrypt::bcrypt(hash.cost, hash.salt, &hash.key(input));
            Ok(output[..hash.output.len()].to_vec().into())
        }
        Scheme::Scrypt(hash) => scrypt(input, &hash.salt, &hash.params, hash.output.len()),
        Scheme::Firebase(hash) => {
            let key = scrypt(input, &hash.salt, &hash.params, 32)?;
            encrypt(&key, hash.signer.clone())
        }
        Scheme::Pbkdf2(hash) => {
            let digest = match hash.digest {
                Digest::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
                Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
                Digest::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
            };
            let mut output = Zeroizing::new(vec![0; hash.output.len()]);
            pbkdf2::derive(digest, hash.iterations, &hash.salt, input, &mut output);
            Ok(output)
        }
        Scheme::Phpass(hash) => Ok(phpass::compute(hash, input)),
        // The two crates compare by themselves, in constant time.
        Scheme::ShaCrypt(hash) => Ok(verdict(ShaCrypt::SHA512.verify_password(input, hash.text.as_str()).is_ok())),
        Scheme::Yescrypt(hash) => Ok(verdict(Yescrypt::default().verify_password(input, hash.text.as_str()).is_ok())),
    }
}

fn verdict(matches: bool) -> Zeroizing<Vec<u8>> {
    vec![u8::from(matches)].into()
}

/// Whether a hash has the variant, the version and the length of our own hashes.
fn is_as_ours(hash: &Argon2Hash) -> bool {
    let Argon2Hash { algorithm, version, output, .. } = hash;
    (*algorithm, *version, output.len()) == (Algorithm::Argon2id, Version::V0x13, OUTPUT_BYTES)
}

/// Computes argon2id with one lane by the kernel, in the thread's own memory.
pub(super) fn argon2id(
    password: &[u8],
    salt: &[u8],
    params: &Params,
    kernel: Kernel,
    memory: &mut Memory,
) -> HashOutput {
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
