//! No input makes the crate panic, or work for more than some milliseconds. The inputs are random, or right ones with
//! some bytes changed, so that they reach every reader.

use std::time::{Duration, Instant};

use countersign_passkeys::{
    Account, AuthenticationResponse, LONGEST_RESPONSE, PublicKey, RegistrationResponse, RelyingParty,
};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::support::{AT, Device, ED, Key, Site, decode, encode, verify_registration, verify_sign_in};

/// What is done to a byte: it is replaced, removed, or doubled.
#[derive(Debug, Clone)]
struct Change {
    at: Index,
    kind: u8,
    byte: u8,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    // Bytes that are heads of CBOR and DER come more often than others.
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(vec![0x00, 0x1b, 0x5b, 0x7f, 0x80, 0x9f, 0xbb, 0xff])];
    let change = (any::<Index>(), 0..4_u8, byte).prop_map(|(at, kind, byte)| Change { at, kind, byte });
    proptest::collection::vec(change, 1..4)
}

fn apply(changes: &[Change], bytes: &mut Vec<u8>) {
    for change in changes {
        if bytes.is_empty() {
            return;
        }
        let at = change.at.index(bytes.len());
        match change.kind {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, change.byte),
            2 => bytes.truncate(at),
            _ => bytes[at] = change.byte,
        }
    }
}

fn apply_to(changes: &[Change], member: &mut Value) {
    let mut bytes = decode(member.as_str().unwrap());
    apply(changes, &mut bytes);
    *member = json!(encode(&bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text: String) {
        let _ = (RegistrationResponse::parse(&text), AuthenticationResponse::parse(&text));
        let _ = RelyingParty::parse(&text, [text.as_str()]);
    }

    #[test]
    fn no_key_panics(bytes in proptest::collection::vec(any::<u8>(), 0..128), changes in changes()) {
        let _ = PublicKey::parse(&bytes);
        let mut key = Key::es256().cose();
        apply(&changes, &mut key);
        let _ = PublicKey::parse(&key);
    }

    #[test]
    fn no_changed_registration_panics(
        member in proptest::sample::select(vec!["clientDataJSON", "attestationObject"]),
        changes in changes(),
    ) {
        let site = Site::new();
        let mut response = Device::new(Key::es256()).register(&site.registration_options(), |answer| {
            answer.flags |= ED;
            answer.extensions = b"\xa1\x6bcredProtect\x02".to_vec();
            answer.format = "packed";
            answer.statement = b"\xa3\x63alg\x26\x63sig\x41\x00\x63x5c\x81\x41\x00".to_vec();
        });
        apply_to(&changes, &mut response["response"][member]);
        let _ = verify_registration(&site.registration(), &response);
    }

    #[test]
    fn no_changed_sign_in_is_taken(
        member in proptest::sample::select(vec!["clientDataJSON", "authenticatorData", "signature"]),
        changes in changes(),
    ) {
        let (site, device) = (Site::new(), Device::new(Key::ed_dsa()));
        let credentials = [site.registered(&device)];
        let right = device.sign_in(&site.authentication_options(), |_| {});
        let mut response = right.clone();
        apply_to(&changes, &mut response["response"][member]);
        let account = Account { handle: &site.handle, credentials: &credentials };
        let taken = verify_sign_in(&site.authentication(), &response, &account).is_ok();
        prop_assert_eq!(taken, response == right);
    }
}

/// The most that a reader may have to do: values without number, levels without end, keys to compare.
#[test]
fn the_worst_answers_are_refused_within_milliseconds() {
    let site = Site::new();
    let device = Device::new(Key::rs256());
    let room = LONGEST_RESPONSE / 2;
    let keys: Vec<u8> = (0..room / 4).flat_map(|key| [0x19, (key >> 8) as u8 | 1, key as u8, 0]).collect();
    let worst: [(&str, Vec<u8>); 4] = [
        ("levels", vec![0x81; room]),
        ("values", [&[0x99, 0xff, 0xff][..], &vec![0; room]].concat()),
        ("keys", [&[0xb9, 0xff, 0xff][..], &keys].concat()),
        ("texts", [&[0x99, 0xff, 0xff][..], &vec![0x60; room]].concat()),
    ];
    for (name, cbor) in worst {
        let as_extensions = device.register(&site.registration_options(), |answer| {
            answer.flags |= ED;
            answer.extensions.clone_from(&cbor);
        });
        let mut as_object = device.register(&site.registration_options(), |answer| answer.flags |= AT);
        as_object["response"]["attestationObject"] = json!(encode(&cbor));
        for response in [as_extensions, as_object] {
            let began = Instant::now();
            assert!(verify_registration(&site.registration(), &response).is_err(), "{name}");
            // It takes well under a millisecond; a debug build on a busy machine gets far more.
            assert!(began.elapsed() < Duration::from_millis(100), "{name}: {:?}", began.elapsed());
        }
    }
    let deep = ["[".repeat(LONGEST_RESPONSE), "{\"a\":".repeat(LONGEST_RESPONSE / 5)];
    for text in deep {
        let began = Instant::now();
        assert!(RegistrationResponse::parse(&text).is_err() && AuthenticationResponse::parse(&text).is_err());
        assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    }
}
