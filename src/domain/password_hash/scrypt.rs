//! scrypt (RFC 7914): `$scrypt$ln=16,r=8,p=1$salt$output`, as Passlib and others write it. `ln` is the base-2 logarithm
//! of the cost N.

use scrypt::Params;

use super::{PasswordHashError, phc};

const FORM: &str = "$scrypt$ln=LOG2N,r=BLOCK,p=LANES$salt$output";

/// The parts of a scrypt hash.
#[derive(Clone)]
pub struct ScryptHash {
    pub(crate) params: Params,
    /// The salt, 8 to 64 bytes.
    pub(crate) salt: Vec<u8>,
    /// The output, 16 to 64 bytes.
    pub(crate) output: Vec<u8>,
}

impl ScryptHash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let ["scrypt", costs, salt, output] = phc::parts(text).ok_or(malformed)? else { return Err(malformed) };
        let params = params(costs).ok_or(malformed)??;
        let salt = phc::bytes(salt).ok_or(malformed)?;
        let output = phc::bytes(output).ok_or(malformed)?;
        if !(8..=64).contains(&salt.len()) || !(16..=64).contains(&output.len()) {
            return Err(PasswordHashError::Length("8 to 64 bytes of salt and 16 to 64 of output"));
        }
        Ok(Self { params, salt, output })
    }
}

/// Reads `ln=16,r=8,p=1`, and refuses more than 64 MiB of memory (128 N r bytes), blocks of 32 or 4 lanes. Returns
/// `None` when the text has another form or no meaning.
pub(super) fn params(costs: &str) -> Option<Result<Params, PasswordHashError>> {
    let [log_n, r, p] = phc::numbers(costs, ["ln", "r", "p"])?;
    if log_n == 0 || r == 0 || p == 0 {
        return None;
    }
    let too_costly = PasswordHashError::TooCostly("64 MiB of scrypt's memory, blocks of 32 or 4 lanes");
    // 128 N r is at most 64 MiB; each factor is bounded first.
    if r > 32 || p > 4 || log_n > 19 || r << log_n > 1 << 19 {
        return Some(Err(too_costly));
    }
    Some(Params::new(u8::try_from(log_n).ok()?, r, p).map_err(|_| too_costly))
}
