//! Checks the names in the JSON of a request against its message. prost-reflect alone does not say which name is
//! unknown, and accepts a field under both of its names at once. Each value is checked on the way, by `values`.

use std::collections::HashSet;

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::Value;

use crate::values;

/// The path of a field, and the problem as it follows the path in a sentence.
pub(crate) type Violation = (String, &'static str);

pub(crate) const UNKNOWN: &str = "is unknown";
pub(crate) const BOTH_NAMES: &str = "is there by both of its names";

/// Requires that every member is a field, by its name in JSON or in the proto; that no field is there twice; and that
/// at most one field of each oneof is there. `path` is the path of `json` within the request.
pub(crate) fn check(message: &MessageDescriptor, json: &mut Value, path: &str) -> Result<(), Violation> {
    let Value::Object(members) = json else { return Ok(()) };
    let (mut fields, mut oneofs) = (HashSet::new(), HashSet::new());
    for (name, value) in members {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let field = message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name));
        let Some(field) = field else { return Err((shown(&path), UNKNOWN)) };
        if !fields.insert(field.number()) {
            return Err((shown(&path), BOTH_NAMES));
        }
        let oneof = field.containing_oneof().filter(|_| !value.is_null());
        if oneof.is_some_and(|oneof| !oneofs.insert(oneof.name().to_owned())) {
            return Err((shown(&path), "excludes another field that is there"));
        }
        let mut kind = field.kind();
        if let (true, Kind::Message(entry)) = (field.is_map(), &kind) {
            kind = entry.map_entry_value_field().kind();
        }
        match value {
            Value::Array(list) if field.is_list() => {
                list.iter_mut().try_for_each(|one| check_value(&kind, one, &path))?
            }
            Value::Object(map) if field.is_map() => {
                map.values_mut().try_for_each(|one| check_value(&kind, one, &path))?
            }
            one => check_value(&kind, one, &path)?,
        }
    }
    Ok(())
}

fn check_value(kind: &Kind, value: &mut Value, path: &str) -> Result<(), Violation> {
    match kind {
        Kind::Message(inner) if !inner.full_name().starts_with("google.protobuf.") => check(inner, value, path),
        kind => values::normalize(kind, value).map_err(|problem| (shown(path), problem)),
    }
}

/// A name as it was sent, if it has only characters that names have. Other texts are not repeated to the client.
pub(crate) fn shown(name: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"_.[]".contains(&byte);
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(harmless) {
        name.to_owned()
    } else {
        "a field".to_owned()
    }
}
