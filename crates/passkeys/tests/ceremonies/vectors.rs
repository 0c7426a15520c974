//! The test vectors of WebAuthn Level 3, which `vectors/make.py` computes from their definition.

use crate::support::{decode, handle, relying_party, verify_registration, verify_sign_in};
use countersign_passkeys::{Account, Authentication, Registration};
use countersign_passkeys::{Algorithm, Challenge, Identified, Mediation, Reason, UserVerification};
use serde_json::{Value, json};

fn challenge(ceremony: &Value) -> Challenge {
    Challenge::new(decode(ceremony["challenge"].as_str().unwrap()).try_into().unwrap())
}

fn response(vector: &Value, ceremony: &str) -> Value {
    let id = &vector["credentialId"];
    json!({ "id": id, "rawId": id, "type": "public-key", "response": vector[ceremony], "clientExtensionResults": {} })
}

#[test]
fn the_vectors_of_the_specification_hold() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("vectors/specification.json")).unwrap();
    let relying_party = relying_party();
    let mut seen = Vec::new();
    for vector in &vectors {
        let name = vector["name"].as_str().unwrap();
        let registration = Registration {
            relying_party: &relying_party,
            challenge: challenge(&vector["registration"]),
            // Some of them have no user verification.
            user_verification: UserVerification::Preferred,
            mediation: Mediation::Asked,
        };
        let authentication = Authentication {
            relying_party: &relying_party,
            challenge: challenge(&vector["authentication"]),
            user_verification: UserVerification::Preferred,
            identified: Identified::Before,
        };
        let registered = verify_registration(&registration, &response(vector, "registration"));
        if name.ends_with("crossOrigin") || name.ends_with("topOrigin") {
            assert_eq!(registered, Err(Reason::Framed), "{name}");
            continue;
        }
        let credentials = [registered.expect(name).credential];
        let account = Account { handle: &handle(), credentials: &credentials };
        let signed_in = verify_sign_in(&authentication, &response(vector, "authentication"), &account).expect(name);
        assert_eq!(signed_in.credential, &credentials[0], "{name}");
        seen.push((name, credentials[0].public_key.algorithm()));
    }
    let expected = [
        ("none.ES256", Algorithm::Es256),
        ("packed-self.ES256", Algorithm::Es256),
        ("none.ES256.long-credential-id", Algorithm::Es256),
        ("packed.RS256", Algorithm::Rs256),
        ("packed.EdDSA", Algorithm::EdDsa),
    ];
    assert_eq!(seen, expected);
}
