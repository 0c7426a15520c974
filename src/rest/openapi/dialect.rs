//! The part of the document that is written by hand, as the contracts are: the two dialects and the probes. A field of
//! a dialect has the schema of a field of the RPC that it is passed to: `"x-field"` names that one.

use prost_reflect::DescriptorPool;
use serde_json::{Map, Value};

use super::components::Components;

/// Adds the dialects and the probes to the document.
pub(super) fn add(document: &mut Value, pool: &DescriptorPool, components: &mut Components) {
    let mut dialects: Value = serde_json::from_str(include_str!("dialects.json")).unwrap_or_default();
    resolve(&mut dialects, pool, components);
    merge(document, dialects);
}

/// Appends lists and joins objects. A value that is there stays.
pub(super) fn merge(there: &mut Value, more: Value) {
    match (there, more) {
        (Value::Object(there), Value::Object(more)) => {
            for (name, value) in more {
                merge(there.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(there), Value::Array(mut more)) => there.append(&mut more),
        (there @ Value::Null, more) => *there = more,
        _ => {}
    }
}

/// Replaces each `"x-field"` with the schema of the field that it names. `"x-beside"` names a field that is set beside
/// it.
fn resolve(value: &mut Value, pool: &DescriptorPool, components: &mut Components) {
    match value {
        Value::Object(map) => {
            let name = map.shift_remove("x-field");
            let beside = map.shift_remove("x-beside");
            if let Some(schema) = name.and_then(|name| field(name.as_str()?, beside.as_ref(), pool, components)) {
                let mut all: Map<_, _> = schema.as_object().cloned().unwrap_or_default();
                all.append(map);
                *map = all;
            }
            map.values_mut().for_each(|value| resolve(value, pool, components));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| resolve(value, pool, components)),
        _ => {}
    }
}

fn field(name: &str, beside: Option<&Value>, pool: &DescriptorPool, components: &mut Components) -> Option<Value> {
    let (message, field) = name.rsplit_once('.')?;
    let field = pool.get_message_by_name(message)?.get_field_by_name(field)?;
    let others: Vec<_> = beside.and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    Some(components.must(&field, &others))
}
