//! The steps of the conversation in `real`: every route of Countersign's own rules, called correctly and in every wrong
//! way. A name in braces stands for a value from an earlier answer of the same side.

use std::collections::HashMap;

use crate::raw::Asked;

/// One request of the conversation.
#[derive(Clone, Copy)]
pub struct Step {
    line: &'static str,
    token: Token,
    body: Option<&'static str>,
    /// The values of the answer that later requests need: a name, and the place in the answer.
    pub keeps: &'static [(&'static str, &'static str)],
}

/// The token that a request carries.
#[derive(Clone, Copy)]
pub enum Token {
    None,
    /// A token in the header `token`.
    As(&'static str),
    /// A token in the header `authorization`.
    Bearer(&'static str),
}

use Token::{As, Bearer};

impl Step {
    pub const fn get(line: &'static str, token: Token) -> Self {
        Self { line, token, body: None, keeps: &[] }
    }

    pub const fn post(line: &'static str, body: &'static str) -> Self {
        Self { line, token: Token::None, body: Some(body), keeps: &[] }
    }

    pub const fn with(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    pub const fn keeps(mut self, keeps: &'static [(&'static str, &'static str)]) -> Self {
        self.keeps = keeps;
        self
    }

    pub fn asked(&self, said: &HashMap<&'static str, String>) -> Asked {
        let fill = |text: &str| {
            said.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
        };
        let mut asked = Asked::new("countersign", &fill(self.line)).with_header("user-agent", "the tests");
        if let Some(body) = self.body {
            asked = asked.with_body(fill(body));
        }
        match self.token {
            Token::None => asked,
            As(token) => asked.with_header("token", &fill(token)),
            Bearer(token) => asked.with_header("authorization", &format!("Bearer {}", fill(token))),
        }
    }
}

const REGISTER: &str = "POST /v1/accounts";
const LOGIN: &str = "POST /v1/sessions:login";
const LOGOUT: &str = "POST /v1/sessions:logout";
const OTHERS: &str = "POST /v1/sessions:revokeOthers";
const ALICE: &str = r#"{"username": "alice", "password": "s3cur3pass"}"#;
const ANN: &str =
    r#"{"email": "Ann@Example.com", "password": "s3cur3pass", "name": "Ann", "firmName": "Example Capital"}"#;
const ANN_LOGIN: &str = r#"{"email": "ann@example.com", "password": "s3cur3pass"}"#;
const BAD: &str = "eyJhbGciOiJIUzI1NiJ9.e30.AAAA";

/// The steps, in this order.
pub const STEPS: &[Step] = &[
    // Register.
    Step::post(REGISTER, ALICE).keeps(&[("alice", "/token"), ("alice_id", "/account/id")]),
    Step::post(REGISTER, ANN),
    Step::post(REGISTER, ALICE),
    Step::post(REGISTER, r#"{"email": "bob@example.com", "password": "s3cur3pass", "name": "B", "firm_name": "F"}"#),
    Step::post(REGISTER, ""),
    Step::post(REGISTER, "{}"),
    Step::post(REGISTER, "{"),
    Step::post(REGISTER, "[]"),
    Step::post(REGISTER, "\"alice\""),
    Step::post(REGISTER, "null"),
    Step::post(REGISTER, r#"{"username": "a", "password": "s"}"#),
    Step::post(REGISTER, r#"{"username": 1, "password": "s3cur3pass"}"#),
    Step::post(REGISTER, r#"{"username": "carol", "password": ["s3cur3pass"]}"#),
    Step::post(REGISTER, r#"{"username": null, "password": "s3cur3pass"}"#),
    Step::post(REGISTER, r#"{"username": "carol", "email": "carol@example.com", "password": "s3cur3pass"}"#),
    Step::post(REGISTER, r#"{"username": "carol", "username": "carola", "password": "s3cur3pass"}"#),
    Step::post(REGISTER, r#"{"username": "carol", "password": "s3cur3pass", "admin": true}"#),
    Step::post(REGISTER, r#"{"username": "carol", "password": "s3cur3pass", "name": "C"}"#),
    Step::post(REGISTER, r#"{"username": "carol", "password": "s3cur3pass"} {}"#),
    Step::post("POST /v1/accounts?username=carol", r#"{"password": "s3cur3pass"}"#),
    Step::get("GET /v1/accounts", Token::None),
    Step::get("PUT /v1/accounts", Token::None),
    Step::post("POST /v1/accounts/", ALICE),
    // Login.
    Step::post(LOGIN, ALICE).keeps(&[("alice2", "/token")]),
    Step::post(LOGIN, ANN_LOGIN).keeps(&[("ann", "/token"), ("ann_id", "/account/id")]),
    Step::post(LOGIN, ANN_LOGIN).keeps(&[("ann2", "/token")]),
    Step::post(LOGIN, r#"{"username": "alice", "password": "wrong-pass"}"#),
    Step::post(LOGIN, r#"{"username": "nobody", "password": "wrong-pass"}"#),
    Step::post(LOGIN, r#"{"username": "alice"}"#),
    Step::post(LOGIN, r#"{"password": "s3cur3pass"}"#),
    Step::post(LOGIN, r#"{"username": "alice", "password": 5}"#),
    Step::post(LOGIN, r#"{"username": "alice", "password": "s3cur3pass", "remember": true}"#),
    Step::post(LOGIN, "{"),
    Step::post(LOGIN, ""),
    Step::post(LOGIN, ALICE).with(As(BAD)),
    Step::get("GET /v1/sessions:login", Token::None),
    Step::post("POST /v1/sessions:nothing", "{}"),
    Step::post("POST /v1/sessions:Login", ALICE),
    Step::post("POST /v1/sessions%3Alogin", ALICE),
    // Me.
    Step::get("GET /v1/me", As("{alice}")),
    Step::get("GET /v1/me", Bearer("{ann}")),
    Step::get("GET /v1/me", Token::None),
    Step::get("GET /v1/me", As(BAD)),
    Step::get("GET /v1/me", Bearer(BAD)),
    Step::get("GET /v1/me", As("")),
    Step::get("GET /v1/me", As("x y")),
    Step::get("GET /v1/me?verbose=true", As("{ann}")),
    Step::get("GET /v1/me?", As("{alice}")),
    // Calls that only one side makes use a session that is not listed below, because its time would differ.
    Step::get("HEAD /v1/me", As("{ann}")),
    Step::get("OPTIONS /v1/me", Token::None),
    Step::get("GET /v1/me/", As("{alice}")),
    Step::get("GET /v1/m%65", As("{alice}")),
    Step::post("POST /v1/me", "{}").with(As("{alice}")),
    // ListSessions.
    Step::get("GET /v1/sessions", As("{alice}")).keeps(&[("session", "/sessions/0/id")]),
    Step::get("GET /v1/sessions?pageSize=1", As("{alice}")).keeps(&[("page", "/nextPageToken")]),
    Step::get("GET /v1/sessions?page_size=1&page_token={page}", As("{alice}")),
    Step::get("GET /v1/sessions?pageToken=nonsense", As("{alice}")),
    Step::get("GET /v1/sessions?pageSize=-1", As("{alice}")),
    Step::get("GET /v1/sessions?pageSize=x", As("{alice}")),
    Step::get("GET /v1/sessions?pageSize=2147483648", As("{alice}")),
    Step::get("GET /v1/sessions?pageSize=1&pageSize=2", As("{alice}")),
    Step::get("GET /v1/sessions?size=1", As("{ann}")),
    Step::get("GET /v1/sessions?accountId={alice_id}", As("{alice}")),
    Step::get("GET /v1/sessions?accountId={ann_id}", As("{alice}")),
    Step::get("GET /v1/sessions", Token::None),
    Step::get("GET /v1/sessions", Bearer(BAD)),
    Step::get("GET /v1/accounts/{alice_id}/sessions", As("{alice}")),
    Step::get("GET /v1/accounts/{alice_id}/sessions?pageSize=1", As("{alice}")),
    Step::get("GET /v1/accounts/{ann_id}/sessions?accountId={alice_id}", As("{ann}")),
    Step::get("GET /v1/accounts/{ann_id}/sessions", As("{alice}")),
    Step::get("GET /v1/accounts/nobody/sessions", As("{alice}")),
    Step::get("GET /v1/accounts/%00/sessions", As("{alice}")),
    Step::get("GET /v1/accounts/%FF/sessions", As("{alice}")),
    Step::get("GET /v1/accounts/a%2Fb/sessions", As("{alice}")),
    Step::get("GET /v1/accounts//sessions", As("{alice}")),
    Step::get("GET /v1/accounts/{alice_id}/sessions", Token::None),
    // RevokeSession.
    Step::get("DELETE /v1/sessions/{session}", Token::None),
    Step::get("DELETE /v1/sessions/{session}", As(BAD)),
    Step::get("DELETE /v1/sessions/{session}", As("{ann}")),
    Step::get("DELETE /v1/sessions/nothing", As("{alice}")),
    Step::get("DELETE /v1/sessions/", As("{alice}")),
    Step::get("DELETE /v1/sessions", As("{alice}")),
    // An id that does not exist, because the gateway ignores the parameter and makes the call.
    Step::get("DELETE /v1/sessions/nothing?force=true", As("{alice}")),
    Step::get("DELETE /v1/sessions/{session}", As("{alice}")),
    Step::get("DELETE /v1/sessions/{session}", As("{alice}")),
    Step::get("GET /v1/sessions/{session}", As("{alice}")),
    // RevokeOtherSessions.
    Step::post(LOGIN, ALICE).keeps(&[("alice3", "/token")]),
    Step::post(OTHERS, "{}"),
    Step::post(OTHERS, "{}").with(As(BAD)),
    Step::post(OTHERS, "{").with(As("{alice}")),
    Step::post(OTHERS, r#"{"accountId": 5}"#).with(As("{alice}")),
    Step::post(OTHERS, r#"{"account": "x"}"#).with(As("{alice}")),
    Step::post(OTHERS, r#"{"accountId": "{ann_id}"}"#).with(As("{alice}")),
    Step::post(OTHERS, "{}").with(As("{alice}")),
    Step::post(OTHERS, "").with(As("{alice}")),
    Step::post(OTHERS, "{}").with(As("{alice3}")),
    Step::post("POST /v1/accounts/{ann_id}/sessions:revokeOthers", "{}").with(Bearer("{ann}")),
    Step::post("POST /v1/accounts/{ann_id}/sessions:revokeOthers", r#"{"accountId": "{alice_id}"}"#)
        .with(Bearer("{ann}")),
    Step::post("POST /v1/accounts/{alice_id}/sessions:revokeOthers", "{}").with(Bearer("{ann}")),
    Step::post("POST /v1/accounts/nobody/sessions:revokeOthers", "{}").with(Bearer("{ann}")),
    Step::post("POST /v1/accounts/{ann_id}/sessions:revokeOthers", "{}"),
    Step::post("POST /v1/accounts/{ann_id}/sessions:revokeOthers", r#"{"nothing": 1}"#).with(Bearer("{ann}")),
    Step::get("GET /v1/me", As("{ann2}")),
    // WatchRevocations, except for its success, which is an endless stream.
    Step::get("GET /v1/revocations:watch", Token::None),
    Step::get("GET /v1/revocations:watch", As("{alice}")),
    Step::get("GET /v1/revocations:watch", Bearer("nothing")),
    Step::get("GET /v1/revocations:watch?cursor=nonsense", Bearer(super::real::CREDENTIAL)),
    Step::get("GET /v1/revocations:watch?from=x", Bearer("nothing")),
    Step::post("POST /v1/revocations:watch", "{}"),
    // IntrospectToken and RevokeToken, of tokens that are none, because good ones differ.
    Step::post("POST /v1/tokens:introspect", r#"{"token": "nothing"}"#),
    Step::post("POST /v1/tokens:introspect", r#"{"token": "nothing"}"#).with(As("{alice}")),
    Step::post("POST /v1/tokens:introspect", r#"{"token": "nothing"}"#).with(Bearer(super::real::CREDENTIAL)),
    Step::post("POST /v1/tokens:introspect", "{}").with(Bearer(super::real::CREDENTIAL)),
    Step::post("POST /v1/tokens:revoke", r#"{"token": "nothing"}"#),
    Step::post("POST /v1/tokens:revoke", r#"{"token": "nothing"}"#).with(Bearer(super::real::CREDENTIAL)),
    Step::post("POST /v1/tokens:revoke", "").with(Bearer(super::real::CREDENTIAL)),
    // ListKeys. The secret signs here.
    Step::get("GET /v1/keys", Token::None),
    Step::get("GET /v1/keys", As("{alice}")),
    // Logout.
    Step::post(LOGOUT, "{}"),
    Step::post(LOGOUT, "{}").with(As(BAD)),
    Step::post(LOGOUT, "{").with(As("{alice}")),
    Step::post(LOGOUT, r#"{"all": true}"#).with(As("{alice}")),
    Step::post("POST /v1/sessions:logout?all=true", "{}").with(As(BAD)),
    Step::post(LOGOUT, "{}").with(As("{alice}")),
    Step::post(LOGOUT, "{}").with(As("{alice}")),
    Step::post(LOGOUT, "").with(Bearer("{ann}")),
    Step::get("GET /v1/me", As("{alice}")),
    Step::get("GET /v1/nothing", Token::None),
    Step::get("GET /v1", Token::None),
    Step::get("GET /v1/", Token::None),
];
