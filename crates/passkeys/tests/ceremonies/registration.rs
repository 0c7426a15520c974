//! Registrations: the options, the answers that are taken, and each answer that is not.

use crate::support::{
    AT, Answer, BE, BS, Device, ED, Key, Site, TIMEOUT, UP, UV, attestation_object, cbor_bytes, decode, encode, sha256,
    verify_registration,
};
use countersign_passkeys::{
    Algorithm, Backup, Counter, CredentialId, Descriptor, LONGEST_RESPONSE, Mediation, Part, Reason, Registered,
    Registration, RelyingParty, Transport, User, UserVerification,
};
use serde_json::{Value, json};

/// Registers a new device, whose answer is bent.
fn register(bend: impl FnOnce(&mut Answer)) -> Result<Registered, Reason> {
    let site = Site::new();
    let response = Device::new(Key::es256()).register(&site.registration_options(), bend);
    verify_registration(&site.registration(), &response)
}

/// Registers a new device, whose answer is changed on its way.
fn change(change: impl FnOnce(&mut Value)) -> Result<Registered, Reason> {
    let site = Site::new();
    let mut response = Device::new(Key::es256()).register(&site.registration_options(), |_| {});
    change(&mut response);
    verify_registration(&site.registration(), &response)
}

#[test]
fn the_options_are_those_of_webauthn() {
    let site = Site::new();
    let user = User { handle: &site.handle, name: "ann@example.org", display_name: "Ann" };
    let known = Descriptor { id: CredentialId::parse(&[1, 2, 3]).unwrap(), transports: vec![Transport::SmartCard] };
    assert_eq!(
        site.registration().options(&user, [&known], TIMEOUT),
        json!({
            "rp": { "id": "example.org", "name": "example.org" },
            "user": { "id": encode(b"an account"), "name": "ann@example.org", "displayName": "Ann" },
            "challenge": encode(site.challenge.as_bytes()),
            "pubKeyCredParams": [
                { "type": "public-key", "alg": -7 },
                { "type": "public-key", "alg": -8 },
                { "type": "public-key", "alg": -257 },
            ],
            "timeout": 300_000,
            "excludeCredentials": [{ "type": "public-key", "id": "AQID", "transports": ["smart-card"] }],
            "authenticatorSelection": {
                "residentKey": "preferred",
                "requireResidentKey": false,
                "userVerification": "required",
            },
            "attestation": "none",
            "extensions": { "credProps": true },
        })
    );
}

#[test]
fn each_algorithm_is_registered() {
    for (key, algorithm) in
        [(Key::es256(), Algorithm::Es256), (Key::ed_dsa(), Algorithm::EdDsa), (Key::rs256(), Algorithm::Rs256)]
    {
        let (site, device) = (Site::new(), Device::new(key));
        let response = device.register(&site.registration_options(), |answer| answer.counter = 7);
        let registered = verify_registration(&site.registration(), &response).unwrap();
        let credential = &registered.credential;
        assert_eq!(credential.descriptor.id.as_bytes(), device.credential_id);
        assert_eq!(credential.descriptor.transports, [Transport::Internal, Transport::Hybrid]);
        assert_eq!(
            (credential.public_key.algorithm(), credential.public_key.as_cose()),
            (algorithm, &*device.key.cose())
        );
        assert_eq!((credential.counter, credential.backup), (Counter::new(7), Backup::BackedUp));
        assert_eq!((registered.user_verified, registered.discoverable, registered.aaguid), (true, Some(true), [9; 16]));
    }
}

#[test]
fn client_data_of_another_page_or_time_are_refused() {
    let old = encode(&[7; 32]);
    let cases: [(&str, Value, Reason); 11] = [
        ("type", json!("webauthn.get"), Reason::OtherCeremony),
        ("type", json!("payment.get"), Reason::OtherCeremony),
        ("challenge", json!(old), Reason::OtherChallenge),
        ("challenge", json!(""), Reason::OtherChallenge),
        ("origin", json!("https://example.com"), Reason::OtherOrigin),
        ("origin", json!("https://evil.example.org"), Reason::OtherOrigin),
        ("origin", json!("http://example.org"), Reason::OtherOrigin),
        ("crossOrigin", json!(true), Reason::Framed),
        ("topOrigin", json!("https://example.com"), Reason::Framed),
        ("origin", json!(["https://example.org"]), Reason::Malformed(Part::ClientData)),
        ("challenge", Value::Null, Reason::Malformed(Part::ClientData)),
    ];
    for (member, value, reason) in cases {
        let text = value.to_string();
        assert_eq!(register(|answer| answer.client[member] = value), Err(reason), "{member} {text}");
    }
}

