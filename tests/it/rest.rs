//! REST for every RPC, by the annotations of the protos: the answers and the refusals. `tests/gateway` compares how
//! paths, queries and bodies become messages with another transcoder.

use axum::body::Body;
use countersign::pb;
use http::{Method, StatusCode};
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage as _};
use serde_json::{Value, json};

use crate::support::app::request;
use crate::support::{Answer, PASSWORD, TestApp};
use crate::watch::CREDENTIAL;

/// The whole body of a refusal with a reason.
fn status(code: i32, message: &str, details: &[Value]) -> Value {
    let mut status = json!({ "code": code, "message": message });
    if !details.is_empty() {
        status["details"] = details.into();
    }
    status
}

fn reason(reason: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "countersign.v1", "reason": reason })
}

fn violations(fields: &[(&str, &str)]) -> Value {
    let list: Vec<_> =
        fields.iter().map(|(field, description)| json!({ "field": field, "description": description })).collect();
    json!({ "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": list })
}

async fn send(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    app.send(request(method, path, headers, Body::from(body.to_owned()))).await
}

async fn post(app: &TestApp, path: &str, body: &str) -> Answer {
    send(app, Method::POST, path, &[("content-type", "application/json")], body).await
}

#[tokio::test]
async fn an_account_lives_its_whole_life_over_rest() {
    let app = TestApp::start().await;
    let registered = app.post("/v1/accounts", &json!({ "username": "Alice", "password": PASSWORD })).await;
    assert_eq!(registered.status, StatusCode::OK);
    let account = registered.json()["account"].clone();
    let id = account["id"].as_str().unwrap().to_owned();
    let expected =
        json!({ "id": id, "usernameIdentity": { "username": "alice" }, "createTime": "2027-01-15T08:00:00Z" });
    assert_eq!(account, expected);
    assert_eq!((registered.json()["expiresIn"].as_i64(), registered.header("token")), (Some(3_600), None));

    app.clock.advance(60);
    let login = app.post("/v1/sessions:login", &json!({ "username": "ALICE", "password": PASSWORD })).await;
    let token = login.json()["token"].as_str().unwrap().to_owned();
    let device = login.json()["device"].clone();
    let whole = json!({ "token": token, "expiresIn": 3_600, "account": account, "device": device });
    login.assert("login", 200, &[], &whole);

    app.clock.advance(60);
    let me = app.get("/v1/me", &[("authorization", &format!("Bearer {token}"))]).await;
    let fresh = me.token();
    assert_ne!(fresh, token);
    let headers = [("token", &*fresh), ("access-control-expose-headers", "Token")];
    me.assert("me", 200, &headers, &json!({ "account": account }));

    let sessions = app.get("/v1/sessions?page_size=1", &[("token", &fresh)]).await.json();
    let next = sessions["nextPageToken"].as_str().unwrap();
    assert_eq!(sessions["sessions"][0]["current"], true);
    let path = format!("/v1/accounts/{id}/sessions?pageSize=5&page_token={next}");
    let others = app.get(&path, &[("token", &fresh)]).await.json();
    assert_eq!(others["sessions"].as_array().unwrap().len(), 1, "{others}");
    assert_eq!(others["nextPageToken"], Value::Null);

    let path = format!("/v1/sessions/{}", others["sessions"][0]["id"].as_str().unwrap());
    let revoked = send(&app, Method::DELETE, &path, &[("token", &fresh)], "").await;
    assert_eq!((revoked.status, revoked.json()), (StatusCode::OK, json!({})));
    let path = format!("/v1/accounts/{id}/sessions:revokeOthers");
    assert_eq!(app.post_empty(&path, &[("token", &fresh)]).await.json(), json!({}));
    let logout = app.post_empty("/v1/sessions:logout", &[("token", &fresh)]).await;
    logout.assert("logout", 200, &[], &json!({}));
    let gone = status(16, "the token is not valid: sign in again", &[reason("TOKEN_INVALID")]);
    let headers = [("www-authenticate", "Bearer error=\"invalid_token\"")];
    app.get("/v1/me", &[("token", &fresh)]).await.assert("after logout", 401, &headers, &gone);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_as_a_status_and_no_value_is_repeated() {
    let app = TestApp::start().await;
    let invalid =
        |message: &str, fields: &[(&str, &str)]| status(3, message, &[reason("VALIDATION"), violations(fields)]);
    let login = "/v1/sessions:login";
    for (name, path, body, expected) in [
        (
            "an unknown field",
            login,
            r#"{"username":"a","nope":1}"#,
            invalid("nope is unknown", &[("nope", "is unknown")]),
        ),
        (
            "a wrong type",
            login,
            r#"{"username":"alice","password":31415926}"#,
            invalid("password must be a string", &[("password", "must be a string")]),
        ),
        (
            "two of a oneof",
            login,
            r#"{"username":"alice","email":"ada@example.com"}"#,
            invalid("email excludes another field that is there", &[("email", "excludes another field that is there")]),
        ),
        (
            "a field by both of its names",
            "/v1/accounts",
            r#"{"firmName":"a","firm_name":"b"}"#,
            invalid("firm_name is there by both of its names", &[("firm_name", "is there by both of its names")]),
        ),
        (
            "a field by both of its names, which is in the path, too",
            "/v1/accounts/a/sessions:revokeOthers",
            r#"{"accountId":"a","account_id":"b"}"#,
            invalid("account_id is there by both of its names", &[("account_id", "is there by both of its names")]),
        ),
        ("no object", login, "[]", invalid("body must be a JSON object", &[("body", "must be a JSON object")])),
        (
            "a query where the body is all",
            "/v1/sessions:login?username=alice",
            "{}",
            invalid(
                "username is no query parameter of this path",
                &[("username", "is no query parameter of this path")],
            ),
        ),
        (
            "a name that could do harm",
            login,
            "{\"<script>\":1}",
            invalid("a field is unknown", &[("a field", "is unknown")]),
        ),
        ("no JSON", login, "{", status(3, "the body must be JSON in UTF-8", &[])),
        (
            "another id than that of the path",
            "/v1/accounts/a/sessions:revokeOthers",
            r#"{"account_id":"b"}"#,
            invalid(
                "account_id differs from its value in the path: leave it out of the body",
                &[("account_id", "differs from its value in the path: leave it out of the body")],
            ),
        ),
        (
            "what the RPC refuses",
            login,
            "{}",
            invalid(
                "handle is required: send a username or an email; password is required",
                &[("handle", "is required: send a username or an email"), ("password", "is required")],
            ),
        ),
    ] {
        post(&app, path, body).await.assert(name, 400, &[], &expected);
    }
    let token = app.sign_in_username("alice").await;
    for (path, field, problem) in [
        ("/v1/sessions?nope=1", "nope", "is unknown"),
        ("/v1/sessions?page_size=many", "pageSize", "must be an integer within its range"),
        ("/v1/sessions?page_size=1&pageSize=2", "pageSize", "must be given once"),
        ("/v1/sessions?page_size=%zz", "query", "must be percent-encoded UTF-8"),
        ("/v1/sessions?page_size=%C3", "query", "must be percent-encoded UTF-8"),
        ("/v1/accounts/%zz/sessions", "path", "must be percent-encoded UTF-8"),
        ("/v1/nope%", "path", "must be percent-encoded UTF-8"),
        ("/v1/accounts/%C3/sessions", "account_id", "must be percent-encoded UTF-8"),
        ("/v1/accounts/a/sessions?account_id=b", "account_id", "is no query parameter of this path"),
        (
            "/v1/admin/auditEvents?end_time=2026-01-02T03:04:05+01:00",
            "end_time",
            "must be a time, with %2B for a + in a query: 2026-01-02T03:04:05%2B01:00",
        ),
    ] {
        let fields = [(field, problem)];
        let expected = invalid(&format!("{field} {problem}"), &fields);
        app.get(path, &[("token", &token)]).await.assert(path, 400, &[], &expected);
    }
    let id = app.get("/v1/me", &[("token", &token)]).await.json()["account"]["id"].clone();
    let path = format!("/v1/accounts/{}/sessions:revokeOthers", id.as_str().unwrap());
    let same = app.post_with(&path, &[("token", &token)], &json!({ "account_id": id })).await;
    assert_eq!((same.status, same.json()), (StatusCode::OK, json!({})), "the id of the path in the body, too");
}

#[tokio::test]
async fn what_is_no_such_request_is_a_status_too() {
    let app = TestApp::start().await;
    let json = [("content-type", "application/json")];
    let nothing = status(5, "there is nothing at this path", &[]);
    for path in ["/v1", "/v1/", "/v1/nope", "/v1/me/", "/v1//me", "/v1/ME", "/v1/sessions:nope", "/v1/accounts/"] {
        for method in [Method::GET, Method::POST, Method::OPTIONS, Method::from_bytes(b"BREW").unwrap()] {
            send(&app, method, path, &[], "").await.assert(path, 404, &[], &nothing);
        }
    }
    let wrong = status(12, "this path does not take this method: see the Allow header", &[]);
    for (method, path, allow) in [
        (Method::POST, "/v1/me", "GET, HEAD, OPTIONS"),
        (Method::TRACE, "/v1/me", "GET, HEAD, OPTIONS"),
        (Method::GET, "/v1/sessions:login", "POST, OPTIONS"),
        (Method::HEAD, "/v1/sessions:login", "POST, OPTIONS"),
        (Method::PUT, "/v1/sessions/1", "DELETE, OPTIONS"),
    ] {
        let answer = send(&app, method.clone(), path, &json, "{}").await;
        let body = if method == Method::HEAD { &Value::Null } else { &wrong };
        assert_eq!((answer.status.as_u16(), &answer.json()), (405, body), "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        let options = send(&app, Method::OPTIONS, path, &[], "").await;
        options.assert(path, 204, &[("allow", allow)], &Value::Null);
    }
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "",
        "application/grpc",
        "application/grpc-web",
    ] {
        let answer = send(&app, Method::POST, "/v1/sessions:login", &[("content-type", content_type)], "{}").await;
        answer.assert(content_type, 415, &[], &status(3, "the content type must be application/json", &[]));
    }
    let encoded = [json[0], ("content-encoding", "gzip")];
    let text = "the body must not be compressed: send it without Content-Encoding";
    let answer = send(&app, Method::POST, "/v1/sessions:login", &encoded, "{}").await;
    answer.assert("compressed", 415, &[], &status(3, text, &[]));
    let large = format!("{{\"password\":\"{}\"}}", " ".repeat(64 * 1_024));
    let expected = status(3, "the body must have at most 65536 bytes", &[]);
    post(&app, "/v1/sessions:login", &large).await.assert("too large", 413, &[], &expected);
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let get = app.get("/v1/me", &[("token", &token)]).await;
    let head = send(&app, Method::HEAD, "/v1/me", &[("token", &token)], "").await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()));
    assert!(head.header("token").is_some());
    for (path, status) in
        [("/v1/me", 401), ("/v1/me%", 400), ("/v1/nope", 404), ("/auth/nope", 404), ("/v1/sessions?a=b", 400)]
    {
        let head = send(&app, Method::HEAD, path, &[], "").await;
        assert_eq!((head.status.as_u16(), head.body.len()), (status, 0), "{path}");
        let length = head.header("content-length").and_then(|length| length.parse().ok());
        assert!(length.is_some_and(|length: usize| length > 0), "{path}");
    }
}

