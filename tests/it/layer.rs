//! The guard's layer as another service uses it: around a plain axum app, with only the guard's folder.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use countersign_guard::clock::ManualClock;
use countersign_guard::layer::{AuthLayer, Caller, FormerCaller, Refusal};
use countersign_guard::revocations::{Revocation, Revocations};
use countersign_guard::token::{Keyring, NewSession, Profile, Secret, Tokens};
use http::{HeaderMap, Method, StatusCode};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::forge;
use crate::support::app::{START, request};
use crate::support::{Answer, SECRET};
use crate::wire::Headers;

struct Service {
    router: Router,
    tokens: Tokens,
    clock: ManualClock,
    revocations: Arc<Revocations>,
    /// The sessions that were given a fresh token, in order.
    told: Arc<Mutex<Vec<Uuid>>>,
}

const ACCOUNT: Uuid = Uuid::from_u128(1);
const SESSION: Uuid = Uuid::from_u128(2);

impl Service {
    fn new() -> Self {
        Self::with(Revocations::default(), ManualClock::at(START))
    }

    fn with(revocations: Revocations, clock: ManualClock) -> Self {
        let keyring = Keyring::new(&Secret::parse(SECRET.to_owned()).unwrap(), None);
        let tokens = Tokens::new(keyring, Arc::new(clock.clone()), Duration::from_secs(2_592_000));
        let revocations = Arc::new(revocations);
        let auth = AuthLayer::new(
            tokens.clone(),
            Arc::clone(&revocations),
            ["/healthz", "/who/public"],
            |refusal: Refusal| {
                (StatusCode::UNAUTHORIZED, [("x-refusal", format!("{refusal:?}"))], refusal.to_string()).into_response()
            },
        );
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        let auth = auth
            .unwrap()
            .ending(["/farewell"])
            .unwrap()
            .on_fresh_token(move |caller| telling.lock().unwrap().push(caller.session_id()));
        let (ending, cut_off) = (Arc::clone(&revocations), clock.clone());
        let router = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/who", any(who))
            .route("/who/public", any(who))
            .route("/farewell", any(farewell))
            .route("/headers", get(|headers: HeaderMap| async move { format!("{headers:?}") }))
            .route("/broken", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "broken") }))
            .route("/refused", get(|| async { (StatusCode::UNAUTHORIZED, [("token", "of the handler")], "refused") }))
            .route("/grpc-refused", get(|| async { [("grpc-status", "16")] }))
            .route("/grpc-failed", get(|| async { [("grpc-status", "13")] }))
            .route("/own-token", get(|| async { ([("token", "of the handler"), ("cache-control", "public")], "") }))
            .route("/promoted", get(promoted))
            .route("/cut-off", get(move || async move { cut_off.elapse(5) }))
            .route(
                "/end",
                get(move || async move {
                    ending.insert(Revocation::Session(SESSION), time::OffsetDateTime::UNIX_EPOCH);
                }),
            )
            .layer(auth);
        Self { router, tokens, clock, revocations, told }
    }

    fn token(&self) -> String {
        let issued = self.tokens.issue(NewSession {
            account_id: ACCOUNT,
            session_id: SESSION,
            epoch: 0,
            token_lifetime: Duration::from_secs(600),
            profile: Profile::Username { username: "alice".to_owned() },
        });
        issued.unwrap().token.as_str().to_owned()
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = request(Method::GET, path, headers, Body::empty());
        Answer::read(self.router.clone().oneshot(request).await.unwrap()).await
    }
}

async fn who(caller: Option<Extension<Caller>>) -> String {
    caller.map_or("nobody".to_owned(), |Extension(caller)| format!("{} {}", caller.account_id(), caller.session_id()))
}

/// The caller that the layer passes to a handler that ends sessions.
async fn farewell(caller: Option<Extension<Caller>>, former: Option<Extension<FormerCaller>>) -> String {
    let former = former.map(|Extension(former)| former.claims().sid);
    format!("{} {}", caller.is_some(), former == Some(SESSION))
}