#[test]
fn client_data_may_begin_with_a_byte_order_mark() {
    let marked = |change_json: fn(&mut Vec<u8>)| {
        change(|response| {
            let client_data = &mut response["response"]["clientDataJSON"];
            let mut json = decode(client_data.as_str().unwrap());
            change_json(&mut json);
            *client_data = json!(encode(&json));
        })
    };
    assert!(marked(|json| *json = [&b"\xef\xbb\xbf"[..], json].concat()).is_ok());
    assert_eq!(marked(|json| json.push(b'}')), Err(Reason::Malformed(Part::ClientData)));
    assert_eq!(marked(|json| json.push(0xff)), Err(Reason::Malformed(Part::ClientData)));
    let twice = |json: &mut Vec<u8>| *json = [b"{\"origin\":\"https://example.com\",", &json[1..]].concat();
    assert_eq!(marked(twice), Err(Reason::Malformed(Part::ClientData)));
}

#[test]
fn authenticator_data_of_another_service_or_without_a_user_are_refused() {
    assert_eq!(register(|answer| answer.rp_id = "example.com"), Err(Reason::OtherRelyingParty));
    assert_eq!(register(|answer| answer.flags = AT | UV), Err(Reason::UserAbsent));
    assert_eq!(register(|answer| answer.flags = AT | UP), Err(Reason::UserUnverified));
    assert_eq!(register(|answer| answer.flags = AT | UP | UV | BS), Err(Reason::BackedUpButIneligible));
    assert_eq!(register(|answer| answer.flags = UP | UV), Err(Reason::MisplacedCredential));
    assert_eq!(register(|answer| answer.flags = AT | UP | UV).unwrap().credential.backup, Backup::DeviceBound);
    assert_eq!(register(|answer| answer.flags = AT | UP | UV | BE).unwrap().credential.backup, Backup::Eligible);
}

#[test]
fn user_verification_and_presence_are_policies() {
    let site = Site::new();
    let preferred = Registration { user_verification: UserVerification::Preferred, ..site.registration() };
    let conditional = Registration { mediation: Mediation::Conditional, ..preferred.clone() };
    let options = site.registration_options();
    let device = Device::new(Key::es256());
    let present = device.register(&options, |answer| answer.flags = AT | UP);
    assert!(!verify_registration(&preferred, &present).unwrap().user_verified);
    let silent = device.register(&options, |answer| answer.flags = AT | BE | BS);
    assert_eq!(verify_registration(&preferred, &silent), Err(Reason::UserAbsent));
    assert!(!verify_registration(&conditional, &silent).unwrap().user_verified);
}

#[test]
fn extensions_are_read_over_and_other_bytes_are_refused() {
    let with = |flag: u8, extensions: &[u8]| {
        register(|answer| (answer.flags, answer.extensions) = (answer.flags | flag, extensions.to_vec()))
    };
    let malformed = Err(Reason::Malformed(Part::AuthenticatorData));
    assert!(with(ED, b"\xa1\x6bcredProtect\x02").is_ok());
    assert_eq!(with(ED, b""), malformed);
    assert_eq!(with(ED, b"\x01"), malformed);
    assert_eq!(with(ED, b"\xa0\x00"), malformed);
    assert_eq!(with(0, b"\xa0"), malformed);
}

#[test]
fn a_key_has_the_parameters_of_its_algorithm() {
    let key = Key::es256().cose();
    let (point, ed) = (&key[8..], &Key::ed_dsa().cose()[8..]);
    let malformed = Reason::Malformed(Part::PublicKey);
    let cases: [(&str, Vec<u8>, Reason); 13] = [
        ("nothing", vec![], malformed),
        ("no map", vec![0x80], malformed),
        ("no algorithm", vec![0xa1, 1, 2], malformed),
        ("ES384", [&[0xa5, 1, 2, 3, 0x38, 0x22, 0x20, 2, 0x21], point].concat(), Reason::OtherAlgorithm),
        ("HMAC", [&[0xa5, 1, 2, 3, 5, 0x20, 1, 0x21], point].concat(), Reason::OtherAlgorithm),
        ("another curve", [&[0xa5, 1, 2, 3, 0x26, 0x20, 2, 0x21], point].concat(), malformed),
        ("another kind", [&[0xa5, 1, 1, 3, 0x26, 0x20, 1, 0x21], point].concat(), malformed),
        ("an optional parameter", [&[0xa6, 1, 2, 4, 0x81, 2, 3, 0x26, 0x20, 1, 0x21], point].concat(), malformed),
        ("a point off the curve", [&key[..key.len() - 1], &[key[key.len() - 1] ^ 1]].concat(), malformed),
        ("the point zero", [&key[..8], &cbor_bytes(&[0; 32]), &[0x22], &cbor_bytes(&[0; 32])].concat(), malformed),
        ("a compressed point", [&key[..42], &[0x22, 0xf5]].concat(), malformed),
        ("Ed448", [&[0xa4, 1, 1, 3, 0x27, 0x20, 7, 0x21], ed].concat(), malformed),
        (
            "RSA of 1,024 bits",
            [&[0xa4, 1, 3, 3, 0x39, 1, 0, 0x20], &*cbor_bytes(&[0xc5; 128]), &[0x21], &cbor_bytes(&[1, 0, 1])].concat(),
            malformed,
        ),
    ];
    for (name, cose, reason) in cases {
        assert_eq!(register(|answer| answer.cose = cose), Err(reason), "{name}");
    }
}

