//! argon2: `$argon2id$v=19$m=19456,t=2,p=1$salt$output`. New hashes are argon2id of version 19. A hash without a
//! version is of version 16. The parameters come in any order, because some libraries write `m,p,t`.

use argon2::password_hash::phc;
use argon2::{Algorithm, MIN_SALT_LEN, Params, Version};

use super::{PasswordHashError, phc as fields};

const FORM: &str = "$argon2id$v=19$m=KIBIBYTES,t=PASSES,p=LANES$salt$output, version 19 or 16, without key or data";

/// The length of our own outputs in bytes, as RFC 9106 recommends.
const OUR_OUTPUT: usize = 32;

/// The weakest parameters that may be set: memory in KiB, and passes. Each pair is as strong as the others against an
/// attacker with many graphics cards; they are the equivalent settings of OWASP's Password Storage Cheat Sheet.
pub const FLOORS: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// The parts of an argon2 hash.
#[derive(Clone)]
pub struct Argon2Hash {
    /// The variant: argon2id, argon2i or argon2d.
    pub algorithm: Algorithm,
    /// The version, 19 (0x13) or 16 (0x10).
    pub version: Version,
    /// The cost, and the length of the output.
    pub params: Params,
    /// The salt, 8 to 64 bytes.
    pub salt: Vec<u8>,
    /// The output, 16 to 64 bytes.
    pub output: Vec<u8>,
}

impl Argon2Hash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let (name, version, costs, salt, output) = match fields::parts(text) {
            Some([name, version, costs, salt, output]) => {
                let version = version.strip_prefix("v=").and_then(fields::number).ok_or(malformed)?;
                (name, Version::try_from(version).map_err(|_| malformed)?, costs, salt, output)
            }
            None => {
                let [name, costs, salt, output] = fields::parts(text).ok_or(malformed)?;
                (name, Version::V0x10, costs, salt, output)
            }
        };
        let algorithm = match name {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            "argon2d" => Algorithm::Argon2d,
            _ => return Err(PasswordHashError::UnknownScheme),
        };
        // A keyed hash cannot be verified without its key, and no known system uses associated data.
        let [m, t, p] = costs_of(costs).ok_or(malformed)?;
        let (salt, output) = (fields::bytes(salt).ok_or(malformed)?, fields::bytes(output).ok_or(malformed)?);
        if !(MIN_SALT_LEN..=64).contains(&salt.len()) || !(16..=64).contains(&output.len()) {
            return Err(PasswordHashError::Length("8 to 64 bytes of salt and 16 to 64 of output"));
        }
        let params = Params::new(m, t, p, Some(output.len())).map_err(|_| malformed)?;
        Ok(Self { algorithm, version, params, salt, output })
    }

    pub(super) fn is_weaker_than(&self, params: &Params) -> bool {
        let ours = self.algorithm == Algorithm::Argon2id && self.version == Version::V0x13;
        !ours
            || self.output.len() < OUR_OUTPUT
            || self.params.p_cost() > params.p_cost()
            || is_weaker(&self.params, params)
    }
}

/// Reads `m=19456,t=2,p=1` in any order.
fn costs_of(text: &str) -> Option<[u32; 3]> {
    let mut fields = text.split(',').map(|field| field.split_once('='));
    let mut costs = [None; 3];
    for _ in 0..3 {
        let (name, number) = fields.next()??;
        let place = costs.get_mut(["m", "t", "p"].into_iter().position(|known| known == name)?)?;
        *place = Some(fields::number(number)?).filter(|_| place.is_none());
    }
    let [m, t, p] = costs;
    fields.next().is_none().then_some([m?, t?, p?])
}

/// Whether hashing by `one` costs an attacker less than by `other`: its memory is a smaller multiple of the floor with
/// the same number of passes. All floors count as equally strong, and of two settings at most one is weaker, so no hash
/// is replaced back and forth for it. Lanes divide the work and do not change it.
fn is_weaker(one: &Params, other: &Params) -> bool {
    let work = |(memory, passes): (u32, u32)| u64::from(memory) * u64::from(passes);
    let of = |params: &Params| work((params.m_cost(), params.t_cost()));
    let floor = |params: &Params| FLOORS.into_iter().rfind(|(_, passes)| *passes <= params.t_cost()).map_or(1, work);
    of(one) * floor(other) < of(other) * floor(one)
}

/// Whether parameters are within the bounds of [`PasswordHash::is_bearable`](super::PasswordHash::is_bearable).
pub(super) fn is_bearable(params: &Params) -> bool {
    params.m_cost() <= 256 * 1_024 && params.t_cost() <= 16 && params.p_cost() <= 4
}

/// Writes the output of argon2id as text.
pub(super) fn text(params: &Params, salt: &[u8], output: &[u8]) -> Option<String> {
    let phc = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: phc::ParamsString::try_from(params).ok()?,
        salt: Some(phc::Salt::new(salt).ok()?),
        hash: Some(phc::Output::new(output).ok()?),
    };
    Some(phc.to_string())
}
