//! What every proxy must do, whichever it is.

use std::time::{Duration, Instant};

use axum::body::Body;
use http::Method;
use serde_json::json;

use crate::proxy::{LIFETIME, Proxy, Server};
use crate::service::{identity, received};
use crate::support::app::request;
use crate::support::{Answer, token};

/// In what a proxy differs.
pub struct Traits {
    /// Whether the client gets the fresh token. Otherwise the service gets it.
    pub hands_on: bool,
    /// Whether the service gets the client's own token.
    pub keeps_token: bool,
    /// Whether a refusal has the body that Countersign answered.
    pub tells_reason: bool,
    /// The status when Countersign is out of reach.
    pub away: u16,
}

/// The fresh token, wherever this proxy puts it.
#[track_caller]
fn fresh(answer: &Answer, traits: &Traits) -> Option<String> {
    if traits.hands_on {
        let mut values = answer.headers.get_all("token").iter().map(|value| value.to_str().unwrap().to_owned());
        let token = values.next();
        assert_eq!(values.next(), None, "the fresh token is there once: {answer:?}");
        return token;
    }
    received(&answer.json()).into_iter().find(|(name, _)| name == "token").map(|(_, value)| value)
}

/// All scenes of a proxy in front of the service over HTTP.
pub async fn play(server: Server, proxy: Proxy, traits: &Traits) {
    let alice = server.sign_in("alice").await;
    identity_and_token(&proxy, traits, &alice).await;
    refusals(&proxy, traits, &alice).await;
    policies(&server, &proxy, &alice).await;
    paths(&proxy, &alice).await;
    preflights(&proxy).await;
    let token = slide(&proxy, traits, server.sign_in("carol").await).await;

    server.log_out(&token).await;
    assert_eq!(proxy.get("/", &[("token", &token)]).await.status, 401, "from the next request on");
    for number in 0..20 {
        let token = server.sign_in(&format!("brief{number}")).await;
        assert_eq!(proxy.get("/", &[("token", &token)]).await.status, 200);
        server.log_out(&token).await;
        assert_eq!(proxy.get("/", &[("token", &token)]).await.status, 401);
    }
    drop(server);
    assert_eq!(proxy.get("/", &[("token", &token)]).await.status, traits.away, "an outage is no decision");
}

async fn identity_and_token(proxy: &Proxy, traits: &Traits, alice: &str) {
    let claims = token::claims(alice);
    let text = |name: &str| claims[name].as_str().unwrap().to_owned();
    let expected = [text("sub"), text("sid"), "alice".to_owned(), String::new(), String::new(), String::new()];
    let bearer = format!("Bearer {alice}");
    // The client's own headers, in every spelling that the service may read as another.
    let forged = [
        ("x-auth-role", "admin"),
        ("x_auth_role", "admin"),
        ("X-AUTH-EMAIL", "root@example.com"),
        ("x-auth_firm", "1"),
        ("x_auth-account", "1"),
    ];
    for (path, status) in [("/accounts", 200), ("/missing", 404)] {
        for (own, kept) in [
            (&[("token", alice), ("authorization", "Basic YTpi")][..], Some("Basic YTpi")),
            (&[("authorization", &*bearer)], None),
        ] {
            let headers = [own, &forged].concat();
            let sent = request(Method::POST, path, &headers, Body::from("savings"));
            let answer = proxy.send(sent).await;
            let told = answer.json();
            assert_eq!(
                (answer.status.as_u16(), &told["method"], &told["body"]),
                (status, &json!("POST"), &json!("savings"))
            );
            let upstream = received(&told);
            assert_eq!(identity(&upstream), expected, "{path}");
            let authorization = upstream.iter().find(|(name, _)| name == "authorization").map(|(_, value)| &**value);
            if !traits.keeps_token {
                assert_eq!(authorization, kept, "the service gets only a foreign scheme");
                assert!(!upstream.iter().any(|(_, value)| value.contains(alice)), "the service does not get the token");
            }
            let fresh = fresh(&answer, traits).expect("a fresh token");
            assert_eq!(token::claims(&fresh)["sid"], claims["sid"]);
            if traits.hands_on {
                let joined = |name: &str| {
                    let values = answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
                    values.collect::<Vec<_>>().join(",").to_lowercase()
                };
                assert!(joined("access-control-expose-headers").contains("token"), "{answer:?}");
                assert!(joined("cache-control").contains("no-store"), "{answer:?}");
            }
        }
    }
    let head = proxy.send(request(Method::HEAD, "/accounts", &[("token", alice)], Body::empty())).await;
    assert_eq!(head.status, 200);
}

async fn refusals(proxy: &Proxy, traits: &Traits, alice: &str) {
    let two = format!("Bearer {alice}x");
    for (headers, challenge, reason) in [
        (&[][..], "Bearer", "TOKEN_MISSING"),
        (&[("authorization", "Basic YTpi")], "Bearer", "TOKEN_MISSING"),
        (&[("token", "garbage")], "Bearer error=\"invalid_token\"", "TOKEN_INVALID"),
        (&[("token", alice), ("token", alice)], "Bearer error=\"invalid_token\"", "TOKEN_INVALID"),
        (&[("token", alice), ("authorization", &*two)], "Bearer error=\"invalid_token\"", "TOKEN_INVALID"),
        (&[("x-auth-account", "1")], "Bearer", "TOKEN_MISSING"),
        // What a proxy itself might be told by.
        (&[("policy", "public"), ("x-forwarded-uri", "/public/")], "Bearer", "TOKEN_MISSING"),
    ] {
        let answer = proxy.send(request(Method::PUT, "/accounts", headers, Body::from("savings"))).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, Some(challenge)), "{headers:?}");
        assert_eq!(answer.header("token"), None, "{headers:?}");
        if traits.tells_reason {
            assert_eq!(answer.json()["details"][0]["reason"], reason, "{headers:?}");
        }
    }
}

