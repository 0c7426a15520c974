//! The names in a request's JSON, held against the message that it is to become. The library's reading says of a stranger only
//! that there is one, and takes a field by both of its names. On the way, `values` judges the values.

use std::collections::HashSet;

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::Value;

use super::values;

/// A field and what is wrong with it.
pub(super) type Violation = (String, &'static str);

pub(super) const UNKNOWN: &str = "is unknown";

/// Every member is a field, by its name in JSON or in the proto; none is there twice, and one at most of each oneof. `path` is
/// where `json` lies, for the message.
pub(super) fn check(message: &MessageDescriptor, json: &mut Value, path: &str) -> Result<(), Violation> {
    let Value::Object(members) = json else { return Ok(()) };
    let (mut fields, mut oneofs) = (HashSet::new(), HashSet::new());
    for (name, value) in members {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let field = message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name));
        let Some(field) = field else { return Err((shown(&path), UNKNOWN)) };
        if !fields.insert(field.number()) {
            return Err((shown(&path), "is there by both of its names"));
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
            Value::Array(list) if field.is_list() => list.iter_mut().try_for_each(|one| judge(&kind, one, &path))?,
            Value::Object(map) if field.is_map() => map.values_mut().try_for_each(|one| judge(&kind, one, &path))?,
            one => judge(&kind, one, &path)?,
        }
    }
    Ok(())
}

fn judge(kind: &Kind, value: &mut Value, path: &str) -> Result<(), Violation> {
    match kind {
        Kind::Message(inner) if !inner.full_name().starts_with("google.protobuf.") => check(inner, value, path),
        kind => values::judge(kind, value).map_err(|problem| (shown(path), problem)),
    }
}

/// A name as it was sent, if it could be one.
pub(super) fn shown(name: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"_.[]".contains(&byte);
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(harmless) {
        name.to_owned()
    } else {
        "a field".to_owned()
    }
}