#[tokio::test]
async fn a_problem_is_a_problem_for_whom_asks_for_one() {
    let app = TestApp::start().await;
    let expected = json!({
        "title": "Unauthorized",
        "status": 401,
        "detail": "a token is missing: send it as `token` or as `authorization: Bearer`",
        "code": 16,
        "message": "a token is missing: send it as `token` or as `authorization: Bearer`",
        "details": [reason("TOKEN_MISSING")],
    });
    for (accept, is_problem) in [
        ("application/problem+json", true),
        ("text/html, Application/Problem+JSON; q=0.5", true),
        ("application/problem+json;q=0, application/json", false),
        ("application/json", false),
        ("*/*", false),
    ] {
        let answer = app.get("/v1/me", &[("accept", accept)]).await;
        let kind = if is_problem { "application/problem+json" } else { "application/json" };
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::UNAUTHORIZED, Some(kind)), "{accept}");
        if is_problem {
            assert_eq!(answer.json(), expected);
        }
    }
}

#[tokio::test]
async fn whatever_is_answered_to_a_caller_carries_a_fresh_token() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    app.clock.advance(60);
    let answer = send(&app, Method::DELETE, "/v1/sessions/nobodys", &[("token", &token)], "").await;
    assert_eq!((answer.status, answer.json()["code"].as_i64()), (StatusCode::NOT_FOUND, Some(5)));
    assert_ne!(answer.token(), token);
    let answer = app.get("/v1/me", &[("token", &token), ("authorization", "Bearer another")]).await;
    assert_eq!((answer.status, answer.header("token")), (StatusCode::UNAUTHORIZED, None), "two credentials");
    let answer = app.get("/v1/me?token=x", &[]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "a token in the query is none");
}

