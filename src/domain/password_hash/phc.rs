//! The text format of hashes: `$scheme$name=number,…$base64$base64`, the string format of the Password Hashing
//! Competition. Separate because all schemes but bcrypt share it. It is stricter than a general reader: parameters come
//! in the order of their scheme, each once, so that a hash has one spelling.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Returns the parts after each `$`, if there are exactly `N` and nothing is before the first.
pub(super) fn parts<const N: usize>(text: &str) -> Option<[&str; N]> {
    split(text.strip_prefix('$')?)
}

/// Returns the parts between `$` and `$`, if there are exactly `N`.
pub(super) fn split<const N: usize>(text: &str) -> Option<[&str; N]> {
    let mut rest = text.split('$');
    let mut parts = [""; N];
    for part in &mut parts {
        *part = rest.next()?;
    }
    rest.next().is_none().then_some(parts)
}

/// Returns the numbers in `ln=14,r=8,p=1`, if the names are exactly these.
pub(super) fn numbers<const N: usize>(text: &str, names: [&str; N]) -> Option<[u32; N]> {
    let mut fields = text.split(',');
    let mut numbers = [0; N];
    for (place, name) in numbers.iter_mut().zip(names) {
        *place = number(fields.next()?.strip_prefix(name)?.strip_prefix('=')?)?;
    }
    fields.next().is_none().then_some(numbers)
}

/// Reads a decimal number in its only spelling. A number beyond 32 bits becomes the largest of 32 bits, which is over
/// every bound.
pub(super) fn number(digits: &str) -> Option<u32> {
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    (canonical && !digits.is_empty()).then(|| digits.parse().unwrap_or(u32::MAX))
}

/// Reads base64 without padding.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok()
}

/// The digits of the C libraries' base64.
pub(crate) const CRYPT: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whether a text has only these digits.
pub(super) fn is_crypt_base64(text: &str) -> bool {
    text.bytes().all(|byte| CRYPT.contains(&byte))
}
