//! Spellings that begin with `$` and the name of a scheme.

use super::{pbkdf2, scrypt, unbase64, unpadded};
use crate::domain::password_hash::phc;

/// A text in our spelling, `None` if it is malformed, with the form that it should have.
type FormedText = (Option<String>, &'static str);

/// Returns `None` for a text that is not respelt.
pub(super) fn respell(text: &str) -> Option<FormedText> {
    let name = text.split('$').nth(1)?;
    match name {
        "fbscrypt" => {
            Some((firebase(text), "$fbscrypt$v=1,n=MEM_COST,r=ROUNDS,p=1,ss=SEPARATOR,sk=SIGNER$salt$output"))
        }
        "firescrypt" => {
            Some((kratos_firebase(text), "$firescrypt$ln=MEM_COST,r=ROUNDS,p=1$salt$hash$separator$signer"))
        }
        "scrypt" => kratos_scrypt(text).map(|text| (Some(text), "")),
        "pbkdf2" | "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512" => passlib(text).map(|text| (Some(text), "")),
        "p5k2" => Some((p5k2(text), "$p5k2$ITERATIONS$salt$output")),
        "bcrypt-sha256" => Some((bcrypt_sha256(text), "$bcrypt-sha256$v=2,t=2b,r=COST$salt$output")),
        // WordPress, which adds slashes to what is typed.
        "wp" | "P" => Some((Some(format!("$slashed{text}")), "")),
        _ => spring_scrypt(text).map(|text| (Some(text), "")),
    }
}

/// Reads `$fbscrypt$v=1,n=14,r=8,p=1,ss=…,sk=…$salt$output` with padded base64, as Supabase stores hashes that came
/// from Firebase. The separator may be missing.
fn firebase(text: &str) -> Option<String> {
    let [_, head, salt, output] = phc::parts(text)?;
    let (costs, keys) = head.split_at_checked(head.match_indices(',').nth(3)?.0)?;
    let [1, log_n, r, p] = phc::numbers(costs, ["v", "n", "r", "p"])? else { return None };
    let (separator, signer) = match keys.strip_prefix(",ss=") {
        Some(keys) => keys.split_once(",sk=")?,
        None => ("", keys.strip_prefix(",sk=")?),
    };
    let [salt, separator, signer, output] = [salt, separator, signer, output].map(unpadded);
    Some(format!("$firebase-scrypt$ln={log_n},r={r},p={p}${salt}${separator}${signer}${output}"))
}

/// Reads `$firescrypt$ln=14,r=8,p=1$salt$hash$separator$signer` of Kratos.
fn kratos_firebase(text: &str) -> Option<String> {
    let [_, costs, salt, output, separator, signer] = phc::parts(text)?;
    let [salt, output, separator, signer] = [salt, output, separator, signer].map(unpadded);
    Some(format!("$firebase-scrypt${costs}${salt}${separator}${signer}${output}"))
}

/// Reads Kratos' `$scrypt$ln=16384,r=8,p=1$salt$output`, where `ln` is N itself. A logarithm of 64 would be too costly.
fn kratos_scrypt(text: &str) -> Option<String> {
    let [_, costs, salt, output] = phc::parts(text)?;
    match phc::numbers(costs, ["ln", "r", "p"])? {
        [n @ 64..=0x8000_0000, r, p] => scrypt(n, r, p, &unbase64(salt)?, &unbase64(output)?),
        _ => Some(format!("$scrypt${costs}${}${}", unpadded(salt), unpadded(output))),
    }
}

/// Reads `$pbkdf2-sha256$29000$salt$output`, with `.` where base64 has `+`, and SHA-1 without its name; and the form
/// with `i=`, of any length of output.
fn passlib(text: &str) -> Option<String> {
    let [scheme, costs, salt, output] = phc::parts(text)?;
    let digest = scheme.strip_prefix("pbkdf2-").unwrap_or("sha1");
    let (salt_bytes, output_bytes) = (unbase64(salt)?, unbase64(output)?);
    if let Some(iterations) = phc::number(costs) {
        return pbkdf2(digest, iterations, &salt_bytes, &output_bytes);
    }
    let [iterations, length] = match phc::numbers(costs, ["i", "l"]) {
        Some(costs) => costs,
        None => [phc::numbers(costs, ["i"])?[0], output_bytes.len().try_into().ok()?],
    };
    let is_whole = usize::try_from(length) == Ok(output_bytes.len());
    let respelt = pbkdf2(digest, iterations, &salt_bytes, &output_bytes).filter(|_| is_whole)?;
    // Our own spelling stays what it is.
    let block = unbase64(respelt.rsplit('$').next()?)?;
    if block == output_bytes {
        Some(format!("${scheme}${costs}${}${}", unpadded(salt), unpadded(output)))
    } else {
        Some(respelt)
    }
}

/// Reads `$p5k2$ITERATIONS$salt$output` with hexadecimal iterations and PBKDF2 with SHA-1. Salt and output are padded
/// base64 of URLs; in one of the two variants, the salt is its own text.
fn p5k2(text: &str) -> Option<String> {
    let [_, iterations, salt, output] = phc::parts(text)?;
    let iterations = u32::from_str_radix(iterations, 16).ok()?;
    let url = |text: &str| unbase64(&text.replace('-', "+").replace('_', "/"));
    if salt.ends_with('=') {
        return pbkdf2("sha1", iterations, &url(salt)?, &url(output)?);
    }
    // Here the text before the output is the salt, and `.` is a digit.
    let whole = text.rsplit_once('$')?.0;
    pbkdf2("sha1", iterations, whole.as_bytes(), &unbase64(output)?)
}

/// Reads `$bcrypt-sha256$v=2,t=2b,r=12$salt$output` of Passlib.
fn bcrypt_sha256(text: &str) -> Option<String> {
    let [_, costs, salt, output] = phc::parts(text)?;
    let cost = costs.strip_prefix("v=2,t=2b,r=").and_then(phc::number).filter(|cost| *cost < 100)?;
    (salt.len() == 22 && output.len() == 31).then(|| format!("$hmac-sha256$2b${cost:02}${salt}{output}"))
}

/// Reads `$100801$salt$output` of Spring: hexadecimal digits of the logarithm of N, of r and of p.
fn spring_scrypt(text: &str) -> Option<String> {
    let [costs, salt, output] = phc::parts(text)?;
    let is_hexadecimal = (5..=6).contains(&costs.len()) && costs.bytes().all(|byte| byte.is_ascii_hexdigit());
    let costs = u32::from_str_radix(costs, 16).ok().filter(|_| is_hexadecimal)?;
    let (log_n, r, p) = (costs >> 16, costs >> 8 & 0xff, costs & 0xff);
    Some(format!("$scrypt$ln={log_n},r={r},p={p}${}${}", unpadded(salt), unpadded(output)))
}
