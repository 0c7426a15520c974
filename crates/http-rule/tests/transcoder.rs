//! The transcoder before the service of the example: requests, answers, failures, and the options.

#![cfg(test)]

#[path = "../examples/library/service.rs"]
mod service;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use http_rule::{Found, Options, RuleError, Rules, Transcoder};
use serde_json::{Value, json};
use tower::{Service as _, service_fn};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

type Answer = (StatusCode, HeaderMap, Value);

/// What the library answers to a request with a JSON body.
async fn answer(options: Options, method: Method, path: &str, headers: &[(HeaderName, &str)], body: &str) -> Answer {
    let library = service::Library::default();
    let grpc = service_fn(move |request| library.clone().serve(request));
    let mut rest = Transcoder::new(Rules::read(&service::descriptors().unwrap()).unwrap(), grpc, options);
    let emma = json!({ "title": "Emma", "year": 1815 }).to_string();
    let added = Request::post("/v1/books").header(CONTENT_TYPE, JSON).body(Full::<Bytes>::from(emma)).unwrap();
    assert_eq!(rest.call(added).await.unwrap().status(), StatusCode::OK);
    let mut request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, JSON);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let response: Response<_> = rest.call(request.body(Full::<Bytes>::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap_or_default())
}

#[tokio::test]
async fn requests_are_answered_as_the_rules_say() {
    let (get, post) = (Method::GET, Method::POST);
    let emma = json!({ "id": 1, "title": "Emma", "year": 1815 });
    let violation = |field: &str, problem: &str| {
        let details = [json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{ "field": field, "description": problem }],
        })];
        json!({ "code": 3, "message": format!("{field} {problem}"), "details": details })
    };
    for (name, method, path, body, status, expected) in [
        ("by a variable", &get, "/v1/books/1", "", 200, emma),
        (
            "by a body",
            &post,
            "/v1/books",
            r#"{"title":"Middlemarch"}"#,
            200,
            json!({ "id": 2, "title": "Middlemarch" }),
        ),
        ("a failure", &get, "/v1/books/7", "", 404, json!({ "code": 5, "message": "no book has this id" })),
        ("no path", &get, "/v1/shelves", "", 404, json!({ "code": 5, "message": "there is nothing at this path" })),
        (
            "a value that is no number",
            &get,
            "/v1/books/one",
            "",
            400,
            violation("id", "must be an integer within its range"),
        ),
        ("an unknown field", &post, "/v1/books", r#"{"name":"Emma"}"#, 400, violation("book.name", "is unknown")),
        ("no JSON", &post, "/v1/books", "{", 400, json!({ "code": 3, "message": "the body must be JSON in UTF-8" })),
    ] {
        let (found, headers, body) = answer(Options::default(), method.clone(), path, &[], body).await;
        assert_eq!((found.as_u16(), &headers[CONTENT_TYPE], body), (status, &JSON, expected), "{name}");
    }
}

#[tokio::test]
async fn head_and_options_and_wrong_methods_are_answered() {
    let (status, headers, body) = answer(Options::default(), Method::HEAD, "/v1/books/1", &[], "").await;
    let length = json!({ "id": 1, "title": "Emma", "year": 1815 }).to_string().len();
    assert_eq!((status, &headers[CONTENT_LENGTH], body), (StatusCode::OK, &HeaderValue::from(length), Value::Null));
    for (method, expected) in [(Method::OPTIONS, 204), (Method::DELETE, 405)] {
        let (status, headers, _) = answer(Options::default(), method, "/v1/books/1", &[], "").await;
        assert_eq!((status.as_u16(), headers[ALLOW].to_str().unwrap()), (expected, "GET, HEAD, OPTIONS"));
    }
}

#[tokio::test]
async fn a_problem_is_sent_where_one_is_accepted() {
    let accept = [(ACCEPT, "application/problem+json")];
    let (status, headers, body) = answer(Options::default(), Method::GET, "/v1/books/7", &accept, "").await;
    assert_eq!((status, headers[CONTENT_TYPE].as_bytes()), (StatusCode::NOT_FOUND, &b"application/problem+json"[..]));
    let expected = json!({
        "code": 5, "message": "no book has this id", "title": "Not Found", "status": 404, "detail": "no book has this id",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn options_set_limits_headers_and_the_reason_of_an_invalid_field() {
    const SEEN: HeaderName = HeaderName::from_static("seen");
    let options = Options::default()
        .body_limits(64, Duration::from_secs(1))
        .invalid_field("INVALID", "library.example")
        .answer_headers(|_, headers| headers.extend([(SEEN, HeaderValue::from_static("answer"))]))
        .failure_headers(|status, headers| headers.extend([(SEEN, HeaderValue::from(status.code() as i32))]));
    let (_, headers, _) = answer(options.clone(), Method::GET, "/v1/books/1", &[], "").await;
    assert_eq!(headers[SEEN], "answer");
    let (_, headers, body) = answer(options.clone(), Method::GET, "/v1/books/one", &[], "").await;
    assert_eq!(headers[SEEN], "3");
    let info = json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "INVALID", "domain": "library.example" });
    assert!(body["details"].as_array().unwrap().contains(&info), "{body}");
    let long = json!({ "title": "x".repeat(64) }).to_string();
    let (status, _, body) = answer(options, Method::POST, "/v1/books", &[], &long).await;
    assert_eq!((status.as_u16(), &body["message"]), (413, &json!("the body must have at most 64 bytes")));
}

#[test]
fn a_path_belongs_to_the_rules_by_its_first_segment() -> Result<(), RuleError> {
    let rules = Rules::read(&service::descriptors().unwrap())?;
    assert_eq!((rules.is_near("/v1"), rules.is_near("/v1/shelves"), rules.is_near("/healthz")), (true, true, false));
    Ok(())
}

#[tokio::test]
async fn a_request_that_was_looked_up_before_is_answered_as_it_would_be_without() -> Result<(), RuleError> {
    let rules = Rules::read(&service::descriptors().unwrap())?;
    let shown = |index: usize| rules.bindings()[index].template.shown();
    let get = rules.find(&Method::GET, "/v1/books/1");
    assert!(matches!(get, Found::Binding(index) if shown(index) == "/v1/books/{id}"), "{get:?}");
    assert_eq!(rules.find(&Method::HEAD, "/v1/books/1"), get);
    let put = rules.find(&Method::PUT, "/v1/books/1");
    assert!(matches!(put, Found::OtherMethods(index) if shown(index) == "/v1/books/{id}"), "{put:?}");
    let nothing = rules.find(&Method::GET, "/v1/shelves");
    assert_eq!(nothing, Found::Nothing);

    let library = service::Library::default();
    let rest = Transcoder::new(rules, service_fn(move |request| library.clone().serve(request)), Options::default());
    for (method, path, found, status) in [
        (Method::GET, "/v1/books/1", get, StatusCode::NOT_FOUND),
        (Method::PUT, "/v1/books/1", put, StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/v1/shelves", nothing, StatusCode::NOT_FOUND),
        // What belongs to another request, or to other rules, calls nothing.
        (Method::GET, "/v1/shelves", get, StatusCode::NOT_FOUND),
        (Method::GET, "/v1/books/1", Found::Binding(usize::MAX), StatusCode::NOT_FOUND),
    ] {
        let request = Request::builder().method(method).uri(path).body(Full::<Bytes>::default()).unwrap();
        assert_eq!(rest.answer_found(found, request).await.status(), status, "{path} {found:?}");
    }
    Ok(())
}
