//! Reads the collection `users` of the username contract's first store, as mongoexport writes it: one object a line
//! with `_id`, `username` and `password`. All other fields are ignored.
//!
//! Each id becomes a UUID of version 5, which is the same in every import. That store had no unique index, so a file
//! may have two accounts with one name; the import takes the first, as signing in did there.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{ParsedLine, RecordError, SourceName};
use crate::domain::{ImportTerms, PasswordHash, PortableAccount, PortableDraft, derived_id};

pub(super) fn parse(line: &[u8], terms: &ImportTerms) -> ParsedLine {
    match object(line) {
        Ok(user) => {
            let id = object_id(&user).unwrap_or_default();
            let username = user.get("username").and_then(Value::as_str).unwrap_or_default();
            (Some(SourceName::new(&id, username)), account(&user, terms))
        }
        Err(error) => (None, Err(error)),
    }
}

fn account(user: &Map<String, Value>, terms: &ImportTerms) -> Result<PortableAccount, RecordError> {
    let id = object_id(user).ok_or_else(|| RecordError::field("_id", "must be an ObjectId"))?;
    let password = text(user, "password")?.filter(|text| !text.is_empty()).ok_or_else(missing)?;
    let draft = PortableDraft {
        id: &derived_id("mongo-users", &id).to_string(),
        username: text(user, "username")?.unwrap_or_default(),
        password_hash: password,
        // The first four bytes of an ObjectId are the time of its creation in seconds.
        created_at: i64::from_str_radix(&id[..8], 16).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
        ..PortableDraft::default()
    };
    let account = draft.parse(terms)?;
    Ok(PortableAccount { password_hash: account.password_hash.map(PasswordHash::of_trimmed), ..account })
}

/// The refusal of an account without a password: without an address, it could not be given one either.
pub(super) fn missing() -> RecordError {
    RecordError::field("password", "is required")
}

fn object(line: &[u8]) -> Result<Map<String, Value>, RecordError> {
    let line = line.trim_ascii();
    let problem = match serde_json::from_slice(line) {
        Ok(Value::Object(user)) => return Ok(user),
        Ok(_) => "the line is no JSON object".to_owned(),
        Err(_) if line.starts_with(b"[") => "the line is a JSON array: export without --jsonArray".to_owned(),
        Err(error) => match shell_mode(line).map(|line| serde_json::from_slice(&line)) {
            Some(Ok(user)) => return Ok(user),
            _ => format!("the line is no JSON object: it is invalid from column {}", error.column()),
        },
    };
    Err(RecordError::malformed(problem))
}

/// Returns the line with `ObjectId("…")`, which is not JSON, replaced by the string within it.
fn shell_mode(line: &[u8]) -> Option<Vec<u8>> {
    let line = std::str::from_utf8(line).ok()?;
    let (before, rest) = line.split_once("ObjectId(\"")?;
    let (id, after) = rest.split_once("\")")?;
    Some(format!("{before}\"{id}\"{after}").into_bytes())
}

/// Reads `{"$oid": "…"}`, or the string alone: 24 hexadecimal digits.
fn object_id(user: &Map<String, Value>) -> Option<String> {
    let id = match user.get("_id")? {
        Value::Object(id) => id.get("$oid")?.as_str()?,
        Value::String(id) => id,
        _ => return None,
    };
    let is_one = id.len() == 24 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_one.then(|| id.to_ascii_lowercase())
}

/// Returns `None` when the field is absent or null.
fn text<'a>(user: &'a Map<String, Value>, field: &'static str) -> Result<Option<&'a str>, RecordError> {
    match user.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(RecordError::field(field, "must be a text in quotation marks")),
    }
}