/// A handler that has read the account again.
async fn promoted() -> Response {
    let mut response = ().into_response();
    response.extensions_mut().insert(Profile::Username { username: "queen alice".to_owned() });
    response
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

#[tokio::test]
async fn who_wants_to_know_is_told_of_every_fresh_token_and_of_nothing_else() {
    let service = Service::new();
    let token = service.token();
    for (path, tokens) in [
        ("/who", 1),
        ("/own-token", 2),
        ("/broken", 3),
        ("/grpc-failed", 4),
        ("/nowhere", 5),
        ("/healthz", 5),
        ("/who/public", 5),
        ("/refused", 5),
        ("/grpc-refused", 5),
        ("/end", 5),
        ("/who", 5),
    ] {
        service.get(path, &[("token", &token)]).await;
        service.get(path, &[]).await;
        service.get(path, &[("token", "garbage")]).await;
        assert_eq!(*service.told.lock().unwrap(), vec![SESSION; tokens], "{path}");
    }
}

#[tokio::test]
async fn a_handler_is_given_the_caller_and_the_answer_a_fresh_token() {
    let service = Service::new();
    let token = service.token();
    service.clock.advance(60);
    let answer = service.get("/who", &[("token", &token)]).await;
    assert_eq!((answer.status, text(&answer)), (StatusCode::OK, format!("{ACCOUNT} {SESSION}").as_str()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let (old, fresh) = (forge::claims(&token), forge::claims(&answer.token()));
    for kept in ["sub", "sid", "auth_time", "epoch", "username"] {
        assert_eq!(fresh[kept], old[kept], "{kept}");
    }
    assert_eq!((fresh["iat"].as_i64(), fresh["exp"].as_i64()), (Some(START + 60), Some(START + 660)));
}

#[tokio::test]
async fn a_fresh_token_goes_on_every_answer_but_an_unauthenticated_one() {
    let service = Service::new();
    let token = service.token();
    for (name, path, status, carries) in [
        ("success", "/who", 200, true),
        ("no such path", "/nowhere", 404, true),
        ("a handler that failed", "/broken", 500, true),
        ("a handler that answers 401", "/refused", 401, false),
        ("a handler that answers grpc-status 16", "/grpc-refused", 200, false),
        ("a handler that answers another grpc-status", "/grpc-failed", 200, true),
        ("a handler that set a token", "/own-token", 200, true),
    ] {
        let answer = service.get(path, &[("token", &token)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("token").is_some()), (status, carries), "{name}");
        assert_ne!(answer.header("token"), Some("of the handler"), "{name}");
        if carries {
            assert_eq!(answer.headers.get_all("token").iter().count(), 1, "{name}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
            assert_eq!(service.get("/who", &[("token", &answer.token())]).await.status, 200, "{name}");
        }
    }
}

#[tokio::test]
async fn a_method_that_the_path_does_not_take_is_answered_with_a_fresh_token_too() {
    let service = Service::new();
    let request = request(Method::DELETE, "/headers", &[("token", &service.token())], Body::empty());
    let answer = Answer::read(service.router.oneshot(request).await.unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("token").is_some()), (405, true));
}

#[tokio::test]
async fn an_answer_after_which_the_session_is_over_carries_no_token() {
    let service = Service::new();
    let token = service.token();
    let answer = service.get("/end", &[("token", &token)]).await;
    assert_eq!((answer.status.as_u16(), answer.header("token")), (200, None));
    assert_eq!(service.get("/who", &[("token", &token)]).await.header("x-refusal"), Some("TokenInvalid"));
}

#[tokio::test]
async fn a_revoked_account_is_refused_up_to_the_epoch() {
    let service = Service::new();
    let token = service.token();
    let until = time::OffsetDateTime::UNIX_EPOCH;
    service.revocations.insert(Revocation::Account { id: ACCOUNT, epoch: 0 }, until);
    assert_eq!(service.get("/who", &[("token", &token)]).await.status, 200, "of the first epoch that survives");
    service.revocations.insert(Revocation::Account { id: ACCOUNT, epoch: 1 }, until);
    assert_eq!(service.get("/who", &[("token", &token)]).await.header("x-refusal"), Some("TokenInvalid"));
}

#[tokio::test]
async fn the_fresh_token_shows_the_account_as_the_handler_read_it() {
    let service = Service::new();
    let answer = service.get("/promoted", &[("token", &service.token())]).await;
    assert_eq!(forge::claims(&answer.token())["username"], "queen alice");
}

#[tokio::test]
async fn a_client_cannot_set_what_the_layer_sets() {
    let service = Service::new();
    let token = service.token();
    let forged = format!("{}", Uuid::from_u128(9));
    let [bearer, caller] = [format!("Bearer {token}"), "{\"sub\":\"x\"}".to_owned()];
    let headers = [
        ("token", token.as_str()),
        ("authorization", &bearer),
        ("caller", &caller),
        ("x-caller", &forged),
        ("x-account-id", &forged),
        ("x-user-id", &forged),
        ("sub", &forged),
        ("sid", &forged),
    ];
    assert_eq!(text(&service.get("/who", &headers).await), format!("{ACCOUNT} {SESSION}"));
    assert_eq!(text(&service.get("/who/public", &headers).await), "nobody", "a public path has no caller");
    let seen = service.get("/headers", &headers).await;
    assert!(text(&seen).contains("x-caller"), "other headers arrive");
    assert!(!text(&seen).contains("\"token\"") && !text(&seen).contains("authorization"), "{}", text(&seen));
    assert!(!text(&seen).contains(&token), "the credential does not");
}

#[tokio::test]
async fn a_path_is_public_when_it_matches_to_the_letter() {
    let service = Service::new();
    for (path, status) in [
        ("/healthz", 200),
        ("/healthz?verbose", 200),
        ("/healthz/", 401),
        ("/healthz/x", 401),
        ("//healthz", 401),
        ("/Healthz", 401),
        ("/%68ealthz", 401),
        ("/x/../healthz", 401),
        ("/health", 401),
        ("/?/healthz", 401),
    ] {
        let answer = service.get(path, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("token")), (status, None), "{path}");
    }
    let answer = service.get("/healthz", &[("token", "garbage")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("token")), (200, None), "a public path reads no credential");
}

#[tokio::test]
async fn a_public_path_that_could_never_match_is_refused_at_construction() {
    let service = Service::new();
    for path in ["", "healthz", "/api/*", "/api/{id}", "/healthz?verbose", "/healthz#top", "https://x/healthz"] {
        let refuse = |_: Refusal| Response::new(Body::empty());
        let revocations = Arc::clone(&service.revocations);
        let error = AuthLayer::new(service.tokens.clone(), revocations, ["/ok", path], refuse).unwrap_err();
        assert!(error.to_string().contains(&format!("{path:?}")), "{error}");
    }
}

#[tokio::test]
async fn the_refusal_is_the_services_own_response() {
    let service = Service::new();
    let token = service.token();
    let foreign = forge::signed_with("a secret that is not of this service, no", jsonwebtoken::Algorithm::HS256, "a.b");
    let expired = service.token();
    let rows: [(&str, Headers, i64, Option<&str>); 5] = [
        ("none", &[], 0, Some("TokenMissing")),
        ("garbage", &[("authorization", "Bearer garbage")], 0, Some("TokenInvalid")),
        ("foreign", &[("token", &foreign)], 0, Some("TokenInvalid")),
        ("good", &[("token", &token)], 599, None),
        ("expired", &[("token", &expired)], 1, Some("TokenExpired")),
    ];
    for (name, headers, later, refusal) in rows {
        service.clock.advance(later);
        let answer = service.get("/who", headers).await;
        assert_eq!(answer.header("x-refusal"), refusal, "{name}");
        assert_eq!(answer.header("token").is_some(), refusal.is_none(), "{name}");
        assert_eq!(answer.status == StatusCode::UNAUTHORIZED, refusal.is_some(), "{name}");
    }
}

#[tokio::test]
async fn while_the_revocations_are_stale_no_token_is_accepted_and_none_is_given() {
    let clock = ManualClock::at(START);
    let service = Service::with(Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5)), clock);
    let token = service.token();
    let refusal = async |path: &str, headers: &[(&str, &str)]| {
        let answer = service.get(path, headers).await;
        assert!(answer.header("token").is_none() || answer.header("x-refusal").is_none());
        answer.header("x-refusal").map(str::to_owned)
    };
    let good = [("token", token.as_str())];
    assert_eq!(refusal("/who", &good).await.as_deref(), Some("Unavailable"), "nothing was read yet");
    service.revocations.mark_complete(Duration::ZERO);
    assert_eq!(refusal("/who", &good).await, None);
    let answer = service.get("/cut-off", &good).await;
    assert_eq!((answer.status, answer.header("token")), (StatusCode::OK, None), "it became stale under way");
    for (headers, expected) in
        [(&good[..], "Unavailable"), (&[], "TokenMissing"), (&[("token", "forged")], "TokenInvalid")]
    {
        assert_eq!(refusal("/who", headers).await.as_deref(), Some(expected));
    }
    assert_eq!(refusal("/healthz", &good).await, None, "what is public asks nobody");
    service.revocations.insert(Revocation::Session(SESSION), time::OffsetDateTime::UNIX_EPOCH);
    assert_eq!(refusal("/who", &good).await.as_deref(), Some("TokenInvalid"), "what is known is final");
}

