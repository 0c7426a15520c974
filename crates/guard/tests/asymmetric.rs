//! Tokens of asymmetric keys: what `jsonwebtoken` makes of ours, what we make of its, and what is refused
//! although the signature is good.

mod support;

use countersign_guard::clock::ManualClock;
use countersign_guard::token::{Asymmetric, Keyring, PublicKey, TokenError};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde_json::{Value, json};

use support::{ALL, ISSUER, NOW, claims, encode, issue, keyring, library, pair, segment, session, signed, tokens};

#[test]
fn the_library_verifies_our_tokens_and_reads_our_claims() {
    let clock = ManualClock::running();
    for algorithm in ALL {
        let pair = pair(algorithm);
        let jwk = pair.ours.public().jwk().clone();
        let ours = tokens(&clock, keyring().signing_with(pair.ours)).with_issuer(ISSUER, Some("shop"));
        let token = issue(&ours, session(2));
        let mut rules = Validation::new(library(algorithm));
        rules.leeway = 0;
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&["shop"]);
        let key = DecodingKey::from_jwk(&jwk).unwrap();
        let read = jsonwebtoken::decode::<Value>(&token, &key, &rules).unwrap();
        assert_eq!(read.header.kid.as_deref(), Some(&*pair.id));
        let names: Vec<_> = read.claims.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = ["aud", "auth_time", "epoch", "exp", "iat", "iss", "session_exp", "sid", "sub", "username"];
        assert_eq!(
            {
                let mut names = names;
                names.sort_unstable();
                names
            },
            expected
        );
        let ours = ours.verify(&token).unwrap();
        assert_eq!((ours.iss.as_deref(), ours.aud.as_slice()), (Some(ISSUER), &["shop".to_owned()][..]));
    }
}

#[test]
fn tokens_that_the_library_signs_are_verified_and_slide() {
    let clock = ManualClock::at(NOW);
    for algorithm in ALL {
        let pair = pair(algorithm);
        let ours = tokens(&clock, keyring().signing_with(pair.ours));
        let mut header = jsonwebtoken::Header::new(library(algorithm));
        header.kid = Some(pair.id);
        for (name, value) in [
            ("iss", json!(ISSUER)),
            // Its key is ours, so a former issuer's name does not sign anybody out.
            ("iss", json!("https://former.example.com")),
            ("aud", json!("shop")),
            ("aud", json!(["shop", "till"])),
        ] {
            let mut claims = claims();
            claims[name] = value;
            let token = jsonwebtoken::encode(&header, &claims, &pair.theirs).unwrap();
            let read = ours.verify(&token).unwrap();
            clock.advance(1);
            let fresh = ours.refresh(&read, None).unwrap().token;
            let fresh = ours.verify(fresh.as_str()).unwrap();
            assert_eq!((fresh.sid, fresh.iat, fresh.iss.as_deref()), (read.sid, read.iat + 1, Some(ISSUER)));
            assert!(fresh.aud.is_empty());
            clock.advance(-1);
        }
    }
}

