//! Hostile tokens against the whole app: both faces refuse a token with a bad form or signature. Claims are in
//! `token_claims`.

use http::StatusCode;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tonic::Code;

use crate::forge::{HEADER, claims, message, segment, signed, signed_with};
use crate::support::{SECRET, TestApp};
use crate::wire;

/// Asserts that all faces treat a token alike. Returns the gRPC reason, which is empty when the token is accepted.
pub async fn judge(app: &TestApp, name: &str, token: &str) -> String {
    let me = wire::me(app, &[("token", token)]).await;
    let reason = me.reason();
    let accepted = me.code() == Code::Ok;
    // A token that cannot be checked is not called invalid.
    let unknown = reason == "UNAVAILABLE";
    let code = if unknown { Code::Unavailable } else { Code::Unauthenticated };
    assert!(accepted || me.code() == code, "{name}: {:?}", me.status);
    assert_eq!(me.token().is_some(), accepted, "{name}");

    let bearer = format!("Bearer {token}");
    let (ok, refused) = ("", "invalid_token");
    for (path, header, expected) in [
        ("/api/auth/me", ("token", token), StatusCode::NO_CONTENT),
        ("/api/auth/me", ("authorization", bearer.as_str()), StatusCode::NO_CONTENT),
        // The username account is authenticated there, but has no email to show.
        ("/auth/me", ("authorization", bearer.as_str()), StatusCode::FORBIDDEN),
    ] {
        let answer = app.get(path, &[header]).await;
        let refusal = if unknown { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::UNAUTHORIZED };
        assert_eq!(answer.status, if accepted { expected } else { refusal }, "{name} at {path}");
        assert_eq!(answer.header("token").is_some(), accepted, "{name} at {path}");
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains(if accepted || unknown { ok } else { refused }), "{name} at {path}: {challenge:?}");
    }
    reason
}

async fn app_and_payload() -> (TestApp, String) {
    let app = TestApp::start().await;
    let payload = claims(&app.sign_in_username("alice").await).to_string();
    (app, payload)
}

#[tokio::test]
async fn a_token_made_by_hand_as_the_service_makes_them_is_accepted() {
    let (app, payload) = app_and_payload().await;
    for (name, header) in [
        ("ours", HEADER.to_owned()),
        ("no typ", json!({ "alg": "HS256" }).to_string()),
        ("typ in lower case", json!({ "alg": "HS256", "typ": "jwt" }).to_string()),
        ("kid of 256 bytes", json!({ "alg": "HS256", "kid": "k".repeat(256) }).to_string()),
    ] {
        assert_eq!(judge(&app, name, &signed(&message(&header, &payload))).await, "", "{name}");
    }
}

#[tokio::test]
async fn no_header_but_ours_is_accepted_whoever_signed() {
    let (app, payload) = app_and_payload().await;
    let key = json!({ "kty": "oct", "k": segment(SECRET) });
    let mut headers: Vec<(String, String)> = ["none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "HS384", "HS512"]
        .iter()
        .chain(&["RS256", "PS256", "ES256", "EdDSA", "dir"])
        .map(|alg| (format!("alg {alg:?}"), json!({ "alg": alg, "typ": "JWT" }).to_string()))
        .collect();
    let with = |name: &str, value: Value| {
        let mut header: Value = serde_json::from_str(HEADER).unwrap();
        header[name] = value;
        (name.to_owned(), header.to_string())
    };
    headers.extend([
        with("alg", Value::Null),
        with("alg", json!(["HS256"])),
        with("alg", json!(256)),
        with("crit", json!([])),
        with("crit", json!(["exp"])),
        with("zip", json!("DEF")),
        with("b64", json!(false)),
        with("jku", json!("https://evil.example/keys")),
        with("x5u", json!("https://evil.example/certificate")),
        with("jwk", key.clone()),
        with("x5c", json!([segment(SECRET)])),
        with("kid", json!("k".repeat(257))),
        with("kid", json!(1)),
        with("typ", json!("JWE")),
    ]);
    for text in [
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"none"}"#,
        r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
        r#"{"alg":"HS256","typ":"JWT","typ":"JWT"}"#,
        r#"["HS256"]"#,
        r#""HS256""#,
        "null",
        "{}",
        "",
        r#"{"alg":"HS256"}{"#,
        r#"{"alg":"HS256""#,
    ] {
        headers.push((text.to_owned(), text.to_owned()));
    }
    for (name, header) in &headers {
        let message = message(header, &payload);
        for token in [
            signed(&message),
            signed_with(SECRET, Algorithm::HS384, &message),
            signed_with(SECRET, Algorithm::HS512, &message),
            format!("{message}."),
        ] {
            assert_eq!(judge(&app, name, &token).await, "TOKEN_INVALID", "{name}");
        }
    }
}

