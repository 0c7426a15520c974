//! Annotations that make no sense are an error, which says which RPC has them.

#![cfg(test)]

use std::path::Path;

use http_rule::{RuleError, Rules};

#[test]
fn rules_that_make_no_sense_are_refused() {
    for (name, methods, expected) in [
        (
            "one path twice",
            r#"rpc A(M) returns (M) { option (google.api.http) = {get: "/v1/{a}"}; }
            rpc B(M) returns (M) { option (google.api.http) = {get: "/v1/{b}"}; }"#,
            "t.S.A and t.S.B",
        ),
        (
            "one path twice in one RPC",
            r#"rpc A(M) returns (M) { option (google.api.http) = {get: "/v1/a"
            additional_bindings {get: "/v1/a"}}; }"#,
            "t.S.A and t.S.A",
        ),
        ("no template", r#"rpc A(M) returns (M) { option (google.api.http) = {get: "/v1/{a"}; }"#, "close every brace"),
        ("no field", r#"rpc A(M) returns (M) { option (google.api.http) = {get: "/v1/{z}"}; }"#, "\"z\" in its path"),
        (
            "a list",
            r#"rpc A(M) returns (M) { option (google.api.http) = {get: "/v1/{list}"}; }"#,
            "\"list\" in its path",
        ),
        ("a message", r#"rpc A(M) returns (M) { option (google.api.http) = {get: "/v1/{m}"}; }"#, "\"m\" in its path"),
        (
            "no body",
            r#"rpc A(M) returns (M) { option (google.api.http) = {post: "/v1" body: "z"}; }"#,
            "\"z\" as its body",
        ),
        (
            "no answer",
            r#"rpc A(M) returns (M) { option (google.api.http) = {get: "/v1" response_body: "z"}; }"#,
            "response_body",
        ),
        ("no verb", "rpc A(M) returns (M) { option (google.api.http) = {}; }", "names no HTTP method"),
        (
            "bindings in bindings",
            r#"rpc A(M) returns (M) { option (google.api.http) = {get: "/v1/a"
            additional_bindings {get: "/v1/b" additional_bindings {get: "/v1/c"}}}; }"#,
            "within one",
        ),
        (
            "a stream to the server",
            r#"rpc A(stream M) returns (M) { option (google.api.http) = {get: "/v1"}; }"#,
            "takes a stream",
        ),
    ] {
        let error = rules(methods).err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains(expected)), "{name}: {error:?}");
    }
    let same_path_two_verbs = r#"rpc A(M) returns (M) { option (google.api.http) = {get: "/v1/{a}"}; }
        rpc B(M) returns (M) { option (google.api.http) = {delete: "/v1/{b}"}; }"#;
    assert!(rules(same_path_two_verbs).is_ok());
    assert!(matches!(Rules::read(b"nonsense"), Err(RuleError::Descriptors(_))));
}

/// The rules of a service that has these methods.
fn rules(methods: &str) -> Result<Rules, RuleError> {
    let proto = format!(
        r#"syntax = "proto3"; package t; import "google/api/annotations.proto";
        message M {{ string a = 1; string b = 2; repeated string list = 3; M m = 4; }}
        service S {{ {methods} }}"#
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.proto"), proto).unwrap();
    let includes = [folder.path(), Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/proto"))];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).open_file("t.proto").unwrap();
    Rules::read(&compiler.encode_file_descriptor_set())
}
