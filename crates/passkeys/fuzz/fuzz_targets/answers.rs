//! Answers whose binary parts libFuzzer looks for: it sees which branches an input takes, as the tests of
//! `tests/ceremonies/any_input.rs` do not. Nothing may panic, and no answer may be taken, because none is signed.
//! `bash .ci/run fuzz` runs it under AddressSanitizer.

#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use countersign_passkeys::{
    Account, Authentication, AuthenticationResponse, Challenge, Credential, Identified, Mediation, PublicKey,
    Registration, RegistrationResponse, RelyingParty, UserHandle, UserVerification,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const CHALLENGE: [u8; 32] = [0; 32];

static RELYING_PARTY: LazyLock<RelyingParty> =
    LazyLock::new(|| RelyingParty::parse("example.org", ["https://example.org"]).expect("they are right"));

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn client_data(kind: &str) -> String {
    encode(
        json!({ "type": kind, "challenge": encode(&CHALLENGE), "origin": "https://example.org" })
            .to_string()
            .as_bytes(),
    )
}

fn answer(response: Value) -> String {
    json!({ "id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response }).to_string()
}

fn register(input: &[u8]) -> Option<Credential> {
    let registration = Registration {
        relying_party: &RELYING_PARTY,
        challenge: Challenge::new(CHALLENGE),
        user_verification: UserVerification::Preferred,
        mediation: Mediation::Conditional,
    };
    let response = json!({ "clientDataJSON": client_data("webauthn.create"), "attestationObject": encode(input) });
    let response = RegistrationResponse::parse(&answer(response)).expect("its form is right");
    registration.verify(&response).ok().map(|registered| registered.credential)
}

fn sign_in(input: &[u8], credential: Credential) {
    let authentication = Authentication {
        relying_party: &RELYING_PARTY,
        challenge: Challenge::new(CHALLENGE),
        user_verification: UserVerification::Preferred,
        identified: Identified::Before,
    };
    let response = json!({
        "clientDataJSON": client_data("webauthn.get"),
        "authenticatorData": encode(input),
        "signature": encode(input),
    });
    let response = AuthenticationResponse::parse(&answer(response)).expect("its form is right");
    let handle = UserHandle::parse(&[1]).expect("it has one byte");
    let account = Account { handle: &handle, credentials: &[credential] };
    assert!(authentication.verify(&response, &account).is_err());
}

fuzz_target!(|input: &[u8]| {
    if let Ok(key) = PublicKey::parse(input) {
        assert_eq!(key.as_cose(), input);
    }
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = (RegistrationResponse::parse(text), AuthenticationResponse::parse(text));
    }
    if let Some(credential) = register(input) {
        sign_in(input, credential);
    }
});
