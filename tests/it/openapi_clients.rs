//! What generators of clients need of the OpenAPI document: constructs that all of them read, a name for everything
//! that becomes a type, and names that read well in code. `.ci/run generators` has eight of them generate clients.

use std::collections::{BTreeMap, BTreeSet};

use countersign::pb;
use http::StatusCode;
use serde_json::Value;

use crate::every_rpc::rpcs;
use crate::openapi::{document, operations};
use crate::support::TestApp;

/// Calls `visit` with every object of the document except examples, and with the path that leads there.
fn walk(value: &Value, path: &str, visit: &mut impl FnMut(&str, &serde_json::Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            visit(path, map);
            let others = map.iter().filter(|(name, _)| *name != "examples");
            others.for_each(|(name, value)| walk(value, &format!("{path}/{name}"), visit));
        }
        Value::Array(list) => list.iter().for_each(|value| walk(value, path, visit)),
        _ => {}
    }
}

fn schemas(document: &Value) -> &serde_json::Map<String, Value> {
    document["components"]["schemas"].as_object().unwrap()
}

/// The words of a name in camel case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() || words.is_empty() {
            words.push(String::new());
        }
        words.last_mut().unwrap().push(character.to_ascii_lowercase());
    }
    words
}

#[tokio::test]
async fn the_document_has_only_constructs_that_every_generator_reads() {
    let document = document(&TestApp::start().await).await;
    let mut seen = 0;
    walk(&document, "", &mut |path, map| {
        seen += 1;
        // A property may have any of these names.
        if !path.ends_with("/properties") {
            for keyword in ["oneOf", "anyOf", "allOf", "not", "const", "if", "nullable"] {
                assert!(!map.contains_key(keyword), "{path} has {keyword}");
            }
            assert!(
                map.get("type").is_none_or(|kind| kind.is_string() && *kind != "null"),
                "{path}: {:?}",
                map["type"]
            );
        }
        if let Some(values) = map.get("enum").filter(|values| values.is_array()) {
            assert_eq!(map["type"], "string", "{path}");
            assert!(values.as_array().unwrap().iter().all(Value::is_string), "{path}");
        }
        // An object without a name would become a type that is named after a path and a status.
        if map.get("properties").is_some_and(Value::is_object) {
            let is_named = path.strip_prefix("/components/schemas/").is_some_and(|name| !name.contains('/'));
            assert!(is_named || path.ends_with("/properties"), "{path} has no name");
        }
        if let Some(Value::String(reference)) = map.get("$ref") {
            let known = ["schemas", "responses", "parameters", "headers"];
            assert!(known.iter().any(|kind| reference.starts_with(&format!("#/components/{kind}/"))), "{path}");
        }
    });
    assert!(seen > 1000, "{seen}");
}

#[tokio::test]
async fn the_document_is_smaller_than_302_kb_and_its_server_is_relative() {
    let answer = TestApp::start().await.get("/openapi.json", &[]).await;
    assert!(answer.body.len() < 302_000, "{} bytes", answer.body.len());
    // `.` is the folder of the document, also where a proxy puts a prefix before it.
    let urls: Vec<_> =
        answer.json()["servers"].as_array().unwrap().iter().map(|server| server["url"].clone()).collect();
    assert_eq!(urls, ["."]);
}

#[tokio::test]
async fn schemas_are_named_once_and_by_what_they_are() {
    let document = document(&TestApp::start().await).await;
    let mut names_of: BTreeMap<String, &str> = BTreeMap::new();
    let phrases: BTreeSet<_> = (100..600)
        .filter_map(|code| StatusCode::from_u16(code).ok()?.canonical_reason())
        .map(|phrase| phrase.replace([' ', '-'], ""))
        .collect();
    for (name, schema) in schemas(&document) {
        assert!(name.chars().all(|character| character.is_ascii_alphabetic()), "{name}");
        assert!(!phrases.contains(name), "{name} is an HTTP status");
        if let Some(other) = names_of.insert(schema.to_string(), name) {
            panic!("{name} is the same as {other}");
        }
    }
    let named = |content: &Value, suffix: &str, place: &str| {
        for (kind, content) in content.as_object().into_iter().flatten().filter(|(kind, _)| *kind != "text/html") {
            let name =
                content["schema"]["$ref"].as_str().unwrap_or_else(|| panic!("{place}: {kind} has no named schema"));
            let is_line = kind == "application/x-ndjson" && name.ends_with("Line");
            assert!(is_line || name.ends_with(suffix), "{place}: {name}");
        }
    };
    for (place, operation) in operations(&document) {
        named(&operation["requestBody"]["content"], "Request", &place);
        for (_, answer) in operation["responses"].as_object().unwrap().iter().filter(|(code, _)| code.starts_with('2'))
        {
            named(&answer["content"], "Answer", &place);
        }
    }
}

#[tokio::test]
async fn operations_and_tags_are_named_in_words() {
    let document = document(&TestApp::start().await).await;
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].clone()).collect();
    for tag in &tags {
        let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(tag.as_str().unwrap().split(' ').all(is_word), "{tag}");
    }
    for (place, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        // The name of a type that some generators add.
        let response = format!("{}{}Response", id[..1].to_uppercase(), &id[1..]);
        assert!(!schemas(&document).contains_key(&response), "{response}");
        assert!(
            id.chars().all(|c| c.is_ascii_alphabetic()) && id.starts_with(|c: char| c.is_ascii_lowercase()),
            "{id}"
        );
        let words = words(id);
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len(), "{id} has a word twice");
        let of_operation = operation["tags"].as_array().unwrap();
        assert!(of_operation.len() == 1 && tags.contains(&of_operation[0]), "{place}: {of_operation:?}");
    }
}

/// Some generators make constructors whose arguments have this order.
#[tokio::test]
async fn properties_are_in_the_order_of_the_contracts() {
    let document = document(&TestApp::start().await).await;
    let names = |name: &str| -> Vec<String> {
        schemas(&document)[name]["properties"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(names("UsernameCredentialsRequest"), ["username", "password"]);
    assert_eq!(names("EmailRegisterRequest"), ["email", "password", "name", "firm_name"]);
    for (name, schema) in schemas(&document) {
        let Some(properties) = schema["properties"].as_object() else { continue };
        let in_order: Vec<_> = properties.keys().filter(|name| is_required(schema, name)).collect();
        let required = schema["required"].as_array().map(|names| names.iter().map(|name| name.as_str().unwrap()));
        assert_eq!(in_order, required.into_iter().flatten().collect::<Vec<_>>(), "{name}");
    }
    let mut compared = 0;
    for message in rpcs(pb::DESCRIPTORS).iter().flat_map(|rpc| [rpc.input(), rpc.output()]) {
        let name = message.name().replace("Response", "Answer");
        let Some(schema) = schemas(&document).get(&name) else { continue };
        let properties = schema["properties"].as_object().unwrap();
        let fields = message.fields().map(|field| field.json_name().to_owned());
        let expected: Vec<_> = fields.filter(|name| properties.contains_key(name)).collect();
        assert_eq!(names(&name), expected, "{name}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|required| required.iter().any(|one| one == name))
}
