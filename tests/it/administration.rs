//! `AdminService`: which roles may do what to which accounts, over gRPC and over REST. A request changes only the
//! fields that it names, and a change takes effect at once.

use countersign::domain::Handle;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::forge;
use crate::support::app::{PASSWORD, request};
use crate::support::{Answer, TestApp};

/// The accounts that call `AdminService`, and that it is called about.
pub struct Cast {
    pub app: TestApp,
    /// Name, token and account id of each.
    pub people: Vec<(&'static str, String, String)>,
    pub firms: [String; 2],
}

impl Cast {
    /// Registers two firms, each with an administrator. The first firm also has an account of each other role and a
    /// platform administrator.
    pub async fn assemble() -> Self {
        let app = TestApp::start().await;
        let mut cast = Self { app, people: Vec::new(), firms: [String::new(), String::new()] };
        let root = cast.app.sign_in_username("root").await;
        cast.grant("root").await;
        cast.people.push(("root", root, cast.id_of("root").await));
        for (at, admin) in ["admin@one.example", "admin@two.example"].into_iter().enumerate() {
            let token = cast.app.sign_in_email(admin).await;
            let id = cast.id_of(admin).await;
            cast.firms[at] = cast.account(&id).await["account"]["emailIdentity"]["firmId"].as_str().unwrap().to_owned();
            cast.people.push((["one", "two"][at], token, id));
        }
        for (name, role) in [("user", "ROLE_USER"), ("viewer", "ROLE_VIEWER"), ("boss", "ROLE_ADMIN")] {
            let email = format!("{name}@one.example");
            let new = json!({ "email": email, "password": PASSWORD, "name": name, "role": role });
            let made = cast.ask("one", Method::POST, "accounts", &new).await;
            assert_eq!(made.status, StatusCode::OK, "{}", made.json());
            let id = made.json()["account"]["account"]["id"].as_str().unwrap().to_owned();
            let login = json!({ "email": email, "password": PASSWORD });
            let token = cast.app.post("/auth/login", &login).await.json()["access_token"].as_str().unwrap().to_owned();
            cast.people.push((name, token, id));
        }
        cast.grant("boss@one.example").await;
        let token = cast.app.sign_in_username("stranger").await;
        let id = cast.id_of("stranger").await;
        cast.people.push(("stranger", token, id));
        cast
    }

    async fn grant(&self, handle: &str) {
        let operator = self.app.operator().await;
        let id = operator.find(&Handle::parse(handle).unwrap()).await.unwrap().unwrap().id;
        assert!(operator.set_platform_admin(id, true).await.unwrap());
    }

    async fn id_of(&self, handle: &str) -> String {
        let operator = self.app.operator().await;
        operator.find(&Handle::parse(handle).unwrap()).await.unwrap().unwrap().id.to_string()
    }

    /// The account as root sees it.
    async fn account(&self, id: &str) -> Value {
        let answer = self.ask("root", Method::GET, &format!("accounts/{id}"), &Value::Null).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()["account"].clone()
    }

    pub fn token(&self, who: &str) -> &str {
        &self.people.iter().find(|(name, ..)| *name == who).unwrap().1
    }

    pub fn id(&self, who: &str) -> &str {
        &self.people.iter().find(|(name, ..)| *name == who).unwrap().2
    }

    /// A call over REST, below `/v1/admin/`.
    pub async fn ask(&self, who: &str, method: Method, path: &str, body: &Value) -> Answer {
        self.v1(who, method, &format!("admin/{path}"), body).await
    }

    async fn v1(&self, who: &str, method: Method, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("token", self.token(who)), ("content-type", "application/json")];
        let headers = if body.is_empty() { &headers[..1] } else { &headers[..] };
        self.app.send(request(method, &format!("/v1/{path}"), headers, body.into())).await
    }
}

