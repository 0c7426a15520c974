//! One-time codes of authenticator apps (TOTP, RFC 6238): SHA-1, six digits, steps of 30 seconds, the only combination
//! that every app supports.

use std::fmt;

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// The length of a secret in bytes: that of an output of SHA-1, as RFC 4226 section 4 recommends.
pub(crate) const SECRET_BYTES: usize = 20;

/// How long a code is shown, in seconds.
const STEP_SECONDS: i64 = 30;

/// The number of six-digit codes.
const CODES: u32 = 1_000_000;

/// The secret that an account shares with an authenticator app.
pub(crate) struct TotpSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl TotpSecret {
    /// Takes random bytes as a secret.
    pub(crate) fn new(random: Zeroizing<[u8; SECRET_BYTES]>) -> Self {
        Self(random)
    }

    /// Reads the bytes of [`Self::expose`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// Returns the bytes, to be sealed and for nothing else.
    pub(crate) fn expose(&self) -> &[u8] {
        &*self.0
    }

    /// Returns the form that people type into an app: 32 characters of Base32 (RFC 4648) without padding.
    pub(crate) fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(&*self.0))
    }

    /// Returns the step after `used` whose code this is, if it is the step of `now` or one of its two neighbours (RFC
    /// 6238 section 5.2). Steps up to `used` have been used and count no more.
    pub(crate) fn step_of(&self, code: &TotpCode, now: OffsetDateTime, used: i64) -> Option<i64> {
        let step = now.unix_timestamp().div_euclid(STEP_SECONDS);
        // Every code is compared, and each in constant time, so that the time of the answer tells nothing about them.
        let matching = [step - 1, step, step + 1].map(|step| (step, bool::from(self.code_at(step).ct_eq(&code.0))));
        matching.into_iter().find_map(|(step, is_its)| (is_its && step > used).then_some(step))
    }

    /// The code of a step, as a number (RFC 4226 section 5.3).
    fn code_at(&self, step: i64) -> u32 {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &*self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let digest = tag.as_ref();
        let offset = usize::from(digest.last().map_or(0, |last| last & 0xf));
        let four = digest.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
        (u32::from_be_bytes(four) & 0x7fff_ffff) % CODES
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

/// A code that somebody typed: six digits.
#[derive(Clone, Copy)]
pub(crate) struct TotpCode(u32);

impl TotpCode {
    /// Parses six digits. The error says what to change, without the input.
    pub(crate) fn parse(input: String) -> Result<Self, &'static str> {
        let input = Zeroizing::new(input);
        let is_code = input.len() == 6 && input.bytes().all(|byte| byte.is_ascii_digit());
        input.parse().ok().filter(|_| is_code).map(Self).ok_or("must have six digits")
    }
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::{TotpCode, TotpSecret};

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn code(text: &str) -> TotpCode {
        TotpCode::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        assert_eq!(*secret.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        // Appendix B for SHA-1, the last six of its eight digits.
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.step_of(&code(expected), at(seconds), 0), Some(seconds / 30), "{seconds}");
            assert_eq!(format!("{:06}", secret.code_at(seconds / 30)), expected);
        }
        assert_eq!(format!("{secret:?} {:?}", code("287082")), "TotpSecret(..) TotpCode(..)");
    }

    #[test]
    fn a_code_is_accepted_one_step_either_way_and_never_after_its_step_was_used() {
        let secret = TotpSecret::from_bytes(b"12345678901234567890").unwrap();
        let (first, now) = (code("287082"), 59);
        for (moved, accepted) in [(-60, false), (-30, true), (0, true), (30, true), (60, false), (90, false)] {
            assert_eq!(secret.step_of(&first, at(now + moved), 0).is_some(), accepted, "{moved}");
        }
        assert_eq!(secret.step_of(&first, at(now), 1), None);
        assert_eq!(secret.step_of(&first, at(now), 2), None);
        assert_eq!(secret.step_of(&code("287083"), at(now), 0), None);
    }

    #[test]
    fn only_six_ascii_digits_are_a_code() {
        for bad in ["", "28708", "2870821", "28708a", "+28708", " 287082", "２８７０８２", "287 082"] {
            assert!(TotpCode::parse(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(TotpSecret::from_bytes(b"short").is_none());
    }
}
