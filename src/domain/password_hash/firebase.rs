//! Firebase's scrypt: the output of scrypt is a key, with which AES-256 in counter mode encrypts the project's signer
//! key. The result is the hash: `$firebase-scrypt$ln=14,r=8,p=1$salt$separator$signer$output`, where `ln` is the
//! project's `mem_cost` and `r` its `rounds`. Separator and signer key are the same in all hashes of a project. They
//! stand in each, so that a hash can be verified on its own. The separator may be empty.

use scrypt::Params;

use super::{PasswordHashError, phc, scrypt as plain};

const FORM: &str = "$firebase-scrypt$ln=MEM_COST,r=ROUNDS,p=1$salt$separator$signer$output";

/// The parts of a Firebase hash.
#[derive(Clone)]
pub struct FirebaseHash {
    /// The cost of scrypt.
    pub params: Params,
    /// The salt with the separator after it.
    pub salt: Vec<u8>,
    /// The signer key, which is encrypted.
    pub signer: Vec<u8>,
    /// The output, as long as `signer`.
    pub output: Vec<u8>,
}

impl FirebaseHash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let ["firebase-scrypt", costs, salt, separator, signer, output] = phc::parts(text).ok_or(malformed)? else {
            return Err(malformed);
        };
        let params = plain::params(costs).ok_or(malformed)??;
        let [mut salt, separator, signer, output] = [
            phc::bytes(salt).ok_or(malformed)?,
            phc::bytes(separator).ok_or(malformed)?,
            phc::bytes(signer).ok_or(malformed)?,
            phc::bytes(output).ok_or(malformed)?,
        ];
        if !(8..=64).contains(&salt.len())
            || separator.len() > 16
            || !(32..=64).contains(&signer.len())
            || output.len() != signer.len()
        {
            return Err(PasswordHashError::Length(
                "8 to 64 bytes of salt, at most 16 of separator, 32 to 64 of signer key and as many of output",
            ));
        }
        salt.extend(separator);
        Ok(Self { params, salt, signer, output })
    }
}