#[test]
fn the_claims_and_the_header_of_hs256_are_what_they_were() {
    let clock = ManualClock::at(NOW);
    let ours = tokens(&clock, keyring()).with_issuer(ISSUER, Some("shop"));
    let token = issue(&ours, session(2));
    assert_eq!(segment(&token, 0), r#"{"alg":"HS256","typ":"JWT"}"#);
    let expected = "{\"sub\":\"00000000-0000-0000-0000-000000000001\",\"sid\":\"00000000-0000-0000-0000-000000000002\",\
        \"epoch\":0,\"auth_time\":1800000000,\"iat\":1800000000,\"exp\":1800000600,\"session_exp\":1800086400,\
        \"username\":\"ada\"}";
    assert_eq!(segment(&token, 1), expected);
}

#[test]
fn no_header_but_that_of_the_key_is_accepted_whoever_signed() {
    let clock = ManualClock::at(NOW);
    for algorithm in ALL {
        let pair = pair(algorithm);
        let public = pair.ours.public().clone();
        let ours = tokens(&clock, keyring().signing_with(pair.ours));
        let good = json!({ "alg": algorithm.name(), "typ": "JWT", "kid": pair.id });
        let with = |name: &str, value: Value| {
            let mut header = good.clone();
            header[name] = value;
            header.to_string()
        };
        let sign = |header: &str| signed(header, &claims().to_string(), &pair.theirs, library(algorithm));
        let without_typ = json!({ "kid": pair.id, "alg": algorithm.name() }).to_string();
        for header in [&good.to_string(), &with("typ", json!("jwt")), &without_typ] {
            ours.verify(&sign(header)).unwrap();
        }
        let jwk = serde_json::to_value(public.jwk()).unwrap();
        let name = algorithm.name();
        let mut headers: Vec<_> = ["none", "", "HS256", "HS512", "ES384", "RS512", "PS256", &name.to_lowercase()]
            .map(|alg| with("alg", json!(alg)))
            .into();
        headers.extend(ALL.iter().filter(|other| **other != algorithm).map(|other| with("alg", json!(other.name()))));
        headers.extend([
            with("crit", json!([])),
            with("crit", json!(["exp"])),
            with("zip", json!("DEF")),
            with("b64", json!(false)),
            with("jku", json!("https://evil.example/keys")),
            with("x5u", json!("https://evil.example/certificate")),
            with("jwk", jwk.clone()),
            with("x5c", json!([jwk["x"]])),
            with("typ", json!("at+jwt")),
            with("kid", json!("unknown")),
            with("kid", json!("")),
            with("kid", json!(1)),
            with("kid", Value::Null),
            with("kid", json!("k".repeat(257))),
            json!({ "alg": name, "typ": "JWT" }).to_string(),
            format!(r#"{{"alg":"{name}","alg":"{name}","kid":"{}"}}"#, pair.id),
            format!(r#"{{"alg":"{name}","kid":"{0}","kid":"{0}"}}"#, pair.id),
            format!(r#"["{name}","JWT","{}"]"#, pair.id),
            String::new(),
        ]);
        for header in &headers {
            assert_eq!(ours.verify(&sign(header)), Err(TokenError::Invalid), "{header}");
        }
        // The public key as the secret of HS256, in each form in which it is handed out.
        for secret in [jwk.to_string(), jwk["x"].to_string(), jwk["n"].to_string(), pair.id.clone()] {
            let secret = EncodingKey::from_secret(secret.as_bytes()).unwrap();
            for header in [with("alg", json!("HS256")), r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(), good.to_string()] {
                let token = signed(&header, &claims().to_string(), &secret, Algorithm::HS256);
                assert_eq!(ours.verify(&token), Err(TokenError::Invalid), "{header}");
            }
        }
    }
}

#[test]
fn no_second_spelling_of_a_token_is_accepted() {
    let clock = ManualClock::at(NOW);
    for algorithm in ALL {
        let ours = tokens(&clock, keyring().signing_with(pair(algorithm).ours));
        let theirs = tokens(&clock, keyring().signing_with(pair(algorithm).ours));
        let token = issue(&ours, session(2));
        let (message, signature) = token.rsplit_once('.').unwrap();
        ours.verify(&token).unwrap();
        assert_eq!(theirs.verify(&token), Err(TokenError::Invalid));
        let [header, payload] = [0, 1].map(|index| message.split('.').nth(index).unwrap());
        let standard = signature.replace('-', "+").replace('_', "/");
        let unused = signature[..signature.len() - 1].to_owned();
        let last = signature.chars().last().unwrap();
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let others = alphabet.chars().filter(|other| *other != last).map(|other| format!("{message}.{unused}{other}"));
        let mut bad: Vec<_> = others.collect();
        bad.extend([
            format!("{token}="),
            format!("{token}A"),
            format!("{token} "),
            format!(" {token}"),
            format!("{token}\n"),
            format!("{message}."),
            message.to_owned(),
            format!("{message}.{}", &signature[..signature.len() - 4]),
            format!("{message}.{signature}{signature}"),
            format!("{message}.{}", encode(vec![0; signature.len() * 3 / 4])),
            format!("{header}=.{payload}.{signature}"),
            format!("{header}..{payload}.{signature}"),
            format!("{header}.{payload}.{payload}.{payload}.{signature}"),
            format!("{token}{}", "A".repeat(8_192)),
        ]);
        if standard != signature {
            bad.push(format!("{message}.{standard}"));
        }
        for bad in &bad {
            assert_eq!(ours.verify(bad), Err(TokenError::Invalid), "{bad}");
        }
    }
}

#[test]
fn claims_that_the_library_lets_pass_are_refused() {
    let clock = ManualClock::at(NOW);
    let pair = pair(Asymmetric::Es256);
    let ours = tokens(&clock, keyring().signing_with(pair.ours));
    let header = json!({ "alg": "ES256", "kid": pair.id }).to_string();
    let good = claims().to_string();
    let sign = |claims: &str| signed(&header, claims, &pair.theirs, Algorithm::ES256);
    ours.verify(&sign(&good)).unwrap();
    for (name, value) in [
        ("iss", json!([ISSUER])),
        ("iss", json!(1)),
        ("iss", Value::Null),
        ("aud", json!(1)),
        ("aud", json!([1])),
        ("aud", Value::Null),
    ] {
        let mut claims = claims();
        claims[name] = value.clone();
        assert_eq!(ours.verify(&sign(&claims.to_string())), Err(TokenError::Invalid), "{name}: {value}");
    }
    for name in ["iss", "exp", "sub", "aud"] {
        let twice = format!(r#"{{"aud":"a","{name}":"{ISSUER}",{}"#, &good[1..]);
        assert_eq!(ours.verify(&sign(&twice)), Err(TokenError::Invalid), "{name} twice");
    }
}

#[test]
fn a_signature_of_ecdsa_in_asn1_is_refused() {
    let clock = ManualClock::at(NOW);
    let (ours, pkcs8) = countersign_guard::token::SigningKey::generate(Asymmetric::Es256).unwrap();
    let header = json!({ "alg": "ES256", "kid": ours.public().id() }).to_string();
    let message = format!("{}.{}", encode(&header), encode(claims().to_string()));
    let random = aws_lc_rs::rand::SystemRandom::new();
    let sign = |algorithm| {
        let key = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8).unwrap();
        format!("{message}.{}", encode(key.sign(&random, message.as_bytes()).unwrap()))
    };
    let public = PublicKey::from_jwk(ours.public().jwk()).unwrap();
    let reader = tokens(&clock, Keyring::new(&support::secret("one"), None).accepting(public));
    reader.verify(&sign(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING)).unwrap();
    let asn1 = sign(&aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING);
    assert_eq!(reader.verify(&asn1), Err(TokenError::Invalid));
}