#[tokio::test]
async fn no_signature_but_ours_is_accepted() {
    let (app, payload) = app_and_payload().await;
    let message = message(HEADER, &payload);
    let good = signed(&message);
    let signature = good.rsplit('.').next().unwrap();
    let swapped = {
        let mut admin = claims(&good);
        admin["username"] = json!("admin");
        format!("{}.{}.{signature}", segment(HEADER), segment(admin.to_string()))
    };
    for (name, token) in [
        ("another secret", signed_with("another secret that is long enough, too", Algorithm::HS256, &message)),
        ("the empty secret", signed_with("", Algorithm::HS256, &message)),
        ("the secret in another case", signed_with(&SECRET.to_uppercase(), Algorithm::HS256, &message)),
        ("HS384 under our header", signed_with(SECRET, Algorithm::HS384, &message)),
        ("HS512 under our header", signed_with(SECRET, Algorithm::HS512, &message)),
        ("empty", format!("{message}.")),
        ("null", format!("{message}.{}", segment("null"))),
        ("the text null", format!("{message}.null")),
        ("zeros", format!("{message}.{}", segment([0; 32]))),
        ("cut short", format!("{message}.{}", &signature[..42])),
        ("a byte more", format!("{message}.{signature}AA")),
        ("twice", format!("{message}.{signature}{signature}")),
        ("of another payload", swapped),
    ] {
        assert_eq!(judge(&app, name, &token).await, "TOKEN_INVALID", "{name}");
    }
}

