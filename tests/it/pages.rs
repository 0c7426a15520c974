//! The pages that links in mails lead to, as the server sends them. `tests/browser` tests that they work.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::request;

const PAGES: [&str; 3] = ["/auth/verify", "/auth/password/reset", "/auth/invitations/accept"];

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

#[tokio::test]
async fn a_page_is_html_that_runs_nothing_of_its_own_and_is_kept_by_nobody() {
    let app = TestApp::start().await;
    for (path, kind) in PAGES
        .map(|path| (path, "text/html"))
        .into_iter()
        .chain([("/auth/page.js", "text/javascript"), ("/auth/page.css", "text/css")])
    {
        // The page is the same whatever the client accepts.
        for accept in ["text/html", "application/json", "*/*"] {
            let answer = app.get(path, &[("accept", accept), ("content-type", "application/json")]).await;
            let headers = [
                ("cache-control", "no-store"),
                ("content-security-policy", POLICY),
                ("content-type", &*format!("{kind}; charset=utf-8")),
                ("referrer-policy", "no-referrer"),
                ("x-content-type-options", "nosniff"),
            ];
            assert_eq!((answer.status.as_u16(), answer.telling_headers()), (200, headers.to_vec()), "{path}");
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            for forbidden in ["http:", "https:", "<style", "style=", "onclick", "javascript:", "innerHTML", "eval("] {
                assert!(!text.contains(forbidden), "{path} has {forbidden}");
            }
            if kind == "text/html" {
                assert_eq!(text.matches("<script").count(), 1, "{path}");
                assert!(text.contains("page.js\"></script>") && text.contains("<html lang=\"en\">"), "{path}");
            }
            let head = app.send(request(Method::HEAD, path, &[], Body::empty())).await;
            assert_eq!(
                (head.status.as_u16(), head.body.len(), head.telling_headers()),
                (200, 0, headers.to_vec()),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_page_loads_is_there_and_what_it_sends_is_what_its_route_takes() {
    let app = TestApp::start().await;
    for path in PAGES {
        let page = app.get(path, &[]).await;
        let html = String::from_utf8(page.body.to_vec()).unwrap();
        let values = |attribute: &str| -> Vec<String> {
            let begin = format!(" {attribute}=\"");
            html.split(&begin).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
        };
        for loaded in values("src").into_iter().chain(values("href")).filter(|address| address != "data:,") {
            let base = url::Url::parse("http://server").unwrap().join(path).unwrap();
            let loaded = base.join(&loaded).unwrap();
            assert_eq!(app.get(loaded.path(), &[]).await.status, 200, "{path} loads {loaded}");
        }
        // The fields of the page's form are all that the route needs.
        let fields = values("name").into_iter().filter(|name| !["viewport", "robots"].contains(&name.as_str()));
        let body: Value = fields.chain(["token".to_owned()]).map(|name| (name, json!("c0nstant"))).collect();
        let answer = app.post(path, &body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (400, &json!("invalid_one_time_token")),
            "{path}"
        );
        // Every label has its field, and every field has a place for its error.
        for id in values("for") {
            assert!(
                html.contains(&format!("id=\"{id}\"")) && html.contains(&format!("id=\"{id}-error\"")),
                "{path}: {id}"
            );
        }
    }
}

#[tokio::test]
async fn opening_a_link_uses_nothing_up_and_a_query_is_no_token() {
    let app = TestApp::start().await;
    app.sign_in_email("ada@example.com").await;
    let purpose = countersign::domain::TicketPurpose::VerifyEmail;
    let token = crate::support::ticket::sent(&app, purpose, "ada@example.com", "ada@example.com").await;
    for path in [format!("/auth/verify?token={token}"), "/auth/verify".to_owned()] {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(app.send(request(method, &path, &[], Body::empty())).await.status, 200);
        }
    }
    let body = json!({ "token": token }).to_string();
    let with_body = request(Method::GET, "/auth/verify", &[("content-type", "application/json")], Body::from(body));
    assert_eq!(app.send(with_body).await.header("content-type"), Some("text/html; charset=utf-8"));
    let in_query = app.post(&format!("/auth/verify?token={token}"), &json!({})).await;
    assert_eq!(in_query.status, 422);
    let posted = app.post_with("/auth/verify", &[("accept", "text/html")], &json!({ "token": token })).await;
    posted.assert("still good", 200, &[], &json!({ "message": "Email verified successfully." }));
}

#[tokio::test]
async fn they_are_there_without_the_viewer_of_the_apis() {
    let app = TestApp::with(&["--api-docs=false"]).await;
    for path in PAGES {
        assert_eq!(app.get(path, &[]).await.status, 200, "{path}");
    }
}
