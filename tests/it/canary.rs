//! A canary in every secret: no secret is found afterwards in the log, on standard output or in the database.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::{
    LoginRequest, LogoutRequest, MeRequest, RegisterRequest, RegisterResponse, login_request, register_request,
};
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::sockets::{Raw, SOON};
use crate::support::binary::{command, run};
use crate::support::http::call;
use crate::support::{Answer, Binary};

/// All secrets begin with this text, so a secret that was cut short is found, too.
const CANARY: &str = "canary";
const SECRET: &str = "canary-secret-of-forty-bytes-or-a-little";
const PASSWORD: &str = "canary-right-password";
const WRONG: &str = "canary-wrong-password";

struct Caller<'a> {
    binary: &'a Binary,
    /// Every token that was issued.
    tokens: Vec<String>,
}

impl Caller<'_> {
    async fn call(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let answer = call(self.binary.address, method, path, headers, body).await.unwrap();
        self.tokens.extend(answer.header("token").map(str::to_owned));
        for field in ["token", "access_token"] {
            let token = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default()[field].clone();
            self.tokens.extend(token.as_str().map(str::to_owned));
        }
        assert!(!answer.status.is_server_error(), "{path}: {answer:?}");
        let said = String::from_utf8_lossy(&answer.body);
        assert!(!said.contains(CANARY), "{path} echoes: {said}");
        answer
    }

    async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, &[], &body).await
    }

    fn last(&self) -> String {
        self.tokens.last().unwrap().clone()
    }
}

async fn username_dialect(caller: &mut Caller<'_>) {
    caller.post("/api/auth/register", json!({ "username": "alice", "password": PASSWORD })).await;
    caller.post("/api/auth/register", json!({ "username": "alice", "password": PASSWORD })).await;
    caller.post("/api/auth/login", json!({ "username": "alice", "password": PASSWORD })).await;
    let token = caller.last();
    caller.call(Method::GET, "/api/auth/me", &[("token", &token)], &Value::Null).await;
    caller.post("/api/auth/login", json!({ "username": "alice", "password": WRONG })).await;
    caller.post("/api/auth/login", json!({ "username": "nobody", "password": WRONG })).await;
    // A user mixes up the two fields, and clients send bad requests.
    caller.post("/api/auth/login", json!({ "username": PASSWORD, "password": "alice-x" })).await;
    caller.post("/api/auth/login", json!({ "username": "canarypass", "password": "alice-x" })).await;
    caller.post("/api/auth/register", json!({ "username": "canarypass\u{0}", "password": PASSWORD })).await;
    caller.post("/api/auth/login", json!({ "username": ["alice"], "password": [PASSWORD] })).await;
    caller.post("/api/auth/login", json!({ "username": "alice", "password": PASSWORD, PASSWORD: 1 })).await;
    caller
        .post(
            "/api/auth/register",
            json!({ "username": "bob", "password": format!("{PASSWORD}{}", "x".repeat(2_000)) }),
        )
        .await;
}

async fn email_dialect(caller: &mut Caller<'_>) {
    let ann = json!({ "email": "ann@example.com", "password": PASSWORD, "name": "Ann", "firm_name": "F" });
    caller.post("/auth/register", ann.clone()).await;
    caller.post("/auth/register", ann).await;
    caller.post("/auth/login", json!({ "email": "ann@example.com", "password": WRONG })).await;
    caller.post("/auth/login", json!({ "email": PASSWORD, "password": WRONG })).await;
    caller.post("/auth/login", json!({ "email": format!("{PASSWORD}@example.com"), "password": WRONG })).await;
    caller.post("/auth/login", json!({ "email": "ann@example.com", "password": PASSWORD })).await;
    let bearer = format!("Bearer {}", caller.last());
    caller.call(Method::POST, "/auth/refresh", &[("authorization", &bearer)], &Value::Null).await;
    caller.call(Method::GET, "/auth/me", &[("authorization", &bearer)], &Value::Null).await;
    caller.call(Method::POST, "/auth/logout", &[("authorization", &bearer)], &Value::Null).await;
    caller.call(Method::GET, "/auth/me", &[("authorization", &bearer)], &Value::Null).await;
}

