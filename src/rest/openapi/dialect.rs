//! The two dialects and the probes, which no descriptor knows: written by hand, as their contracts are. What a dialect takes in
//! a field is what the RPC takes that it projects: `"x-field"` names it.

use prost_reflect::DescriptorPool;
use serde_json::{Map, Value};

use super::schema::Schemas;

/// Adds them to what there is.
pub(super) fn add(document: &mut Value, pool: &DescriptorPool, schemas: &mut Schemas) {
    let mut written: Value = serde_json::from_str(include_str!("dialects.json")).unwrap_or_default();
    resolve(&mut written, pool, schemas);
    merge(document, written);
}

/// Lists are continued, objects are joined; what is there stays.
fn merge(there: &mut Value, more: Value) {
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

/// Puts the schema of a message's field in the place of its name. `"x-beside"` names what is set beside it.
fn resolve(value: &mut Value, pool: &DescriptorPool, schemas: &mut Schemas) {
    match value {
        Value::Object(map) => {
            let name = map.remove("x-field");
            let beside = map.remove("x-beside");
            if let Some(schema) = name.and_then(|name| field(name.as_str()?, beside.as_ref(), pool, schemas)) {
                let mut all: Map<_, _> = schema.as_object().cloned().unwrap_or_default();
                all.append(map);
                *map = all;
            }
            map.values_mut().for_each(|value| resolve(value, pool, schemas));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| resolve(value, pool, schemas)),
        _ => {}
    }
}

fn field(name: &str, beside: Option<&Value>, pool: &DescriptorPool, schemas: &mut Schemas) -> Option<Value> {
    let (message, field) = name.rsplit_once('.')?;
    let field = pool.get_message_by_name(message)?.get_field_by_name(field)?;
    let others: Vec<_> = beside.and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    Some(schemas.must(&field, &others))
}
