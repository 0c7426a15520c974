//! Firebase's scrypt: what scrypt gives of password, salt and separator is a key, with which AES-256 in counter mode
//! encrypts the project's signer key; the outcome is the hash. `$firebase-scrypt$ln=14,r=8,p=1$salt$separator$signer$output`,
//! where `ln` is the project's `mem_cost` and `r` its `rounds`. Separator and signer key are the project's, the same in each
//! of its hashes, and stand in each so that one needs nothing beside its text. The separator may be empty.

use scrypt::Params;

use super::{PasswordHashError, phc, scrypt as plain};

const FORM: &str = "$firebase-scrypt$ln=MEM_COST,r=ROUNDS,p=1$salt$separator$signer$output";

/// What such a hash says.
#[derive(Clone)]
pub struct Hash {
    /// scrypt's cost.
    pub params: Params,
    /// The salt with the separator after it.
    pub salt: Vec<u8>,
    /// What is encrypted.
    pub signer: Vec<u8>,
    /// As long as `signer`.
    pub output: Vec<u8>,
}

impl Hash {
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
