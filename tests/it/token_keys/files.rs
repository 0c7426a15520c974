//! The files that keys depend on: one that cannot be used stops the start with a sentence, and what others can read is
//! told. With the real binary.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_guard::token::{Asymmetric, SigningKey};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ISSUER, kid};
use crate::settings::{good, refuses};
use crate::support::binary::{command, run};
use crate::support::http::call;
use crate::support::postgres::Database;
use crate::support::{Binary, PASSWORD, SECRET};

/// An RSA key of 1,024 bits in PKCS#8.
const SHORT_RSA: &str = "MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAMp6/2AfH5jbcNHUrkl1a2B+5cDjvEDoT5foTYwgvxRVUEsA\
vlbocIYCEZ/lNDuFTMCvpIADadUSkNXjJqFV7vm47jzCbnXgzSEH/xAHHjm4QCoAekqW6u4h7Nwo+OssV0Nh10nJp/xFOTVJJw6iC9EJa1NyjK6OyYgarwYP\
IIeJAgMBAAECgYA3f2z9wKodcJBEwyGeOtPamA2LSCByPfqK7X5L2THmddfTJvoEwiMNaAXCqMUfR1MZQUs6VzUr1LHkHiWZdP9R76C1ZQM/ivxyaJjCaDzU\
KVbMEedhyUfL44Er8evfyC9vNtgFT8tKkdfVURR/da4XGdIUPMoGl65Fxy4wjDC88QJBAP4sHPeW85KvPOTWJ909rWDRxpA9sNp+Hj2NexwI9Mkbx17AXwaB\
b3alb2rGijvTuzG4cPRw2n9auME8XvJQGUUCQQDL77qNtTnncvBHbXE/vFCuqlMRVFVu7mYR/aZpTdPBboq63AcN4H+mn97EbXp2pKu2edXIOiLKM259WQ+Z\
aT91AkBUFOPAQ/9vlujeCrpFRhIE5WB6du36WZ5HXnZLX+saXEYn4huNW2Q0K6Yf/G3ePLzARfOX6X1eg/R6eC4wmq7BAkEAryPbh/W6m823EvCnkMAOXmLC\
YiCWGmW83PiEYO1IzVc850ss97r0hcnIi9MlmBzFpzms4n8i/5n56saAwhSEPQJBANA12kqJcPz+V1mXmDMdRRIWgym39Tsq/HkMXtummuryLjVJiSB1I8tJ\
DdasfrxGH5IhNJ91eyytuL3y54KJtLU=";

fn pem(der: &str) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")
}

/// A new private key in PEM form.
fn key(algorithm: Asymmetric) -> String {
    pem(&STANDARD.encode(SigningKey::generate(algorithm).unwrap().1))
}

