//! Parsing the JSON of a body, with an error for an object that has a name twice. serde_json keeps the last of the two
//! and other parsers keep the first, so a request could mean different things to a proxy and to this server (RFC 8259
//! section 4). A byte order mark before the JSON is skipped, as the same section allows.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::body::BodyError;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Parses JSON in UTF-8, with nothing after it, with no name twice in an object, and with at most 127 levels.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, BodyError> {
    match serde_json::from_slice::<StrictValue>(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)) {
        Ok(StrictValue(value)) => Ok(value),
        // The visitor takes every type of JSON and refuses only a repeated name.
        Err(error) if error.is_data() => Err(BodyError::RepeatedName),
        Err(_) => Err(BodyError::Malformed),
    }
}

struct StrictValue(Value);

impl<'de> Deserialize<'de> for StrictValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(StrictValue(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, StrictValue(value))) = entries.next_entry::<String, _>()? {
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a name twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::parse;
    use crate::body::BodyError;

    #[test]
    fn two_members_of_one_name_are_an_error_at_any_depth() {
        assert_eq!(parse(br#"{"a":1,"b":[{"c":null}]}"#).unwrap(), json!({ "a": 1, "b": [{ "c": null }] }));
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"[{"b":{"a":1,"a":2}}]"#] {
            assert!(matches!(parse(text.as_bytes()), Err(BodyError::RepeatedName)), "{text}");
        }
        let deep = "[".repeat(100_000);
        for bytes in [&b"{} {}"[..], b"", b"{\"a\":1e999}", b"{\"a\":1,\"a\"", b"\"\xff\"", deep.as_bytes()] {
            assert!(matches!(parse(bytes), Err(BodyError::Malformed)), "{}", bytes.len());
        }
    }

    #[test]
    fn one_byte_order_mark_before_the_json_is_skipped() {
        assert_eq!(parse(b"\xEF\xBB\xBF{\"a\":1}").unwrap(), json!({ "a": 1 }));
        for bytes in [&b"\xEF\xBB\xBF"[..], b"\xEF\xBB\xBF\xEF\xBB\xBF{}", b"{}\xEF\xBB\xBF", b"\xFE\xFF{}"] {
            assert!(matches!(parse(bytes), Err(BodyError::Malformed)), "{bytes:?}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e300..1e300_f64).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn all_other_json_is_parsed_as_serde_json_parses_it(value in any_json()) {
            let text = value.to_string();
            prop_assert_eq!(parse(text.as_bytes()).ok(), serde_json::from_str::<Value>(&text).ok());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }
    }
}