async fn policies(server: &Server, proxy: &Proxy, alice: &str) {
    let ada = server.sign_in_admin("ada@example.com").await;
    assert_eq!(proxy.get("/admin/", &[("token", alice)]).await.status, 403);
    assert_eq!(proxy.get("/admin/", &[]).await.status, 401);
    let admin = proxy.get("/admin/", &[("token", &ada)]).await;
    let claims = token::claims(&ada);
    let [account, _, username, email, firm, role] = identity(&received(&admin.json()));
    assert_eq!((json!(account), json!(firm)), (claims["sub"].clone(), claims["firm_id"].clone()));
    assert_eq!((&*username, &*email, &*role), ("", "ada@example.com", "admin"));

    for headers in [&[][..], &[("token", "garbage")], &[("x-auth-account", "1"), ("x_auth-role", "admin")]] {
        let public = proxy.get("/public/", headers).await;
        assert_eq!(public.status, 200, "{headers:?}");
        assert_eq!(identity(&received(&public.json())), [""; 6], "{headers:?}");
    }
    let known = proxy.get("/public/", &[("token", alice)]).await;
    assert_eq!(identity(&received(&known.json()))[2], "alice");
}

/// A path passes only where no service can read it as one of a stricter policy.
async fn paths(proxy: &Proxy, alice: &str) {
    let to_admin = [
        "/admin",
        "/Admin/",
        "/%61dmin/",
        "/admin;x/",
        "//admin/",
        "/./admin/",
        "/x/..%5cadmin/",
        "/public/../admin/",
        "/public/%2e%2e/admin/",
        "/public/..%2fadmin/",
        "/public//../admin/x",
        "/public/..;/admin/",
        r"/public/..\admin/",
    ];
    for path in to_admin {
        let answer = proxy.get(path, &[("token", alice)]).await;
        is_refused_or_read_as(&answer, path, |seen| !seen.starts_with("/admin"));
    }
    let to_public = [
        "/admin/../public/x",
        "/admin/users/..%2f..%2fpublic%2fx",
        "/admin/%2e%2e/public/x",
        "/x/..;/public/x",
        "/x/%2e%2E/public/",
        "/%70ublic/x",
        "/x//../../public/x",
        r"/x/..\public/x",
    ];
    for path in to_public {
        is_refused_or_read_as(&proxy.get(path, &[]).await, path, |seen| seen.starts_with("/public/"));
    }
    for path in ["/accounts/caf%C3%A9%20bar", "/.well-known/a.b..c", "/accounts/~a-b_c,d=1:2@3"] {
        let answer = proxy.get(&format!("{path}?next=//x/../;y"), &[("token", alice)]).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["path"]), (200, &json!(path)), "it is plain");
    }
}

#[track_caller]
fn is_refused_or_read_as(answer: &Answer, path: &str, expected: impl Fn(&str) -> bool) {
    if answer.status == 200 {
        let seen = answer.json()["path"].as_str().unwrap().to_lowercase();
        let is_plain = !["//", "/.", ";", "\\", "%"].iter().any(|odd| seen.contains(odd));
        assert!(is_plain && expected(&seen), "{path} is {seen}");
    } else {
        assert!([301, 308, 400, 401, 403].contains(&answer.status.as_u16()), "{path}: {}", answer.status);
    }
}

async fn preflights(proxy: &Proxy) {
    let preflight = [("origin", "https://app.example.com"), ("access-control-request-method", "PUT")];
    let options = request(Method::OPTIONS, "/accounts", &preflight, Body::empty());
    assert_eq!(proxy.send(options).await.status, 200, "a page may ask without a token");
    let foreign = [("origin", "https://other.example"), ("access-control-request-method", "PUT")];
    let options = request(Method::OPTIONS, "/admin/", &foreign, Body::empty());
    assert_eq!(proxy.send(options).await.status, 401, "only where the policy says so");
    for method in ["OPTIONS", "options"] {
        let forged = [&preflight[..], &[("x-forwarded-method", method), ("x-http-method-override", method)]].concat();
        assert_eq!(proxy.get("/accounts", &forged).await.status, 401, "a client cannot say that it is a preflight");
    }
}

/// Goes on past the expiry of the first token, and returns the newest one.
async fn slide(proxy: &Proxy, traits: &Traits, first: String) -> String {
    let (begun, mut newest) = (Instant::now(), first.clone());
    while begun.elapsed() < LIFETIME + Duration::from_secs(1) {
        let answer = proxy.get("/", &[("token", &newest)]).await;
        assert_eq!(answer.status, 200, "after {:?}", begun.elapsed());
        newest = fresh(&answer, traits).expect("a fresh token");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(proxy.get("/", &[("token", &first)]).await.status, 401, "the first one has expired");
    newest
}