#[tokio::test]
async fn who_called_once_may_end_and_is_never_taken_for_a_caller() {
    let clock = ManualClock::at(START);
    let service = Service::with(Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5)), clock);
    service.revocations.mark_complete(Duration::ZERO);
    let token = service.token();
    let say = async |headers: &[(&str, &str)]| {
        let answer = service.get("/farewell", headers).await;
        assert_eq!(answer.header("token"), None);
        answer.header("x-refusal").map_or_else(|| text(&answer).to_owned(), str::to_owned)
    };
    let good = [("token", token.as_str())];
    assert_eq!(say(&good).await, "false true", "while it is good, too");
    assert_eq!(say(&[]).await, "TokenMissing");
    assert_eq!(say(&[("token", "a.b.c")]).await, "TokenInvalid");
    assert_eq!(say(&[("token", &token), ("authorization", "Bearer a.b.c")]).await, "TwoTokens");
    service.clock.advance(601);
    assert_eq!(say(&good).await, "false true", "expired");
    assert_eq!(service.get("/who", &good).await.header("x-refusal"), Some("TokenExpired"));
    service.clock.elapse(5);
    assert_eq!(say(&good).await, "Unavailable", "stale");
    service.revocations.insert(Revocation::Session(SESSION), time::OffsetDateTime::UNIX_EPOCH);
    assert_eq!(say(&good).await, "false true", "revoked: that is final");
    service.clock.advance(2_592_000);
    assert_eq!(say(&good).await, "TokenExpired", "no session lasts as long");
    assert!(service.told.lock().unwrap().is_empty());
}