/// A file of this content that only its owner can read.
fn file(dir: &Path, name: &str, content: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

/// A server that signs with `algorithm`.
fn server(dir: &Path, algorithm: &str) -> Command {
    let mut command = good(dir);
    command.envs([("TOKEN_ALGORITHM", algorithm), ("ISSUER", ISSUER), ("ALLOW_REGISTRATION", "true")]);
    command
}

async fn register(binary: &Binary, name: &str) -> String {
    let body = json!({ "username": name, "password": PASSWORD });
    let answer = call(binary.address, Method::POST, "/api/auth/register", &[], &body).await.unwrap();
    answer.json()["token"].as_str().unwrap().to_owned()
}

async fn slides(binary: &Binary, token: &str) -> Option<String> {
    let answer = call(binary.address, Method::GET, "/api/auth/me", &[("token", token)], &Value::Null).await.unwrap();
    (answer.status == StatusCode::NO_CONTENT).then(|| answer.token())
}

fn log_of(mut binary: Binary) -> String {
    binary.terminate();
    binary.ended();
    binary.log.lock().unwrap().clone()
}

#[test]
fn a_file_that_is_no_key_for_the_algorithm_stops_the_start_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let [es256, rs256, ed25519] = [Asymmetric::Es256, Asymmetric::Rs256, Asymmetric::EdDsa].map(key);
    let no_pem = "is not the PEM of a private key for ES256";
    for (name, algorithm, content, parts) in [
        ("empty", "ES256", "", &[no_pem, "`openssl genpkey`"][..]),
        ("no key", "ES256", SECRET, &[no_pem]),
        ("cut", "ES256", &es256[..90], &[no_pem]),
        (
            "RSA",
            "ES256",
            &rs256,
            &["holds a key for RS256, and TOKEN_ALGORITHM is ES256", "set TOKEN_ALGORITHM to RS256"],
        ),
        ("EC", "EdDSA", &es256, &["holds a key for ES256, and TOKEN_ALGORITHM is EdDSA"]),
        ("Ed25519", "RS256", &ed25519, &["holds a key for EdDSA, and TOKEN_ALGORITHM is RS256"]),
        ("short", "RS256", &pem(SHORT_RSA), &["an RSA key of less than 2,048 bits", "`openssl genpkey`"]),
        ("secret", "HS256", &es256, &["TOKEN_ALGORITHM is HS256", "leave SIGNING_KEY_FILE out"]),
    ] {
        let path = file(dir.path(), "key.pem", content);
        let parts = [parts, &["SIGNING_KEY_FILE"]].concat();
        refuses(name, server(dir.path(), algorithm).env("SIGNING_KEY_FILE", path), &parts);
    }
    let missing = dir.path().join("missing.pem");
    let parts = ["cannot read SIGNING_KEY_FILE", "missing.pem"];
    refuses("missing", server(dir.path(), "ES256").env("SIGNING_KEY_FILE", missing), &parts);
    refuses("issuer", server(dir.path(), "ES256").env_remove("ISSUER"), &["set ISSUER, or PUBLIC_URL"]);
    for (name, value) in [
        ("TOKEN_ALGORITHM", "none"),
        ("TOKEN_ALGORITHM", "HS512"),
        ("ISSUER", "auth.example.com"),
        ("KEY_ROTATION", "1h"),
        ("TOKEN_AUDIENCE", ""),
    ] {
        refuses(name, server(dir.path(), "ES256").env(name, value), &[&name.to_lowercase().replace('_', "-")]);
    }
    refuses("typo", good(dir.path()).env("MASTER_SECRET", "x"), &["did you mean MASTER_SECRET_FILE"]);
}

#[tokio::test]
async fn a_key_file_that_others_can_read_is_told_and_a_new_key_in_it_signs_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "key.pem", &key(Asymmetric::Es256));
    let start = |algorithm| {
        let mut command = server(dir.path(), algorithm);
        command.env("SIGNING_KEY_FILE", &path);
        command
    };
    let first = Binary::spawn(&mut start("ES256"));
    let old = register(&first, "alice").await;
    let told = log_of(first);
    assert!(!told.contains("SIGNING_KEY_FILE"), "{told}");

    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, key(Asymmetric::Rs256)).unwrap();
    let second = Binary::spawn(&mut start("RS256"));
    let new = slides(&second, &old).await.expect("the former key is accepted");
    assert_ne!(kid(&new), kid(&old));
    let jwks = call(second.address, Method::GET, "/.well-known/jwks.json", &[], &Value::Null).await.unwrap().json();
    let ids: Vec<_> = jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(ids, [&kid(&new), &kid(&old)]);

    // The key that signs can be revoked only once another one is in the file; the former one at any time.
    let revoke = |id: &str| run(command(dir.path()).args(["keys", "revoke", id]), "");
    let refused = revoke(&kid(&new));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("replace the file and restart the servers"),
        "{refused:?}"
    );
    let rotated = run(command(dir.path()).args(["keys", "rotate"]), "");
    assert!(String::from_utf8_lossy(&rotated.stderr).contains("SIGNING_KEY_FILE"), "{rotated:?}");
    assert!(revoke(&kid(&old)).status.success());
    let refused = crate::wire::eventually(super::SOON, async || slides(&second, &old).await.is_none()).await;
    assert!(refused, "the token of a revoked key");
    assert!(slides(&second, &new).await.is_some());
    let told = log_of(second);
    assert!(told.contains("every user of this machine can read the file of SIGNING_KEY_FILE"), "{told}");

    // Keys that the server makes take over from the file.
    let third = Binary::spawn(&mut server(dir.path(), "ES256"));
    let made = slides(&third, &new).await.unwrap();
    assert_ne!(kid(&made), kid(&new));
    let master = fs::metadata(dir.path().join("countersign.db-master")).unwrap();
    assert_eq!(master.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_revoked_key_in_a_file_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["one.pem", "two.pem"].map(|name| file(dir.path(), name, &key(Asymmetric::EdDsa)));
    let start = |path: &Path| {
        let mut command = server(dir.path(), "EdDSA");
        command.env("SIGNING_KEY_FILE", path);
        command
    };
    let old = register(&Binary::spawn(&mut start(&first)), "alice").await;
    drop(Binary::spawn(&mut start(&second)));
    assert!(run(command(dir.path()).args(["keys", "revoke", &kid(&old)]), "").status.success());
    refuses("revoked", &mut start(&first), &["the key of SIGNING_KEY_FILE", &kid(&old), "was revoked"]);
}