/// The HTTP status and the reason of a refusal.
fn reason(answer: &Answer) -> (u16, String) {
    let details = answer.json()["details"].clone();
    let reason =
        details.as_array().into_iter().flatten().find_map(|detail| detail["reason"].as_str().map(str::to_owned));
    (answer.status.as_u16(), reason.unwrap_or_default())
}

#[tokio::test]
async fn who_may_see_and_change_whom_is_decided_by_role_and_firm() {
    let cast = Cast::assemble().await;
    let (none, gone) = ((403, "INSUFFICIENT_PERMISSIONS".to_owned()), (404, "NOT_FOUND".to_owned()));
    let ok = (200, String::new());
    for (who, whom, sees, changes) in [
        ("root", "one", &ok, &ok),
        ("root", "boss", &ok, &ok),
        ("root", "stranger", &ok, &ok),
        ("boss", "two", &ok, &ok),
        ("one", "user", &ok, &ok),
        ("one", "one", &ok, &ok),
        ("one", "boss", &ok, &none),
        ("one", "two", &gone, &gone),
        ("one", "stranger", &gone, &gone),
        ("one", "root", &gone, &gone),
        ("two", "user", &gone, &gone),
        ("user", "user", &none, &none),
        ("user", "one", &none, &none),
        ("viewer", "user", &none, &none),
        ("stranger", "stranger", &none, &none),
        ("stranger", "user", &none, &none),
    ] {
        let path = format!("accounts/{}", cast.id(whom));
        assert_eq!(&reason(&cast.ask(who, Method::GET, &path, &Value::Null).await), sees, "{who} sees {whom}");
        let nothing = cast.ask(who, Method::PATCH, &path, &json!({})).await;
        assert_eq!(&reason(&nothing), changes, "{who} changes {whom}");
    }
    for (who, what) in [("user", &none), ("viewer", &none), ("stranger", &none), ("one", &ok), ("root", &ok)] {
        for path in ["accounts", "firms", "auditEvents"] {
            assert_eq!(&reason(&cast.ask(who, Method::GET, path, &Value::Null).await), what, "{who}, {path}");
        }
    }
    let invalid = json!({ "role": "ROLE_ADMIN", "password": "x" });
    assert_eq!(reason(&cast.ask("user", Method::POST, "accounts", &invalid).await), none, "not what is wrong with it");
    // An administrator sees only the own firm, whatever the request asks for.
    let listed = cast.ask("one", Method::GET, "accounts", &Value::Null).await.json();
    assert_eq!(listed["accounts"].as_array().unwrap().len(), 4);
    let firms = cast.ask("one", Method::GET, "firms", &Value::Null).await.json();
    assert_eq!((&firms["firms"][0]["id"], firms["firms"].as_array().unwrap().len()), (&json!(cast.firms[0]), 1));
    let other = format!("accounts?firmId={}", cast.firms[1]);
    assert_eq!(reason(&cast.ask("one", Method::GET, &other, &Value::Null).await), gone);
    let (username, elsewhere) = (
        json!({ "username": "eve", "password": PASSWORD }),
        json!({ "email": "eve@example.com", "password": PASSWORD, "name": "Eve", "firmId": cast.firms[1] }),
    );
    assert_eq!(reason(&cast.ask("one", Method::POST, "accounts", &username).await), none);
    assert_eq!(reason(&cast.ask("one", Method::POST, "accounts", &elsewhere).await), gone);
    assert_eq!(reason(&cast.ask("root", Method::POST, "accounts", &elsewhere).await), ok);
}