#[tokio::test]
async fn while_the_clock_is_off_nothing_is_said_of_a_token_that_time_decides() {
    let clock = ManualClock::at(START);
    let service = Service::with(Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5)), clock);
    service.revocations.mark_complete(Duration::ZERO);
    let token = service.token();
    let compared = |ahead: i64| {
        let time = time::OffsetDateTime::from_unix_timestamp(START - ahead).unwrap();
        service.revocations.compare(time, Duration::ZERO);
    };
    let refusal = async || service.get("/who", &[("token", &token)]).await.header("x-refusal").map(str::to_owned);
    for (ahead, expected) in [(0, None), (60, None), (-60, None), (61, Some("Unavailable")), (-61, Some("Unavailable"))]
    {
        compared(ahead);
        assert_eq!(refusal().await.as_deref(), expected, "{ahead}");
    }
    // The clock is set an hour ahead and has not been compared since. The token has not expired because of that.
    compared(0);
    service.clock.advance(3_600);
    assert_eq!(refusal().await.as_deref(), Some("Unavailable"));
    let forged = service.get("/who", &[("token", "a.b.c")]).await;
    assert_eq!(forged.header("x-refusal"), Some("TokenInvalid"), "what is no token is none at any time");
    service.clock.advance(-3_600);
    assert_eq!(refusal().await, None);
    service.revocations.insert(Revocation::Session(SESSION), time::OffsetDateTime::UNIX_EPOCH);
    compared(61);
    assert_eq!(refusal().await.as_deref(), Some("TokenInvalid"), "what is known is final");
}
