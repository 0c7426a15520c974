//! scrypt (RFC 7914): `$scrypt$ln=16,r=8,p=1$salt$output`, as Passlib and others write it. `ln` is the base-2 logarithm
//! of the cost N.

use scrypt::Params;

use super::{HashCost, PasswordHashError, phc};

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

/// Reads `ln=16,r=8,p=1`, and looks at the cost before the crate does. Returns `None` when the text has another form or
/// no meaning.
pub(super) fn params(costs: &str) -> Option<Result<Params, PasswordHashError>> {
    let [log_n, r, p] = phc::numbers(costs, ["ln", "r", "p"])?;
    if log_n == 0 || r == 0 || p == 0 {
        return None;
    }
    let bound = HashCost::CEILING;
    if let Err(too_costly) = HashCost::of_scrypt(1 << log_n.min(63), r, p).require(bound) {
        return Some(Err(too_costly));
    }
    Some(Params::new(u8::try_from(log_n).ok()?, r, p).map_err(|_| PasswordHashError::TooCostly(bound)))
}