#[tokio::test]
async fn no_form_but_three_canonical_segments_is_accepted() {
    let (app, payload) = app_and_payload().await;
    let text = message(HEADER, &payload);
    let good = signed(&text);
    let (header, rest) = good.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    // A payload with two spare bits in its last character, and one in which the two base64 alphabets differ.
    let spare = (1..=3).map(|pad| message(HEADER, &format!("{payload}{}", " ".repeat(pad))));
    let spare = spare.into_iter().find(|text| text.split('.').nth(1).unwrap().len() % 4 != 0).unwrap();
    let odd = message(HEADER, &payload.replacen('{', r#"{"pad":"???>>>~~~ÿÿÿþþþ","#, 1));
    assert!(odd.contains(['-', '_']));
    assert_eq!(judge(&app, "the one to be bent", &signed(&spare)).await, "");
    assert_eq!(judge(&app, "the other to be bent", &signed(&odd)).await, "");

    for (name, token) in [
        ("empty segments", "..".to_owned()),
        ("one segment", header.to_owned()),
        ("two segments", text.clone()),
        ("four segments", format!("{good}.{signature}")),
        ("four, the last empty", format!("{good}.")),
        ("four, the first empty", format!(".{good}")),
        ("five segments", format!("{header}.{signature}.{signature}.{body}.{signature}")),
        ("five, signed as a whole", signed(&format!("{text}.{body}.{body}"))),
        ("an empty header", signed(&format!(".{body}"))),
        ("an empty payload", signed(&format!("{header}."))),
        ("flattened JSON", json!({ "protected": header, "payload": body, "signature": signature }).to_string()),
        (
            "general JSON",
            json!({ "payload": body, "signatures": [{ "protected": header, "signature": signature }] }).to_string(),
        ),
        ("padding at the end", format!("{good}=")),
        ("padding of the header", signed(&format!("{header}=.{body}"))),
        ("padding of the payload", signed(&format!("{text}=="))),
        ("space before", format!(" {good}")),
        ("space after", format!("{good} ")),
        ("a tab after", format!("{good}\t")),
        ("space around a dot", format!("{header} .{body}.{signature}")),
        ("space within", signed(&format!("{header}.{} {}", &body[..8], &body[8..]))),
        ("another last character of the signature", format!("{text}.{}", bend(signature))),
        ("another last character of the payload", signed(&bend(&spare))),
        ("the other alphabet", signed(&odd.replace('-', "+").replace('_', "/"))),
        ("quoted", format!("\"{good}\"")),
        ("with a scheme", format!("Bearer {good}")),
        ("two in one", format!("{good}, {good}")),
    ] {
        // `Bearer  x` is the same as `Bearer x`, so this space counts only in the `token` header.
        if name == "space before" {
            assert_eq!(wire::me(&app, &[("token", &token)]).await.reason(), "TOKEN_INVALID", "{name}");
            continue;
        }
        assert_eq!(judge(&app, name, &token).await, "TOKEN_INVALID", "{name}");
    }
}

/// Sets the spare bits of the last character. A careless decoder reads the same bytes.
fn bend(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = ALPHABET.iter().position(|&symbol| symbol == text.as_bytes()[text.len() - 1]).unwrap();
    format!("{}{}", &text[..text.len() - 1], char::from(ALPHABET[last | 1]))
}

#[tokio::test]
async fn no_payload_but_an_object_of_unique_names_is_accepted() {
    let (app, payload) = app_and_payload().await;
    let first = |more: &str| payload.replacen('{', &format!("{{{more},"), 1);
    let last = |more: &str| format!("{},{more}}}", &payload[..payload.len() - 1]);
    for (name, payload) in [
        ("exp twice", first(r#""exp":9999999999"#)),
        ("exp twice, the other order", last(r#""exp":9999999999"#)),
        ("exp twice, once escaped", first(r#""\u0065xp":9999999999"#)),
        ("sub twice", last(r#""sub":"00000000-0000-0000-0000-000000000000""#)),
        ("sid twice, alike", last(&format!(r#""sid":{}"#, serde_json::from_str::<Value>(&payload).unwrap()["sid"]))),
        ("an unknown name twice", first(r#""x":1,"x":1"#)),
        ("an array", format!("[{payload}]")),
        ("a text", json!(payload).to_string()),
        ("null", "null".to_owned()),
        ("no JSON", "sub=alice".to_owned()),
        ("two objects", format!("{payload}{payload}")),
        ("cut short", payload[..payload.len() - 1].to_owned()),
        ("a comma too many", format!("{},}}", &payload[..payload.len() - 1])),
    ] {
        assert_eq!(judge(&app, name, &signed(&message(HEADER, &payload))).await, "TOKEN_INVALID", "{name}");
    }
    let latin = format!("{}.{}", segment(HEADER), segment(b"{\"username\":\"al\xefce\"}"));
    assert_eq!(judge(&app, "no UTF-8", &signed(&latin)).await, "TOKEN_INVALID");
}

#[tokio::test]
async fn a_token_over_eight_kibibytes_is_refused_unread() {
    let (app, payload) = app_and_payload().await;
    let padded = |bytes: usize| {
        let payload = payload.replacen('{', &format!(r#"{{"pad":"{}","#, "x".repeat(bytes)), 1);
        signed(&message(HEADER, &payload))
    };
    let longest = (0..).map(padded).take_while(|token| token.len() <= 8_192).last().unwrap();
    let too_long = (0..).map(padded).find(|token| token.len() > 8_192).unwrap();
    assert!(longest.len() > 8_188 && too_long.len() < 8_197);
    assert_eq!(judge(&app, "the longest", &longest).await, "");
    assert_eq!(judge(&app, "a byte or two more", &too_long).await, "TOKEN_INVALID");
}