#[tokio::test]
async fn nobody_changes_the_own_role_status_or_password_or_deletes_oneself() {
    let cast = Cast::assemble().await;
    let own = format!("accounts/{}", cast.id("one"));
    for (method, path, body) in [
        (Method::PATCH, own.clone(), json!({ "role": "ROLE_VIEWER" })),
        (Method::PATCH, own.clone(), json!({ "status": "ACCOUNT_STATUS_INACTIVE" })),
        (Method::POST, format!("{own}:setPassword"), json!({ "password": "an0ther-pass" })),
        (Method::DELETE, own.clone(), Value::Null),
    ] {
        let answer = cast.ask("one", method.clone(), &path, &body).await;
        assert_eq!(reason(&answer), (400, "VALIDATION".to_owned()), "{method} {path} {body}");
    }
    let renamed = cast.ask("one", Method::PATCH, &own, &json!({ "name": "Ada King" })).await;
    assert_eq!(renamed.json()["account"]["account"]["emailIdentity"]["name"], "Ada King");
    // The account itself sees the change at once. Its token was issued before the change and is still good.
    let me = cast.app.get("/auth/me", &[("token", cast.token("one"))]).await;
    assert_eq!((me.status, &me.json()["name"]), (StatusCode::OK, &json!("Ada King")));
}

