//! The part of the OpenAPI document that is made from the protos: every annotated RPC as its proto describes it,
//! including RPCs that are added later.

use std::collections::BTreeSet;

use countersign::pb;
use countersign::pb::MethodRules;
use countersign::pb::method_rules::Credential;
use countersign::rest::openapi;
use http_rule::Rules;
use prost_reflect::MethodDescriptor;
use serde_json::json;

use crate::every_rpc::{comment, rpcs};
use crate::openapi::{document, operations, referred};
use crate::support::TestApp;

#[tokio::test]
async fn every_annotated_rpc_is_in_the_document_and_no_other() {
    let document = document(&TestApp::start().await).await;
    let described: BTreeSet<_> = operations(&document)
        .into_iter()
        .filter_map(|(name, operation)| Some((name, operation["x-grpc-method"].as_str()?.to_owned())))
        .collect();
    let annotated = rpcs(pb::DESCRIPTORS).into_iter().flat_map(|method| {
        let name = format!("{}/{}", method.parent_service().full_name(), method.name());
        bindings(&method).into_iter().map(move |binding| (binding, name.clone()))
    });
    assert_eq!(described, annotated.collect());
    assert!(described.len() >= 10);
}

#[tokio::test]
async fn what_an_rpc_needs_and_how_it_fails_is_what_its_rules_say() {
    let document = document(&TestApp::start().await).await;
    for (name, operation) in operations(&document) {
        let Some(method) = operation["x-grpc-method"].as_str() else { continue };
        let full_name = method.replace('/', ".");
        let rpc = rpcs(pb::DESCRIPTORS).into_iter().find(|rpc| rpc.full_name() == full_name).unwrap();
        let rules = MethodRules::of(&rpc);
        assert_eq!(operation["description"], comment(&rpc), "{name}");
        let security = match rules.credential() {
            Credential::Service => json!([{ "serviceCredential": [] }]),
            Credential::Introspection => json!([{ "introspectionPassword": [] }, { "introspectionCredential": [] }]),
            Credential::None => json!([]),
            Credential::Unspecified | Credential::FormerToken => json!([{ "token": [] }, { "bearer": [] }]),
        };
        assert_eq!(operation["security"], security, "{name}");
        let told = |reason: &pb::ErrorReason| {
            let line = format!("`{}`: ", reason.as_reason());
            let mut responses = operation["responses"].as_object().unwrap().values();
            responses.any(|response| referred(&document, response)["description"].as_str().unwrap().contains(&line))
        };
        let possible = rules.all_reasons();
        for number in 1..=18 {
            let reason = pb::ErrorReason::try_from(number).unwrap();
            assert_eq!(told(&reason), possible.contains(&reason), "{name}: {reason:?}");
        }
        let has_login = operation["responses"].get("401").is_some();
        assert_eq!(has_login, security != json!([]) || method.ends_with("Login"), "{name}");
    }
}

#[tokio::test]
async fn the_document_that_is_served_is_the_one_of_the_descriptors() {
    let made = openapi::document(&Rules::read(pb::DESCRIPTORS).unwrap());
    assert_eq!(document(&TestApp::start().await).await, made);
}

#[test]
fn a_new_annotated_rpc_has_its_entry_with_no_further_code() {
    let document = openapi::document(&Rules::read(&compile(SHELVES)).unwrap());
    let all = operations(&document);
    let get = &all["GET /v1/shelves/{shelf}/books/{book}"];
    assert_eq!(get["operationId"], "findBook");
    assert_eq!((&get["summary"], &get["tags"]), (&json!("Finds a book"), &json!(["shelves"])));
    assert_eq!(get["description"], "Finds a book.\n\nNeeds no token.");
    assert_eq!(get["security"], json!([]));
    let parameters: Vec<_> = get["parameters"].as_array().unwrap().iter().map(|p| (&p["name"], &p["in"])).collect();
    let expected = [("shelf", "path"), ("book", "path"), ("when", "query"), ("page.size", "query"), ("kinds", "query")];
    assert_eq!(parameters, expected.map(|(name, place)| (json!(name), json!(place))).each_ref().map(|(n, p)| (n, p)));
    assert_eq!(get["responses"]["200"]["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/Book");

    let put = &all["POST /v1/shelves/{shelf}/books"];
    let body = referred(&document, &put["requestBody"]["content"]["application/json"]["schema"]);
    assert_eq!(body["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), ["book", "when", "page", "kinds"]);
    assert_eq!(put["security"], json!([{ "token": [] }, { "bearer": [] }]), "unless its rules say otherwise");
    assert_eq!(
        document["components"]["schemas"]["Book"]["properties"]["parts"]["items"]["$ref"],
        "#/components/schemas/Book"
    );

    let stream = &all["GET /v1/shelves:watch"]["responses"]["200"]["content"]["application/x-ndjson"];
    let line = referred(&document, &stream["schema"]);
    assert_eq!(line["properties"]["result"]["$ref"], "#/components/schemas/Book");
    assert!(all.contains_key("POST /auth/login"), "beside the dialects");
}

const SHELVES: &str = r#"
    syntax = "proto3";
    package library.v1;
    import "countersign/v1/method_rules.proto";
    import "google/api/annotations.proto";
    import "google/protobuf/timestamp.proto";
    // Books.
    service Shelves {
      // Finds a book.
      //
      // Needs no token.
      rpc FindBook(FindBookRequest) returns (Book) {
        option (google.api.http) = {get: "/v1/shelves/{shelf}/books/{book}"};
        option (countersign.v1.method_rules) = {credential: CREDENTIAL_NONE};
      }
      // Puts one there.
      rpc PutBook(FindBookRequest) returns (Book) {
        option (google.api.http) = {post: "/v1/shelves/{shelf}/books" body: "*"};
      }
      // Tells of each.
      rpc WatchBooks(WatchBooksRequest) returns (stream Book) {
        option (google.api.http) = {get: "/v1/shelves:watch"};
      }
    }
    message FindBookRequest {
      string shelf = 1;
      string book = 2;
      google.protobuf.Timestamp when = 3;
      Page page = 4;
      repeated Kind kinds = 5;
    }
    message WatchBooksRequest {}
    message Page { int32 size = 1; }
    enum Kind { KIND_UNSPECIFIED = 0; KIND_NOVEL = 1; }
    message Book { string title = 1; repeated Book parts = 2; map<string, int64> marks = 3; }
"#;

fn compile(text: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("library.proto"), text).unwrap();
    let includes = [dir.path(), std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/proto"))];
    protox::Compiler::new(includes)
        .unwrap()
        .include_imports(true)
        .include_source_info(true)
        .open_file("library.proto")
        .unwrap()
        .encode_file_descriptor_set()
}

/// The route of a method, such as `GET /v1/me`, read from the text form of its annotation.
fn bindings(method: &MethodDescriptor) -> Vec<String> {
    let annotation = method.parent_pool().get_extension_by_name("google.api.http").unwrap();
    let options = method.options();
    let rule = options.get_extension(&annotation).to_string();
    let verbs = ["get", "put", "post", "delete", "patch"];
    let words: Vec<_> = rule.split(|c: char| !(c.is_ascii_alphanumeric() || "/:{}_\"".contains(c))).collect();
    let found = words.iter().filter_map(|word| {
        let (verb, path) = word.split_once(":\"")?;
        let verb = verb.trim_start_matches("additional_bindings:").trim_start_matches(['{', '[']);
        verbs.contains(&verb).then(|| format!("{} {}", verb.to_uppercase(), path.split('"').next().unwrap()))
    });
    found.collect()
}
