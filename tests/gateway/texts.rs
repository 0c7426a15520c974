//! Random values of each kind, as JSON and as the text in a path or a query.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Map, Value, json};

/// Whether JSON writes a message of this name as a string.
pub fn is_text(name: &str) -> bool {
    let own = ["Timestamp", "Duration", "FieldMask"];
    name.strip_prefix("google.protobuf.")
        .is_some_and(|name| own.contains(&name) || (name.ends_with("Value") && !["Value", "ListValue"].contains(&name)))
}

/// The text of a random value of a field.
pub fn of_field(field: &FieldDescriptor) -> BoxedStrategy<String> {
    let bad = prop::sample::select(&["", "x", "-", "1", "true", "null", "é", "1e3", "0x1F", "{}"][..]);
    prop_oneof![20 => of_kind(&field.kind()), 1 => bad.prop_map(str::to_owned)].boxed()
}

/// The text of a random value for `/v1/<kind>/…`.
pub fn of_path(kind: &'static str) -> BoxedStrategy<String> {
    match kind {
        "int32" | "sint32" | "sfixed32" => of_kind(&Kind::Int32),
        "int64" | "sint64" | "sfixed64" | "int64wrapper" => of_kind(&Kind::Int64),
        "uint32" | "fixed32" => of_kind(&Kind::Uint32),
        "uint64" | "fixed64" => of_kind(&Kind::Uint64),
        "float" => of_kind(&Kind::Float),
        "double" => of_kind(&Kind::Double),
        "bool" | "boolwrapper" => of_kind(&Kind::Bool),
        "bytes" => of_kind(&Kind::Bytes).prop_filter("a segment is not empty", |text| !text.is_empty()).boxed(),
        "color" => color(),
        "time" => time(),
        "duration" => duration(),
        _ => text().prop_filter("a segment is not empty", |text| !text.is_empty()).boxed(),
    }
}

/// The text of a random value, if JSON writes the kind as one text.
pub fn of_kind(kind: &Kind) -> BoxedStrategy<String> {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            prop_oneof![any::<i32>(), -9..9_i32, Just(i32::MIN)].prop_map(|it| it.to_string()).boxed()
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            prop_oneof![any::<i64>(), -9..9_i64, Just(i64::MIN)].prop_map(|it| it.to_string()).boxed()
        }
        Kind::Uint32 | Kind::Fixed32 => prop_oneof![any::<u32>(), Just(u32::MAX)].prop_map(|it| it.to_string()).boxed(),
        Kind::Uint64 | Kind::Fixed64 => prop_oneof![any::<u64>(), Just(u64::MAX)].prop_map(|it| it.to_string()).boxed(),
        Kind::Float => prop_oneof![float().prop_map(|it| it.to_string()), special()].boxed(),
        Kind::Double => prop_oneof![double().prop_map(|it| it.to_string()), special()].boxed(),
        Kind::Bool => any::<bool>().prop_map(|it| it.to_string()).boxed(),
        Kind::String => text(),
        Kind::Bytes => bytes(),
        Kind::Enum(kind) if kind.name() == "Color" => color(),
        Kind::Enum(_) => Just("NULL_VALUE".to_owned()).boxed(),
        Kind::Message(message) => match message.name() {
            "Timestamp" => time(),
            "Duration" => duration(),
            "FieldMask" => "([a-z]{1,5}([A-Z][a-z]{1,3}){0,2}(\\.[a-z]{1,4})?(,[a-z]{1,5})?)?".boxed(),
            "Int32Value" => of_kind(&Kind::Int32),
            "Int64Value" => of_kind(&Kind::Int64),
            "UInt32Value" => of_kind(&Kind::Uint32),
            "UInt64Value" => of_kind(&Kind::Uint64),
            "FloatValue" => of_kind(&Kind::Float),
            "DoubleValue" => of_kind(&Kind::Double),
            "BoolValue" => of_kind(&Kind::Bool),
            "BytesValue" => bytes(),
            _ => text(),
        },
    }
}