#[tokio::test]
async fn a_master_secret_that_is_gone_or_another_stops_the_start_until_new_keys_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let old = register(&Binary::spawn(&mut server(dir.path(), "ES256")), "alice").await;
    let master = dir.path().join("countersign.db-master");
    let kept = fs::read_to_string(&master).unwrap();
    fs::remove_file(&master).unwrap();
    refuses(
        "gone",
        &mut server(dir.path(), "ES256"),
        &["countersign.db-master", "put the file back", "--accept-new-secret"],
    );
    assert!(!master.exists(), "the refused start made one");
    let other = file(dir.path(), "other", "another master secret of the tests, long enough");
    let mut with_other = server(dir.path(), "ES256");
    with_other.env("MASTER_SECRET_FILE", &other);
    refuses("another", &mut with_other, &["was sealed with another master secret", "--accept-new-secret"]);
    let short = file(dir.path(), "short", "short");
    refuses(
        "short",
        server(dir.path(), "ES256").env("MASTER_SECRET_FILE", short),
        &["MASTER_SECRET_FILE must hold", "32 bytes"],
    );

    // A copy of the file opens what it sealed, also after a new secret was put before it.
    let both = file(dir.path(), "both", &format!("a new master secret of the tests, long enough\n{kept}\n"));
    let moved = Binary::spawn(server(dir.path(), "ES256").env("MASTER_SECRET_FILE", &both));
    assert_eq!(kid(&slides(&moved, &old).await.unwrap()), kid(&old));
    drop(moved);

    // New keys sign, and the old tokens are still good, because their public key is in the database.
    let anew = Binary::spawn(with_other.args(["serve", "--accept-new-secret"]));
    let new = slides(&anew, &old).await.unwrap();
    assert_ne!(kid(&new), kid(&old));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_postgresql_the_master_secret_is_required_and_seals_what_is_stored() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = server(dir.path(), "ES256");
        command.env("DATABASE_URL", database.url());
        command
    };
    refuses("no master", &mut start(), &["set MASTER_SECRET_FILE", "the same on every replica", "SIGNING_KEY_FILE"]);
    let master = file(dir.path(), "master", "a master secret of the tests, and of nothing else");
    let binary = Binary::spawn(start().env("MASTER_SECRET_FILE", &master));
    let token = register(&binary, "alice").await;
    let mut behind = database.connect().await;
    let sealed: Vec<String> = sqlx::query_scalar("select sealed_key from token_keys where sealed_key is not null")
        .fetch_all(&mut behind)
        .await
        .unwrap();
    assert_eq!(sealed.len(), 2);
    let copied = dir.path().join("copy.db");
    let to = format!("sqlite:{}", copied.display());
    drop(binary);
    let moved = run(command(dir.path()).args(["migrate-store", "--from", &database.url(), "--to", &to]), "");
    assert!(moved.status.success(), "{moved:?}");
    let copy = Binary::spawn(server(dir.path(), "ES256").env("DATABASE_URL", &to).env("MASTER_SECRET_FILE", &master));
    assert_eq!(kid(&slides(&copy, &token).await.unwrap()), kid(&token));
}