/// Sends tokens and passwords in places where they do not belong.
async fn strays(caller: &mut Caller<'_>) {
    let token = caller.tokens[0].clone();
    let broken = format!("{}x", caller.tokens[1]);
    for path in [format!("/api/auth/me?token={token}"), format!("/{token}"), format!("/auth/{PASSWORD}")] {
        caller.call(Method::GET, &path, &[], &Value::Null).await;
    }
    for (name, value) in [
        ("token", &*broken),
        ("token", PASSWORD),
        ("authorization", &*format!("Bearer {broken}")),
        ("authorization", &*format!("Basic {}", STANDARD.encode(format!("alice:{PASSWORD}")))),
        ("cookie", &*format!("token={token}")),
        ("x-forwarded-for", PASSWORD),
        ("user-agent", PASSWORD),
        ("request-id", &token),
        ("origin", PASSWORD),
    ] {
        caller.call(Method::GET, "/auth/me", &[(name, value)], &Value::Null).await;
    }
    let head = "POST /auth/login HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n";
    for (length, body) in [
        (100, format!("{{\"email\":\"ann@example.com\",\"password\":\"{PASSWORD}")),
        (60, format!("{{\"password\":\"{PASSWORD}\"}} {PASSWORD} trailing text to its end")),
        (60, format!("\"{PASSWORD}\\x and {PASSWORD} and more than sixty bytes of that\"")),
    ] {
        let request = format!("{head}content-length: {length}\r\n\r\n{body}");
        let mut raw = Raw::saying(caller.binary.address, request).await;
        if body.len() >= length {
            raw.until_closed(SOON).await;
        }
    }
    // Requests that are no HTTP.
    for request in [format!("{PASSWORD}\r\n\r\n"), format!("GET / HTTP/1.1\r\n{PASSWORD}\r\n\r\n")] {
        Raw::saying(caller.binary.address, request + "\r\n\r\n").await.until_closed(SOON).await;
    }
}

async fn grpc(caller: &mut Caller<'_>) {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", caller.binary.address)).unwrap();
    let mut client = AuthServiceClient::new(endpoint.connect().await.unwrap());
    let register = |name: &str| RegisterRequest {
        handle: Some(register_request::Handle::Username(name.to_owned())),
        password: PASSWORD.to_owned(),
        ..RegisterRequest::default()
    };
    let RegisterResponse { token, .. } = client.register(register("carol")).await.unwrap().into_inner();
    caller.tokens.push(token);
    client.register(register("carol")).await.unwrap_err();
    client.register(register(PASSWORD)).await.unwrap_err();
    for password in [PASSWORD, WRONG] {
        let handle = Some(login_request::Handle::Username("carol".to_owned()));
        if let Ok(answer) =
            client.login(LoginRequest { handle, password: password.to_owned(), device: String::new() }).await
        {
            caller.tokens.push(answer.into_inner().token);
        }
    }
    let token: tonic::metadata::AsciiMetadataValue = caller.last().parse().unwrap();
    let mut me = tonic::Request::new(MeRequest {});
    me.metadata_mut().insert("token", token.clone());
    let answer = client.me(me).await.unwrap();
    caller.tokens.push(answer.metadata().get("token").unwrap().to_str().unwrap().to_owned());
    let mut logout = tonic::Request::new(LogoutRequest {});
    logout.metadata_mut().insert("token", token.clone());
    client.logout(logout).await.unwrap();
    let mut me = tonic::Request::new(MeRequest {});
    me.metadata_mut().insert("token", token);
    let refused = client.me(me).await.unwrap_err();
    assert!(!format!("{refused:?}").contains(CANARY));
}

/// Waits for the mail that Ann's registration caused, and returns its one-time token.
async fn sent_to_ann(folder: &Path) -> String {
    let finished = || {
        let mut mails = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        mails.find(|path| path.extension().is_some_and(|extension| extension == "eml"))
    };
    let begun = std::time::Instant::now();
    let mail = loop {
        match finished() {
            Some(mail) => break std::fs::read_to_string(mail).unwrap(),
            None => assert!(begun.elapsed() < SOON, "no mail"),
        }
        tokio::task::yield_now().await;
    };
    assert!(mail.contains("To: ann@example.com"), "{mail}");
    crate::mail::token(&mail)
}