#[tokio::test]
async fn a_change_sets_what_it_says_and_nothing_else_and_ends_sessions_where_it_must() {
    let cast = Cast::assemble().await;
    let user = format!("accounts/{}", cast.id("user"));
    let before = cast.account(cast.id("user")).await;
    // These fields of the record cannot be set by any request.
    for (field, value) in
        [("platformAdmin", json!(true)), ("firmId", json!(cast.firms[1])), ("emailVerified", json!(true))]
    {
        let answer = cast.ask("one", Method::PATCH, &user, &json!({ field: value })).await;
        assert!(matches!(answer.status.as_u16(), 200 | 400), "{field}: {answer:?}");
        assert_eq!(cast.account(cast.id("user")).await, before, "{field}");
    }
    let alive = async |who: &str| cast.app.get("/auth/me", &[("token", cast.token(who))]).await.status;
    assert_eq!(alive("user").await, StatusCode::OK);
    let answer = cast.ask("one", Method::PATCH, &user, &json!({ "role": "ROLE_VIEWER" })).await;
    assert_eq!(answer.json()["account"]["account"]["emailIdentity"]["role"], "ROLE_VIEWER");
    assert_eq!(alive("user").await, StatusCode::UNAUTHORIZED, "another role ends sessions at once");

    let login = async |password: &str| {
        let body = json!({ "email": "viewer@one.example", "password": password });
        cast.app.post("/auth/login", &body).await.status
    };
    let viewer = format!("accounts/{}", cast.id("viewer"));
    let short =
        cast.ask("one", Method::POST, &format!("{viewer}:setPassword"), &json!({ "password": "seven77" })).await;
    assert_eq!(reason(&short), (400, "VALIDATION".to_owned()));
    let set =
        cast.ask("one", Method::POST, &format!("{viewer}:setPassword"), &json!({ "password": "an0ther-pass" })).await;
    assert_eq!((set.status, alive("viewer").await), (StatusCode::OK, StatusCode::UNAUTHORIZED));
    assert_eq!(login(PASSWORD).await, StatusCode::BAD_REQUEST);
    assert_eq!(login("an0ther-pass").await, StatusCode::OK);
    let off = json!({ "status": "ACCOUNT_STATUS_INACTIVE" });
    assert_eq!(cast.ask("one", Method::PATCH, &viewer, &off).await.json()["account"]["status"], off["status"]);
    assert_eq!(login("an0ther-pass").await, StatusCode::BAD_REQUEST);
    assert_eq!(cast.ask("root", Method::DELETE, &viewer, &Value::Null).await.status, StatusCode::OK);
    assert_eq!(cast.ask("root", Method::GET, &viewer, &Value::Null).await.status, StatusCode::NOT_FOUND);

    // An account that has lost the administrator role loses its rights at once, whatever its token says.
    let two = format!("accounts/{}", cast.id("two"));
    let other = json!({ "email": "b@two.example", "password": PASSWORD, "name": "B", "role": "ROLE_ADMIN" });
    assert_eq!(cast.ask("two", Method::POST, "accounts", &other).await.status, StatusCode::OK);
    assert_eq!(cast.ask("root", Method::PATCH, &two, &json!({ "role": "ROLE_USER" })).await.status, StatusCode::OK);
    assert_eq!(cast.ask("two", Method::GET, "accounts", &Value::Null).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn accounts_are_listed_page_by_page_and_a_page_token_answers_its_own_question_only() {
    let cast = Cast::assemble().await;
    for query in ["", "&handlePrefix=A", "&status=ACCOUNT_STATUS_ACTIVE"] {
        let all = cast.ask("root", Method::GET, &format!("accounts?pageSize=200{query}"), &Value::Null).await.json();
        let all = all["accounts"].as_array().unwrap().clone();
        let (mut paged, mut token, mut first) = (Vec::new(), String::new(), None);
        loop {
            let path = format!("accounts?pageSize=2{query}&pageToken={token}");
            let page = cast.ask("root", Method::GET, &path, &Value::Null).await.json();
            paged.extend(page["accounts"].as_array().into_iter().flatten().cloned());
            match page["nextPageToken"].as_str().filter(|token| !token.is_empty()) {
                Some(next) => token = next.to_owned(),
                None => break,
            }
            first.get_or_insert(token.clone());
        }
        assert_eq!(paged, all, "{query}");
        let Some(token) = first else { continue };
        for (who, path) in [
            ("root", format!("accounts?role=ROLE_ADMIN&pageToken={token}")),
            ("one", format!("accounts?pageSize=2{query}&pageToken={token}")),
            ("root", format!("firms?pageToken={token}")),
            ("root", format!("auditEvents?pageToken={token}")),
            ("root", format!("accounts?pageToken={}x", token)),
        ] {
            let answer = cast.ask(who, Method::GET, &path, &Value::Null).await;
            assert_eq!(reason(&answer), (400, "VALIDATION".to_owned()), "{who}: {path}");
        }
    }
}

#[tokio::test]
async fn a_platform_administrator_lists_and_ends_the_sessions_of_everyone_and_a_firms_not_those_of_one() {
    let cast = Cast::assemble().await;
    let sessions = async |who: &str, whom: &str| {
        cast.v1(who, Method::GET, &format!("sessions?accountId={}", cast.id(whom)), &Value::Null).await
    };
    for (who, whom, status) in [
        ("root", "stranger", 200),
        ("root", "one", 200),
        ("one", "user", 200),
        ("one", "boss", 404),
        ("two", "user", 404),
    ] {
        assert_eq!(sessions(who, whom).await.status.as_u16(), status, "{who}, {whom}");
    }
    let id = sessions("root", "stranger").await.json()["sessions"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("sessions/{id}");
    assert_eq!(cast.v1("one", Method::DELETE, &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
    assert_eq!(cast.v1("root", Method::DELETE, &path, &Value::Null).await.status, StatusCode::OK);
    let me = cast.app.get("/api/auth/me", &[("token", cast.token("stranger"))]).await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn invitations_and_failed_sign_ins_are_of_the_own_firm() {
    let cast = Cast::assemble().await;
    let grace = json!({ "email": "grace@example.com", "role": "ROLE_VIEWER" });
    let invited = cast.ask("one", Method::POST, "invitations", &grace).await;
    assert_eq!(invited.status, StatusCode::OK, "{}", invited.json());
    let id = invited.json()["invitation"]["id"].as_str().unwrap().to_owned();
    let count = async |who| {
        let list = cast.ask(who, Method::GET, "invitations", &Value::Null).await.json();
        list["invitations"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((count("one").await, count("two").await), (1, 0));
    let taken = json!({ "email": "user@one.example" });
    assert_eq!(reason(&cast.ask("one", Method::POST, "invitations", &taken).await), (409, "HANDLE_TAKEN".to_owned()));
    let path = format!("invitations/{id}");
    assert_eq!(cast.ask("two", Method::DELETE, &path, &Value::Null).await.status, StatusCode::NOT_FOUND);
    assert_eq!(cast.ask("one", Method::DELETE, &path, &Value::Null).await.status, StatusCode::OK);
    assert_eq!(
        (count("one").await, cast.ask("one", Method::DELETE, &path, &Value::Null).await.status.as_u16()),
        (0, 404)
    );

    for _ in 0..10 {
        cast.app.post("/auth/login", &json!({ "email": "user@one.example", "password": "a wrong one" })).await;
    }
    let attempts =
        async |who, handle: &str| cast.ask(who, Method::GET, &format!("attempts?handle={handle}"), &Value::Null).await;
    assert_eq!(attempts("one", "user@one.example").await.json()["failures"], 10);
    assert!(attempts("root", "user@one.example").await.json()["blockedUntil"].is_string());
    for (who, handle, status) in
        [("two", "user@one.example", 404), ("one", "nobody@one.example", 404), ("root", "nobody", 200)]
    {
        assert_eq!(attempts(who, handle).await.status.as_u16(), status, "{who}, {handle}");
    }
    let clear = json!({ "handle": "user@one.example" });
    assert_eq!(cast.ask("two", Method::POST, "attempts:clear", &clear).await.status, StatusCode::NOT_FOUND);
    assert_eq!(cast.ask("one", Method::POST, "attempts:clear", &clear).await.status, StatusCode::OK);
    assert!(attempts("one", "user@one.example").await.json()["blockedUntil"].is_null());
}

#[tokio::test]
async fn the_last_administrator_of_a_firm_keeps_role_and_status_also_by_a_platform_administrator() {
    let cast = Cast::assemble().await;
    let boss = format!("accounts/{}", cast.id("boss"));
    assert_eq!(cast.ask("root", Method::PATCH, &boss, &json!({ "role": "ROLE_USER" })).await.status, StatusCode::OK);
    let one = format!("accounts/{}", cast.id("one"));
    for (method, body) in [
        (Method::PATCH, json!({ "role": "ROLE_USER" })),
        (Method::PATCH, json!({ "status": "ACCOUNT_STATUS_INACTIVE" })),
        (Method::DELETE, Value::Null),
    ] {
        let answer = cast.ask("root", method, &one, &body).await;
        assert_eq!(reason(&answer), (400, "VALIDATION".to_owned()), "{body}");
        let said =
            "account_id is the last active administrator of its firm: make another account an administrator first";
        assert_eq!(answer.json()["message"], said);
    }
    let user = format!("accounts/{}", cast.id("user"));
    assert_eq!(cast.ask("root", Method::PATCH, &user, &json!({ "role": "ROLE_ADMIN" })).await.status, StatusCode::OK);
    assert_eq!(cast.ask("root", Method::DELETE, &one, &Value::Null).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_of_a_session_that_never_was_neither_administers_nor_sees_sessions() {
    let cast = Cast::assemble().await;
    for who in ["root", "one"] {
        let mut claims = forge::claims(cast.token(who));
        claims["sid"] = json!(uuid::Uuid::now_v7());
        let forged = forge::token(&claims);
        for (method, path) in [
            (Method::GET, "/v1/admin/accounts"),
            (Method::GET, "/v1/admin/firms"),
            (Method::GET, "/v1/sessions"),
            (Method::POST, "/v1/sessions:revokeOthers"),
        ] {
            let answer = |token: &str| {
                let headers = [("token", token), ("content-type", "application/json")];
                let body = if method == Method::POST { "{}" } else { "" };
                cast.app.send(request(method.clone(), path, &headers, body.into()))
            };
            assert_eq!(reason(&answer(&forged).await), (401, "TOKEN_INVALID".to_owned()), "{who}: {path}");
            assert_eq!(answer(cast.token(who)).await.status, StatusCode::OK, "{who}: {path}");
        }
    }
}