#[test]
fn an_attestation_that_a_browser_may_pass_on_is_judged() {
    let with = |format: &'static str, statement: &[u8]| {
        register(|answer| (answer.format, answer.statement) = (format, statement.to_vec()))
    };
    assert_eq!(with("none", b"\xa1\x61a\x00"), Err(Reason::FalseAttestation));
    assert_eq!(with("none", b"\x80"), Err(Reason::Malformed(Part::AttestationObject)));
    assert_eq!(with("packed", b"\xa0"), Err(Reason::FalseAttestation));
    assert_eq!(with("packed", b"\xa2\x63alg\x26\x63sig\x41\x00"), Err(Reason::FalseAttestation));
    assert_eq!(with("packed", b"\xa2\x63alg\x26\x63sig\x00"), Err(Reason::FalseAttestation));
}

#[test]
fn a_statement_about_a_model_is_not_judged() {
    for format in ["packed", "tpm", "apple", "fido-u2f", "android-key", "later"] {
        let registered = register(|answer| {
            (answer.format, answer.statement) = (format, b"\xa2\x63sig\x41\x00\x63x5c\x81\x41\x00".to_vec());
        });
        assert!(registered.is_ok(), "{format}");
    }
}

#[test]
fn an_attestation_object_that_lies_about_lengths_is_refused() {
    let malformed = Err(Reason::Malformed(Part::AttestationObject));
    let nested = [vec![0x81; 30_000], vec![0x80]].concat();
    let whole: [(&str, Vec<u8>); 7] = [
        ("nothing", vec![]),
        ("no map", vec![0x80]),
        ("an empty map", vec![0xa0]),
        ("levels without end", nested[..20_000].to_vec()),
        ("a map of 2^64 - 1 entries", vec![0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("bytes of 4 GiB", b"\xa1\x68authData\x5a\xff\xff\xff\xff".to_vec()),
        ("an indefinite map", b"\xbf\x63fmt\x64none\xff".to_vec()),
    ];
    for (name, object) in whole {
        let refused = change(|response| response["response"]["attestationObject"] = json!(encode(&object)));
        assert_eq!(refused, malformed, "{name}");
    }
    let lies = register(|answer| {
        answer.credential_id.truncate(4);
        answer.cose = vec![0xff; 3];
    });
    assert_eq!(lies, Err(Reason::Malformed(Part::PublicKey)));
    let cut = |length: usize| {
        let data = &sha256(b"example.org");
        let data = [&data[..], &[UP | UV | AT, 0, 0, 0, 0], &[9; 16], &[0xff, 0xff], &[0; 40]].concat();
        let object = attestation_object("none", &[0xa0], &data[..length]);
        change(|response| response["response"]["attestationObject"] = json!(encode(&object)))
    };
    for length in 0..=95 {
        assert_eq!(cut(length), Err(Reason::Malformed(Part::AuthenticatorData)), "{length}");
    }
}

#[test]
fn an_answer_names_one_credential() {
    let other = encode(&[1; 32]);
    assert_eq!(change(|response| response["id"] = json!(other)), Err(Reason::TwoCredentials));
    let both = change(|response| (response["id"], response["rawId"]) = (json!(other), json!(other)));
    assert_eq!(both, Err(Reason::TwoCredentials));
    assert_eq!(change(|response| response["type"] = json!("password")), Err(Reason::OtherCredentialType));
    for id in [vec![], vec![1; 1024]] {
        let id = encode(&id);
        let refused = change(|response| (response["id"], response["rawId"]) = (json!(id), json!(id)));
        assert_eq!(refused, Err(Reason::Malformed(Part::Response)));
    }
}

#[test]
fn an_answer_of_another_form_is_refused() {
    let malformed = Err(Reason::Malformed(Part::Response));
    assert_eq!(change(|response| *response = json!("passkey")), malformed);
    assert_eq!(change(|response| response["response"] = Value::Null), malformed);
    assert_eq!(change(|response| response["response"]["clientDataJSON"] = json!("a=")), malformed);
    assert_eq!(change(|response| response["response"]["clientDataJSON"] = json!("+/8")), malformed);
    assert_eq!(change(|response| response["response"]["attestationObject"] = json!([1, 2])), malformed);
    let long = "a".repeat(LONGEST_RESPONSE);
    assert_eq!(change(|response| response["more"] = json!(long)), Err(Reason::TooLong));
    assert!(change(|response| response["more"] = json!({ "later": true })).is_ok());
    assert!(change(|response| response["clientExtensionResults"] = json!({})).unwrap().discoverable.is_none());
}

#[test]
fn localhost_works_without_settings() {
    let mut site = Site::new();
    site.relying_party = RelyingParty::parse("localhost", []).unwrap();
    let response = Device::new(Key::es256()).register(&site.registration_options(), |answer| {
        answer.rp_id = "localhost";
        answer.client["origin"] = json!("http://localhost:3008");
    });
    assert!(verify_registration(&site.registration(), &response).is_ok());
}
