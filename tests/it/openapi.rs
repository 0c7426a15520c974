//! The OpenAPI document as a client gets it: complete, consistent, in agreement with the domain, and shown by a page
//! that loads nothing from other sites. `.ci/run openapi` checks that it is valid and that the server keeps to it.

use std::collections::{BTreeMap, BTreeSet};

use countersign::domain::{Email, PersonName, Username};
use http::Method;
use regex::Regex;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory as Category, UnicodeGeneralCategory as _};

use crate::support::TestApp;
use crate::support::app::{request, rest_paths};

/// The document and its page, which the document does not describe.
const DOCS: [&str; 5] =
    ["/openapi.json", "/docs", "/docs/start.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"];

/// Files that only the pages of links load.
const OF_PAGES: [&str; 2] = ["/auth/page.js", "/auth/page.css"];

/// Paths that only proxies ask at, with the methods of their clients.
const OF_PROXIES: [&str; 1] = ["/v1/forward-auth/**"];

pub async fn document(app: &TestApp) -> Value {
    let answer = app.get("/openapi.json", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

/// Every operation, with `GET /path` as its key.
pub fn operations(document: &Value) -> BTreeMap<String, Value> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, verbs)| verbs.as_object().unwrap().iter().map(move |verb| (path, verb)));
    all.map(|(path, (verb, operation))| (format!("{} {path}", verb.to_uppercase()), operation.clone())).collect()
}

/// A part of the document, or the one that it refers to.
pub fn referred<'a>(document: &'a Value, part: &'a Value) -> &'a Value {
    let reference = part["$ref"].as_str();
    reference
        .map_or(part, |reference| document.pointer(reference.trim_start_matches('#')).expect("what is referred to"))
}

#[tokio::test]
async fn every_route_without_a_rule_is_in_the_document_with_its_methods() {
    let app = TestApp::start().await;
    let mut routes = BTreeSet::new();
    let is_for_clients = |path: &str| ![&DOCS[..], &OF_PAGES, &OF_PROXIES].concat().contains(&path);
    for path in rest_paths().into_iter().filter(|path| is_for_clients(path)) {
        let answer = app.send(request(Method::PATCH, path, &[], axum::body::Body::empty())).await;
        let allowed = answer.header("allow").unwrap_or_else(|| panic!("{path}")).to_owned();
        // Every route with GET also has HEAD.
        routes.extend(allowed.split(',').filter(|verb| *verb != "HEAD").map(|verb| format!("{verb} {path}")));
    }
    let document = document(&app).await;
    let described = operations(&document).into_iter().filter(|(_, operation)| operation["x-grpc-method"].is_null());
    assert_eq!(described.map(|(name, _)| name).collect::<BTreeSet<_>>(), routes);
}

#[tokio::test]
async fn every_operation_has_an_id_of_its_own_and_every_reference_leads_somewhere() {
    let document = document(&TestApp::start().await).await;
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{name} has no id")).to_owned();
        assert!(ids.insert(id), "{name}");
        for word in ["summary", "description"] {
            assert!(operation[word].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {word}");
        }
    }
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads away"));
        assert!(document.pointer(pointer).is_some_and(Value::is_object), "{reference}");
    }
    assert!(!document.to_string().contains("\"x-field\""), "a field of dialects.json is in no proto");
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            references.extend(map.get("$ref").map(|reference| reference.as_str().unwrap().to_owned()));
            map.values().for_each(|value| collect(value, references));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[tokio::test]
async fn a_name_is_taken_if_and_only_if_its_pattern_matches() {
    let document = document(&TestApp::start().await).await;
    let pattern = |pointer: &str| {
        let pattern = document.pointer(&format!("/components/schemas/{pointer}/pattern")).and_then(Value::as_str);
        Regex::new(pattern.unwrap_or_else(|| panic!("{pointer}"))).unwrap()
    };
    let username = pattern("UsernameCredentialsRequest/properties/username");
    let name = pattern("EmailRegisterRequest/properties/name");
    for character in '\0'..=char::MAX {
        // The domain refuses these characters. A pattern has no ranges for them.
        let category = character.general_category();
        if category == Category::Unassigned || (category == Category::PrivateUse && character > '\u{FFFF}') {
            continue;
        }
        let text = format!("12{character}34");
        // The domain refuses letters that look like others. A pattern cannot say so.
        let judged = Username::parse(&text).err();
        let is_alike = judged.is_some_and(|why| why.contains("another form") || why.contains("second dot"));
        assert_eq!(username.is_match(&text), judged.is_none() || is_alike, "{character:?}: {judged:?}");
        // White space of every kind becomes a space, so such a name is not stored as it was sent.
        let kept = PersonName::parse(&text).is_ok_and(|kept| kept.as_str().chars().eq(text.nfc()));
        // The pattern accepts these characters anywhere, the domain only beside letters that they shape.
        let shaping = matches!(character,
            '\u{180B}'..='\u{180D}' | '\u{180F}' | '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{E0020}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}');
        assert_eq!(name.is_match(&text), kept || shaping, "{character:?}");
    }
    for text in ["two  sp", "a b c", "", "   "] {
        assert_eq!(username.is_match(text), Username::parse(text).is_ok(), "{text:?}");
    }
    let typed = &document["components"]["schemas"]["LoginRequest"]["properties"]["username"]["pattern"];
    assert!(typed.as_str().unwrap().starts_with(r"^[^\u0000-\u001f\u007f-\u009f]"), "{typed}");
    for character in '\0'..=char::MAX {
        let typed = Username::typed(&format!("ab{character}cd"));
        assert_eq!(typed.is_err(), character.is_control(), "{character:?}");
    }

    let email = pattern("EmailLoginRequest/properties/email");
    let around = |text: &str| {
        // Accounts may have addresses that a registration refuses, so the pattern allows them.
        let taken = Email::typed(text).is_ok_and(|email| email.as_str() == text.to_ascii_lowercase());
        assert_eq!(email.is_match(text), taken, "{text:?}");
    };
    for character in '\0'..='\u{FF}' {
        for place in ["CaB@example.com", "Ca@example.com", "aC@example.com", "a@eCx.com", "a@Cx.com", "a@xC.com"] {
            around(&place.replace('C', &character.to_string()));
        }
        around(&format!("a@example.c{character}"));
    }
    let long = format!("a@{}.com", "x".repeat(63));
    let too_long = format!("a@{}.com", "x".repeat(64));
    for text in ["a@b", "a@b.", "a@.b", "a..b@c.de", "a@b..c", "@b.cd", "a@", "a@b@c.de", &long, &too_long] {
        around(text);
    }
}

#[tokio::test]
async fn the_page_and_all_that_it_loads_come_from_here() {
    let app = TestApp::start().await;
    let page = app.get("/docs", &[]).await;
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(!text.contains("//"), "an address of somewhere else");
    let mut loaded: Vec<_> =
        text.split("docs/").skip(1).map(|rest| format!("/docs/{}", rest.split('"').next().unwrap())).collect();
    loaded.sort();
    assert_eq!(loaded, ["/docs/start.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"]);
    for path in loaded.iter().map(String::as_str).chain(["/docs"]) {
        let answer = app.get(path, &[]).await;
        let kind = match path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
    }
    let start = app.get("/docs/start.js", &[]).await;
    assert!(String::from_utf8(start.body.to_vec()).unwrap().contains("url: 'openapi.json'"));
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let app = TestApp::with(&["--api-docs=false"]).await;
    for path in DOCS {
        assert_eq!(app.get(path, &[]).await.status, 404, "{path}");
    }
    assert_eq!(app.get("/healthz", &[]).await.status, 200);
}