/// Everything that remains: the output of the programs, and every file.
fn left(dir: &Path, said: &[(&str, String)]) -> Vec<(String, Vec<u8>)> {
    let said = said.iter().map(|(name, text)| ((*name).to_owned(), text.clone().into_bytes()));
    let files = std::fs::read_dir(dir).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    });
    said.chain(files).collect()
}

#[tokio::test]
async fn no_secret_is_found_in_what_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (mail, mut with_mail) = (tempfile::tempdir().unwrap(), command(dir.path()));
    with_mail.env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true");
    let mut binary = Binary::spawn(with_mail.env("MAIL_URL", format!("file:{}", mail.path().display())));
    let mut caller = Caller { binary: &binary, tokens: Vec::new() };
    username_dialect(&mut caller).await;
    email_dialect(&mut caller).await;
    grpc(&mut caller).await;
    strays(&mut caller).await;
    let tokens = caller.tokens;
    assert!(tokens.len() >= 10, "{}", tokens.len());
    let ticket = sent_to_ann(mail.path()).await;

    let mut cli = command(dir.path());
    let created = run(cli.env("JWT_SECRET", SECRET).args(["account", "create", "dave"]), &format!("{PASSWORD}\n"));
    assert!(created.status.success());
    let mut cli = command(dir.path());
    let refused = run(cli.env("JWT_SECRET", SECRET).args(["account", "create", "x"]), &format!("{PASSWORD}\n"));
    assert!(!refused.status.success());

    // Read while the server runs, when the WAL file has content, and again after it has ended.
    let mut found = left(dir.path(), &[]);
    assert!(found.iter().any(|(name, bytes)| name == "countersign.db-wal" && !bytes.is_empty()));
    binary.terminate();
    assert!(binary.ended().success());
    let log = binary.log.lock().unwrap().clone();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let said = [
        ("log", log.clone()),
        ("standard output", binary.stdout()),
        ("cli", [created.stdout, created.stderr, refused.stdout, refused.stderr].map(|bytes| text(&bytes)).concat()),
    ];
    found.extend(left(dir.path(), &said));

    let mut needles = vec![CANARY.to_owned(), STANDARD.encode(CANARY), URL_SAFE_NO_PAD.encode(CANARY)];
    for token in &tokens {
        needles.extend(token.split('.').skip(1).map(str::to_owned));
    }
    // The database has the digest of the token, and nothing from which the token could be made.
    let random = URL_SAFE_NO_PAD.decode(&ticket).unwrap();
    let digest: String = Sha256::digest(&ticket).iter().map(|byte| format!("{byte:02x}")).collect();
    let has = |needle: &[u8]| found.iter().any(|(_, bytes)| bytes.windows(needle.len()).any(|window| window == needle));
    assert!(has(digest.as_bytes()) && !has(&random));
    needles.push(ticket);
    for (place, bytes) in &found {
        for needle in &needles {
            let is_there = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!is_there, "{needle} in {place}");
        }
    }
    each_event_is_there(&log);
}

/// Asserts one structured event per registration, login (successful or failed), logout and start, with the caller.
fn each_event_is_there(log: &str) {
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |event: &str, result: &str| {
        let of = |entry: &&Value| entry["event"] == event && entry["result"] == result;
        let entries: Vec<_> = events.iter().filter(of).collect();
        for entry in &entries {
            let span = &entry["span"];
            assert!(span["request_id"].is_string() && span["peer"] == "127.0.0.1", "{entry}");
        }
        entries.len()
    };
    assert_eq!(count("register", "ok"), 3);
    assert_eq!(count("register", "taken"), 3);
    assert_eq!(count("login", "ok"), 3);
    assert_eq!(count("login", "wrong password"), 3);
    assert!(count("login", "unknown account") >= 2);
    assert_eq!(count("logout", "ok"), 2);
    assert_eq!(events.iter().filter(|entry| entry["event"] == "start").count(), 1);
    assert_eq!(events.iter().filter(|entry| entry["event"] == "stop").count(), 1);
}
