//! yescrypt of the C libraries: `$y$j9T$salt$output`, where `j9T` has the flavor, N and r.

use yescrypt::{Mode, Params};

use super::{PasswordHashError, phc};

const FORM: &str = "$y$PARAMETERS$salt$output, without the parameters t, g and NROM";

/// A yescrypt hash, whose text the crate `yescrypt` reads.
#[derive(Clone)]
pub struct YescryptHash {
    pub(crate) n: u64,
    pub(crate) r: u32,
    pub(crate) p: u32,
    pub(crate) text: String,
}

impl YescryptHash {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let malformed = PasswordHashError::Malformed(FORM);
        let ["y", params, salt, output] = phc::parts(text).ok_or(malformed)? else { return Err(malformed) };
        if ![params, salt, output].into_iter().all(phc::is_crypt_base64)
            || !(2..=24).contains(&params.len())
            || !(1..=86).contains(&salt.len())
            || output.len() != 43
        {
            return Err(malformed);
        }
        let params: Params = params.parse().map_err(|_| malformed)?;
        let (n, r, p) = (params.n(), params.r(), params.p());
        // The crate tells neither the time factor nor the mode, which change the cost.
        if Params::new(Mode::default(), n, r, p) != Ok(params) {
            return Err(malformed);
        }
        Ok(Self { n, r, p, text: text.to_owned() })
    }
}