#[tokio::test]
async fn the_time_that_a_client_has_is_told_in_grpcs_own_header() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let password = json!({ "username": "alice", "password": PASSWORD });
    let out = app.post_with("/v1/sessions:login", &[("grpc-timeout", "0n")], &password).await;
    // A hash that cannot be done in time is not begun.
    assert_eq!((out.status, out.json()["code"].as_i64()), (StatusCode::GATEWAY_TIMEOUT, Some(4)));
    assert_eq!(app.get("/v1/me", &[("token", &token), ("grpc-timeout", "5S")]).await.status, StatusCode::OK);
    assert_eq!(app.get("/v1/me", &[("token", &token), ("grpc-timeout", "5s")]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_stream_is_a_line_for_each_message_and_one_for_its_failure() {
    let mut app = TestApp::with(&[&format!("--watch-credentials={CREDENTIAL}")]).await;
    let served = app.serve().await;
    let token = app.sign_in_username("alice").await;
    assert_eq!(app.post_empty("/v1/sessions:logout", &[("token", &token)]).await.status, StatusCode::OK);
    let refused = app.get("/v1/revocations:watch", &[("token", &token)]).await;
    assert_eq!((refused.status, refused.json()["code"].as_i64()), (StatusCode::UNAUTHORIZED, Some(16)));
    let authorization = format!("Bearer {CREDENTIAL}");
    let headers = [("authorization", &*authorization)];
    let watching = app.get("/v1/revocations:watch", &headers);
    let stopping = async {
        // The answer ends when the server stops, so its whole body can be read then.
        served.stop().await;
    };
    let (answer, ()) = tokio::join!(watching, stopping);
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/x-ndjson")));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(text.ends_with('\n'));
    assert!(lines[0]["result"]["revocations"][0]["sessionId"].is_string(), "{text}");
    let end = &lines.last().unwrap()["error"];
    assert_eq!((end["code"].as_i64(), &end["details"][0]["reason"]), (Some(14), &json!("UNAVAILABLE")), "{text}");
}

/// Checks the guard against the annotations, as `every_rpc` checks it against the methods.
#[tokio::test]
async fn every_path_of_every_rpc_is_there_and_refuses_whoever_has_no_token_but_for_the_public_ones() {
    let app = TestApp::start().await;
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let annotation = pool.get_extension_by_name("google.api.http").unwrap();
    let mut public = Vec::new();
    for rpc in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        if rpc.is_client_streaming() {
            // REST has no stream of requests, so only this RPC may lack a route.
            assert_eq!(rpc.full_name(), "countersign.v1.AdminService.ImportAccounts");
            continue;
        }
        let options = rpc.options();
        assert!(options.has_extension(&annotation), "{} has no path for REST", rpc.full_name());
        let rule = options.get_extension(&annotation).as_message().unwrap().clone();
        let more = rule.get_field_by_name("additional_bindings").unwrap();
        let more = more.as_list().unwrap().iter().map(|rule| rule.as_message().unwrap().clone()).collect::<Vec<_>>();
        for rule in std::iter::once(rule).chain(more) {
            let (method, path) = verb_and_path(&rule);
            let answer = send(&app, method, &path, &[], "").await;
            if answer.status == StatusCode::UNAUTHORIZED {
                assert_eq!(answer.json()["details"], json!([reason("TOKEN_MISSING")]), "{path}");
            } else {
                // Only the list of keys asks for nothing that could be wrong.
                let expected = if path == "/v1/keys" { StatusCode::OK } else { StatusCode::BAD_REQUEST };
                assert_eq!(answer.status, expected, "{path}");
                public.push(rpc.full_name().to_owned());
            }
            assert_eq!(answer.header("token"), None);
        }
    }
    public.sort();
    let known = [
        "AcceptInvitation",
        "CompleteLogin",
        "Login",
        "Register",
        "RequestPasswordReset",
        "ResendVerification",
        "ResetPassword",
        "VerifyEmail",
    ];
    let known = known.map(|name| format!("countersign.v1.AuthService.{name}"));
    assert_eq!(public, [&known[..], &["countersign.v1.KeyService.ListKeys".to_owned()]].concat());
}

fn verb_and_path(rule: &DynamicMessage) -> (Method, String) {
    let (field, path) = rule.fields().find(|(field, _)| field.containing_oneof().is_some()).unwrap();
    let path = path.as_str().unwrap().split('/').map(|segment| match segment.strip_prefix('{') {
        Some(variable) => format!("x{}", &variable[variable.find('}').unwrap() + 1..]),
        None => segment.to_owned(),
    });
    let path: Vec<_> = path.collect();
    assert_eq!(rule.descriptor().full_name(), "google.api.HttpRule");
    (Method::from_bytes(field.name().to_uppercase().as_bytes()).unwrap(), path.join("/"))
}
