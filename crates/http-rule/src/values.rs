//! Checks and normalizes the values of scalars before prost-reflect deserializes them. It is laxer than the JSON
//! mapping of protobuf in some places (it rounds numbers into range, and drops digits of times) and stricter in others
//! (it takes no `1e2` for an integer). Values that the mapping forbids are refused here; the others are rewritten so
//! that it accepts them.

use prost_reflect::Kind;
use serde_json::{Number, Value};

/// Checks a value of a scalar, or of a well-known type that JSON writes as a scalar. The error says what it must be.
pub(crate) fn normalize(kind: &Kind, value: &mut Value) -> Result<(), &'static str> {
    if value.is_null() {
        return Ok(());
    }
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer(value, i32::MIN.into(), i32::MAX.into()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => integer(value, i64::MIN.into(), i64::MAX.into()),
        Kind::Uint32 | Kind::Fixed32 => integer(value, 0, u32::MAX.into()),
        Kind::Uint64 | Kind::Fixed64 => integer(value, 0, u64::MAX.into()),
        Kind::Enum(_) if value.is_number() => integer(value, i32::MIN.into(), i32::MAX.into()),
        Kind::Double => float(value, |number| number),
        Kind::Float => float(value, |number| f64::from(number as f32)),
        Kind::Bytes => bytes(value),
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Int32Value" => normalize(&Kind::Int32, value),
            "google.protobuf.Int64Value" => normalize(&Kind::Int64, value),
            "google.protobuf.UInt32Value" => normalize(&Kind::Uint32, value),
            "google.protobuf.UInt64Value" => normalize(&Kind::Uint64, value),
            "google.protobuf.BytesValue" => normalize(&Kind::Bytes, value),
            "google.protobuf.DoubleValue" => normalize(&Kind::Double, value),
            "google.protobuf.FloatValue" => normalize(&Kind::Float, value),
            "google.protobuf.Timestamp" | "google.protobuf.Duration" => time(value),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// An integer may be written in digits, with a zero fraction, or with an exponent; in quotes or not.
fn integer(value: &mut Value, least: i128, most: i128) -> Result<(), &'static str> {
    const PROBLEM: &str = "must be an integer within its range";
    let number = number(value).ok_or(PROBLEM)?;
    let integer = match (number.as_i128(), number.as_f64()) {
        (Some(integer), _) => integer,
        // A float of 2^53 or more may not be the number that was written.
        (None, Some(float)) if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 => float as i128,
        _ => return Err(PROBLEM),
    };
    if !(least..=most).contains(&integer) {
        return Err(PROBLEM);
    }
    *value = Number::from_i128(integer).map(Value::Number).ok_or(PROBLEM)?;
    Ok(())
}

fn float(value: &mut Value, round: impl Fn(f64) -> f64) -> Result<(), &'static str> {
    const PROBLEM: &str = "must be a number within its range";
    if matches!(value.as_str(), Some("NaN" | "Infinity" | "-Infinity")) {
        return Ok(());
    }
    let rounded = number(value).and_then(|number| number.as_f64()).map(round);
    *value = rounded.and_then(Number::from_f64).map(Value::Number).ok_or(PROBLEM)?;
    Ok(())
}

/// A number, or a text that is a number by the grammar of JSON.
fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) if !text.contains(|c: char| c.is_ascii_whitespace()) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// Base64 may be padded or not, but not in part.
fn bytes(value: &Value) -> Result<(), &'static str> {
    let text = value.as_str().unwrap_or_default();
    if text.ends_with('=') && !text.len().is_multiple_of(4) { Err("must be a string in base64") } else { Ok(()) }
}

/// A time has at most nine digits after the point, which are nanoseconds, and no leap second. A duration has no leading
/// zeros.
fn time(value: &Value) -> Result<(), &'static str> {
    let text = value.as_str().unwrap_or_default();
    let digits = text.split_once('.').map_or(0, |(_, after)| after.bytes().take_while(u8::is_ascii_digit).count());
    let whole = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let is_padded = text.ends_with('s') && matches!(whole, [b'0', b'0'..=b'9', ..]);
    if is_padded || digits > 9 || text.get(16..19) == Some(":60") {
        return Err("must be a time that exists, or a duration, of at most nine digits after the point");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prost_reflect::Kind;
    use serde_json::{Value, json};

    use super::normalize;

    #[test]
    fn a_number_is_in_its_range_and_written_as_json_writes_numbers() {
        for (kind, value, expected) in [
            (Kind::Int32, json!("1e2"), Some(json!(100))),
            (Kind::Int32, json!("1.0"), Some(json!(1))),
            (Kind::Int32, json!(-0.0), Some(json!(0))),
            (Kind::Int32, json!(1.5), None),
            (Kind::Int32, json!(2_147_483_648_u32), None),
            (Kind::Int32, json!("+1"), None),
            (Kind::Int32, json!("01"), None),
            (Kind::Int32, json!(" 1"), None),
            (Kind::Int32, json!(""), None),
            (Kind::Int32, json!(true), None),
            (Kind::Uint32, json!(-1), None),
            (Kind::Int64, json!("9007199254740993.0"), None),
            (Kind::Int64, json!("9007199254740993"), Some(json!(9_007_199_254_740_993_i64))),
            (Kind::Int64, json!("-9223372036854775808"), Some(json!(i64::MIN))),
            (Kind::Int64, serde_json::from_str("-9223372036854775809").unwrap(), None),
            (Kind::Uint64, json!("18446744073709551615"), Some(json!(u64::MAX))),
            (Kind::Uint64, serde_json::from_str("18446744073709551616").unwrap(), None),
            (Kind::Double, json!("1e309"), None),
            (Kind::Double, json!("inf"), None),
            (Kind::Double, json!("NaN"), Some(json!("NaN"))),
            (Kind::Bytes, json!("YQ"), Some(json!("YQ"))),
            (Kind::Bytes, json!("YQ="), None),
            (Kind::Float, json!("1e39"), None),
            (Kind::Float, json!(3.402_823_5e38), Some(json!(f64::from(f32::MAX)))),
        ] {
            let mut normalized = value.clone();
            let result = normalize(&kind, &mut normalized).ok().map(|()| normalized);
            assert_eq!(result, expected, "{kind:?} {value}");
        }
        let mut null = Value::Null;
        assert_eq!(normalize(&Kind::Int32, &mut null), Ok(()));
    }
}
