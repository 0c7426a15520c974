//! argon2id and argon2i: `$argon2id$v=19$m=19456,t=2,p=1$salt$output`. New hashes are argon2id of version 19. A hash
//! without a version is of version 16.

use argon2::password_hash::phc;
use argon2::{Algorithm, MIN_SALT_LEN, Params, Version};

use super::PasswordHashError;

const FORM: &str = "$argon2id$v=19$m=KIBIBYTES,t=PASSES,p=LANES$salt$output, version 19 or 16, without key or data";

/// The length of our own outputs in bytes, as RFC 9106 recommends.
const OUR_OUTPUT: usize = 32;

/// The weakest parameters that may be set: memory in KiB, and passes. Each pair is as strong as the others against an
/// attacker with many graphics cards; they are the equivalent settings of OWASP's Password Storage Cheat Sheet.
pub const FLOORS: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// The parts of an argon2 hash.
#[derive(Clone)]
pub struct Argon2Hash {
    /// The variant, argon2id or argon2i.
    pub algorithm: Algorithm,
    /// The version, 19 (0x13) or 16 (0x10).
    pub version: Version,
    /// The cost, and the length of the output.
    pub params: Params,
    /// The salt, 8 to 48 bytes.
    pub salt: Vec<u8>,
    /// The output, 16 to 64 bytes.
    pub output: Vec<u8>,
}

impl Argon2Hash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let phc = phc::PasswordHash::new(text).map_err(|_| malformed)?;
        let algorithm = match phc.algorithm.as_str() {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            _ => return Err(PasswordHashError::UnknownScheme),
        };
        let version = phc.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(|_| malformed)?;
        let (Some(salt), Some(output)) = (&phc.salt, &phc.hash) else { return Err(malformed) };
        if salt.len() < MIN_SALT_LEN || output.len() < 16 {
            return Err(PasswordHashError::Length("8 to 48 bytes of salt and 16 to 64 of output"));
        }
        let params = Params::try_from(&phc).map_err(|_| malformed)?;
        // A keyed hash cannot be verified without its key, and no known system uses associated data.
        if !params.keyid().is_empty() || !params.data().is_empty() {
            return Err(malformed);
        }
        if !is_bearable(&params) {
            return Err(PasswordHashError::TooCostly("256 MiB, 16 passes or 4 lanes"));
        }
        let (salt, output) = (salt.as_ref().to_vec(), output.as_bytes().to_vec());
        Ok(Self { algorithm, version, params, salt, output })
    }

    pub(super) fn is_weaker_than(&self, params: &Params) -> bool {
        let ours = self.algorithm == Algorithm::Argon2id && self.version == Version::V0x13;
        !ours || self.output.len() < OUR_OUTPUT || is_weaker(&self.params, params)
    }
}

/// Whether hashing by `one` costs an attacker less than by `other`: its memory is a smaller multiple of the floor with
/// the same number of passes. All floors count as equally strong, and of two settings at most one is weaker, so no hash
/// is ever replaced back and forth. Lanes divide the work and do not change it.
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
