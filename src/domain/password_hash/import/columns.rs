//! Hashes that their system stores in several columns. They come as a JSON object with the names of these columns:
//! Keycloak's `secretData` and `credentialData`, Payload's `hash` and `salt`, Discourse's `password_hash`, `salt` and
//! `password_algorithm`, Gitea's `passwd`, `salt` and `passwd_hash_algo`, and FusionAuth's `password`, `salt`, `factor`
//! and `encryptionScheme`.

use serde_json::{Map, Value};

use super::{pbkdf2, scrypt, unbase64};
use crate::domain::password_hash::phc;
use crate::domain::password_hash::prehash::{base64, unhex};

pub(super) const FORM: &str = "a JSON object with the columns of Keycloak, Payload, Discourse, Gitea or FusionAuth";

pub(super) fn respell(text: &str) -> Option<String> {
    let columns: Map<String, Value> = serde_json::from_str(text).ok()?;
    let column = |name: &str| columns.get(name)?.as_str();
    if columns.contains_key("secretData") {
        return keycloak(&nested(columns.get("secretData")?)?, &nested(columns.get("credentialData")?)?);
    }
    let salt = column("salt")?;
    if let Some(hash) = column("hash") {
        return payload(hash, salt);
    }
    if let Some(hash) = column("password_hash") {
        let [scheme, costs, ""] = phc::parts(column("password_algorithm")?)? else { return None };
        let [iterations, _] = phc::numbers(costs, ["i", "l"])?;
        return pbkdf2(scheme.strip_prefix("pbkdf2-")?, iterations, salt.as_bytes(), &unhex(hash)?);
    }
    if let Some(hash) = column("passwd") {
        return gitea(column("passwd_hash_algo")?, &unhex(salt)?, &unhex(hash)?);
    }
    let digest = column("encryptionScheme")?.strip_prefix("salted-pbkdf2-hmac-")?;
    let digest = digest.strip_suffix("-512").unwrap_or(digest);
    let iterations = u32::try_from(columns.get("factor")?.as_u64()?).ok()?;
    pbkdf2(digest, iterations, &unbase64(salt)?, &unbase64(column("password")?)?)
}

/// An object, or the text of one.
fn nested(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => serde_json::from_str(text).ok(),
        value => Some(value.clone()),
    }
}

fn keycloak(secret: &Value, credential: &Value) -> Option<String> {
    let (salt, output) = (unbase64(secret.get("salt")?.as_str()?)?, unbase64(secret.get("value")?.as_str()?)?);
    let iterations = u32::try_from(credential.get("hashIterations")?.as_u64()?).ok()?;
    match credential.get("algorithm")?.as_str()? {
        "argon2" => {
            let parameter = |name: &str| credential.get("additionalParameters")?.get(name)?.get(0)?.as_str();
            let version = match parameter("version")? {
                "1.3" => 19,
                "1.0" => 16,
                _ => return None,
            };
            let [memory, lanes] = ["memory", "parallelism"].map(|name| phc::number(parameter(name)?));
            let (variant, salt, output) = (parameter("type")?, base64(&salt), base64(&output));
            Some(format!("$argon2{variant}$v={version}$m={},t={iterations},p={}${salt}${output}", memory?, lanes?))
        }
        "pbkdf2" => pbkdf2("sha1", iterations, &salt, &output),
        algorithm => pbkdf2(algorithm.strip_prefix("pbkdf2-")?, iterations, &salt, &output),
    }
}

/// `pbkdf2-sha256-v2-i600000-l32:hex`, or hexadecimal digits of the older form. The salt is its own text.
fn payload(hash: &str, salt: &str) -> Option<String> {
    let (iterations, hash) = match hash.split_once(':') {
        Some((costs, hash)) => {
            let costs = costs.strip_prefix("pbkdf2-sha256-v2-i")?;
            (phc::number(costs.split_once("-l")?.0)?, hash)
        }
        None => (25_000, hash),
    };
    pbkdf2("sha256", iterations, salt.as_bytes(), &unhex(hash)?)
}

/// `pbkdf2$50000$50`, `argon2$2$65536$8$50` or `scrypt$65536$16$2$50`: the scheme, its costs and the length.
fn gitea(algorithm: &str, salt: &[u8], output: &[u8]) -> Option<String> {
    let fields: Vec<_> = algorithm.split('$').collect();
    match fields[..] {
        ["pbkdf2", iterations, _] => pbkdf2("sha256", phc::number(iterations)?, salt, output),
        ["argon2", passes, memory, lanes, _] => {
            let [passes, memory, lanes] = [passes, memory, lanes].map(phc::number);
            let (salt, output) = (base64(salt), base64(output));
            Some(format!("$argon2id$v=19$m={},t={},p={}${salt}${output}", memory?, passes?, lanes?))
        }
        ["scrypt", n, r, p, _] => {
            let [n, r, p] = [n, r, p].map(phc::number);
            scrypt(n?, r?, p?, salt, output)
        }
        _ => None,
    }
}