/// The JSON of a random value, for kinds that are no message of the tests' protos.
pub fn json(kind: &Kind) -> BoxedStrategy<Value> {
    let number = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
    let text = of_kind(kind).prop_map(Value::String);
    match kind {
        Kind::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Kind::String | Kind::Bytes => text.boxed(),
        Kind::Enum(kind) if kind.name() == "NullValue" => Just(Value::Null).boxed(),
        Kind::Enum(_) => prop_oneof![text, any::<i32>().prop_map(Value::from)].boxed(),
        Kind::Message(message) => match message.name() {
            "Struct" => object(),
            "Value" => any_json(),
            "ListValue" => prop::collection::vec(any_json(), 0..4).prop_map(Value::from).boxed(),
            "Empty" => Just(json!({})).boxed(),
            "Any" => any_message(),
            "BoolValue" => any::<bool>().prop_map(Value::from).boxed(),
            "Timestamp" | "Duration" | "FieldMask" | "StringValue" | "BytesValue" => text.boxed(),
            _ => prop_oneof![text, of_kind(kind).prop_map(number)].boxed(),
        },
        kind => prop_oneof![text, of_kind(kind).prop_map(number)].boxed(),
    }
}

/// Random JSON with little depth.
pub fn any_json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        double().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
    .boxed()
}

fn object() -> BoxedStrategy<Value> {
    let map = prop::collection::btree_map(text(), any_json(), 0..4);
    map.prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())).boxed()
}

fn any_message() -> BoxedStrategy<Value> {
    let url = |name: &str| format!("type.googleapis.com/{name}");
    prop_oneof![
        (text(), any::<i32>()).prop_map(
            move |(name, size)| json!({ "@type": url("transcoding.test.v1.Nested"), "name": name, "size": size })
        ),
        duration().prop_map(move |value| json!({ "@type": url("google.protobuf.Duration"), "value": value })),
        object().prop_map(move |value| json!({ "@type": url("google.protobuf.Struct"), "value": value })),
    ]
    .boxed()
}

/// A path segment with needless escapes and sub-delimiters.
pub fn segment() -> BoxedStrategy<String> {
    let piece = prop_oneof![
        6 => "[a-zA-Z0-9_.~-]{1,6}",
        3 => "[a-z é😀/?#%&+:]{1,3}".prop_map(|text| escaped(&text)),
        2 => "[a-z]".prop_map(|text| format!("%{:02x}", text.as_bytes()[0])),
        1 => "[!$&'()*+,;=@:]",
    ];
    prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat()).boxed()
}

/// A text with all but the unreserved characters escaped.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![4 => "[a-zA-Z0-9 ]{0,8}", 2 => ".{0,6}", 1 => "[\"\\\\/<>&+%=;,\\u{0}-\\u{1f}\\u{7f}\\u{2028}]{0,4}"]
        .boxed()
}

fn color() -> BoxedStrategy<String> {
    let names = ["COLOR_RED", "COLOR_GREEN", "COLOR_NEGATIVE", "COLOR_UNSPECIFIED", "1", "2", "-3"];
    prop::sample::select(names.to_vec()).prop_map(str::to_owned).boxed()
}

fn bytes() -> BoxedStrategy<String> {
    (prop::collection::vec(any::<u8>(), 0..9), 0..4_u8)
        .prop_map(|(bytes, alphabet)| match alphabet {
            0 => STANDARD.encode(bytes),
            1 => STANDARD_NO_PAD.encode(bytes),
            2 => URL_SAFE.encode(bytes),
            _ => URL_SAFE_NO_PAD.encode(bytes),
        })
        .boxed()
}

fn float() -> BoxedStrategy<f32> {
    prop_oneof![any::<f32>().prop_filter("finite", |it| it.is_finite()), (-9..9_i8).prop_map(f32::from)].boxed()
}

fn double() -> BoxedStrategy<f64> {
    prop_oneof![any::<f64>().prop_filter("finite", |it| it.is_finite()), (-9..9_i8).prop_map(f64::from)].boxed()
}

fn special() -> BoxedStrategy<String> {
    prop::sample::select(&["NaN", "Infinity", "-Infinity"][..]).prop_map(str::to_owned).boxed()
}

/// A time from the year 1 to the year 9999, with as many digits as it needs.
fn time() -> BoxedStrategy<String> {
    (-62_135_596_800..=253_402_300_799_i64, nanos())
        .prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }.to_string())
        .boxed()
}

/// A duration within 10,000 years, in the form of JSON.
fn duration() -> BoxedStrategy<String> {
    (-315_575_999_999..=315_575_999_999_i64, nanos())
        .prop_map(|(seconds, nanos)| {
            let part = format!("{nanos:09}");
            let part = part.trim_end_matches('0');
            if part.is_empty() { format!("{seconds}s") } else { format!("{seconds}.{part}s") }
        })
        .boxed()
}

fn nanos() -> BoxedStrategy<i32> {
    prop_oneof![Just(0), (0..1_000).prop_map(|it| it * 1_000_000), 0..1_000_000_000].boxed()
}
