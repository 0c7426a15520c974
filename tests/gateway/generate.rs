//! Random requests, the same in every run: values, paths and queries by reflection on the messages. Most parts are
//! good, because a bad part hides the rest of a request.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use crate::raw::Asked;
use crate::texts;

/// The seed of the random requests in every run.
const SEED: [u8; 32] = *b"REST by annotation, both oracles";

/// The deepest nesting of messages within messages.
const DEEPEST: u32 = 3;

/// Makes this number of random requests.
pub fn requests(pool: &DescriptorPool, count: usize) -> Vec<Asked> {
    let everything = pool.get_message_by_name("transcoding.test.v1.Everything").unwrap();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = prop_oneof![
        3 => body(&everything),
        3 => query(&everything).prop_map(|query| Asked::new("echo", &format!("GET /v1/everything?{query}"))),
        3 => path(),
        1 => mixed(&everything),
    ];
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// The whole message as a body, for a rule with `*`.
fn body(everything: &MessageDescriptor) -> BoxedStrategy<Asked> {
    let lines = ["POST /v1/everything", "POST /v1/everything:run", "PUT /v1/everything/a", "POST /v1/streams"];
    (prop::sample::select(lines.to_vec()), message(everything, DEEPEST), any::<bool>())
        .prop_map(|(line, message, pretty)| {
            let text = if pretty { format!("{message:#}") } else { message.to_string() };
            Asked::new("echo", line).with_body(text)
        })
        .boxed()
}

/// A field as a body, with a path segment and a query.
fn mixed(everything: &MessageDescriptor) -> BoxedStrategy<Asked> {
    let nested = everything.get_field_by_name("nested").unwrap();
    (texts::segment(), query(everything), value(&nested, DEEPEST))
        .prop_map(|(segment, query, body)| {
            Asked::new("echo", &format!("PATCH /v1/everything/{segment}?{query}")).with_body(body.to_string())
        })
        .boxed()
}

/// A path that fits one of the templates.
fn path() -> BoxedStrategy<Asked> {
    let templates = [
        "/v1/texts/{}",
        "/v1/stars/{}",
        "/v1/shelves/{}/books/{}",
        "/v1/shelves/{}",
        "/v1/files/{}/{}",
        "/v1/two/{}/7",
        "/v1/drives/drive/{}",
        "/v1/middle/a/{}/and/{}/{}",
        "/v1/nested/{}/deeper/{}",
        "/v1/star/{}/{}",
        "/top/{}",
        "/v1/texts/{}:inspect",
        "/v1/shelves/{}:archive",
        "/v1/files/{}:verify",
        "/v1/only/{}:verb",
        "/v1/any/{}:stir",
        "/v1/places/{}",
        "/v1/trees/{}/leaves/{}",
        "/v1/trees/{}/{}/{}",
        "/v1/heads/{}",
        "/v1/rest/{}",
        "/{}/{}",
    ];
    let kinds = [
        "int32",
        "int64",
        "uint32",
        "uint64",
        "sint32",
        "sint64",
        "fixed32",
        "fixed64",
        "sfixed32",
        "sfixed64",
        "float",
        "double",
        "bool",
        "bytes",
        "color",
        "time",
        "duration",
        "stringwrapper",
        "int64wrapper",
        "boolwrapper",
    ];
    let texts = (prop::sample::select(templates.to_vec()), prop::collection::vec(texts::segment(), 3)).prop_map(
        |(template, segments)| {
            segments.iter().fold(template.to_owned(), |path, segment| path.replacen("{}", segment, 1))
        },
    );
    let values = prop::sample::select(kinds.to_vec()).prop_flat_map(|kind| {
        texts::of_path(kind).prop_map(move |text| format!("/v1/{kind}/{}", texts::escaped(&text)))
    });
    prop_oneof![texts, values].prop_map(|path| Asked::new("echo", &format!("GET {path}"))).boxed()
}

/// A query of one to four parameters.
fn query(everything: &MessageDescriptor) -> BoxedStrategy<String> {
    let fields: Vec<_> = parameters(everything, "", DEEPEST);
    let parameter = prop::sample::select(fields)
        .prop_flat_map(|(name, field)| (Just(name), texts::of_field(&field)))
        .prop_map(|(name, text)| format!("{name}={}", texts::escaped(&text).replace("%20", "+")));
    prop::collection::vec(parameter, 1..4).prop_map(|parameters| parameters.join("&")).boxed()
}

/// The names of all fields that a parameter can name, each in one of its two spellings.
fn parameters(message: &MessageDescriptor, before: &str, depth: u32) -> Vec<(String, FieldDescriptor)> {
    let mut all = Vec::new();
    for field in message.fields() {
        let own = if field.number() % 3 == 0 { field.name() } else { field.json_name() };
        let name = format!("{before}{own}");
        match field.kind() {
            Kind::Message(inner) if field.is_map() || inner.full_name().starts_with("transcoding.") => {
                if depth > 1 && !field.is_list() && !field.is_map() {
                    all.extend(parameters(&inner, &format!("{name}."), depth - 1));
                }
            }
            Kind::Message(inner) if !texts::is_text(inner.full_name()) => {}
            _ => all.push((name, field)),
        }
    }
    all
}

/// Up to five fields of a message, at most one of each oneof.
fn message(message: &MessageDescriptor, depth: u32) -> BoxedStrategy<Value> {
    let fields: Vec<_> = message.fields().collect();
    let most = if depth == 0 { 0 } else { fields.len().min(5) };
    prop::sample::subsequence(fields, 0..=most)
        .prop_flat_map(move |fields| {
            let entries: Vec<_> = fields.iter().map(|field| (Just(field.clone()), value(field, depth))).collect();
            entries
        })
        .prop_map(|entries| {
            let (mut map, mut oneofs) = (Map::new(), Vec::new());
            for (field, value) in entries {
                let oneof = field.containing_oneof().map(|oneof| oneof.full_name().to_owned());
                if oneof.as_ref().is_none_or(|oneof| !oneofs.contains(oneof)) {
                    let name = if field.number() % 3 == 0 { field.name() } else { field.json_name() };
                    map.insert(name.to_owned(), value);
                }
                oneofs.extend(oneof);
            }
            Value::Object(map)
        })
        .boxed()
}

/// The JSON of a field, or sometimes of another type.
fn value(field: &FieldDescriptor, depth: u32) -> BoxedStrategy<Value> {
    let one = |kind: Kind| match kind {
        Kind::Message(inner) if inner.full_name().starts_with("transcoding.") => message(&inner, depth - 1),
        kind => texts::json(&kind),
    };
    let good = if field.is_map() {
        let Kind::Message(entry) = field.kind() else { return Just(Value::Null).boxed() };
        let key = texts::of_kind(&entry.map_entry_key_field().kind());
        prop::collection::btree_map(key, one(entry.map_entry_value_field().kind()), 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
            .boxed()
    } else if field.is_list() {
        prop::collection::vec(one(field.kind()), 0..4).prop_map(Value::from).boxed()
    } else {
        one(field.kind())
    };
    prop_oneof![60 => good, 2 => Just(Value::Null), 1 => texts::any_json()].boxed()
}
