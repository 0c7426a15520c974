//! The collection `users` of the username contract's first store, as mongoexport writes it: an object a line with `_id`,
//! `username` and `password`. Whatever else is in it, that server did not need, nor do we.
//!
//! The ids become UUIDs of version 5, the same each time. That store had no unique index: two accounts of one name are
//! both in the file, of which the first is taken.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::Refusal;
use crate::domain::{PasswordHash, PortableAccount, PortableDraft, derived_id};

pub(super) fn parse(line: &[u8], now: OffsetDateTime) -> Result<PortableAccount, Refusal> {
    let user = object(line)?;
    let id = object_id(&user).ok_or_else(|| Refusal::field("_id", "must be an ObjectId"))?;
    let password = text(&user, "password")?.filter(|text| !text.is_empty()).ok_or_else(missing)?;
    let draft = PortableDraft {
        id: &derived_id("mongo-users", &id).to_string(),
        username: text(&user, "username")?.unwrap_or_default(),
        password_hash: password,
        // An ObjectId begins with the seconds of when it was made.
        created_at: i64::from_str_radix(&id[..8], 16).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
        ..PortableDraft::default()
    };
    let account = draft.parse(now)?;
    Ok(PortableAccount { password_hash: account.password_hash.map(PasswordHash::of_trimmed), ..account })
}

/// That nobody could sign in with: there is no reset for an account without an address.
pub(super) fn missing() -> Refusal {
    Refusal::field("password", "is required")
}

fn object(line: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let line = line.trim_ascii();
    let problem = match serde_json::from_slice(line) {
        Ok(Value::Object(user)) => return Ok(user),
        Ok(_) => "no JSON object".to_owned(),
        Err(_) if line.starts_with(b"[") => "an array: export without --jsonArray".to_owned(),
        Err(error) => match shell_mode(line).map(|line| serde_json::from_slice(&line)) {
            Some(Ok(user)) => return Ok(user),
            _ => format!("no JSON object: it breaks off or goes wrong at column {}", error.column()),
        },
    };
    Err(Refusal::malformed(problem))
}

/// The same line with `ObjectId("…")`, which is no JSON, as the string within it.
fn shell_mode(line: &[u8]) -> Option<Vec<u8>> {
    let line = std::str::from_utf8(line).ok()?;
    let (before, rest) = line.split_once("ObjectId(\"")?;
    let (id, after) = rest.split_once("\")")?;
    Some(format!("{before}\"{id}\"{after}").into_bytes())
}

/// `{"$oid": "…"}`, or the string alone: 24 hexadecimal digits.
fn object_id(user: &Map<String, Value>) -> Option<String> {
    let id = match user.get("_id")? {
        Value::Object(id) => id.get("$oid")?.as_str()?,
        Value::String(id) => id,
        _ => return None,
    };
    let is_one = id.len() == 24 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_one.then(|| id.to_ascii_lowercase())
}

/// `None` where there is none, or a null.
fn text<'a>(user: &'a Map<String, Value>, field: &'static str) -> Result<Option<&'a str>, Refusal> {
    match user.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::field(field, "must be a text in quotation marks")),
    }
}
